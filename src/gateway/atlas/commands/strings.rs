//! GET, SET and what goes with them.

use super::super::answer::Answers;
use super::super::request::Args;
use super::keys::{ends_at, from_now};
use super::{Planned, Render, Seen, integer};
use crate::store::{Command, Condition, Expiry, Reader, Value};

pub(super) fn get(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.bulk_or_nil(seen.view.value(args.get(1)).map(Value::as_bytes));
}

pub(super) fn mget(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.array(args.len() - 1);
    for key in args.from(1) {
        to.bulk_or_nil(seen.view.value(key).map(Value::as_bytes));
    }
}

pub(super) fn strlen(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    to.integer(seen.view.value(args.get(1)).map_or(0, Value::len) as i64);
}

/// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL].
pub(super) fn set(args: Args<'_>, now: u64) -> Result<Planned, String> {
    let syntax = || "ERR syntax error".to_owned();
    let (mut condition, mut expiry, mut get) = (Condition::Always, Expiry::Never, false);
    let mut at = 3;
    while at < args.len() {
        let option = args.get(at).to_ascii_uppercase();
        at += 1;
        match option.as_slice() {
            b"NX" | b"XX" if condition != Condition::Always => return Err(syntax()),
            b"NX" => condition = Condition::IfAbsent,
            b"XX" => condition = Condition::IfPresent,
            b"GET" => get = true,
            b"KEEPTTL" if expiry == Expiry::Never => expiry = Expiry::Keep,
            unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT") if expiry == Expiry::Never && at < args.len() => {
                expiry = Expiry::At(ends_at(unit, args.get(at), now, "set")?);
                at += 1;
            }
            _ => return Err(syntax()),
        }
    }
    let render = match (get, condition) {
        (true, _) => Render::Previous,
        (false, Condition::Always) => Render::Ok,
        (false, _) => Render::OkOrNil,
    };
    Ok(put(args.get(1), args.get(2), condition, expiry, render))
}

fn put(key: &[u8], value: &[u8], condition: Condition, expiry: Expiry, render: Render) -> Planned {
    let (key, value) = (key.into(), Value::bytes(value));
    Planned::one(Command::Set { key, value, condition, expiry }, render)
}

pub(super) fn setex(args: Args<'_>, now: u64) -> Result<Planned, String> {
    let expiry = Expiry::At(ends_at(b"EX", args.get(2), now, "setex")?);
    Ok(put(args.get(1), args.get(3), Condition::Always, expiry, Render::Ok))
}

pub(super) fn psetex(args: Args<'_>, now: u64) -> Result<Planned, String> {
    let expiry = Expiry::At(ends_at(b"PX", args.get(2), now, "psetex")?);
    Ok(put(args.get(1), args.get(3), Condition::Always, expiry, Render::Ok))
}

pub(super) fn setnx(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(put(args.get(1), args.get(2), Condition::IfAbsent, Expiry::Never, Render::Count))
}

pub(super) fn getset(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(put(args.get(1), args.get(2), Condition::Always, Expiry::Never, Render::Previous))
}

pub(super) fn getdel(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(Planned::one(Command::delete(args.get(1)), Render::Previous))
}

/// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST].
pub(super) fn getex(args: Args<'_>, now: u64) -> Result<Planned, String> {
    let key = args.get(1).into();
    let option = args.get(2).to_ascii_uppercase();
    let at = match (option.as_slice(), args.len()) {
        (_, 2) => {
            let owned = args.to_owned();
            let reader = Reader::new(move |view| {
                let mut to = Answers::new(false);
                // Both versions write a value alike; nil is told apart by the absence of bytes.
                if let Some(value) = view.value(owned.as_args().get(1)) {
                    to.bulk(value.as_bytes());
                }
                to.bytes
            });
            return Ok(Planned::one(Command::Read(reader), Render::Read));
        }
        (b"PERSIST", 3) => None,
        (unit @ (b"EX" | b"PX" | b"EXAT" | b"PXAT"), 4) => Some(ends_at(unit, args.get(3), now, "getex")?),
        _ => return Err("ERR syntax error".to_owned()),
    };
    Ok(Planned::one(Command::Expire { key, at }, Render::Previous))
}

pub(super) fn mset(args: Args<'_>, _: u64) -> Result<Planned, String> {
    if args.len().is_multiple_of(2) {
        return Err("ERR wrong number of arguments for 'mset' command".to_owned());
    }
    let pairs = (1..args.len()).step_by(2);
    let commands = pairs.map(|at| Command::set(args.get(at), Value::bytes(args.get(at + 1)))).collect();
    Ok(Planned::all(commands, Render::Ok))
}

pub(super) fn append(args: Args<'_>, _: u64) -> Result<Planned, String> {
    let command = Command::Append { key: args.get(1).into(), tail: args.get(2).to_vec() };
    Ok(Planned::one(command, Render::Number))
}

pub(super) fn incr(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(add(args, 1))
}

pub(super) fn decr(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(add(args, -1))
}

pub(super) fn incrby(args: Args<'_>, _: u64) -> Result<Planned, String> {
    Ok(add(args, integer(args.get(2))?))
}

pub(super) fn decrby(args: Args<'_>, _: u64) -> Result<Planned, String> {
    let by = integer(args.get(2))?.checked_neg();
    Ok(add(args, by.ok_or_else(|| "ERR decrement would overflow".to_owned())?))
}

fn add(args: Args<'_>, by: i64) -> Planned {
    Planned::one(Command::Increment { key: args.get(1).into(), by, json: false }, Render::Number)
}

/// A time in one of the units of SET; `None` if it is over or does not fit.
pub(super) fn in_future(number: i64, unit: &[u8], now: u64) -> Option<u64> {
    let (absolute, seconds) = (unit.ends_with(b"AT"), unit.starts_with(b"EX"));
    let ms = number.checked_mul(if seconds { 1_000 } else { 1 }).filter(|ms| *ms > 0)?;
    let at = if absolute { Some(ms) } else { from_now(ms, now) };
    at.and_then(|at| u64::try_from(at).ok())
}
