//! Watches: snapshot, changes, live, without a gap; and what is told when that cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;

use helios::base::{Clock, Random};
use helios::store::{
    Change, Changes, Command, Commit, Position, Seams, Store, StoreOptions, SyncMode, Value, Watch,
    WatchError, Work,
};
use helios::testing::MemoryDisk;

use crate::seeds;
use crate::wishes::Wish;

type Seen = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(disk: &MemoryDisk, change: impl FnOnce(&mut StoreOptions)) -> Store {
    let mut options = StoreOptions { data_dir: "/store".into(), ..StoreOptions::default() };
    change(&mut options);
    let seams = Seams { disk: Arc::new(disk.clone()), clock: Clock::manual(1_000), ..Seams::default() };
    Store::open(&options, seams).unwrap()
}

fn set(store: &Store, key: &str, value: &str) {
    let command = Command::set(key.as_bytes(), Value::bytes(value.as_bytes()));
    store.run_all_blocking(vec![Work::One(command)]).unwrap();
}

fn follow(seen: &mut Seen, changes: &Changes) {
    for change in &changes.changes {
        match change {
            Change::Put { key, value, .. } => {
                seen.insert(key.to_vec(), value.as_bytes().to_vec());
            }
            Change::Delete { key, .. } => assert!(seen.remove(&**key).is_some(), "{key:?} was there"),
            Change::Clear { keep } => seen.retain(|key, _| keep.iter().any(|family| key.starts_with(family))),
            Change::Expire { .. } | Change::Emit { .. } => {}
        }
    }
}

fn drain(watch: &mut Watch, seen: &mut Seen) -> Result<(), WatchError> {
    while let Some(changes) = watch.try_next() {
        follow(seen, &changes?);
    }
    Ok(())
}

#[test]
fn whoever_follows_the_changes_sees_what_is_there_through_breaks_and_restarts() {
    for seed in seeds(40) {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let mut disk = MemoryDisk::new(seed);
        let mut store = open(&disk, |_| {});
        let mut watch = store.watch(b"k:1", None).unwrap();
        let mut seen: Seen = watch
            .snapshot()
            .map(|view| view.prefix(b"k:1").map(|(k, e)| (k.to_vec(), e.value.as_bytes().to_vec())).collect())
            .unwrap();
        for _ in 0..200 {
            store.clock().advance_ms(random.next_u64() % 20);
            let wish = Wish::any(&mut random, store.clock().now_ms());
            store.run_all_blocking(vec![wish.work()]).unwrap();
            match random.next_u64() % 16 {
                0 => {
                    drain(&mut watch, &mut seen).unwrap();
                    watch = store.watch(b"k:1", Some(watch.position())).unwrap();
                }
                1 => {
                    let position = watch.position();
                    drop((watch, store));
                    disk = disk.after_power_cut();
                    store = open(&disk, |_| {});
                    watch = store.watch(b"k:1", Some(position)).unwrap();
                }
                _ => drain(&mut watch, &mut seen).unwrap(),
            }
        }
        // The sweep may still be at work on keys whose time is over; they are no longer shown.
        let now = store.view();
        drain(&mut watch, &mut seen).unwrap();
        seen.retain(|key, _| now.get(key).is_some());
        let there: Seen =
            now.prefix(b"k:1").map(|(key, entry)| (key.to_vec(), entry.value.as_bytes().to_vec())).collect();
        assert_eq!(seen, there, "seed {seed}");
    }
}

#[test]
fn one_commit_is_told_once_with_only_what_is_watched() {
    let store = open(&MemoryDisk::new(1), |_| {});
    let mut watch = store.watch(b"a", None).unwrap();
    let commands = ["a1", "b1", "a2"].map(|key| Command::set(key.as_bytes(), Value::bytes(&b"x"[..])));
    let tell = Command::Emit { channel: b"a:told"[..].into(), data: Value::json(&b"1"[..]) };
    let commit = Commit { commands: commands.into_iter().chain([tell]).collect(), ..Commit::default() };
    store.run_all_blocking(vec![Work::Commit(commit)]).unwrap();
    let changes = watch.try_next().unwrap().unwrap();
    let keys: Vec<_> = changes.changes.iter().map(|change| change.key().unwrap().to_vec()).collect();
    assert_eq!(keys, [&b"a1"[..], b"a2", b"a:told"]);
    assert_eq!(changes.revision, store.view().revision());
    assert!(watch.try_next().is_none());
    set(&store, "b2", "x");
    assert!(watch.try_next().is_none(), "nothing of it is watched");
}

#[test]
fn positions_that_cannot_be_gone_on_from_are_refused_by_name() {
    let disk = MemoryDisk::new(1);
    let store = open(&disk, |options| options.history_commits_max = 3);
    let begin = store.watch(b"", None).unwrap().position();
    for number in 0..3 {
        set(&store, &number.to_string(), "x");
    }
    assert!(store.watch(b"", Some(begin)).is_ok(), "three commits are remembered");
    set(&store, "3", "x");
    assert_eq!(store.watch(b"", Some(begin)).unwrap_err(), WatchError::TooOld(begin));
    let text = store.watch(b"", None).unwrap().position().to_string();
    let ahead: Position = text.replace("-4", "-5").parse().unwrap();
    assert_eq!(store.watch(b"", Some(ahead)).unwrap_err(), WatchError::Ahead(ahead));
    let other: Position = "0000000000000000-4".parse().unwrap();
    assert_eq!(store.watch(b"", Some(other)).unwrap_err(), WatchError::TooOld(other));
}

#[test]
fn a_slow_watch_is_told_that_it_lags_and_can_go_on_from_where_it_was() {
    let store = open(&MemoryDisk::new(1), |options| options.watch_queue_max = 2);
    let mut watch = store.watch(b"", None).unwrap();
    for number in 0..5 {
        set(&store, &number.to_string(), "x");
    }
    let mut seen = Seen::new();
    let Err(WatchError::Lagged(from)) = drain(&mut watch, &mut seen) else { panic!("it lags") };
    assert_eq!(seen.len(), 2, "what waited is given first");
    let mut watch = store.watch(b"", Some(from)).unwrap();
    drain(&mut watch, &mut seen).unwrap();
    assert_eq!(seen.len(), 5);
}

#[test]
fn where_answers_ran_ahead_of_the_disk_a_crash_ends_the_history() {
    let disk = MemoryDisk::new(1);
    let store = open(&disk, |options| options.sync_mode = SyncMode::None);
    set(&store, "a", "1");
    let position = store.watch(b"", None).unwrap().position();
    let after = disk.after_power_cut();
    drop(store);
    let store = open(&after, |options| options.sync_mode = SyncMode::None);
    assert_eq!(store.watch(b"", Some(position)).unwrap_err(), WatchError::TooOld(position));
}
