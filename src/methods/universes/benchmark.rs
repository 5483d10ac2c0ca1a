//! `universe:benchmark`: measures what universes promise on this machine, with every measurement proving that the work
//! was done. Bounded to a few seconds, one at a time, kept for a minute.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::UniverseDesk;
use crate::dispatch::{Context, MethodError};
use crate::protocol::ErrorCode;
use crate::universes::measure::{self, CommitCase, CommitResult, NotDone, Scratch, Spread};
use crate::universes::{Creation, Universes};

/// Parameters of `universe:benchmark`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Benchmark {
    /// Whether to measure; otherwise the last result is given, and an empty one before the first.
    #[serde(default = "yes")]
    run: bool,
}

fn yes() -> bool {
    true
}

/// How long a result is given again.
const KEPT: Duration = Duration::from_secs(60);

/// Runs that trends are made of: the last half against the half before.
const RUNS_MAX: usize = 20;

/// What a change must be to be called one.
const TREND: f64 = 0.1;

/// The goals: microseconds for a commit, milliseconds for a hundred universes, updates a second.
const COMMIT_US: f64 = 70.0;
const CREATE_MS: f64 = 100.0;
const UPDATES: f64 = 1_000.0;

/// What was measured so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Benchmarks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    last: Option<(Instant, Json)>,
    runs: VecDeque<Run>,
}

/// What of a run trends are made of.
#[derive(Clone, Copy, Debug)]
struct Run {
    commit_us: f64,
    ratio: f64,
    updates: f64,
    speedup: f64,
}

pub(super) async fn benchmark(
    _: Context,
    desk: UniverseDesk,
    params: Option<Benchmark>,
) -> Result<Json, MethodError> {
    let run = params.is_none_or(|params| params.run);
    {
        let mut state = desk.benchmarks.0.lock();
        match &state.last {
            Some((at, last)) if !run || at.elapsed() < KEPT || state.running => return Ok(last.clone()),
            None if !run => return Ok(json!({ "grade": "not run" })),
            None if state.running => return Err(ErrorCode::MethodBusy.into()),
            _ => state.running = true,
        }
    }
    let ended = Ended(desk.benchmarks.clone());
    let now_ms = desk.universes.now_ms();
    // Everything on a thread of its own: it keeps the processor busy, also if nobody waits for it any more.
    let measured = actix_rt::task::spawn_blocking(move || {
        let (result, run) = all(now_ms)?;
        Ok::<_, NotDone>(ended.keep(result, run))
    });
    match measured.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => {
            tracing::error!(%error, "a benchmark found that its work was not done");
            Err(MethodError::of(ErrorCode::MethodError, "A benchmark found that its work was not done"))
        }
        Err(_) => Err(ErrorCode::InternalError.into()),
    }
}

/// However a run ends, the next one may begin.
struct Ended(Benchmarks);

impl Ended {
    fn keep(&self, mut result: Json, run: Run) -> Json {
        let mut state = self.0.0.lock();
        state.runs.push_back(run);
        if state.runs.len() > RUNS_MAX {
            state.runs.pop_front();
        }
        result["trends"] = trends(&state.runs);
        state.last = Some((Instant::now(), result.clone()));
        result
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.0.lock().running = false;
    }
}

