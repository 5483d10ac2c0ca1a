//! The append-only file: one JSON record a line, each with its number and checksum, in segments.
//!
//! ```text
//! {"format":"helios-aof","version":1,"first":1,"crc":"1d6468f1"}
//! {"seq":1,"at":1763712000000,"cmd":"SET","key":"a","value":"b","enc":"utf8","crc":"…"}
//! {"seq":2,"at":1763712000007,"cmd":"DEL","key":"a","crc":"…"}
//! ```
//!
//! `docs/atlas.md` has the format byte by byte. To change it: raise [`VERSION`], teach `decode` the old form
//! as well, and keep a data directory of the last version under `tests/`.

mod decode;
mod encode;
mod scan;

use std::path::{Path, PathBuf};

pub(super) use encode::encode;
pub(super) use scan::{Scan, scan};

/// The version of the format, in the first line of each segment.
pub(super) const VERSION: u32 = 1;

/// The name of the format, in the first line of each segment.
const FORMAT: &str = "helios-aof";

/// What stands before the checksum, and behind it.
const CRC_OPEN: &[u8] = b",\"crc\":\"";
const CRC_CLOSE: &[u8] = b"\"}\n";

/// Bytes of a line from [`CRC_OPEN`] on.
const CRC_BYTES: usize = CRC_OPEN.len() + 8 + CRC_CLOSE.len();

/// The file of the segment whose first record is `first`.
pub(super) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("appendonly-{first:020}.aof"))
}

/// The number of the first record, by the name of a segment.
pub(super) fn segment_first(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("appendonly-")?.strip_suffix(".aof")?.parse().ok().filter(|first| *first > 0)
}

/// The first line of a segment.
pub(super) fn header(first: u64) -> Vec<u8> {
    let mut line = format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"first\":{first}").into_bytes();
    seal(&mut line, 0);
    line
}

/// Ends the line that begins at `start` with its checksum.
pub(super) fn seal(line: &mut Vec<u8>, start: usize) {
    let crc = crc32c::crc32c(&line[start..]);
    line.extend_from_slice(CRC_OPEN);
    let digit = |place: u32| b"0123456789abcdef"[(crc >> (4 * place) & 15) as usize];
    line.extend((0..8).rev().map(digit));
    line.extend_from_slice(CRC_CLOSE);
}

/// What a line says without its checksum, as JSON. `None` if the checksum is missing or wrong.
pub(super) fn unseal(line: &[u8]) -> Option<Vec<u8>> {
    let (said, end) = line.split_at_checked(line.len().checked_sub(CRC_BYTES)?)?;
    let text = end.strip_prefix(CRC_OPEN)?.strip_suffix(CRC_CLOSE)?;
    let crc = u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()?;
    (crc32c::crc32c(said) == crc).then(|| [said, b"}"].concat())
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
