//! Commands about keys, whatever lies under them.

use std::sync::Arc;

use super::super::answer::Answers;
use super::super::glob;
use super::super::port::Port;
use super::super::request::Args;
use super::super::scan;
use super::strings::in_future;
use super::{Planned, Render, Seen, integer};
use crate::store::{Command, Entry};

/// Keys that SCAN looks at if it is not told how many, and at most.
const SCAN_COUNT: usize = 10;
const SCAN_COUNT_MAX: usize = 100_000;

pub(super) fn dbsize(seen: &Seen<'_>, _: Args<'_>, to: &mut Answers) {
    to.integer(seen.keyspace.len(seen.view) as i64);
}

pub(super) fn exists(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.integer(args.from(1).filter(|key| seen.view.get(key).is_some()).count() as i64);
}

pub(super) fn ttl(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    // As Redis: to the nearest second, so that a fresh TTL of 10 reads 10.
    to.integer(left(seen, args.get(1), |ms| (ms + 500) / 1_000));
}

pub(super) fn pttl(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.integer(left(seen, args.get(1), |ms| ms));
}

/// Time until the end; -1 if there is none, -2 if there is no key.
fn left(seen: &Seen<'_>, key: &[u8], unit: impl Fn(i64) -> i64) -> i64 {
    match seen.view.get(key) {
        None => -2,
        Some(Entry { expires_at: 0, .. }) => -1,
        Some(entry) => unit(entry.expires_at.saturating_sub(seen.view.now_ms()) as i64),
    }
}

pub(super) fn kind(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.simple(if seen.view.get(args.get(1)).is_some() { "string" } else { "none" });
}

pub(super) fn keys(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    let pattern = args.get(1);
    let entries = seen.keyspace.prefix(seen.view, glob::literal_prefix(pattern));
    let fitting: Vec<&[u8]> = entries.map(|(key, _)| key).filter(|key| glob::fits(pattern, key)).collect();
    to.array(fitting.len());
    fitting.iter().for_each(|key| to.bulk(key));
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
pub(super) fn scan(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    let options = match scan_options(args) {
        Ok(options) => options,
        Err(text) => return to.error(&text),
    };
    let ScanOptions { cursor, pattern, count, strings } = options;
    if !scan::is_cursor(cursor) {
        return to.error("ERR invalid cursor");
    }
    let page = scan::page(seen, cursor, glob::literal_prefix(pattern), count);
    let fitting: Vec<&[u8]> =
        page.keys.into_iter().filter(|key| strings && glob::fits(pattern, key)).collect();
    to.array(2);
    to.bulk(page.next.to_string().as_bytes());
    to.array(fitting.len());
    fitting.iter().for_each(|key| to.bulk(key));
}

struct ScanOptions<'a> {
    cursor: u64,
    pattern: &'a [u8],
    count: usize,
    /// Whether strings are looked for, which all values are.
    strings: bool,
}

fn scan_options(args: Args<'_>) -> Result<ScanOptions<'_>, String> {
    let cursor = std::str::from_utf8(args.get(1)).ok().and_then(|text| text.parse().ok());
    let cursor = cursor.ok_or("ERR invalid cursor")?;
    let mut options = ScanOptions { cursor, pattern: b"*", count: SCAN_COUNT, strings: true };
    for at in (2..args.len()).step_by(2) {
        if at + 1 == args.len() {
            return Err("ERR syntax error".to_owned());
        }
        let value = args.get(at + 1);
        match args.get(at).to_ascii_uppercase().as_slice() {
            b"MATCH" => options.pattern = value,
            b"TYPE" => options.strings = value.eq_ignore_ascii_case(b"string"),
            b"COUNT" => match integer(value)? {
                count @ 1.. => {
                    options.count = usize::try_from(count).unwrap_or(usize::MAX).min(SCAN_COUNT_MAX)
                }
                _ => return Err("ERR syntax error".to_owned()),
            },
            _ => return Err("ERR syntax error".to_owned()),
        }
    }
    Ok(options)
}

pub(super) fn del(args: Args<'_>, _: u64) -> Result<Planned, String> {
    if args.len() == 2 {
        return Ok(Planned::one(Command::delete(args.get(1)), Render::Count));
    }
    Ok(Planned::all(args.from(1).map(Command::delete).collect(), Render::Count))
}

pub(super) fn expire(args: Args<'_>, now: u64) -> Result<Planned, String> {
    end(args, now, 1_000, false)
}

pub(super) fn pexpire(args: Args<'_>, now: u64) -> Result<Planned, String> {
    end(args, now, 1, false)
}

pub(super) fn expireat(args: Args<'_>, now: u64) -> Result<Planned, String> {
    end(args, now, 1_000, true)
}

pub(super) fn pexpireat(args: Args<'_>, now: u64) -> Result<Planned, String> {
    end(args, now, 1, true)
}

fn end(args: Args<'_>, now: u64, factor: i64, absolute: bool) -> Result<Planned, String> {
    if args.len() > 3 {
        return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(args.get(3))));
    }
    let name = String::from_utf8_lossy(args.get(0)).to_lowercase();
    let ms = integer(args.get(2))?.checked_mul(factor);
    let at = ms.and_then(|ms| if absolute { Some(ms) } else { from_now(ms, now) });
    let at = at.ok_or_else(|| invalid_time(&name))?;
    // What lies before the epoch is over, as is any other past.
    let at = Some(u64::try_from(at).unwrap_or(0));
    Ok(Planned::one(Command::Expire { key: args.get(1).into(), at }, Render::Count))
}

pub(super) fn persist(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(Planned::one(Command::Expire { key: args.get(1).into(), at: None }, Render::Persisted))
}

/// FLUSHALL [SYNC | ASYNC]: what it asks of the store behind a port.
pub(in super::super) fn flush(args: Args<'_>) -> Result<impl FnOnce(&Port) -> Planned + use<>, String> {
    let option = args.get(1).to_ascii_uppercase();
    if args.len() > 2 || !matches!(option.as_slice(), b"" | b"SYNC" | b"ASYNC") {
        return Err("ERR syntax error".to_owned());
    }
    Ok(|port: &Port| Planned::one(Command::Clear { keep: Arc::clone(&port.spared) }, Render::Ok))
}

/// When a time of SET, SETEX or GETEX is over, in milliseconds since the Unix epoch.
pub(super) fn ends_at(unit: &[u8], number: &[u8], now: u64, name: &str) -> Result<u64, String> {
    in_future(integer(number)?, unit, now).ok_or_else(|| invalid_time(name))
}

/// A number of milliseconds from now.
pub(super) fn from_now(ms: i64, now: u64) -> Option<i64> {
    i64::try_from(now).ok()?.checked_add(ms)
}

fn invalid_time(name: &str) -> String {
    format!("ERR invalid expire time in '{name}' command")
}