/// All measurements.
fn all(now_ms: u64) -> Result<(Json, Run), NotDone> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| NotDone(error.to_string()))?;
    let cases = [(1, 1), (10, 1), (100, 1), (1_000, 1), (100, 100)];
    let commits = cases.map(|(files, dirty)| measure::commit_latency(CommitCase { files, dirty }, 300));
    let commits = commits.into_iter().collect::<Result<Vec<CommitResult>, _>>()?;
    let commit = commits[2].spread;
    let forks = measure::fork_speed_up(8 << 20, 100, 3)?;
    let mut shared = Vec::new();
    for divergence in [0.0, 0.001, 0.01] {
        shared.push(measure::sharing(1 << 20, 100, divergence)?.0);
    }
    let parallel = measure::parallel(64, 5_000)?;
    let waiting = runtime.block_on(measure::waiting(500, Duration::from_millis(20)));
    let scratch = Scratch::open()?;
    let universes = &scratch.universes;
    let created = runtime.block_on(create(universes))?;
    let updates = runtime.block_on(measure::throughput(universes, 32, Duration::from_millis(500)))?;
    let stress = runtime.block_on(measure::stress(universes, 8, Duration::from_millis(300)))?;
    let create_ms = created.p95_us / 1e3;
    let met = [commit.p50_us < COMMIT_US, create_ms < CREATE_MS, updates.operations_per_second >= UPDATES];
    let word = |met: bool| if met { "met" } else { "not met" };
    let grade = ["D", "C", "B", "A"][met.iter().filter(|met| **met).count()];
    let ratio = shared[0].ratio;
    let run = Run {
        commit_us: commit.p50_us,
        ratio,
        updates: updates.operations_per_second,
        speedup: parallel.speedup,
    };
    let result = json!({
        "vstPerformance": {
            "p50Us": commit.p50_us, "p95Us": commit.p95_us, "p99Us": commit.p99_us, "maxUs": commit.max_us, "meanUs": commit.mean_us,
            "samples": commit.samples, "targetUs": COMMIT_US, "status": word(met[0]),
            "what": "a commit in memory: 100 files of 1 KiB, 1 changed",
            "recent": [commit.p50_us, commit.p95_us, commit.p99_us], "cases": commits,
        },
        "memoryEfficiency": {
            "what": "100 forks of 1 MiB: bytes of deep copies by bytes of all different nodes",
            "ratio": ratio, "cases": shared,
        },
        "parallelizationGains": {
            "what": "tasks that need the processor, on all of it",
            "serialTime": parallel.serial_time, "parallelTime": parallel.parallel_time,
            "speedup": parallel.speedup, "efficiency": parallel.efficiency, "concurrency": parallel.concurrency,
            "forkSpeedUp": forks,
            "waiting": waiting,
        },
        "throughputTest": {
            "what": "updates that are on the disk, from 32 callers in this process",
            "updates": updates, "targetPerSecond": UPDATES, "status": word(met[2]),
            "create100": { "spread": created, "p95Ms": create_ms, "targetMs": CREATE_MS, "status": word(met[1]) },
        },
        "systemStress": stress,
        "grade": grade,
        "recommendations": recommendations(met),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "optimized": !cfg!(debug_assertions),
        "timestamp": now_ms,
        "benchmarkDuration": began.elapsed().as_secs_f64() * 1e3,
    });
    Ok((result, run))
}

/// A hundred universes in one request, thirty times.
async fn create(universes: &Universes) -> Result<Spread, NotDone> {
    let mut times = Vec::new();
    for _ in 0..30 {
        let asked = Instant::now();
        let wish = Creation { count: 100, ..Creation::default() };
        let made = universes.create(wish).await.map_err(|error| NotDone(error.to_string()))?;
        times.push(asked.elapsed());
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        if distinct.len() != 100 || made.iter().any(|id| universes.get(*id).is_err()) {
            return Err(NotDone("there are not a hundred new universes".to_owned()));
        }
    }
    Ok(Spread::of(&times))
}

fn recommendations(met: [bool; 3]) -> Vec<Json> {
    let optimized = !cfg!(debug_assertions);
    let advice = |category: &str, issue: &str| {
        let recommendation = match optimized {
            true => "the processor or the disk is busy with something else, or too slow",
            false => "this is a debug build: measure a release build",
        };
        json!({ "category": category, "issue": issue, "recommendation": recommendation, "priority": "medium" })
    };
    let all = [
        (met[0], "commit", "a commit takes longer than 70 µs"),
        (met[1], "creation", "a hundred universes take longer than 100 ms"),
        (met[2], "throughput", "there are fewer than 1000 updates a second"),
    ];
    all.into_iter().filter(|(met, ..)| !met).map(|(_, category, issue)| advice(category, issue)).collect()
}

/// The last runs against those before them. For times, more is worse.
fn trends(runs: &VecDeque<Run>) -> Json {
    let half = RUNS_MAX / 2;
    let trend = |of: fn(&Run) -> f64, more_is_better: bool| {
        if runs.len() < RUNS_MAX {
            return "insufficient-data";
        }
        let mean = |part: Vec<&Run>| part.iter().map(|run| of(run)).sum::<f64>() / half as f64;
        let before = mean(runs.iter().take(half).collect());
        let change = mean(runs.iter().skip(half).collect()) / before - 1.0;
        match () {
            () if change.abs() <= TREND => "stable",
            () if (change > 0.0) == more_is_better => "improving",
            () => "declining",
        }
    };
    json!({
        "vstLatency": trend(|run| run.commit_us, false),
        "memoryEfficiency": trend(|run| run.ratio, true),
        "throughput": trend(|run| run.updates, true),
        "parallelization": trend(|run| run.speedup, true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trends_know_that_more_time_is_worse() {
        let run = |commit_us: f64, updates: f64| Run { commit_us, ratio: 1.0, updates, speedup: 1.0 };
        let mut runs: VecDeque<Run> = (0..10).map(|_| run(10.0, 100.0)).collect();
        assert_eq!(trends(&runs)["vstLatency"], "insufficient-data");
        runs.extend((0..10).map(|_| run(20.0, 200.0)));
        let found = trends(&runs);
        let expected = json!({
            "vstLatency": "declining", "memoryEfficiency": "stable", "throughput": "improving", "parallelization": "stable",
        });
        assert_eq!(found, expected);
    }
}
