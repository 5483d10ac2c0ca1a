//! State providers: what of an application goes into a token, and comes back from it when nothing else is left.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::events::{SessionEvent, emit};
use crate::dispatch::{BoxFuture, MethodError, Starling};
use crate::protocol::ErrorCode;
use crate::starling::shared::Shared;

type Save = Arc<dyn Fn(Starling) -> BoxFuture<Result<Value, MethodError>> + Send + Sync>;
type Restore = Arc<dyn Fn(Starling, Value) -> BoxFuture<Result<(), MethodError>> + Send + Sync>;
type Validate = Arc<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// What a provider has given, with its namespace.
type Saved = (String, Result<Value, MethodError>);

/// One part of a session's state, by its namespace.
#[derive(Clone)]
pub struct StateProvider {
    namespace: String,
    save: Save,
    restore: Restore,
    validate: Option<Validate>,
    default: Option<Value>,
    required: bool,
}

impl StateProvider {
    /// A provider: `save` gives what is to be kept, `restore` gets it back in a session that knows nothing.
    pub fn new<S, SF, R, RF>(namespace: impl Into<String>, save: S, restore: R) -> Self
    where
        S: Fn(Starling) -> SF + Send + Sync + 'static,
        SF: Future<Output = Result<Value, MethodError>> + Send + 'static,
        R: Fn(Starling, Value) -> RF + Send + Sync + 'static,
        RF: Future<Output = Result<(), MethodError>> + Send + 'static,
    {
        Self {
            namespace: namespace.into(),
            save: Arc::new(move |starling| Box::pin(save(starling))),
            restore: Arc::new(move |starling, value| Box::pin(restore(starling, value))),
            validate: None,
            default: None,
            required: false,
        }
    }

    /// Without this state nothing is restored at all.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What is restored where a token has nothing good.
    #[must_use]
    pub fn default_state(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// Looks at a state before it is restored. What it does not like counts as missing.
    #[must_use]
    pub fn validate(mut self, check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.validate = Some(Arc::new(check));
        self
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn restoring(&self, starling: &Starling, value: Value) -> BoxFuture<Result<(), MethodError>> {
        let (restore, starling) = (Arc::clone(&self.restore), starling.clone());
        Box::pin(async move { restore(starling, value).await })
    }

    fn saving(&self, starling: &Starling, limit: Duration) -> BoxFuture<Saved> {
        let (save, namespace, starling) = (Arc::clone(&self.save), self.namespace.clone(), starling.clone());
        Box::pin(
            async move { (namespace, bounded(limit, Box::pin(async move { save(starling).await })).await) },
        )
    }

    /// What of a token is to be restored; an error names why there is nothing.
    fn chosen(&self, states: &Map<String, Value>) -> Result<Value, String> {
        let saved = states.get(&self.namespace).ok_or_else(|| "there is nothing saved".to_owned());
        let good = saved.and_then(|value| match &self.validate {
            Some(validate) => validate(value).map(|()| value.clone()),
            None => Ok(value.clone()),
        });
        good.or_else(|why| self.default.clone().ok_or(why))
    }
}

impl fmt::Debug for StateProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateProvider({})", self.namespace)
    }
}

/// Some of the states could not be restored, so none was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NotRestored;

/// Saves all states of a session: all of them, or none.
pub(super) async fn save(shared: &Shared, starling: &Starling) -> Result<Map<String, Value>, MethodError> {
    let options = &shared.session_options;
    let limit = options.provider_timeout.get();
    let work: Vec<BoxFuture<Saved>> = shared.providers.iter().map(|it| it.saving(starling, limit)).collect();
    let all: Vec<Saved> = stream::iter(work).buffered(options.provider_concurrency).collect().await;
    let mut states = Map::new();
    for (namespace, saved) in all {
        match saved {
            Ok(value) => {
                states.insert(namespace.clone(), value);
                emit(shared, starling, &SessionEvent::StateRegistered { namespace });
            }
            Err(error) => {
                tracing::warn!(namespace, %error, "a state provider could not save");
                let details = serde_json::json!({ "namespace": namespace });
                emit(shared, starling, &SessionEvent::StateFailed { namespace });
                return Err(MethodError::from(ErrorCode::StateSaveFailed).with_details(&details));
            }
        }
    }
    Ok(states)
}

/// Gives a session that knows nothing its states back. First it is found out what each is; only then the first
/// one is touched.
pub(super) async fn restore(
    shared: &Shared,
    starling: &Starling,
    states: &Map<String, Value>,
) -> Result<(), NotRestored> {
    let mut chosen = Vec::new();
    for provider in &shared.providers {
        let namespace = &provider.namespace;
        match provider.chosen(states) {
            Ok(value) => chosen.push((provider, value)),
            Err(why) if provider.required => {
                tracing::warn!(namespace, why, "a required state cannot be restored");
                emit(shared, starling, &SessionEvent::StateFailed { namespace: namespace.clone() });
                return Err(NotRestored);
            }
            Err(why) => tracing::debug!(namespace, why, "a state is left out"),
        }
    }
    let mut whole = Ok(());
    for (provider, value) in chosen {
        let limit = shared.session_options.provider_timeout.get();
        let namespace = provider.namespace.clone();
        let event = match bounded(limit, provider.restoring(starling, value)).await {
            Ok(()) => SessionEvent::StateRestored { namespace },
            Err(error) => {
                tracing::warn!(namespace, %error, "a state provider could not restore");
                whole = Err(NotRestored);
                SessionEvent::StateFailed { namespace }
            }
        };
        emit(shared, starling, &event);
    }
    whole
}

/// The work of a provider, in time and whatever it does.
async fn bounded<T: Send + 'static>(
    limit: Duration,
    work: BoxFuture<Result<T, MethodError>>,
) -> Result<T, MethodError> {
    let guarded = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(work));
    match timeout(limit, guarded).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(MethodError::of(ErrorCode::MethodError, "the provider panicked")),
        Err(_) => Err(MethodError::of(ErrorCode::RequestTimeout, "the provider took too long")),
    }
}
