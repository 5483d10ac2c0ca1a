//! Check, repair, backup and restore, on files of the real disk.

use std::fs;
use std::path::{Path, PathBuf};

use helios::base::{ByteSize, Clock, Random};
use helios::store::tools::{check, create_backup, list_backups, repair, restore_backup, verify_backup};
use helios::store::{Command, Seams, Store, StoreOptions, SyncMode, Value, Work};

use crate::seeds;

fn options(directory: &Path) -> StoreOptions {
    StoreOptions {
        data_dir: directory.to_owned(),
        sync_mode: SyncMode::None,
        segment_bytes: ByteSize::kib(4),
        ..StoreOptions::default()
    }
}

fn open(directory: &Path) -> Store {
    Store::open(&options(directory), Seams::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn set(store: &Store, number: u32) {
    let key = number.to_be_bytes();
    let command = Command::set(&key[..], Value::bytes(vec![b'x'; 50]));
    store.run_all_blocking(vec![Work::One(command)]).unwrap();
}

fn snapshot(store: &Store) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.snapshot()).unwrap();
}

/// Keys 0 to 299 through several segments and two snapshots.
fn filled(directory: &Path) {
    let store = open(directory);
    for number in 0..300 {
        set(&store, number);
        if number == 100 || number == 200 {
            snapshot(&store);
        }
    }
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Whether a store holds the first keys, without a gap, and how many.
fn prefix_of(directory: &Path) -> u32 {
    let store = open(directory);
    let view = store.view();
    for number in 0..view.len() as u32 {
        assert!(view.get(&number.to_be_bytes()).is_some(), "{number} of {}", view.len());
    }
    view.len() as u32
}

#[test]
fn a_whole_store_is_found_whole_and_nothing_is_repaired() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let report = check(directory.path()).unwrap();
    assert!(report.starts && report.files.iter().all(|file| file.damage.is_none()), "{report:?}");
    assert_eq!((report.revision, report.keys, report.torn_bytes), (Some(300), Some(300), 0));
    let single = check(&files(directory.path(), ".aof")[0]).unwrap();
    assert!(single.starts && single.files[0].records > 10);
    assert!(repair(directory.path(), true).unwrap().actions.is_empty());
}

#[test]
fn wherever_a_bit_flips_a_repair_makes_a_store_that_starts_and_keeps_what_it_cuts() {
    for seed in seeds(60) {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        let mut all = files(directory.path(), ".aof");
        all.extend(files(directory.path(), ".rdb"));
        all.extend(files(directory.path(), "manifest.json"));
        let file = &all[random.next_u64() as usize % all.len()];
        let place = random.next_u64() as usize % fs::read(file).unwrap().len();
        flip(file, place);
        let before: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
        let report = check(directory.path()).unwrap();
        let planned = repair(directory.path(), false).unwrap();
        for (path, bytes) in all.iter().zip(before) {
            assert_eq!(fs::read(path).unwrap(), bytes, "looking changes nothing");
        }
        assert!(report.starts || !planned.actions.is_empty(), "{report:?}");
        let done = repair(directory.path(), true).unwrap();
        assert_eq!(done.actions, planned.actions, "what was said is done");
        let kept = prefix_of(directory.path());
        let newest_is_damaged = file.to_string_lossy().ends_with(".rdb");
        // Up to the second snapshot nothing may be lost by any single damage.
        assert!(kept >= 201 || newest_is_damaged, "{kept} keys, {} at {place}", file.display());
        if kept < 300 {
            assert!(!files(directory.path(), ".corrupt-1").is_empty(), "what was cut is kept");
        }
        let store = open(directory.path());
        set(&store, kept);
        drop(store);
        assert_eq!(prefix_of(directory.path()), kept + 1, "it goes on");
    }
}

