//! Forks beside deep copies: how long they take, and how much they share.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::path::FILE;
use super::{NotDone, check, timed};
use crate::store::{Entry, Value};
use crate::universe::Tree;

/// Forks and deep copies of the same base.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForkResult {
    /// Bytes of the base.
    pub base_bytes: usize,
    /// Forks that were made.
    pub forks: usize,
    /// Time for one fork, with a change in it, in microseconds.
    pub fork_us: f64,
    /// Deep copies that were made.
    pub copies: usize,
    /// Time for one deep copy, with a change in it, in microseconds.
    pub copy_us: f64,
    /// How many times as long a copy takes.
    pub speed_up: f64,
}

const VALUE_BYTES: usize = 1_024;

fn name(number: usize) -> Vec<u8> {
    [FILE, format!("{number:08}").as_bytes()].concat()
}

fn base(bytes: usize) -> Tree<Entry> {
    let mut tree = Tree::new();
    for number in 0..(bytes / VALUE_BYTES).max(1) {
        let value = Value::bytes(vec![number as u8; VALUE_BYTES]);
        tree.insert(name(number), Entry { value, version: 1, expires_at: 0 });
    }
    tree
}

fn changed(tree: &mut Tree<Entry>, number: usize, by: u32) {
    let value = Value::bytes([&by.to_le_bytes()[..], &[0; VALUE_BYTES - 4]].concat());
    tree.insert(name(number), Entry { value, version: 2, expires_at: 0 });
}

/// Makes forks and deep copies of a base, changes one value in each, and proves that no other sees it.
///
/// # Errors
/// If a fork sees what was changed in another, or does not have what a copy has.
pub fn fork_speed_up(bytes: usize, forks: usize, copies: usize) -> Result<ForkResult, NotDone> {
    let base = base(bytes);
    let files = base.len();
    let place = |at: usize| at * 31 % files;
    let (made, fork_time) = timed(|| {
        let fork = |at: usize| {
            let mut tree = base.clone();
            changed(&mut tree, place(at), at as u32 + 1);
            tree
        };
        (0..forks).map(fork).collect::<Vec<_>>()
    });
    let (copied, copy_time) = timed(|| {
        let copy = |at: usize| {
            let all = base.iter().map(|(key, entry)| (key.to_vec(), entry.value.as_bytes().to_vec()));
            let mut copy: BTreeMap<Vec<u8>, Vec<u8>> = all.collect();
            let bytes = [&(at as u32 + 1).to_le_bytes()[..], &[0; VALUE_BYTES - 4]].concat();
            copy.insert(name(place(at)), bytes);
            copy
        };
        (0..copies).map(copy).collect::<Vec<_>>()
    });
    for (at, tree) in made.iter().enumerate() {
        check(base.differences(tree).count() == 1, "a fork differs in more than its change")?;
        if let Some(copy) = copied.get(at) {
            let same = tree.iter().zip(copy).all(|((key, entry), (name, bytes))| {
                key == name && entry.value.as_bytes() == bytes.as_slice()
            });
            check(same && tree.len() == copy.len(), "a fork does not have what a copy has")?;
        }
    }
    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e6 / count.max(1) as f64;
    let (fork_us, copy_us) = (each(fork_time, forks), each(copy_time, copies));
    let base_bytes = files * VALUE_BYTES;
    Ok(ForkResult { base_bytes, forks, fork_us, copies, copy_us, speed_up: copy_us / fork_us })
}

/// What many forks hold together, and what deep copies would.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sharing {
    /// Forks.
    pub universes: usize,
    /// The part of each that is its own.
    pub divergence: f64,
    /// Bytes that deep copies would take.
    pub logical_bytes: u64,
    /// Bytes of all different nodes.
    pub unique_bytes: u64,
    /// How many times as much copies would take.
    pub ratio: f64,
}

/// Makes forks that differ in a part of their values, counts what is different in all of them, and gives them back
/// to be kept for as long as memory is looked at.
///
/// # Errors
/// If a fork does not have its own values and those of the base.
pub fn sharing(
    bytes: usize,
    universes: usize,
    divergence: f64,
) -> Result<(Sharing, Vec<Tree<Entry>>), NotDone> {
    let base = base(bytes);
    let files = base.len();
    let own = (files as f64 * divergence).round() as usize;
    let mut unique = 0;
    base.fresh(&Tree::new(), |_, record| unique += record.len() as u64);
    let mut made = Vec::with_capacity(universes);
    for at in 0..universes {
        let mut tree = base.clone();
        for place in 0..own {
            changed(&mut tree, (at * 31 + place) % files, (at * files + place) as u32 + 1);
        }
        tree.fresh(&base, |_, record| unique += record.len() as u64);
        made.push(tree);
    }
    let apart = made.iter().all(|tree| base.differences(tree).count() == own && tree.len() == files);
    check(apart, "a fork does not differ in exactly its own values")?;
    let logical_bytes = (universes * files * VALUE_BYTES) as u64;
    let ratio = logical_bytes as f64 / unique as f64;
    let found = Sharing { universes, divergence, logical_bytes, unique_bytes: unique, ratio };
    made.push(base);
    Ok((found, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_share_and_stay_apart() {
        let result = fork_speed_up(1 << 20, 50, 2).unwrap();
        assert!(result.speed_up > 5.0, "{result:?}");
        let (found, _) = sharing(1 << 20, 20, 0.01).unwrap();
        assert!(found.ratio > 5.0 && found.ratio < 20.0, "{found:?}");
        let (found, _) = sharing(1 << 20, 20, 0.0).unwrap();
        assert!(found.ratio > 15.0, "{found:?}");
    }
}
