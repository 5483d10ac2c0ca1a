//! Reads a snapshot, believing nothing.

use std::io::{self, Read};

use super::{BLOCK_BYTES_MAX, HEAD_BYTES, MAGIC, VERSION};
use crate::store::value::{Entry, Value};

/// What the first bytes of a snapshot say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The last commit in it.
    pub(crate) revision: u64,
    /// When it was, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// How many keys there are.
    pub(crate) entries: u64,
}

/// Reads a snapshot and gives its entries, in the order of the keys, to `each`.
///
/// # Errors
/// If the file cannot be read, or anything in it is not as it was written.
pub(crate) fn read(mut file: impl Read, mut each: impl FnMut(&[u8], Entry)) -> io::Result<Head> {
    let head = read_head(&mut file)?;
    let (mut checksums, mut block, mut entries) = (0, Vec::new(), 0_u64);
    loop {
        let [length, crc] = [number(&mut file)?, number(&mut file)?];
        if length == 0 {
            break if crc != checksums {
                Err(wrong("a block is missing"))
            } else if entries != head.entries {
                Err(wrong("the number of entries is wrong"))
            } else if file.read(&mut [0])? != 0 {
                Err(wrong("something stands behind its end"))
            } else {
                Ok(head)
            };
        }
        if length as usize > BLOCK_BYTES_MAX {
            return Err(wrong("the length of a block is wrong"));
        }
        block.resize(length as usize, 0);
        file.read_exact(&mut block)?;
        if crc32c::crc32c(&block) != crc {
            return Err(wrong("the checksum of a block is wrong"));
        }
        checksums = crc32c::crc32c_append(checksums, &crc.to_le_bytes());
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (key, entry) = entry(&mut rest).ok_or_else(|| wrong("an entry is cut off"))?;
            each(key, entry);
            entries += 1;
        }
    }
}

/// Reads the first bytes of a snapshot.
///
/// # Errors
/// If they cannot be read or are not those of a snapshot.
pub(crate) fn read_head(file: &mut impl Read) -> io::Result<Head> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let (said, mut crc) = head.split_at(HEAD_BYTES - 4);
    let mut rest = said.strip_prefix(MAGIC).ok_or_else(|| wrong("it is no snapshot"))?;
    let rest = &mut rest;
    match (take_u32(rest), take_u32(&mut crc) == Some(crc32c::crc32c(said))) {
        (_, false) => Err(wrong("the checksum of its head is wrong")),
        (Some(VERSION), true) => match (take_u64(rest), take_u64(rest), take_u64(rest)) {
            (Some(revision), Some(at), Some(entries)) => Ok(Head { revision, at, entries }),
            _ => Err(wrong("its head is cut off")),
        },
        (version, true) => Err(wrong(&format!("it has version {}", version.unwrap_or(0)))),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn number(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Entry)> {
    let length = take_u32(rest)?;
    let key = take(rest, length as usize)?;
    let (version, expires_at) = (take_u64(rest)?, take_u64(rest)?);
    let kind = take(rest, 1)?;
    let length = take_u32(rest)?;
    let bytes = take(rest, length as usize)?;
    let value = match kind {
        [0] => Value::bytes(bytes),
        [1] => Value::json(bytes),
        _ => return None,
    };
    Some((key, Entry { value, version, expires_at }))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}
