//! Where a SCAN goes on.
//!
//! Clients expect a small number. Keys lie in the order of their bytes, so a place among them is a rank: how many keys
//! are less. Keys that are deleted meanwhile move those behind them forward, by one each at most. So the cursor is the
//! rank plus the number of keys ever deleted (above the bits that tell those apart), and whoever goes on with it begins as many keys earlier as were deleted
//! since: a key that is there all the time is seen, some may be seen twice. That is what Redis promises; nothing has to
//! be remembered for it, whoever scans at the same time. The keys of recent cursors are, so that few scans see any twice.

use super::commands::Seen;
use crate::store::RESERVED;

/// Low bits of a cursor: how many keys had been deleted, as far as these bits go. What was deleted since comes again and
/// does not count, so that a scan gets on beside any number of deletions.
const DELETED_BITS: u32 = 12;
const DELETED_MASK: u64 = (1 << DELETED_BITS) - 1;

/// Whether a cursor can have been given: it counts at least the deletions that its low bits tell.
pub(super) fn is_cursor(cursor: u64) -> bool {
    cursor >> DELETED_BITS >= cursor & DELETED_MASK
}

/// Some keys, and the cursor behind them; 0 if they were the last.
pub(super) struct ScanPage<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) next: u64,
}

/// The `count` keys behind a cursor, of those that begin with `prefix`.
pub(super) fn page<'a>(seen: &Seen<'a>, cursor: u64, prefix: &[u8], count: usize) -> ScanPage<'a> {
    let (view, deleted) = (seen.view, seen.view.deleted());
    let first = view.rank(prefix);
    let last = first + view.count(prefix);
    let place = usize::try_from((cursor >> DELETED_BITS).saturating_sub(deleted)).unwrap_or(usize::MAX);
    let exact = seen.port.cursors.get(cursor).map(|key| view.rank(&key));
    let at = if cursor == 0 { first } else { exact.unwrap_or(place).clamp(first, last) };
    let again = if cursor == 0 || exact.is_some() { 0 } else { deleted.wrapping_sub(cursor) & DELETED_MASK };
    let mut left = count.saturating_add(again as usize);
    let (mut keys, mut rank) = (Vec::new(), at);
    while rank < last && left > 0 {
        let mut jump = None;
        for (key, entry) in view.from_rank(rank).take(last - rank) {
            if let Some(family) =
                RESERVED.iter().find(|it| !seen.keyspace.has(key) && key.starts_with(it.as_bytes()))
            {
                jump = Some(view.rank(family.as_bytes()) + view.count(family.as_bytes()));
                break;
            }
            if left == 0 {
                break;
            }
            (rank, left) = (rank + 1, left - 1);
            if !entry.expired(view.now_ms()) {
                keys.push(key);
            }
        }
        match jump {
            Some(behind) => rank = behind,
            None => break,
        }
    }
    // A place behind the first key: never 0.
    let next =
        if rank >= last { 0 } else { (rank as u64 + deleted) << DELETED_BITS | deleted & DELETED_MASK };
    if next != 0
        && let Some((key, _)) = view.from_rank(rank).next()
    {
        seen.port.cursors.put(next, key.to_vec());
    }
    ScanPage { keys, next }
}
