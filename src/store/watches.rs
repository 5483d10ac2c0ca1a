//! All watches of a store, and the commits that those who come back may have missed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use super::change::Committed;
use super::options::StoreOptions;
use super::position::Position;
use super::state::{State, View};
use super::watch::{Waiting, Watch, WatchError};

/// All watches, and the commits that those who come back may have missed.
#[derive(Debug)]
pub(super) struct Watches {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    epoch: u64,
    /// The last version that was published.
    state: State,
    history: VecDeque<Arc<Committed>>,
    history_bytes: usize,
    commits_max: usize,
    bytes_max: usize,
    queue_max: usize,
    /// By prefix; few lengths of prefixes are in use, so a key is looked up once for each of them.
    watches: HashMap<Box<[u8]>, Group, foldhash::fast::RandomState>,
    lengths: BTreeMap<usize, usize>,
    closed: bool,
}

/// The watches of one prefix, by their address.
type Group = HashMap<usize, Arc<Waiting>, foldhash::fast::RandomState>;

fn address(waiting: &Arc<Waiting>) -> usize {
    Arc::as_ptr(waiting).addr()
}

impl Watches {
    pub(super) fn new(epoch: u64, state: State, recent: VecDeque<Committed>, options: &StoreOptions) -> Self {
        let inner = Inner {
            epoch,
            history: VecDeque::new(),
            history_bytes: 0,
            commits_max: options.history_commits_max,
            bytes_max: options.history_bytes_max.0,
            queue_max: options.watch_queue_max,
            watches: HashMap::default(),
            lengths: BTreeMap::new(),
            closed: false,
            state: State::default(),
        };
        let watches = Self { inner: Mutex::new(inner) };
        let mut inner = watches.inner.lock();
        // A history that does not lead up to the state is no history of it.
        if recent.back().is_some_and(|last| last.revision == state.revision) {
            // It was bounded when it was read.
            inner.history_bytes = recent.iter().map(Committed::bytes).sum();
            inner.history = recent.into_iter().map(Arc::new).collect();
        }
        inner.state = state;
        drop(inner);
        watches
    }

    /// Tells everybody whom it concerns about commits, and what the state is after them.
    /// Gives back what is not remembered any more, which may take long to free.
    pub(super) fn publish(&self, state: State, commits: Vec<Committed>) -> (State, Vec<Arc<Committed>>) {
        let mut inner = self.inner.lock();
        let before = mem::replace(&mut inner.state, state);
        for commit in commits {
            let commit = Arc::new(commit);
            if !inner.watches.is_empty() {
                inner.tell(&commit);
            }
            inner.history_bytes += commit.bytes();
            inner.history.push_back(commit);
        }
        (before, inner.forget_oldest())
    }

    pub(super) fn watch(
        self: &Arc<Self>,
        prefix: &[u8],
        from: Option<Position>,
        now_ms: u64,
    ) -> Result<Watch, WatchError> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(WatchError::Closed);
        }
        let here = Position { epoch: inner.epoch, revision: inner.state.revision };
        let missed = from.map(|from| inner.missed(from)).transpose()?;
        let snapshot = from.is_none().then(|| View::new(inner.state.clone(), now_ms));
        // What was missed waits too, however much it is: it is bounded by the history.
        let missed_bytes: usize = missed.iter().flatten().map(|commit| commit.bytes()).sum();
        let commits_max = inner.queue_max + missed.as_ref().map_or(0, Vec::len);
        let limit = (commits_max, inner.bytes_max.saturating_add(missed_bytes));
        let shared = Arc::new(Waiting::new(prefix, limit));
        for commit in missed.into_iter().flatten() {
            shared.push(&commit);
        }
        inner.watches.entry(prefix.into()).or_default().insert(address(&shared), Arc::clone(&shared));
        *inner.lengths.entry(prefix.len()).or_default() += 1;
        Ok(Watch::new(Arc::clone(self), shared, from.unwrap_or(here), snapshot))
    }

    /// How many watches there are.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().watches.values().map(HashMap::len).sum()
    }

    /// Takes away a watch that was dropped.
    pub(super) fn forget(&self, gone: &Arc<Waiting>) {
        self.inner.lock().forget(gone);
    }

    /// Ends all watches, once they have taken what waits for them.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.watches.values().flat_map(HashMap::values).for_each(|waiting| waiting.close());
    }
}

impl Inner {
    /// Forgets what is more than may be remembered.
    fn forget_oldest(&mut self) -> Vec<Arc<Committed>> {
        let mut forgotten = Vec::new();
        while self.history.len() > self.commits_max || self.history_bytes > self.bytes_max {
            let Some(gone) = self.history.pop_front() else { break };
            self.history_bytes -= gone.bytes();
            forgotten.push(gone);
        }
        forgotten
    }

    /// The commits after a position.
    fn missed(&self, from: Position) -> Result<Vec<Arc<Committed>>, WatchError> {
        let last = self.state.revision;
        let count = match last.checked_sub(from.revision) {
            _ if from.epoch != self.epoch => return Err(WatchError::TooOld(from)),
            None => return Err(WatchError::Ahead(from)),
            Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        match self.history.len().checked_sub(count) {
            None => Err(WatchError::TooOld(from)),
            Some(known) => Ok(self.history.range(known..).cloned().collect()),
        }
    }

    fn tell(&self, commit: &Arc<Committed>) {
        let tell = |group: &Group| group.values().for_each(|watch| watch.push(commit));
        for change in &*commit.changes {
            let Some(key) = change.key() else {
                let concerned = self.watches.iter().filter(|(prefix, _)| change.concerns(prefix));
                concerned.for_each(|(_, group)| tell(group));
                continue;
            };
            let prefixes = self.lengths.keys().filter_map(|length| key.get(..*length));
            prefixes.filter_map(|prefix| self.watches.get(prefix)).for_each(tell);
        }
    }

    fn forget(&mut self, gone: &Arc<Waiting>) {
        let Some(group) = self.watches.get_mut(&gone.prefix) else { return };
        group.remove(&address(gone));
        if group.is_empty() {
            self.watches.remove(&gone.prefix);
        }
        if let Some(count) = self.lengths.get_mut(&gone.prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&gone.prefix.len());
            }
        }
    }
}
