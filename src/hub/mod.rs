//! Topics: who is subscribed, what was published, who is there.
//!
//! Read `topic` for what a topic is, `publication` for what is published, `history` for what is kept of it; `shard`
//! for how one publication gets to many subscribers, with `sub` for what each of them gets; `subscribe` and `publish`
//! for what is asked of the hub; `presence` for who is there; `tending` for what happens with time; `ledger` for
//! histories that outlive the process. A topic's lock orders its publications, so that every subscriber gets them
//! in that order.
//!
//! What is absent on purpose: sockets and sessions (a subscriber is whatever implements [`Listener`]), keys and
//! values, and who may do what: that is asked before.

mod builtin;
mod bundle;
mod filter;
mod history;
mod ledger;
mod listener;
mod namespace;
mod options;
mod patterns;
mod position;
mod presence;
mod publication;
mod publish;
mod shard;
mod stats;
mod sub;
mod subscribe;
mod subscription;
mod table;
mod tending;
mod topic;

pub use filter::{Filter, Tags};
pub use ledger::{Appended, Kept, Ledger, NotKept};
pub use listener::{Bundle, Frame, Listener, Undelivered};
pub use namespace::Namespace;
pub use options::{Access, InvalidAccess, NamespaceOptions, SlowPolicy, TopicOptions};
pub use position::Position;
pub use presence::{By, Member, Page};
pub use publish::{PublishError, Published, Wish};
pub use stats::{Listed, Past, TopicStats, Totals};
pub use subscribe::{Begin, Lost, SubscribeError, Subscribed};
pub use subscription::Subscription;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot};

use self::namespace::Namespaces;
use self::shard::Shard;
use self::table::Table;
use self::tending::Tasks;
use crate::base::{Clock, Random};
use crate::protocol::Codec;
use crate::telemetry::Metrics;

/// All topics of a server. Clones mean the same.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

/// What the hub needs from around it.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The time.
    pub clock: Clock,
    /// The metric table.
    pub metrics: Arc<Metrics>,
    /// Writes a whole frame around a message, as sockets take it.
    pub frame: fn(Codec, &[u8], &mut Vec<u8>),
    /// Bytes that may be queued for one subscriber before its connection gets to write.
    pub burst_bytes: usize,
    /// Where durable histories are, if there are any.
    pub ledger: Option<Arc<dyn Ledger>>,
}

#[derive(Debug)]
struct Inner {
    seams: Seams,
    options: TopicOptions,
    namespaces: Namespaces,
    table: Table,
    shards: RwLock<Vec<Arc<Shard>>>,
    tasks: Mutex<Tasks>,
    /// Publications that are on their way; bounds what waits for shards.
    in_flight: Arc<Semaphore>,
    /// Tells topics of this process from those of another one.
    epoch: u32,
    /// Orders publications of all topics.
    sequence: AtomicU64,
    /// Bytes of all histories.
    history_bytes: AtomicU64,
    /// Who waits for a publication to come back from the ledger.
    asked: Mutex<HashMap<u64, oneshot::Sender<usize>>>,
    asked_last: AtomicU64,
    closed: AtomicBool,
}

impl Hub {
    /// A hub without topics. It does what takes time once [`Hub::tend`] runs.
    pub fn new(options: &TopicOptions, seams: Seams) -> Self {
        let epoch = Random::from_system().next_u64() as u32;
        let ledger_epoch = seams.ledger.as_ref().map_or(epoch, |ledger| ledger.epoch());
        Self(Arc::new(Inner {
            namespaces: Namespaces::new(options, epoch, ledger_epoch),
            table: Table::default(),
            shards: RwLock::default(),
            tasks: Mutex::new(Tasks::new()),
            in_flight: Arc::new(Semaphore::new(options.in_flight_max)),
            epoch,
            sequence: AtomicU64::new(0),
            history_bytes: AtomicU64::new(0),
            asked: Mutex::default(),
            asked_last: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            options: options.clone(),
            seams,
        }))
    }

    /// The rules of the namespace of a topic, if it is configured.
    pub fn namespace(&self, topic: &str) -> Option<&Arc<Namespace>> {
        self.0.namespaces.of(topic)
    }

    /// The options.
    pub fn options(&self) -> &TopicOptions {
        &self.0.options
    }
}
