//! Operations against a store of their own, and what doing things side by side gains.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::super::{Creation, MergeWish, Note, Strategy, UniverseId, UniverseOptions, Universes};
use super::{NotDone, Spread, check, timed};
use crate::store::{Seams, Store, StoreOptions};

/// A store and universes of their own in a directory that goes away with them.
#[derive(Debug)]
pub struct Scratch {
    /// The universes.
    pub universes: Universes,
    /// Taken away once the universes are closed: fields end in their order.
    _directory: Removed,
}

/// A directory that goes away.
#[derive(Debug)]
struct Removed(PathBuf);

impl Scratch {
    /// Opens them in the system's directory for temporary files.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn open() -> Result<Self, NotDone> {
        let name = format!("helios-measure-{}", uuid::Uuid::new_v4());
        let directory = Removed(std::env::temp_dir().join(name));
        let options = StoreOptions { data_dir: directory.0.clone(), ..StoreOptions::default() };
        let failed = |error: &dyn std::fmt::Display| NotDone(error.to_string());
        let store = Store::open(&options, Seams::default()).map_err(|error| failed(&error))?;
        let options = UniverseOptions { queue_max: 100_000, ..UniverseOptions::default() };
        let universes = Universes::open(&store, &options).map_err(|error| failed(&error))?;
        Ok(Self { universes, _directory: directory })
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        // What is left is the system's to take away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn not_done(error: impl std::fmt::Display) -> NotDone {
    NotDone(error.to_string())
}

/// Updates that many callers have asked for at once.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Updates that were answered, on the disk.
    pub operations: u64,
    /// How many of them in a second.
    pub operations_per_second: f64,
    /// Callers at a time.
    pub callers: usize,
    /// Time of each.
    #[serde(flatten)]
    pub spread: Spread,
}

/// Counts up in universes of their own for a while, and proves that the sum is what was answered.
///
/// # Errors
/// If an update fails, or the counters do not say what was answered.
pub async fn throughput(
    universes: &Universes,
    callers: usize,
    lasts: Duration,
) -> Result<Throughput, NotDone> {
    let wish = Creation { count: callers, ..Creation::default() };
    let made = universes.create(wish).await.map_err(not_done)?;
    let began = Instant::now();
    let count = |id: UniverseId| async move {
        let mut times = Vec::new();
        while began.elapsed() < lasts {
            let next = json!({ "count": times.len() + 1 }).as_object().cloned().unwrap_or_default();
            let asked = Instant::now();
            universes.update(id, next, true).await.map_err(not_done)?;
            times.push(asked.elapsed());
        }
        Ok::<_, NotDone>(times)
    };
    let done = futures_util::future::try_join_all(made.iter().map(|id| count(*id))).await?;
    let took = began.elapsed();
    for (id, times) in made.iter().zip(&done) {
        let counted = universes.state(*id, "/count").map_err(not_done)?;
        check(counted == Some(json!(times.len())), "a counter does not say what was answered")?;
    }
    let times: Vec<Duration> = done.into_iter().flatten().collect();
    let operations = times.len() as u64;
    let operations_per_second = operations as f64 / took.as_secs_f64();
    Ok(Throughput { operations, operations_per_second, callers, spread: Spread::of(&times) })
}

/// The same work one after the other and side by side.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parallel {
    /// Pieces of work.
    pub tasks: usize,
    /// How many of them at a time.
    pub concurrency: usize,
    /// Milliseconds one after the other.
    pub serial_time: f64,
    /// Whether that is computed and not measured: how long tasks wait is known.
    pub serial_time_is_computed: bool,
    /// Milliseconds side by side.
    pub parallel_time: f64,
    /// How many times as fast.
    pub speedup: f64,
    /// The part of what so many at a time could gain.
    pub efficiency: f64,
}

