//! Snapshots: one version of the store in one file, in a form of its own.
//!
//! ```text
//! "HELIOSDB"  version u32  revision u64  time u64  entries u64  CRC32C of all before u32
//! block*:     length u32 (not 0)  CRC32C of the bytes u32  bytes
//! end:        0 u32  CRC32C of all block checksums u32
//! entry:      key length u32, key, version u64, end u64, kind u8, value length u32, value
//! ```
//!
//! All numbers are little endian; a block holds whole entries, in the order of the keys. `docs/atlas.md` says
//! it at length.

mod read;
mod write;

use std::path::{Path, PathBuf};

pub(super) use read::read;
pub(super) use write::write;

const MAGIC: &[u8; 8] = b"HELIOSDB";
const VERSION: u32 = 1;

/// Bytes of the head, with its checksum.
const HEAD_BYTES: usize = 8 + 4 + 8 + 8 + 8 + 4;

/// A block is written once it has this many bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// The longest block that is read: an entry is in one block, whatever its size.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// The file of the snapshot of a revision.
pub(super) fn path(directory: &Path, revision: u64) -> PathBuf {
    directory.join(format!("dump-{revision:020}.rdb"))
}

/// The revision, by the name of a snapshot.
pub(super) fn revision_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("dump-")?.strip_suffix(".rdb")?.parse().ok()
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
