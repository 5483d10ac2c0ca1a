//! What the store does when the disk does not play along. Each case has a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use helios::base::{ByteSize, Clock};
use helios::store::{
    Command, Done, Health, OpenError, Outcome, Refusal, Seams, Store, StoreError, StoreOptions, SyncMode,
    Value, Work,
};
use helios::testing::MemoryDisk;

const SEGMENT: &str = "/store/appendonly-00000000000000000001.aof";

fn options() -> StoreOptions {
    StoreOptions { data_dir: "/store".into(), ..StoreOptions::default() }
}

fn seams(disk: &MemoryDisk) -> Seams {
    Seams { disk: Arc::new(disk.clone()), clock: Clock::manual(1_763_712_000_000), ..Seams::default() }
}

fn open(disk: &MemoryDisk) -> Result<Store, OpenError> {
    Store::open(&options(), seams(disk))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn set(store: &Store, key: &str, value: &str) -> Result<(), StoreError> {
    let command = Command::set(key.as_bytes(), Value::bytes(value.as_bytes()));
    match store.run_all_blocking(vec![Work::One(command)])?.pop() {
        Some(Done::Failed(error)) => Err(error),
        _ => Ok(()),
    }
}

fn get(store: &Store, key: &str) -> Option<String> {
    store.view().value(key.as_bytes()).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A disk with keys `1` to `count`, their values the same, as a power cut leaves it: all is flushed.
fn disk_with(count: u32) -> MemoryDisk {
    let disk = MemoryDisk::new(7);
    let store = open(&disk).unwrap();
    for number in 1..=count {
        set(&store, &number.to_string(), &number.to_string()).unwrap();
    }
    disk.after_power_cut()
}

fn file(disk: &MemoryDisk, path: &str) -> Vec<u8> {
    disk.bytes(Path::new(path)).unwrap_or_else(|| panic!("there is no {path}"))
}

#[test]
fn a_torn_last_record_is_dropped_and_everything_before_it_survives() {
    let disk = disk_with(3);
    let whole = file(&disk, SEGMENT);
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for end in last..whole.len() {
        let disk = disk.after_power_cut();
        disk.put(Path::new(SEGMENT), whole[..end].to_vec());
        let seams = seams(&disk);
        let store = Store::open(&options(), seams.clone()).unwrap_or_else(|error| panic!("{end}: {error}"));
        assert_eq!((get(&store, "2").as_deref(), get(&store, "3")), (Some("2"), None), "cut at {end}");
        assert_eq!(seams.metrics.atlas.recovery_truncated_bytes.get(), (end - last) as u64);
        set(&store, "4", "4").unwrap();
        drop(store);
        let store = open(&disk).unwrap();
        assert_eq!((get(&store, "3"), get(&store, "4").as_deref()), (None, Some("4")), "cut at {end}");
    }
}

#[test]
fn a_flipped_bit_anywhere_before_the_last_record_stops_the_start_and_is_named() {
    let disk = disk_with(3);
    let whole = file(&disk, SEGMENT);
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for place in 0..last {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        disk.put(Path::new(SEGMENT), bytes);
        let error = open(&disk).expect_err("it is damaged").to_string();
        let line = whole[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert!(error.contains(SEGMENT) && error.contains(&format!("at byte {line} ")), "{place}: {error}");
        assert!(error.contains("helios aof check /store"), "{place}: {error}");
    }
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before_and_its_log() {
    let disk = disk_with(3);
    let store = open(&disk).unwrap();
    let first = block_on(store.snapshot()).unwrap();
    set(&store, "4", "4").unwrap();
    let second = block_on(store.snapshot()).unwrap();
    set(&store, "5", "5").unwrap();
    drop(store);
    let dump = |revision: u64| PathBuf::from(format!("/store/dump-{revision:020}.rdb"));
    let whole = disk.bytes(&dump(second)).unwrap();
    for place in 0..whole.len() {
        let disk = disk.after_power_cut();
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        disk.put(&dump(second), bytes);
        for unreadable in [1, 0] {
            // The second time it counts on the first snapshot alone.
            let seams = seams(&disk);
            let store =
                Store::open(&options(), seams.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!((store.view().len(), get(&store, "5").as_deref()), (5, Some("5")), "{place}");
            assert_eq!(seams.metrics.atlas.snapshots_unreadable.get(), unreadable, "{place}");
        }
        assert!(disk.bytes(&dump(first)).is_some(), "{place}");
    }
}

#[test]
fn segments_before_the_last_but_one_snapshot_are_dropped_and_no_others() {
    let disk = disk_with(3);
    let store = open(&disk).unwrap();
    for number in 4..8 {
        set(&store, &number.to_string(), "x").unwrap();
        block_on(store.snapshot()).unwrap();
    }
    set(&store, "8", "x").unwrap();
    let names = files(&disk);
    assert_eq!(names.iter().filter(|name| name.ends_with(".rdb")).count(), 2, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".aof")).count(), 2, "{names:?}");
    drop(store);
    assert_eq!(open(&disk).unwrap().view().len(), 8);
}

fn files(disk: &MemoryDisk) -> Vec<String> {
    use helios::store::disk::Disk;
    let paths = disk.list(Path::new("/store")).unwrap();
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_full_disk_refuses_writes_keeps_reads_and_heals_when_there_is_space() {
    let disk = disk_with(3);
    let seams = seams(&disk);
    let store = Store::open(&options(), seams.clone()).unwrap();
    disk.set_capacity(Some(disk.used() + 20));
    let refused = set(&store, "4", "four").unwrap_err();
    assert!(matches!(refused, StoreError::DiskFull(_)), "{refused:?}");
    assert_eq!((get(&store, "4"), get(&store, "3").as_deref()), (None, Some("3")));
    assert!(matches!(store.health(), Health::Full(_)));
    assert_eq!(seams.metrics.atlas.writable.get(), 0);
    assert!(matches!(set(&store, "5", "five"), Err(StoreError::DiskFull(_))), "while it is full");
    disk.set_capacity(None);
    let begin = Instant::now();
    while store.health() != Health::Writable {
        assert!(begin.elapsed() < Duration::from_secs(20), "it heals");
        std::thread::yield_now();
    }
    set(&store, "6", "six").unwrap();
    assert_eq!(seams.metrics.atlas.writable.get(), 1);
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!((get(&store, "4"), get(&store, "5"), get(&store, "6").as_deref()), (None, None, Some("six")));
}

#[test]
fn after_a_failed_flush_writes_are_refused_until_the_next_start() {
    let disk = disk_with(3);
    let store = open(&disk).unwrap();
    disk.fail_syncs(true);
    let refused = set(&store, "4", "four").unwrap_err();
    assert!(matches!(refused, StoreError::Broken(_)), "{refused:?}");
    assert_eq!((get(&store, "4"), get(&store, "3").as_deref()), (None, Some("3")), "reads go on");
    disk.fail_syncs(false);
    // The system may say yes now without having written: it is not asked again.
    assert!(matches!(set(&store, "5", "five"), Err(StoreError::Broken(_))));
    drop(store);
    let store = open(&disk.after_power_cut()).unwrap();
    assert_eq!((get(&store, "3").as_deref(), get(&store, "5")), (Some("3"), None));
    set(&store, "6", "six").unwrap();
}

#[test]
fn in_the_mode_interval_a_flush_comes_in_time_without_another_write() {
    let disk = MemoryDisk::new(3);
    let options = StoreOptions {
        sync_mode: SyncMode::Interval,
        sync_interval: helios::base::Span::millis(50),
        ..options()
    };
    let store = Store::open(&options, seams(&disk)).unwrap();
    set(&store, "a", "1").unwrap();
    let written = Instant::now();
    let before = disk.operations();
    while disk.operations() == before {
        assert!(written.elapsed() < Duration::from_secs(20), "the timer flushes");
        std::thread::yield_now();
    }
    drop(store);
    assert_eq!(get(&open(&disk.after_power_cut()).unwrap(), "a").as_deref(), Some("1"));
}

#[test]
fn two_stores_never_share_a_directory() {
    let disk = disk_with(1);
    let store = open(&disk).unwrap();
    let error = open(&disk).expect_err("it is in use");
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    drop(store);
    open(&disk).unwrap();
}

#[test]
fn a_missing_file_stops_the_start_and_is_named() {
    let disk = disk_with(2);
    for (gone, named) in
        [("manifest.json", "manifest.json"), ("appendonly-00000000000000000001.aof", SEGMENT)]
    {
        let disk = disk.after_power_cut();
        use helios::store::disk::Disk;
        disk.remove(&Path::new("/store").join(gone)).unwrap();
        let error = open(&disk).expect_err("a file is missing").to_string();
        assert!(error.contains(named) && error.contains("helios aof repair"), "{error}");
    }
}

#[test]
fn limits_are_refused_by_name_and_nothing_is_written() {
    let disk = MemoryDisk::new(1);
    let options = StoreOptions {
        key_bytes_max: ByteSize(8),
        value_bytes_max: ByteSize(16),
        data_bytes_max: ByteSize(40),
        ..options()
    };
    let store = Store::open(&options, seams(&disk)).unwrap();
    let run = |key: &str, value: &str| {
        let command = Command::set(key.as_bytes(), Value::bytes(value.as_bytes()));
        match store.run_all_blocking(vec![Work::One(command)]).unwrap().pop() {
            Some(Done::One(outcome)) => outcome.map(drop),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run("123456789", ""), Err(Refusal::KeyLength { bytes: 9, limit: 8 }));
    assert_eq!(run("a", "12345678901234567"), Err(Refusal::ValueLength { bytes: 17, limit: 16 }));
    let before = file(&disk, SEGMENT);
    assert_eq!(run("a", "1234567890123456"), Ok(()));
    assert_eq!(run("b", "1234567890123456"), Ok(()));
    assert_eq!(run("c", "123456"), Err(Refusal::Quota { limit: 40 }));
    assert_eq!(run("a", "1"), Ok(()), "what makes it smaller is taken");
    assert_eq!(run("c", "123456"), Ok(()));
    assert_eq!(file(&disk, SEGMENT).iter().filter(|byte| **byte == b'\n').count(), 5);
    assert!(file(&disk, SEGMENT).starts_with(&before));
    let long = Command::Append { key: b"a"[..].into(), tail: vec![b'x'; 16] };
    let outcome = store.run_all_blocking(vec![Work::One(long)]).unwrap().pop();
    assert!(matches!(outcome, Some(Done::One(Err(Refusal::ValueLength { bytes: 17, limit: 16 })))));
}

#[test]
fn nothing_comes_back_to_life_when_the_clock_goes_back() {
    let disk = MemoryDisk::new(1);
    let ending = |at| Command::Set {
        key: b"a"[..].into(),
        value: Value::bytes(&b"1"[..]),
        condition: Default::default(),
        expiry: helios::store::Expiry::At(at),
    };
    let at = |now| Seams { clock: Clock::manual(now), ..seams(&disk) };
    let store = Store::open(&options(), at(1_000)).unwrap();
    store.run_all_blocking(vec![Work::One(ending(2_000))]).unwrap();
    assert_eq!(get(&store, "a").as_deref(), Some("1"));
    store.clock().advance_ms(1_000);
    assert_eq!((get(&store, "a"), store.view().len(), store.view().prefix(b"").count()), (None, 0, 0));
    // Any commit at that time is a witness, as is the sweep.
    set(&store, "b", "2").unwrap();
    drop(store);
    let store = Store::open(&options(), at(500)).unwrap();
    assert_eq!((get(&store, "a"), store.view().len()), (None, 1));
    let outcome = store.run_all_blocking(vec![Work::One(ending(1_999))]).unwrap().pop();
    assert!(matches!(outcome, Some(Done::One(Ok(Outcome::Written { .. })))));
    assert_eq!(get(&store, "a"), None, "it is over already");
}

#[test]
fn what_waits_when_the_store_is_closed_is_answered() {
    let disk = MemoryDisk::new(1);
    let store = open(&disk).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(set(&store, "a", "1"), Err(StoreError::Closed));
    assert_eq!(block_on(store.close()), Err(StoreError::Closed));
    assert_eq!(block_on(store.snapshot()), Err(StoreError::Closed));
    assert!(store.watch(b"", None).is_err());
}

#[test]
fn in_the_mode_interval_a_power_cut_costs_no_more_than_the_interval() {
    let interval = Duration::from_millis(60);
    // How late a thread may be on a busy machine.
    let late = Duration::from_millis(300);
    for seed in crate::seeds(5) {
        println!("seed {seed}");
        let disk = MemoryDisk::new(seed);
        let options = StoreOptions {
            sync_mode: SyncMode::Interval,
            sync_interval: helios::base::Span::millis(interval.as_millis() as u64),
            ..options()
        };
        let store = Store::open(&options, seams(&disk)).unwrap();
        let begin = Instant::now();
        let mut answered = Vec::new();
        while begin.elapsed() < Duration::from_millis(600) {
            set(&store, "n", &answered.len().to_string()).unwrap();
            answered.push(begin.elapsed());
        }
        let cut = begin.elapsed();
        let after = disk.after_power_cut();
        drop(store);
        let store = open(&after).unwrap();
        let kept: usize = get(&store, "n").map_or(0, |text| text.parse::<usize>().unwrap() + 1);
        let owed = answered.iter().filter(|at| **at + interval + late < cut).count();
        assert!(kept >= owed && owed > 0, "seed {seed}: {kept} of {} kept, {owed} owed", answered.len());
    }
}

#[test]
fn snapshots_come_by_time_by_commits_and_by_size() {
    use helios::base::Span;
    let never = StoreOptions {
        snapshot_pause: Span::millis(0),
        snapshot_interval_time: Span::millis(0),
        snapshot_interval_cmds: 0,
        snapshot_log_bytes: ByteSize(0),
        ..options()
    };
    let by_time = StoreOptions { snapshot_interval_time: Span::millis(20), ..never.clone() };
    let by_commits = StoreOptions { snapshot_interval_cmds: 5, ..never.clone() };
    let by_size = StoreOptions { snapshot_log_bytes: ByteSize(400), ..never.clone() };
    for options in [by_time, by_commits, by_size] {
        let disk = MemoryDisk::new(1);
        let store = Store::open(&options, seams(&disk)).unwrap();
        let begin = Instant::now();
        let mut written = 0;
        while store.last_snapshot().1 == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20), "a snapshot comes: {options:?}");
            set(&store, "a", &written.to_string()).unwrap();
            written += 1;
        }
    }
    let disk = MemoryDisk::new(1);
    let store = Store::open(&never, seams(&disk)).unwrap();
    (0..200).for_each(|number| set(&store, "a", &number.to_string()).unwrap());
    assert_eq!(store.last_snapshot().1, 0, "switched off");
}

#[test]
fn a_damaged_end_of_a_store_that_was_closed_in_order_is_no_torn_write() {
    let disk = disk_with(3);
    drop(open(&disk).unwrap());
    let whole = file(&disk, SEGMENT);
    disk.put(Path::new(SEGMENT), whole[..whole.len() - 1].to_vec());
    assert!(matches!(open(&disk), Err(OpenError::Damaged { line: 4, .. })));
}

#[test]
fn saving_again_after_a_restart_keeps_the_snapshot_before() {
    let disk = disk_with(3);
    let store = open(&disk).unwrap();
    let first = block_on(store.snapshot()).unwrap();
    set(&store, "4", "4").unwrap();
    let second = block_on(store.snapshot()).unwrap();
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!(block_on(store.snapshot()), Ok(second), "it is there already");
    drop(store);
    assert!(disk.bytes(Path::new(&format!("/store/dump-{first:020}.rdb"))).is_some());
}

#[test]
fn a_broken_store_writes_no_snapshot_and_starts_again() {
    let disk = disk_with(3);
    let store = open(&disk).unwrap();
    disk.fail_syncs(true);
    set(&store, "4", "four").unwrap_err();
    disk.fail_syncs(false);
    assert!(matches!(block_on(store.snapshot()), Err(StoreError::Broken(_))));
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!((store.view().len(), get(&store, "4")), (3, None), "what was refused is not found");
}

#[test]
fn whatever_fails_while_the_log_goes_on_in_a_new_file_nothing_answered_is_lost() {
    for (operation, whole) in (1..14).flat_map(|operation| [(operation, false), (operation, true)]) {
        let disk = disk_with(3);
        let options = StoreOptions { segment_bytes: ByteSize::kib(4), ..options() };
        let store = Store::open(&options, seams(&disk)).unwrap();
        let mut answered = 0;
        disk.fail_after(operation * 3, whole);
        for number in 0..120 {
            if set(&store, &format!("k{number}"), &"x".repeat(100)).is_ok() {
                answered = number + 1;
            }
            if store.health() != Health::Writable {
                break;
            }
        }
        disk.fail_never();
        drop(store);
        let store =
            Store::open(&options, seams(&disk)).unwrap_or_else(|error| panic!("{operation}: {error}"));
        for number in 0..answered {
            assert!(get(&store, &format!("k{number}")).is_some(), "operation {operation}: k{number}");
        }
    }
}

#[test]
fn a_flush_that_fails_is_never_asked_for_again() {
    let disk = MemoryDisk::new(1);
    let options = StoreOptions {
        sync_mode: SyncMode::Interval,
        sync_interval: helios::base::Span::millis(10),
        ..options()
    };
    let seams = seams(&disk);
    let store = Store::open(&options, seams.clone()).unwrap();
    disk.fail_syncs(true);
    set(&store, "a", "1").unwrap();
    let begin = Instant::now();
    while store.health() == Health::Writable {
        assert!(begin.elapsed() < Duration::from_secs(20), "it notices");
        std::thread::yield_now();
    }
    let before = disk.operations();
    std::thread::park_timeout(Duration::from_millis(100));
    assert_eq!(disk.operations(), before);
    assert_eq!(seams.metrics.atlas.write_failures.with_label_values(&["broken"]).get(), 1);
}

#[test]
fn a_log_without_its_manifest_is_never_taken_for_nothing() {
    let disk = disk_with(3);
    let mut bytes = file(&disk, SEGMENT);
    bytes[3] ^= 1;
    disk.put(Path::new(SEGMENT), bytes.clone());
    helios::store::disk::Disk::remove(&disk, Path::new("/store/manifest.json")).unwrap();
    assert!(matches!(open(&disk), Err(OpenError::Incomplete { .. })));
    assert_eq!(file(&disk, SEGMENT), bytes);
}

#[test]
fn one_commit_has_an_end() {
    use helios::store::{Commit, CommitOutcome};
    let disk = MemoryDisk::new(1);
    let store = open(&disk).unwrap();
    let value = Value::bytes(vec![b'x'; 8 << 20]);
    let commands = (0..9).map(|number: u8| Command::set(&[number][..], value.clone())).collect();
    let commit = Commit { commands, keep_going: true, ..Commit::default() };
    let done = store.run_all_blocking(vec![Work::Commit(commit)]).unwrap().pop();
    let Some(Done::Commit(CommitOutcome::Refused { command: 7, refusal })) = done else { panic!("{done:?}") };
    assert_eq!(refusal, Refusal::CommitBytes { limit: 64 << 20 });
    assert!(store.view().is_empty());
}

#[test]
fn times_to_live_are_counted_from_a_time_that_never_goes_back() {
    let disk = MemoryDisk::new(1);
    let clock = Clock::manual(10_000);
    let store = Store::open(&options(), Seams { clock, ..seams(&disk) }).unwrap();
    set(&store, "a", "1").unwrap();
    drop(store);
    let store = Store::open(&options(), Seams { clock: Clock::manual(4_000), ..seams(&disk) }).unwrap();
    assert_eq!(store.now_ms(), 10_000);
}
