//! The forms that a handler can have.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use thiserror::Error;
use tokio::sync::oneshot;

use super::context::Context;
use super::error::MethodError;
use super::events;
use super::method::Handler;
use super::reply::{IntoReply, Reply};
use crate::protocol::{ErrorCode, Payload};
use crate::telemetry::Metrics;

/// Parameters of a method that takes none: whatever is sent is ignored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Wraps `async fn(Context, Params) -> Result<Reply, MethodError>`.
pub(super) fn typed<P, R, F, Fut>(handler: F) -> Handler
where
    P: DeserializeOwned + Send + 'static,
    R: IntoReply + 'static,
    F: Fn(Context, P) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
{
    Box::new(move |context, payload| {
        let codec = context.starling().dialect().codec;
        let params = match payload {
            Some(payload) => payload.read::<P>(),
            None => serde_json::from_str("null").map_err(Into::into),
        };
        match params {
            Ok(params) => {
                let answer = handler(context, params);
                Box::pin(async move { answer.await?.into_reply(codec) })
            }
            Err(error) => {
                let error = MethodError::invalid([error]);
                Box::pin(async move { Err(error) })
            }
        }
    })
}

/// Wraps a handler that gives payload bytes back as they are, or other ones: nothing is read or written.
pub(super) fn passing<F, Fut>(handler: F) -> Handler
where
    F: Fn(Context, Option<Payload>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply, MethodError>> + Send + 'static,
{
    Box::new(move |context, payload| Box::pin(handler(context, payload)))
}

/// How a raw handler answers: once, whenever it likes before it returns.
#[derive(Clone, Debug)]
pub struct Responder {
    context: Context,
    metrics: Arc<Metrics>,
    slot: Slot,
}

type Slot = Arc<Mutex<Option<oneshot::Sender<Result<Reply, MethodError>>>>>;

/// Only the first answer of a request goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("Request already processed")]
pub struct AlreadyAnswered;

impl Responder {
    /// Answers with data.
    ///
    /// # Errors
    /// If the request was answered before; that is logged.
    pub fn succeed(&self, data: impl IntoReply) -> Result<(), AlreadyAnswered> {
        self.answer(data.into_reply(self.context.starling().dialect().codec))
    }

    /// Answers with an error.
    ///
    /// # Errors
    /// If the request was answered before; that is logged.
    pub fn fail(&self, error: MethodError) -> Result<(), AlreadyAnswered> {
        self.answer(Err(error))
    }

    fn answer(&self, answer: Result<Reply, MethodError>) -> Result<(), AlreadyAnswered> {
        let sender = self.slot.lock().take();
        match sender.map(|sender| sender.send(answer)) {
            Some(Ok(())) => Ok(()),
            _ => {
                events::late_answer(&self.context, &self.metrics);
                Err(AlreadyAnswered)
            }
        }
    }
}

/// Wraps `async fn(Context, Option<Payload>, Responder)`.
pub(super) fn raw<F, Fut>(handler: F, metrics: Arc<Metrics>) -> Handler
where
    F: Fn(Context, Option<Payload>, Responder) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::new(move |context, payload| {
        let (sender, mut answer) = oneshot::channel();
        let slot = Arc::new(Mutex::new(Some(sender)));
        let responder =
            Responder { context: context.clone(), metrics: Arc::clone(&metrics), slot: Arc::clone(&slot) };
        let work = handler(context.clone(), payload, responder);
        let metrics = Arc::clone(&metrics);
        Box::pin(async move {
            let mut work = Box::pin(work);
            tokio::select! {
                biased;
                answered = &mut answer => {
                    // The caller has its answer at once; what is left to do goes on by itself.
                    actix_rt::spawn(async move {
                        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                            events::panicked(&context, &metrics);
                        }
                    });
                    answered.unwrap_or_else(|_| Err(no_answer()))
                }
                () = &mut work => {
                    slot.lock().take();
                    answer.try_recv().unwrap_or_else(|_| Err(no_answer()))
                }
            }
        })
    })
}

fn no_answer() -> MethodError {
    MethodError::of(ErrorCode::MethodError, "Method handler did not provide a response")
}
