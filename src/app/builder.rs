//! The face for programs that embed Helios.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::running::Running;
use super::start::{self, StartError};
use super::workers::JobHandler;
use crate::auth::Principal;
use crate::base::{Clock, StarlingId};
use crate::config::Config;
use crate::dispatch::{
    Context, IntoReply, MethodError, MethodOptions, RegistryBuilder, Reply, Responder, Starling, TopicEvent,
};
use crate::protocol::Payload;
use crate::queue::{JobContext, JobFailure, JobReply};
use crate::starling::{Handshake, Hooks, ProxyRequest, SessionEvent, StateProvider};

/// The entry: `Helios::builder().method("chat:send", handler).start().await`.
#[derive(Debug)]
pub struct Helios;

impl Helios {
    /// A server with default options and without methods of its own.
    pub fn builder() -> HeliosBuilder {
        HeliosBuilder {
            config: Config::default(),
            clock: Clock::default(),
            hooks: Hooks::default(),
            methods: Vec::new(),
            providers: Vec::new(),
            jobs: Vec::new(),
        }
    }
}

type Addition = Box<dyn FnOnce(&mut RegistryBuilder)>;

/// A server that is being put together.
#[must_use]
pub struct HeliosBuilder {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) hooks: Hooks,
    pub(super) methods: Vec<Addition>,
    pub(super) providers: Vec<StateProvider>,
    pub(super) jobs: Vec<JobHandler>,
}

impl HeliosBuilder {
    /// Sets all options.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a method with default rules. Mistakes in names are told by [`HeliosBuilder::start`].
    pub fn method<P, R, F, Fut>(self, name: &str, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: IntoReply + 'static,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        self.method_with(name, MethodOptions::default(), handler)
    }

    /// Adds a method with rules of its own.
    pub fn method_with<P, R, F, Fut>(self, name: &str, options: MethodOptions, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: IntoReply + 'static,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        let name = name.to_owned();
        self.add(move |to| {
            to.method(&name, options, handler);
        })
    }

    /// Adds a method that takes bytes and gives bytes, so that nothing is parsed.
    pub fn passing_method<F, Fut>(self, name: &str, options: MethodOptions, handler: F) -> Self
    where
        F: Fn(Context, Option<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, MethodError>> + Send + 'static,
    {
        let name = name.to_owned();
        self.add(move |to| {
            to.passing_method(&name, options, handler);
        })
    }

    /// Adds a method that answers by itself, maybe before it is done.
    pub fn raw_method<F, Fut>(self, name: &str, options: MethodOptions, handler: F) -> Self
    where
        F: Fn(Context, Option<Payload>, Responder) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let name = name.to_owned();
        self.add(move |to| {
            to.raw_method(&name, options, handler);
        })
    }

    /// Calls `handler` with notifications of peers whose topic matches: `*` is one segment, `**` any.
    pub fn topic<F>(self, pattern: &str, handler: F) -> Self
    where
        F: Fn(TopicEvent<'_>) + Send + Sync + 'static,
    {
        let pattern = pattern.to_owned();
        self.add(move |to| {
            to.topic(&pattern, handler);
        })
    }

    /// Calls `hook` with text that is not JSON, after those that were added before.
    pub fn on_text(mut self, hook: impl Fn(&Starling, &str) + Send + Sync + 'static) -> Self {
        self.hooks.on_text = Some(match self.hooks.on_text.take() {
            None => Box::new(hook),
            Some(first) => Box::new(move |starling: &Starling, text: &str| {
                first(starling, text);
                hook(starling, text);
            }),
        });
        self
    }

    /// Calls `hook` with JSON that does not name the protocol, after those that were added before.
    pub fn on_json(mut self, hook: impl Fn(&Starling, &str) + Send + Sync + 'static) -> Self {
        self.hooks.on_json = Some(match self.hooks.on_json.take() {
            None => Box::new(hook),
            Some(first) => Box::new(move |starling: &Starling, text: &str| {
                first(starling, text);
                hook(starling, text);
            }),
        });
        self
    }

    /// Calls `hook` with bytes, after those that were added before.
    pub fn on_binary(mut self, hook: impl Fn(&Starling, &[u8]) + Send + Sync + 'static) -> Self {
        self.hooks.on_binary = Some(match self.hooks.on_binary.take() {
            None => Box::new(hook),
            Some(first) => Box::new(move |starling: &Starling, bytes: &[u8]| {
                first(starling, bytes);
                hook(starling, bytes);
            }),
        });
        self
    }

    /// Says who connects, by the query and the headers of the handshake. Without it everybody is anonymous.
    pub fn identify(mut self, hook: impl Fn(&Handshake<'_>) -> Principal + Send + Sync + 'static) -> Self {
        self.hooks.identify = Some(Box::new(hook));
        self
    }

    /// Lets `hook` decide who gets a message with `peer`; `None` refuses it.
    pub fn proxy<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(ProxyRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<StarlingId>, MethodError>> + Send + 'static,
    {
        self.hooks.proxy = Some(Arc::new(move |request| Box::pin(hook(request))));
        self
    }

    /// Adds a part of the state that goes into tokens, and comes back from them when a session is over. Its
    /// namespace must be its own; mistakes are told by [`HeliosBuilder::start`].
    pub fn state(mut self, provider: StateProvider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Calls `hook` with what happens to sessions, after those that were added before. It runs where it happens: do little, or hand it on.
    pub fn on_session(mut self, hook: impl Fn(&Starling, &SessionEvent) + Send + Sync + 'static) -> Self {
        self.hooks.on_session = Some(match self.hooks.on_session.take() {
            None => Box::new(hook),
            Some(first) => Box::new(move |starling: &Starling, event: &SessionEvent| {
                first(starling, event);
                hook(starling, event);
            }),
        });
        self
    }

    /// Adds claims to the tokens of a session. They are signed, not sealed: everybody who has the token can
    /// read them.
    pub fn token_claims(
        mut self,
        hook: impl Fn(&Starling) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.token_claims = Some(Box::new(hook));
        self
    }

    /// Runs `handler` in this process for jobs of a type, one at a time: `async fn(JobContext, Payload) -> Result<Result,
    /// JobFailure>`. It is tried again when it fails or panics, as the job says.
    pub fn job<P, R, F, Fut>(self, kind: &str, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Fn(JobContext, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, JobFailure>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.job_with(kind, 1, move |context: JobContext| {
            let handler = Arc::clone(&handler);
            async move {
                let payload = context.payload()?;
                JobReply::of(&handler(context, payload).await?)
            }
        })
    }

    /// Runs `handler` for jobs of a type, so many at a time. What it gives may carry commands that are written in the same
    /// commit as its acknowledgement.
    pub fn job_with<F, Fut>(mut self, kind: &str, concurrency: usize, handler: F) -> Self
    where
        F: Fn(JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<JobReply, JobFailure>> + Send + 'static,
    {
        self.jobs.push(JobHandler::new(kind, concurrency, handler));
        self
    }

    /// Starts the server. Needs a running `actix_rt::System`.
    ///
    /// # Errors
    /// If a method has a wrong name, the address is taken or TLS cannot be set up.
    pub async fn start(self) -> Result<Running, StartError> {
        start::start(self).await
    }

    fn add(mut self, addition: impl FnOnce(&mut RegistryBuilder) + 'static) -> Self {
        self.methods.push(Box::new(addition));
        self
    }
}

impl fmt::Debug for HeliosBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeliosBuilder").field("methods", &self.methods.len()).finish_non_exhaustive()
    }
}
