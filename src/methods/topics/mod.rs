//! `topic:*`: publish and subscribe. Who may do what is asked here; what a topic is, the hub knows.

mod access;
mod ledger;
mod measures;
mod publish;
mod reads;
mod recheck;
mod subscribe;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use ledger::StoreLedger;
pub(super) use publish::Announcement;
pub(super) use subscribe::confirm_later;

use crate::auth::Principal;
use crate::base::{BoundedTable, TokenBucket};
use crate::dispatch::{Client, Context, IntoReply, MethodError, MethodOptions, RegistryBuilder};
use crate::hub::Hub;
use crate::protocol::ErrorCode;
use crate::starling::{IdentityHook, Session, Shared};

/// What the methods of topics work with. The sessions are there once the server is put together.
#[derive(Clone, Debug)]
pub struct TopicDesk {
    pub(super) hub: Hub,
    shared: Arc<OnceLock<Weak<Shared>>>,
    guards: Arc<Mutex<Vec<Guard>>>,
    /// How fast callers over HTTP publish, by namespace.
    rates: Arc<Mutex<Rates>>,
}

type Rates = BoundedTable<(Box<str>, Client), TokenBucket>;

/// Who may stay subscribed to topics that are had by a method of their own.
struct Guard {
    namespace: &'static str,
    may: Box<dyn Fn(&Principal) -> bool + Send + Sync>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.namespace)
    }
}

impl TopicDesk {
    /// For the topics of a hub.
    pub fn new(hub: &Hub) -> Self {
        Self {
            hub: hub.clone(),
            shared: Arc::default(),
            guards: Arc::default(),
            rates: Arc::new(Mutex::new(Rates::new(publish::RATES_MAX))),
        }
    }

    /// The sessions of the server. Once, before the first request.
    pub fn open(&self, shared: &Arc<Shared>) {
        self.shared.get_or_init(|| Arc::downgrade(shared));
        let desk = self.clone();
        let recheck = move |session: &Arc<Session>| recheck::recheck(&desk, session);
        shared.on_identity.get_or_init(|| IdentityHook::new(recheck));
    }

    /// Says who may stay subscribed to topics of a namespace that are had by a method of their own.
    pub(super) fn guard(
        &self,
        namespace: &'static str,
        may: impl Fn(&Principal) -> bool + Send + Sync + 'static,
    ) {
        self.guards.lock().push(Guard { namespace, may: Box::new(may) });
    }

    pub(super) fn shared(&self) -> Result<Arc<Shared>, MethodError> {
        self.shared.get().and_then(Weak::upgrade).ok_or_else(|| ErrorCode::ServerDraining.into())
    }

    /// The session that asks.
    pub(super) fn session(&self, ctx: &Context) -> Result<Arc<Session>, MethodError> {
        let session = self.shared()?.session(ctx.starling().id());
        session.ok_or_else(|| ErrorCode::ConnectionLost.into())
    }
}

/// Adds methods that work at one desk.
struct Namespace<'a> {
    to: &'a mut RegistryBuilder,
    desk: &'a TopicDesk,
}

impl Namespace<'_> {
    fn method<P, R, F, Fut>(&mut self, name: &str, about: &str, run: F)
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        R: IntoReply + 'static,
        F: Fn(Context, TopicDesk, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        let mut options = MethodOptions::described(about).idempotent().with_schema_of::<P>();
        options.needs_session = name.ends_with("subscribe");
        let desk = self.desk.clone();
        self.to.built_in(name, options, move |ctx: Context, params: P| run(ctx, desk.clone(), params));
    }
}

pub(super) fn add(to: &mut RegistryBuilder, desk: &TopicDesk) {
    let about = "Subscribes to topics, or patterns of topics, from now on or from a position.";
    let mut topics = Namespace { to, desk };
    topics.method("topic:subscribe", about, subscribe::subscribe);
    topics.method("topic:unsubscribe", "Ends subscriptions.", subscribe::unsubscribe);
    topics.method(
        "topic:history",
        "The last publications of a topic, or those since a position.",
        reads::history,
    );
    topics.method("topic:presence", "Who is subscribed to a topic.", reads::presence);
    topics.method("topic:stats", "Counts of a topic, or of all topics together.", reads::stats);
    topics.method("topic:list", "The topics of a namespace, with their counts.", reads::list);
    topics.method("metrics:subscribe", "Tells the numbers of the server each second.", measures::subscribe);
    let stats = desk.clone();
    desk.guard("metrics", move |principal| access::check_stats(principal, &stats).is_ok());
    topics.method("metrics:unsubscribe", "Ends that.", measures::unsubscribe);
    let desk = desk.clone();
    // Data passes as it is written, so that nothing of it is lost.
    let options = MethodOptions { checks_itself: true, ..MethodOptions::described("Publishes on a topic.") };
    let options = options.with_schema_of::<Announcement>();
    to.passing_method("topic:publish", options, move |ctx, payload| {
        publish::publish(ctx, desk.clone(), payload)
    });
}

/// Publishes the numbers of the server each second while somebody wants them, until the hub is closed.
pub async fn measure(desk: TopicDesk) {
    measures::tell(desk).await;
}
