//! Writes a snapshot while the writer goes on: a version never changes.

use std::io;
use std::path::Path;

use super::{BLOCK_BYTES, MAGIC, VERSION};
use crate::store::disk::{self, AppendFile, Disk};
use crate::store::state::View;
use crate::store::value::{Entry, ValueKind};

/// Writes the snapshot of a version. It has its name once it is whole and on the disk. Gives its bytes.
///
/// # Errors
/// If the disk is full or fails. What was written is taken away again.
pub(crate) fn write(disk: &dyn Disk, directory: &Path, view: &View) -> io::Result<u64> {
    let path = super::path(directory, view.revision());
    let beside = path.with_extension("rdb.tmp");
    let written = write_beside(disk, &beside, view).and_then(|bytes| {
        disk.rename(&beside, &path)?;
        disk::sync_parent(disk, &path)?;
        Ok(bytes)
    });
    if written.is_err() {
        // The reason to tell is the first one.
        let _ = disk.remove(&beside);
    }
    written
}

fn write_beside(disk: &dyn Disk, beside: &Path, view: &View) -> io::Result<u64> {
    let mut file = disk.append(beside)?;
    // What an interrupted snapshot has left.
    file.truncate(0)?;
    file.append(&head(view))?;
    let (mut block, mut checksums) = (Vec::with_capacity(2 * BLOCK_BYTES), 0);
    for (key, entry) in view.prefix(b"") {
        push(&mut block, key, entry);
        if block.len() >= BLOCK_BYTES {
            end_block(&mut *file, &mut block, &mut checksums)?;
        }
    }
    if !block.is_empty() {
        end_block(&mut *file, &mut block, &mut checksums)?;
    }
    let end = [0_u32.to_le_bytes(), checksums.to_le_bytes()].concat();
    file.append(&end)?;
    file.sync()?;
    file.length()
}

fn head(view: &View) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    for number in [view.revision(), view.now_ms(), view.len() as u64] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c::crc32c(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    head
}

fn push(block: &mut Vec<u8>, key: &[u8], entry: &Entry) {
    let value = entry.value.as_bytes();
    let kind = match entry.value.kind() {
        ValueKind::Bytes => 0,
        ValueKind::Json => 1,
    };
    block.extend_from_slice(&(key.len() as u32).to_le_bytes());
    block.extend_from_slice(key);
    block.extend_from_slice(&entry.version.to_le_bytes());
    block.extend_from_slice(&entry.expires_at.to_le_bytes());
    block.push(kind);
    block.extend_from_slice(&(value.len() as u32).to_le_bytes());
    block.extend_from_slice(value);
}

fn end_block(file: &mut dyn AppendFile, block: &mut Vec<u8>, checksums: &mut u32) -> io::Result<()> {
    let crc = crc32c::crc32c(block).to_le_bytes();
    *checksums = crc32c::crc32c_append(*checksums, &crc);
    file.append(&[(block.len() as u32).to_le_bytes(), crc].concat())?;
    file.append(block)?;
    block.clear();
    Ok(())
}
