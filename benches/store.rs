//! What the store does to those who wait: from a commit to a watch, and writes while a snapshot is written.
//!
//! Expected: a watch hears of a commit within a flush and a wake-up, far below 5 ms (P9). A snapshot holds a
//! writer up only while the log begins a new file; its p99 should stay within a few times that without.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use helios::store::{Command, Done, Outcome, Seams, Store, StoreOptions, SyncMode, Value, Work};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;
const WRITERS: u64 = 4;

fn open(directory: &Path, sync_mode: SyncMode) -> Store {
    let mut options = StoreOptions { data_dir: directory.to_owned(), sync_mode, ..StoreOptions::default() };
    // Snapshots come when they are measured.
    options.snapshot_interval_cmds = 0;
    options.snapshot_log_bytes.0 = 0;
    Store::open(&options, Seams::default()).expect("it opens")
}

fn set(number: u64) -> Work {
    let key = format!("key:{number:012}");
    Work::One(Command::set(key.as_bytes(), Value::bytes(format!("{number:064}").into_bytes())))
}

fn write(store: &Store, number: u64) -> Duration {
    let begin = Instant::now();
    let done = store.run_all_blocking(vec![set(number)]).expect("it is written");
    assert!(matches!(done[0], Done::One(Ok(Outcome::Written { done: true, .. }))));
    begin.elapsed()
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}, n {}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        times.len()
    );
}

/// From the moment that a commit is asked for to the moment that a watch has it.
fn watch(directory: &Path, mode: SyncMode) {
    let store = open(directory, mode);
    let begin = Instant::now();
    let asked: Vec<AtomicU64> = (0..3_000).map(|_| AtomicU64::new(0)).collect();
    let mut watching = store.watch(b"key:", None).expect("it watches");
    let times = std::thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it runs");
            let mut times = Vec::new();
            for asked in &asked {
                let changes = runtime.block_on(watching.next()).expect("no gap");
                assert_eq!(changes.changes.len(), 1);
                times.push(begin.elapsed() - Duration::from_nanos(asked.load(Ordering::SeqCst)));
            }
            times
        });
        for (number, asked) in asked.iter().enumerate() {
            asked.store(begin.elapsed().as_nanos() as u64, Ordering::SeqCst);
            write(&store, number as u64);
        }
        heard.join().expect("it hears all")
    });
    tell(&format!("commit to watch, {}", mode.as_str()), times);
}

/// Latencies of writers, alone and while a snapshot of a million keys is written.
fn pause(directory: &Path) {
    let store = open(directory, SyncMode::None);
    let filled: Vec<u64> = (0..KEYS).collect();
    for chunk in filled.chunks(1_000) {
        store.run_all_blocking(chunk.iter().map(|number| set(*number)).collect()).expect("it is written");
    }
    assert_eq!(store.view().len() as u64, KEYS);
    let measure = |during: &(dyn Fn() + Sync)| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (store, stop) = (&store, &stop);
                    scope.spawn(move || {
                        let mut times = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let number = (times.len() as u64 * 7_919 * (writer + 1)) % KEYS;
                            times.push(write(store, number));
                        }
                        times
                    })
                })
                .collect();
            during();
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().flat_map(|writer| writer.join().expect("it writes")).collect::<Vec<_>>()
        })
    };
    let a_while = || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            std::thread::park_timeout(Duration::from_millis(100));
        }
    };
    tell("writes alone", measure(&a_while));
    let took = AtomicU64::new(0);
    let times = measure(&|| {
        let begin = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it runs");
        runtime.block_on(store.snapshot()).expect("it is written");
        took.store(begin.elapsed().as_millis() as u64, Ordering::SeqCst);
    });
    tell(&format!("writes while a snapshot is written ({} ms)", took.load(Ordering::SeqCst)), times);
}

fn main() {
    let place = tempfile::tempdir_in("target").expect("a directory");
    for (name, mode) in [("every", SyncMode::Every), ("none", SyncMode::None)] {
        watch(&place.path().join(name), mode);
    }
    pause(&place.path().join("pause"));
}
