//! How long a commit takes in memory: the dirty leaves are hashed, the way to them is built anew, the commit is made
//! and published.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::super::commit::{Commit, Note};
use super::super::draft::Sizes;
use super::super::path::FILE;
use super::{NotDone, Spread, check, timed};
use crate::store::{Entry, Key, Value};
use crate::universe::{ContentId, Tree};

/// How many files there are and how many of them change with each commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct CommitCase {
    /// Files of 1 KiB.
    pub files: usize,
    /// Those that change.
    pub dirty: usize,
}

/// What a case has measured.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct CommitResult {
    /// The case.
    #[serde(flatten)]
    pub case: CommitCase,
    /// The times.
    #[serde(flatten)]
    pub spread: Spread,
}

const FILE_BYTES: usize = 1_024;

fn key(number: usize) -> Key {
    [FILE, format!("src/file-{number:06}.txt").as_bytes()].concat().into()
}

fn content(number: usize, round: usize) -> Vec<u8> {
    let text = format!("{number} {round} ");
    text.bytes().cycle().take(FILE_BYTES).collect()
}

fn put(tree: &mut Tree<Entry>, key: &Key, bytes: Vec<u8>) {
    tree.insert(Arc::clone(key), Entry { value: Value::bytes(bytes), version: 1, expires_at: 0 });
}

/// Measures one case so many times, after a tenth of that to warm up.
///
/// # Errors
/// If the result is not that of computing everything anew, or an earlier state has changed.
pub fn commit_latency(case: CommitCase, samples: usize) -> Result<CommitResult, NotDone> {
    let CommitCase { files, dirty } = case;
    let keys: Vec<Key> = (0..files).map(key).collect();
    let mut tree = Tree::new();
    for (number, key) in keys.iter().enumerate() {
        put(&mut tree, key, content(number, 0));
    }
    tree.id();
    let before = tree.clone();
    let published = ArcSwap::from_pointee((tree.clone(), tree.id()));
    let mut last = (tree.id(), 0);
    let mut times = Vec::with_capacity(samples);
    let mut rounds = vec![0; files];
    for round in 1..=samples + samples / 10 {
        // What changes is written before the clock runs; the commit is what follows.
        let places = (0..dirty).map(|at| (round * 7_919 + at) % files);
        let changes: Vec<_> = places.map(|at| (at, content(at, round))).collect();
        let ((), took) = timed(|| {
            for (at, bytes) in changes {
                rounds[at] = round;
                put(&mut tree, &keys[at], bytes);
            }
            let root = tree.id();
            let commit = Commit::new(root, Sizes::EMPTY, &[last], Note::default(), round as u64);
            last = (ContentId::of(&commit.write()), commit.generation);
            published.store(Arc::new((tree.clone(), last.0)));
        });
        if round > samples / 10 {
            times.push(took);
        }
    }
    prove(&keys, &rounds, &published.load().0, &before)?;
    Ok(CommitResult { case, spread: Spread::of(&times) })
}

fn prove(keys: &[Key], rounds: &[usize], now: &Tree<Entry>, before: &Tree<Entry>) -> Result<(), NotDone> {
    let mut anew = [Tree::new(), Tree::new()];
    for (number, (key, round)) in keys.iter().zip(rounds).enumerate() {
        put(&mut anew[0], key, content(number, *round));
        put(&mut anew[1], key, content(number, 0));
    }
    check(anew[0].id() == now.id(), "the root is not that of everything computed anew")?;
    check(now.len() == keys.len(), "there are more or fewer entries than files")?;
    let bytes = |number: usize| now.get(&keys[number]).map(|entry| entry.value.as_bytes().to_vec());
    let whole = (0..keys.len()).all(|number| bytes(number) == Some(content(number, rounds[number])));
    check(whole, "a file is not what was written")?;
    check(anew[1].differences(before).count() == 0, "the first state has changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_was_done() {
        for (files, dirty) in [(1, 1), (20, 3), (100, 100)] {
            let result = commit_latency(CommitCase { files, dirty }, 20).unwrap();
            assert!(result.spread.samples == 20 && result.spread.p50_us > 0.0, "{result:?}");
            assert!(result.spread.p50_us <= result.spread.p99_us, "{result:?}");
        }
    }
}
