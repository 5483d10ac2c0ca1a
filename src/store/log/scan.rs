//! Reads a segment, and finds where it is damaged.

use std::io::{self, BufRead, BufReader, Read};

use super::decode::{self, DecodeError};
use super::unseal;
use crate::store::change::Committed;

/// What was found in a segment.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The number of the first record, if the first line is whole.
    pub(crate) first: Option<u64>,
    /// Whole records before any damage.
    pub(crate) records: u64,
    /// The number of the last of them.
    pub(crate) last: Option<u64>,
    /// Bytes before any damage.
    pub(crate) good_bytes: u64,
    /// Bytes in all.
    pub(crate) bytes: u64,
    /// The first damage.
    pub(crate) damage: Option<Damage>,
}

/// Where and how a segment is damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    /// Bytes before it.
    pub(crate) offset: u64,
    /// The line, counted from 1.
    pub(crate) line: u64,
    /// The beginning of the line, readable.
    pub(crate) excerpt: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// Whole records behind it. If there are none, the file just ends there: a write was cut off.
    pub(crate) records_behind: u64,
}

/// A line that is longer belongs to no record; reading it whole could take all memory.
const LINE_BYTES_MAX: u64 = 4 << 30;

/// How much of a damaged line is shown.
const EXCERPT_CHARS: usize = 100;

/// Reads a segment to its end and gives its records, up to the first damage, to `each`.
///
/// # Errors
/// If the file cannot be read. Damage is no error.
pub(crate) fn scan(file: impl Read, mut each: impl FnMut(Committed)) -> io::Result<Scan> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    let (mut found, mut line, mut number) = (Scan::default(), Vec::new(), 0_u64);
    loop {
        line.clear();
        if file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        let read = match number {
            1 => read_header(&line).map(|first| found.first = Some(first)),
            _ => read_record(&line, &found).map(|record| {
                (found.records, found.last) = (found.records + 1, Some(record.revision));
                // Behind a damage a record is evidence, no more.
                each(record);
            }),
        };
        let offset = found.bytes;
        found.bytes += line.len() as u64;
        if let Err(reason) = read {
            let excerpt = String::from_utf8_lossy(&line).chars().take(EXCERPT_CHARS).collect();
            found.damage = Some(Damage { offset, line: number, excerpt, reason, records_behind: 0 });
            break;
        }
        found.good_bytes = found.bytes;
    }
    if let Some(damage) = &mut found.damage {
        let (records, bytes) = rest(&mut file, damage.offset + line.len() as u64, &line)?;
        (damage.records_behind, found.bytes) = (records, bytes);
    }
    Ok(found)
}

fn read_header(line: &[u8]) -> Result<u64, String> {
    let json = unseal(line).ok_or("the first line is cut off or its checksum is wrong")?;
    decode::header(&json).map_err(|error| error.to_string())
}

fn read_record(line: &[u8], found: &Scan) -> Result<Committed, String> {
    let json = unseal(line).ok_or("the record is cut off or its checksum is wrong")?;
    let record = decode::record(&json).map_err(|error: DecodeError| error.to_string())?;
    let expected = found.last.map(|last| last + 1).or(found.first);
    match expected {
        Some(expected) if record.revision != expected => {
            Err(format!("record {} stands where {expected} should", record.revision))
        }
        _ => Ok(record),
    }
}

/// Whole records behind a damaged line, and all bytes of the file.
fn rest(file: &mut impl BufRead, mut bytes: u64, damaged: &[u8]) -> io::Result<(u64, u64)> {
    // A whole line with a right checksum is a record, even if it is the wrong one here.
    let (mut records, mut line) = (u64::from(unseal(damaged).is_some()), Vec::new());
    loop {
        line.clear();
        let read = file.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok((records, bytes));
        }
        bytes += read as u64;
        records += u64::from(unseal(&line).is_some());
    }
}
