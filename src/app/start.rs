//! From options to a server that listens.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use super::builder::HeliosBuilder;
use super::running::Running;
use super::workers::{JobHandler, Workers};
use crate::auth::{Accounts, AuditCaller, KeyRing, OpenAccountsError, RingError};
use crate::base::{Clock, Random, StarlingId};
use crate::config::Config;
use crate::dispatch::{Limits, MethodError, RegistryBuilder, RegistryError};
use crate::gateway::{self, AtlasPort, ServeError, Surroundings};
use crate::hub::{Hub, Ledger, Seams as HubSeams};
use crate::methods::{self, About, RateKeeper, SessionArchive, StoreLedger, TopicDesk};
use crate::protocol::ErrorCode;
use crate::queue::{JobType, Queue};
use crate::starling::{
    Archive, Parts, ProxyHook, ProxyMode, ProxyRequest, Shared, Starlings, StateProvider, write_message_frame,
};
use crate::store::{Keyspace, OpenError, Seams, Store, StoreError};
use crate::telemetry::Metrics;
use crate::universes::{OpenUniversesError, Universes};

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Methods or topic handlers are wrong.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The address or TLS is wrong.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The keys of tokens cannot be had.
    #[error("the keys of tokens cannot be had")]
    Tokens(#[from] RingError),
    /// The accounts cannot be opened.
    #[error("the accounts cannot be opened")]
    Accounts(#[from] OpenAccountsError),
    /// The histories of topics cannot be had.
    #[error("the histories of topics cannot be had")]
    Topics(#[source] StoreError),
    /// Two state providers have one namespace, or one has none.
    #[error("the namespace of a state provider must be new and no name of the token itself: \"{0}\"")]
    Provider(String),
    /// A handler of jobs cannot work.
    #[error("a handler of jobs cannot work: {0}")]
    Job(String),
    /// The universes cannot be opened.
    #[error("the universes cannot be opened")]
    Universes(#[from] OpenUniversesError),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
}

pub(super) async fn start(builder: HeliosBuilder) -> Result<Running, StartError> {
    let HeliosBuilder { config, clock, mut hooks, methods: additions, providers, jobs } = builder;
    check(&providers)?;
    check_jobs(&config, &jobs)?;
    let listener = gateway::bind(&config.gateway)?;
    let metrics = Arc::new(Metrics::new());
    let seams = Seams { clock: clock.clone(), metrics: Arc::clone(&metrics), ..Seams::default() };
    let store = Store::open(&config.store, seams)?;
    let tokens = KeyRing::open(&store, &config.tokens).await?;
    actix_rt::spawn(tokens.clone().tend());

    let hub = hub(&config, &store, &clock, &metrics).await?;
    let desk = TopicDesk::new(&hub);

    let universes = match config.universes.enabled {
        true => Some(Universes::open(&store, &config.universes)?),
        false => None,
    };

    let queue = config.jobs.enabled.then(|| Queue::new(&store, &config.jobs, Random::from_system()));
    if let Some(queue) = &queue {
        actix_rt::spawn(queue.clone().tend());
        actix_rt::spawn(methods::tell_jobs(queue.clone(), desk.clone()));
    }

    let accounts = accounts(&config, &store, &tokens).await?;
    let limits = Limits::new(&config.limits, &clock, &metrics);
    let kept = RateKeeper::open(&store, &limits, config.limits.checkpoint_interval);
    actix_rt::spawn(kept.clone().tend());

    let about = Arc::new(About::default());
    let registry = RegistryBuilder::new(config.methods.clone(), Arc::clone(&metrics));
    let mut registry = registry.with_limits(&limits);
    methods::add_system(&mut registry, &clock, &metrics, &about);
    methods::add_sessions(&mut registry);
    methods::add_token(&mut registry, &tokens, accounts.as_ref());
    methods::add_limits(&mut registry, &limits, accounts.as_ref());
    if let Some(accounts) = &accounts {
        methods::add_accounts(&mut registry, accounts, &about);
    }
    methods::add_people(&mut registry, &desk, accounts.as_ref(), config.redacted());
    if config.topics.enabled {
        methods::add_topics(&mut registry, &desk);
    }
    if config.demo.enabled {
        methods::add_demo(&mut registry);
    }
    if config.kv.enabled {
        let places = (&store, universes.as_ref());
        methods::add_kv(&mut registry, places, &config.kv, &desk, queue.as_ref());
    }
    if let Some(queue) = &queue {
        methods::add_jobs(&mut registry, queue, &desk, &config.kv);
    }
    if let Some(universes) = &universes {
        methods::add_universes(&mut registry, universes, &config.kv, &desk);
    }
    additions.into_iter().for_each(|addition| addition(&mut registry));
    if hooks.proxy.is_none() && config.connections.proxy == ProxyMode::ById {
        hooks.proxy = Some(by_id());
    }
    about.methods.get_or_init(|| registry.describe());
    about.proxy.get_or_init(|| hooks.proxy.is_some());
    let registry = registry.finish()?;

    let (options, session_options) = (config.connections.clone(), config.sessions.clone());
    let archive = session_options.durable.then(|| Arc::new(SessionArchive::new(&store)) as Arc<dyn Archive>);
    let parts = Parts {
        registry,
        hooks,
        hub,
        metrics,
        clock,
        options,
        session_options,
        tokens,
        providers,
        archive,
        accounts,
    };
    let shared = Arc::new(Shared::new(parts));
    desk.open(&shared);
    actix_rt::spawn(methods::measure(desk));
    let starlings = Starlings::start(&config.connections, &shared);
    let options = Arc::new(config.gateway.clone());
    let (metrics, limit) =
        (config.telemetry.metrics, universes.as_ref().map(|_| config.universes.universes_max));
    let around = Surroundings::new(shared, starlings, store, options, metrics, limit);
    let port = AtlasPort::open(
        &around.store,
        &config.atlas,
        around.shared.accounts.as_ref(),
        Keyspace::Application,
    )?;
    if let Some(port) = &port {
        info!(address = %port.address(), tls = config.atlas.tls.enabled(), "the store has a port");
    }
    let listening = gateway::listen(&around, listener)?;
    info!(address = %listening.address, tls = around.options.tls.enabled(), "listening");
    let workers = Workers::start(queue.as_ref(), jobs);
    Ok(Running::new(around, listening, port, universes, kept, (queue, workers)))
}

/// The accounts, if there are to be any, and the administrator of the environment.
async fn accounts(config: &Config, store: &Store, ring: &KeyRing) -> Result<Option<Accounts>, StartError> {
    if !config.auth.enabled {
        return Ok(None);
    }
    let accounts = Accounts::open(store, ring, &config.auth).await?;
    if let Err(error) = accounts.audit().note_config(config.redacted()).await {
        tracing::error!(%error, "it is not recorded what the server was told");
    }
    if !config.auth.admin_user.is_empty() {
        let (name, password) = (&config.auth.admin_user, config.auth.admin_password.reveal());
        let made = accounts.ensure_admin(&AuditCaller::server(), name, password).await;
        if made.map_err(OpenAccountsError::Admin)? {
            info!(user = name, "an administrator was made");
        }
    }
    Ok(Some(accounts))
}

/// The topics, and what they need to go on by themselves.
async fn hub(
    config: &Config,
    store: &Store,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<Hub, StartError> {
    let mut topics = config.topics.clone();
    if !topics.enabled {
        topics.namespaces.clear();
    } else if config.demo.enabled {
        topics = topics.with_demo();
    }
    let mut topics = topics.with_measures();
    if config.universes.enabled {
        topics = topics.with_universes();
    }
    if config.jobs.enabled {
        topics = topics.with_jobs(methods::MAY_HEAR_OF_JOBS);
    }
    let durable = topics.namespaces.values().any(|rules| rules.durable);
    let ledger =
        if durable { Some(StoreLedger::open(store).await.map_err(StartError::Topics)?) } else { None };
    let seams = HubSeams {
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        frame: write_message_frame,
        burst_bytes: config.connections.outbox_bytes_max.0 / 4,
        ledger: ledger.clone().map(|ledger| Arc::new(ledger) as Arc<dyn Ledger>),
    };
    let hub = Hub::new(&topics, seams);
    actix_rt::spawn(hub.clone().tend());
    if let Some(ledger) = ledger {
        actix_rt::spawn(ledger.follow(hub.clone()));
    }
    Ok(hub)
}

/// Two providers of one name would overwrite each other in every token.
fn check(providers: &[StateProvider]) -> Result<(), StartError> {
    let mut names = vec!["connection", "info"];
    for provider in providers {
        let name = provider.namespace();
        if name.is_empty() || names.contains(&name) {
            return Err(StartError::Provider(name.to_owned()));
        }
        names.push(name);
    }
    Ok(())
}

/// Handlers of jobs need a name each, and a queue.
fn check_jobs(config: &Config, jobs: &[JobHandler]) -> Result<(), StartError> {
    for job in jobs {
        let kind = job.kind.parse::<JobType>().map_err(|error| StartError::Job(error.to_string()))?;
        if !config.jobs.enabled {
            return Err(StartError::Job(format!(
                "there is a handler for \"{kind}\", and jobs.enabled is false"
            )));
        }
    }
    Ok(())
}

/// Forwards to the session that `{"starling": "<id>"}` names.
fn by_id() -> ProxyHook {
    Arc::new(|request: ProxyRequest| {
        let id = request.peer.get("starling").and_then(|id| id.as_str()).map(str::parse::<StarlingId>);
        Box::pin(async move {
            match id {
                Some(Ok(id)) => Ok(Some(id)),
                _ => {
                    let text = "peer must be {\"starling\": \"<id of a session>\"}";
                    Err(MethodError::of(ErrorCode::ProxyForbidden, text))
                }
            }
        })
    })
}
