//! Hashes passwords on threads of their own, which give way to all others: a storm of logins must not be felt on
//! sockets. What waits is bounded; whoever has hung up is not served.

use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use thiserror::Error;
use tokio::sync::oneshot;

/// Why nothing was hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum HashError {
    /// Too much waits already.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The thread has died, or bcrypt has failed.
    #[error("the password cannot be hashed")]
    Failed,
}

/// The threads. Clones mean the same; when the last is dropped, they end.
#[derive(Clone, Debug)]
pub(super) struct Hasher(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    cost: u32,
    /// A hash of nothing that anybody knows: verified in place of one that is not there, so that it takes as long.
    decoy: String,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    work: std::collections::VecDeque<Work>,
    limit: usize,
    closed: bool,
}

struct Work {
    run: Box<dyn FnOnce() + Send>,
    is_wanted: Box<dyn Fn() -> bool + Send>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// Bytes of a password that bcrypt heeds.
const PASSWORD_MAX: usize = 72;

/// How far the threads stand back behind all others.
#[cfg(target_os = "linux")]
const NICE: i32 = 15;

impl Hasher {
    /// Starts the threads; 0 is half of the processors.
    pub(super) fn start(threads: usize, limit: usize, cost: u32) -> std::io::Result<Self> {
        let half = || thread::available_parallelism().map_or(1, |all| all.get().div_ceil(2));
        let threads = if threads == 0 { half() } else { threads };
        let shared = Arc::new(Shared::default());
        shared.state.lock().limit = limit;
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(format!("passwords-{number}"));
            builder.spawn(move || serve(&shared))?;
        }
        let decoy = bcrypt::hash(uuid::Uuid::new_v4().to_string(), cost);
        let decoy = decoy.map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(Arc::new(Handle { shared, cost, decoy })))
    }

    /// The hash of a password.
    pub(super) async fn hash(&self, password: String) -> Result<String, HashError> {
        let cost = self.0.cost;
        if password.len() > PASSWORD_MAX {
            return Err(HashError::Failed);
        }
        self.run(move || bcrypt::hash(password, cost).ok()).await?.ok_or(HashError::Failed)
    }

    /// Whether a password is the one of this hash. Without a hash it is not, after the same time.
    pub(super) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, HashError> {
        let there = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.0.decoy.clone());
        // What is too long for bcrypt is nobody's password, though its beginning may be somebody's.
        let whole = password.len() <= PASSWORD_MAX;
        let missing = self.missing_costs(&hash);
        let fits = self.run(move || {
            let fits = bcrypt::verify(&password, &hash).unwrap_or(false);
            // Each cost is twice the one before, so these and the hash take as long as one with the cost of now.
            for cost in missing {
                std::hint::black_box(bcrypt::hash(&password[..0], cost).is_ok());
            }
            fits
        });
        Ok(fits.await? && there && whole)
    }

    /// Whether a hash was made with less cost than is asked for now.
    pub(super) fn is_weak(&self, hash: &str) -> bool {
        cost_of(hash).is_none_or(|cost| cost < self.0.cost)
    }

    /// Costs from that of a hash up to that of now: what verifying it takes less.
    fn missing_costs(&self, hash: &str) -> std::ops::Range<u32> {
        cost_of(hash).unwrap_or(self.0.cost)..self.0.cost
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (answer, answered) = oneshot::channel();
        let answer = Arc::new(Mutex::new(Some(answer)));
        let wanted = Arc::clone(&answer);
        let is_wanted = move || wanted.lock().as_ref().is_some_and(|answer| !answer.is_closed());
        let run = move || {
            let given = work();
            if let Some(answer) = answer.lock().take() {
                // Whoever has hung up meanwhile wants it no more.
                let _ = answer.send(given);
            }
        };
        self.0.shared.push(Work { run: Box::new(run), is_wanted: Box::new(is_wanted) })?;
        answered.await.map_err(|_| HashError::Failed)
    }
}

/// The cost that a hash was made with.
fn cost_of(hash: &str) -> Option<u32> {
    hash.split('$').nth(2).and_then(|cost| cost.parse().ok())
}

impl Shared {
    fn push(&self, work: Work) -> Result<(), HashError> {
        let mut state = self.state.lock();
        if state.work.len() >= state.limit {
            state.work.retain(|work| (work.is_wanted)());
        }
        if state.work.len() >= state.limit {
            return Err(HashError::Busy);
        }
        state.work.push_back(work);
        drop(state);
        self.more.notify_one();
        Ok(())
    }

    /// The next work; `None` once there will be no more.
    fn next(&self) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(work) = state.work.pop_front() {
                return Some(work);
            }
            self.more.wait(&mut state);
        }
    }
}

/// The life of a thread.
fn serve(shared: &Shared) {
    // On Linux this is about the thread alone; elsewhere it would be about the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the threads of passwords have the same rank as others");
    }
    while let Some(work) = shared.next() {
        if (work.is_wanted)() {
            // A panic of the library fails one login, not all that come later.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work.run));
            if done.is_err() {
                tracing::error!("hashing a password has panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = Hasher::start(1, 4, 4).unwrap();
        let hash = hasher.hash("correct horse".into()).await.unwrap();
        assert!(hasher.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("correct Horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("correct horse".into(), None).await.unwrap());
        assert!(!hasher.verify("x".repeat(100), Some(hash.clone())).await.unwrap());
        assert!(!hasher.is_weak(&hash) && Hasher::start(1, 4, 5).unwrap().is_weak(&hash));
        let longest = hasher.hash("x".repeat(72)).await.unwrap();
        assert!(hasher.verify("x".repeat(72), Some(longest.clone())).await.unwrap());
        assert!(!hasher.verify("x".repeat(73), Some(longest)).await.unwrap());
        assert_eq!(
            hasher.hash("x".repeat(73)).await,
            Err(HashError::Failed),
            "nothing is cut off in silence"
        );
    }

    #[tokio::test]
    async fn a_hash_of_less_cost_takes_as_long_to_verify_as_none() {
        let old = Hasher::start(1, 4, 6).unwrap().hash("correct horse".into()).await.unwrap();
        let hasher = Hasher::start(1, 4, 10).unwrap();
        assert_eq!(hasher.missing_costs(&old).map(|cost| 1 << cost).sum::<u32>() + (1 << 6), 1 << 10);
        let hashed = async |hash: Option<&String>| {
            let mut took = Vec::new();
            for _ in 0..3 {
                let began = std::time::Instant::now();
                assert!(!hasher.verify("a wrong one".into(), hash.cloned()).await.unwrap());
                took.push(began.elapsed().as_secs_f64());
            }
            took.into_iter().fold(f64::MAX, f64::min)
        };
        let (known, unknown) = (hashed(Some(&old)).await, hashed(None).await);
        assert!((0.6..1.7).contains(&(known / unknown)), "{known} s and {unknown} s");
        assert!(hasher.verify("correct horse".into(), Some(old)).await.unwrap());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_who_has_hung_up_makes_room() {
        let hasher = Hasher::start(1, 2, 8).unwrap();
        let mut waiting: Vec<_> = (0..12).map(|_| Box::pin(hasher.hash("12345678".into()))).collect();
        let mut busy = 0;
        for wish in &mut waiting {
            if let Some(answer) = futures_util::FutureExt::now_or_never(wish) {
                assert_eq!(answer, Err(HashError::Busy));
                busy += 1;
            }
        }
        assert!(busy >= 9, "one at work, two wait; {busy} were refused");
        drop(waiting);
        assert!(hasher.hash("12345678".into()).await.is_ok());
    }
}