impl Parallel {
    fn of(tasks: usize, concurrency: usize, serial: Duration, parallel: Duration) -> Self {
        let speedup = serial.as_secs_f64() / parallel.as_secs_f64();
        let (serial_time, parallel_time) = (serial.as_secs_f64() * 1e3, parallel.as_secs_f64() * 1e3);
        Self {
            tasks,
            concurrency,
            serial_time,
            serial_time_is_computed: false,
            parallel_time,
            speedup,
            efficiency: speedup / concurrency as f64,
        }
    }
}

/// Tasks that need the processor, each in a fork: serial and on all processors. The merged results must be equal.
///
/// # Errors
/// If they are not.
pub fn parallel(tasks: usize, rounds: usize) -> Result<Parallel, NotDone> {
    let work = |task: usize| {
        let mut hash = crate::universe::ContentId::of(&task.to_le_bytes());
        for _ in 0..rounds {
            hash = crate::universe::ContentId::of(hash.as_bytes());
        }
        hash
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (serial, serial_time) = timed(|| (0..tasks).map(work).collect::<Vec<_>>());
    let (parallel, parallel_time) = timed(|| {
        std::thread::scope(|scope| {
            let part =
                |core: usize| scope.spawn(move || (core..tasks).step_by(cores).map(work).collect::<Vec<_>>());
            let parts: Vec<_> = (0..cores).map(part).collect();
            let parts: Vec<_> = parts.into_iter().map(|part| part.join().unwrap_or_default()).collect();
            (0..tasks).filter_map(|task| parts[task % cores].get(task / cores).copied()).collect::<Vec<_>>()
        })
    });
    check(serial == parallel, "side by side gives another result")?;
    Ok(Parallel::of(tasks, cores, serial_time, parallel_time))
}

/// Tasks that only wait: so many at a time beside one after the other, which is what they wait together.
pub async fn waiting(tasks: usize, each: Duration) -> Parallel {
    let began = Instant::now();
    futures_util::future::join_all((0..tasks).map(|_| tokio::time::sleep(each))).await;
    let found = Parallel::of(tasks, tasks, each * tasks as u32, began.elapsed());
    Parallel { serial_time_is_computed: true, ..found }
}

/// What a mix of operations has done.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stress {
    /// Universes that were forked, changed, merged and deleted.
    pub forks: u64,
    /// Operations on them.
    pub operations: u64,
    /// Milliseconds.
    pub duration: f64,
}

/// Forks, changes, merges and deletes for a while, from several callers at once. What each has merged must be there at
/// the end.
///
/// # Errors
/// If an operation fails, or something merged is missing.
pub async fn stress(universes: &Universes, callers: usize, lasts: Duration) -> Result<Stress, NotDone> {
    let target = universes.create(Creation { count: 1, ..Creation::default() }).await.map_err(not_done)?[0];
    let (began, forks) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let caller = |name: usize| {
        let forks = Arc::clone(&forks);
        async move {
            let mut rounds = 0_u64;
            while began.elapsed() < lasts {
                let wish = Creation { count: 1, parent: Some(target), ..Creation::default() };
                let fork = universes.create(wish).await.map_err(not_done)?[0];
                rounds += 1;
                let change = json!({ name.to_string(): rounds }).as_object().cloned().unwrap_or_default();
                universes.update(fork, change, true).await.map_err(not_done)?;
                let wish = MergeWish {
                    target,
                    sources: vec![fork],
                    strategy: Strategy::ThreeWay,
                    on_conflict: None,
                    resolutions: Default::default(),
                    note: Note::default(),
                };
                universes.merge(wish).await.map_err(not_done)?;
                universes.delete(fork).await.map_err(not_done)?;
                forks.fetch_add(1, Ordering::Relaxed);
            }
            let merged = universes.state(target, &format!("/{name}")).map_err(not_done)?;
            check(rounds == 0 || merged == Some(json!(rounds)), "what was merged is missing")
        }
    };
    futures_util::future::try_join_all((0..callers).map(caller)).await?;
    let forks = forks.load(Ordering::Relaxed);
    Ok(Stress { forks, operations: forks * 4, duration: began.elapsed().as_secs_f64() * 1e3 })
}
