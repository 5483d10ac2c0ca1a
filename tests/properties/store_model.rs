//! The store beside a map, with the power cut at any operation of the disk.
//!
//! What was answered is there afterwards; what was asked last and not answered is there or not, whole; nothing
//! else is. In the modes that answer before the flush, some prefix of what was answered is there, whole.

use std::sync::Arc;

use helios::base::{ByteSize, Clock, Random, Span};
use helios::store::{Done, Seams, Store, StoreOptions, SyncMode};
use helios::testing::MemoryDisk;

use crate::seeds;
use crate::wishes::{Model, Wish, shown, visible};

fn options(random: &mut Random, sync_mode: SyncMode) -> StoreOptions {
    StoreOptions {
        data_dir: "/store".into(),
        sync_mode,
        // Small, so that a few hundred wishes go through several segments.
        segment_bytes: ByteSize::kib(4 + (random.next_u64() % 16) as usize),
        snapshot_interval_time: Span::millis(0),
        ..StoreOptions::default()
    }
}

struct Run {
    random: Random,
    clock: Clock,
    disk: MemoryDisk,
    options: StoreOptions,
}

impl Run {
    fn new(seed: u64, mode: SyncMode) -> Self {
        let mut random = Random::seeded(seed);
        let disk = MemoryDisk::new(random.next_u64());
        let options = options(&mut random, mode);
        Self { random, clock: Clock::manual(1_763_712_000_000), disk, options }
    }

    fn open(&self) -> Store {
        let seams =
            Seams { disk: Arc::new(self.disk.clone()), clock: self.clock.clone(), ..Seams::default() };
        Store::open(&self.options, seams).expect("it opens")
    }

    /// Wishes until the power is cut. Gives what the store must show: each state that was answered, and at
    /// the end, if there was a last wish without an answer, the state with it.
    fn live(&mut self, store: &Store, states: &mut Vec<Model>) -> bool {
        let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..400 {
            self.clock.advance_ms(self.random.next_u64() % 20);
            if self.random.next_u64().is_multiple_of(60) {
                // It may fail with the power; nothing depends on it.
                let _ = rt.block_on(store.snapshot());
            }
            let now = self.clock.now_ms();
            let wish = Wish::any(&mut self.random, now);
            let mut after = states.last().unwrap().clone();
            wish.apply(&mut after, now);
            match store.run_all_blocking(vec![wish.work()]) {
                Ok(done) if !matches!(done[0], Done::Failed(_)) => {
                    assert_eq!(shown(&store.view()), visible(&after, self.clock.now_ms()), "after {wish:?}");
                    states.push(after);
                }
                _ => {
                    states.push(after);
                    return true;
                }
            }
        }
        false
    }
}

fn crash_and_recover(seed: u64, mode: SyncMode) {
    println!("seed {seed}, mode {mode:?}");
    let mut run = Run::new(seed, mode);
    let mut states = vec![Model::new()];
    for life in 0..3 {
        let store = run.open();
        let now = run.clock.now_ms();
        let found = shown(&store.view());
        let at = states.iter().rposition(|state| visible(state, now) == found);
        let at = at.unwrap_or_else(|| panic!("seed {seed}, life {life}: no state that ever was: {found:#?}"));
        if mode == SyncMode::Every {
            assert!(at + 2 >= states.len(), "seed {seed}, life {life}: an answered wish is lost");
        }
        states.truncate(at + 1);
        let operations = run.random.next_u64() % 900;
        run.disk.cut_power_after(operations);
        let unanswered = run.live(&store, &mut states);
        drop(store);
        if mode == SyncMode::Every && !unanswered {
            // All were answered: nothing before the last state will do.
            states.drain(..states.len() - 1);
        } else if mode == SyncMode::Every {
            states.drain(..states.len() - 2);
        }
        run.disk = run.disk.after_power_cut();
    }
}

#[test]
fn what_was_answered_survives_a_power_cut_at_any_moment() {
    for seed in seeds(120) {
        crash_and_recover(seed, SyncMode::Every);
    }
}

#[test]
fn without_a_flush_before_the_answer_a_power_cut_leaves_a_whole_prefix() {
    for seed in seeds(60) {
        crash_and_recover(seed, SyncMode::None);
    }
}

#[test]
fn a_store_that_was_closed_in_order_is_found_as_it_was_in_every_mode() {
    for (seed, mode) in
        seeds(30).zip([SyncMode::Every, SyncMode::Interval, SyncMode::None].into_iter().cycle())
    {
        println!("seed {seed}, mode {mode:?}");
        let mut run = Run::new(seed, mode);
        let mut states = vec![Model::new()];
        for _ in 0..2 {
            let store = run.open();
            assert!(!run.live(&store, &mut states), "the power is never cut");
            drop(store);
            run.disk = run.disk.after_power_cut();
        }
        assert_eq!(shown(&run.open().view()), visible(states.last().unwrap(), run.clock.now_ms()));
    }
}
