//! A clock that jumps: an hour ahead, and back again when a time server puts it right.

use std::sync::Arc;

use helios::base::Clock;
use helios::store::{Command, Condition, Expiry, Seams, Store, StoreOptions, Value};
use helios::testing::MemoryDisk;

const START_MS: u64 = 1_800_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn open(disk: &MemoryDisk, clock: &Clock) -> Store {
    let seams = Seams { disk: Arc::new(disk.clone()), clock: clock.clone(), ..Seams::default() };
    Store::open(&StoreOptions::default(), seams).unwrap()
}

async fn set_for(store: &Store, key: &str, ttl_ms: u64) {
    let (key, value) = (key.as_bytes().into(), Value::bytes(&b"1"[..]));
    let expiry = Expiry::At(store.now_ms() + ttl_ms);
    store.run(Command::Set { key, value, condition: Condition::Always, expiry }).await.unwrap().unwrap();
}

fn there(store: &Store, key: &str) -> bool {
    store.view().get(key.as_bytes()).is_some()
}

#[tokio::test]
async fn time_follows_a_clock_that_is_put_right_and_what_was_over_stays_over() {
    let (disk, clock) = (MemoryDisk::new(1), Clock::manual(START_MS));
    let mut store = open(&disk, &clock);
    set_for(&store, "minute", 60_000).await;
    set_for(&store, "day", 24 * HOUR_MS).await;
    clock.advance_ms(HOUR_MS);
    set_for(&store, "set while ahead", 60_000).await;
    assert!(!there(&store, "minute"), "an hour has passed, as far as anybody can tell");

    clock.set_ms(START_MS + 1_000);
    set_for(&store, "set after", 60_000).await;
    assert!(!there(&store, "minute"), "it stays over");
    assert!(there(&store, "day") && there(&store, "set while ahead") && there(&store, "set after"));
    assert_eq!(store.view().now_ms(), START_MS + 1_000, "time goes on from the corrected clock");
    clock.advance_ms(60_000);
    assert!(!there(&store, "set after"), "and so does what was set since");

    // The same across a restart: what is on the disk is ahead of the clock.
    clock.set_ms(START_MS + 2 * HOUR_MS);
    set_for(&store, "two hours ahead", 60_000).await;
    store.close().await.unwrap();
    drop(store);
    clock.set_ms(START_MS + 120_000);
    store = open(&disk.after_power_cut(), &clock);
    set_for(&store, "after the start", 60_000).await;
    assert_eq!(store.view().now_ms(), START_MS + 120_000);
    clock.advance_ms(61_000);
    assert!(!there(&store, "after the start") && !there(&store, "minute") && there(&store, "day"));
}

#[tokio::test]
async fn a_clock_that_is_a_moment_behind_is_waited_for() {
    let (disk, clock) = (MemoryDisk::new(2), Clock::manual(START_MS));
    let store = open(&disk, &clock);
    set_for(&store, "a", 10).await;
    clock.advance_ms(500);
    set_for(&store, "b", HOUR_MS).await;
    clock.set_ms(START_MS);
    set_for(&store, "c", HOUR_MS).await;
    assert!(!there(&store, "a"));
    assert_eq!(store.view().now_ms(), START_MS + 500);
}