#[test]
fn a_torn_end_is_told_and_cut() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let last = files(directory.path(), ".aof").pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
    let report = check(directory.path()).unwrap();
    assert!(
        !report.starts && report.message.contains("is damaged at byte"),
        "it was closed in order: {report:?}"
    );
    let backup = directory.path().join("backup");
    assert!(create_backup(directory.path(), &backup, &Clock::default()).is_ok(), "up to there it is whole");
    let repaired = repair(directory.path(), true).unwrap();
    assert_eq!((repaired.revision, repaired.keys), (Some(299), Some(299)));
    assert_eq!(files(directory.path(), ".corrupt-1").len(), 1);
    assert_eq!(prefix_of(directory.path()), 299);
}

#[test]
fn a_damaged_log_is_not_backed_up_in_part() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    filled(&data);
    let last = files(&data, ".aof").pop().unwrap();
    flip(&last, 150);
    let error =
        create_backup(&data, &place.path().join("backup"), &Clock::default()).unwrap_err().to_string();
    assert!(error.contains("it is damaged at byte"), "{error}");
}

#[test]
fn files_that_nothing_names_do_not_mislead_a_repair() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    for number in [250, 290] {
        let header = format!("{{\"format\":\"helios-aof\",\"version\":1,\"first\":{number}");
        let line = format!("{header},\"crc\":\"{:08x}\"}}\n", crc32c::crc32c(header.as_bytes()));
        fs::write(directory.path().join(format!("appendonly-{number:020}.aof")), line).unwrap();
    }
    let last = files(directory.path(), ".aof")
        .into_iter()
        .rfind(|path| fs::read(path).unwrap().len() > 200)
        .unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 3]).unwrap();
    let repaired = repair(directory.path(), true).unwrap();
    assert_eq!(repaired.revision, Some(299), "{repaired:?}");
    assert_eq!(prefix_of(directory.path()), 299);
}

#[test]
fn a_damaged_newest_snapshot_is_told_left_out_and_not_backed_up() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    filled(&data);
    flip(&files(&data, ".rdb").pop().unwrap(), 50);
    let report = check(&data).unwrap();
    assert!(report.starts && report.files.iter().any(|file| file.damage.is_some()));
    let backup = create_backup(&data, &place.path().join("backup"), &Clock::default()).unwrap();
    assert_eq!(backup.keys, 300);
    assert!(!repair(&data, true).unwrap().actions.is_empty());
    assert!(check(&data).unwrap().files.iter().all(|file| file.damage.is_none()));
    assert_eq!(prefix_of(&data), 300);
    let nothing = repair(place.path(), true).unwrap_err().to_string();
    assert!(nothing.contains("there is no store here"), "{nothing}");
}

#[test]
fn an_open_store_is_not_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let error = repair(directory.path(), true).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(store);
}

#[test]
fn a_backup_of_a_store_at_work_is_a_moment_of_it() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let store = open(&data);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                set(&store, number);
                number += 1;
                if number % 200 == 0 {
                    snapshot(&store);
                }
            }
        });
        let mut last = 0;
        for number in 0..8 {
            let to = place.path().join(format!("backups/{number}"));
            let backup = create_backup(&data, &to, &Clock::default()).unwrap();
            assert!(backup.revision >= last, "backups go on");
            last = backup.revision;
            assert_eq!(backup.keys as u64, backup.revision, "each commit was one key");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    drop(store);
    let listed = list_backups(&place.path().join("backups")).unwrap();
    assert_eq!(listed.len(), 8);
    for (number, listed) in listed.iter().enumerate() {
        let (path, backup) = (&listed.path, listed.backup.as_ref().unwrap());
        verify_backup(path).unwrap();
        let restored = place.path().join(format!("restored-{number}"));
        restore_backup(path, &restored).unwrap();
        assert_eq!(prefix_of(&restored) as usize, backup.keys);
    }
    let error = restore_backup(&listed[0].path, &data).unwrap_err().to_string();
    assert!(error.contains("the directory is not empty"), "{error}");
    let file = listed[7].path.join(&listed[7].backup.as_ref().unwrap().files[0].name);
    flip(&file, 30);
    let error = verify_backup(&listed[7].path).unwrap_err().to_string();
    assert!(error.contains("not what was backed up"), "{error}");
}
