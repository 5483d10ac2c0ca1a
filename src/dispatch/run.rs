//! The one path of a call: look up, check, run with a deadline, answer once, count.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Instant;

use futures_util::FutureExt;

use super::BoxFuture;
use super::context::Context;
use super::error::MethodError;
use super::events;
use super::limits::{Face, Limits};
use super::method::Method;
use super::peer::Starling;
use super::registry::Registry;
use super::reply::Reply;
use crate::auth::Principal;
use crate::protocol::{ErrorCode, Raw, RequestId};
use crate::telemetry::{Metrics, enter_request};

/// The answer to a call.
pub type Answer = Result<Reply, MethodError>;

type Outcome = Result<Answer, Box<dyn Any + Send>>;

/// A call that may run.
#[derive(Debug)]
pub struct Call {
    context: Context,
    metrics: Arc<Metrics>,
    started: Instant,
}

/// A call that may not run, and what the caller is told.
#[derive(Debug)]
pub struct Refused(pub MethodError);

impl Call {
    /// Looks the method up and passes the gate: may this caller, and is there room?
    ///
    /// # Errors
    /// With what the caller is told.
    pub fn admit(
        registry: &Registry,
        metrics: &Arc<Metrics>,
        starling: &Starling,
        request_id: RequestId,
        name: &str,
    ) -> Result<Self, Refused> {
        let known = registry.get(name).filter(|method| !method.options().private);
        Self::admit_known(known, Some(registry.limits()), metrics, starling, request_id, name)
    }

    /// The same for a call that the server makes in the name of a caller: private methods are open to it.
    ///
    /// # Errors
    /// With what the caller is told.
    pub fn admit_private(
        registry: &Registry,
        metrics: &Arc<Metrics>,
        starling: &Starling,
        request_id: RequestId,
        name: &str,
    ) -> Result<Self, Refused> {
        Self::admit_known(registry.get(name), None, metrics, starling, request_id, name)
    }

    fn admit_known(
        known: Option<&Arc<Method>>,
        limits: Option<&Limits>,
        metrics: &Arc<Metrics>,
        starling: &Starling,
        request_id: RequestId,
        name: &str,
    ) -> Result<Self, Refused> {
        let started = Instant::now();
        let endpoint = known.map_or("unknown", |method| method.name());
        let refused = |error: MethodError| {
            match starling.face() {
                Face::Socket => metrics.observe_failure(endpoint, error.label()),
                Face::Rest | Face::Demo => metrics.observe_error(error.label()),
            }
            Refused(error)
        };
        let Some(method) = known else {
            let text = format!("Method {name} not found");
            return Err(refused(MethodError::of(ErrorCode::MethodNotFound, text)));
        };
        let principal = starling.principal();
        if let Some(limits) = limits {
            limits.take(&method.limits, starling, &principal).map_err(|exceeded| refused(exceeded.into()))?;
        }
        may(&principal, method).map_err(refused)?;
        if method.options().needs_session && starling.face() != Face::Socket {
            let text = format!("{} is about a session; call it over a WebSocket", method.name());
            return Err(refused(MethodError::of(ErrorCode::Conflict, text)));
        }
        method.enter().map_err(refused)?;
        let context = Context::new((starling.clone(), principal), request_id, Arc::clone(method), started);
        Ok(Self { context, metrics: Arc::clone(metrics), started })
    }

    /// Runs the handler and hands its answer to `answer`, exactly once; `answer` sends it and marks it as sent. A handler that is ready at once is
    /// done when this returns; another goes on in a task of this thread.
    pub fn run(self, payload: Option<Raw<'_>>, answer: impl FnOnce(Answer, &Context) + 'static) {
        let method = self.context.method_entry();
        let span = tracing::debug_span!(
            "request",
            request_id = %self.context.request_id(),
            method = method.name(),
            starling = %self.context.starling().id(),
        );
        let entered = span.enter();
        let scope = enter_request(self.context.request_id().as_ascii());
        // The check and the call of the handler may panic too, before there is a future.
        let called = catch_unwind(AssertUnwindSafe(|| {
            self.still_may()?;
            method.check(payload)?;
            Ok(method.call(self.context.clone(), payload.map(Raw::to_owned)))
        }));
        let mut work = match called {
            Ok(Ok(work)) => Guarded(work),
            Ok(Err(error)) => return answer(self.finish(Err(error)), &self.context),
            Err(panic) => {
                let outcome = self.settle(Err(panic));
                return answer(self.finish(outcome), &self.context);
            }
        };
        // Most handlers need nothing but the processor: those never see a task, a timer or a waker.
        let first = work.poll_unpin(&mut TaskContext::from_waker(Waker::noop()));
        drop((entered, scope));
        match first {
            Poll::Ready(outcome) => {
                let outcome = self.settle(outcome);
                answer(self.finish(outcome), &self.context);
            }
            Poll::Pending => {
                let work = InScope { id: self.context.request_id(), work, span };
                actix_rt::spawn(async move {
                    let outcome = self.wait(work).await;
                    answer(self.finish(outcome), &self.context);
                });
            }
        }
    }

    /// It may have waited to be written down: whoever has logged out or lost a right meanwhile does not do it any more.
    fn still_may(&self) -> Result<(), MethodError> {
        let (then, now) = (self.context.principal(), self.context.starling().principal());
        if Arc::ptr_eq(&then, &now) {
            return Ok(());
        }
        if !then.is_same(&now) {
            return Err(MethodError::of(
                ErrorCode::PermissionDenied,
                "The session belongs to somebody else by now",
            ));
        }
        may(&now, self.context.method_entry())
    }

    /// Waits for the handler, at most until the deadline. It is told when nobody waits any more.
    async fn wait(&self, work: impl Future<Output = Outcome>) -> Answer {
        let ended = self.context.starling().ended();
        let deadline = tokio::time::sleep_until(self.context.deadline().into());
        tokio::pin!(work, deadline);
        let mut gone = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return self.settle(outcome),
                () = &mut deadline => {
                    self.context.cancel();
                    let ms = self.context.method_entry().timeout().as_millis();
                    let text = format!("Method execution timed out after {ms}ms");
                    return Err(MethodError::of(ErrorCode::RequestTimeout, text));
                }
                () = ended.cancelled(), if !gone => {
                    gone = true;
                    self.context.cancel();
                }
            }
        }
    }

    fn settle(&self, outcome: Outcome) -> Answer {
        outcome.unwrap_or_else(|_| {
            events::panicked(&self.context, &self.metrics);
            Err(ErrorCode::MethodError.into())
        })
    }

    /// Counts, and closes the request for notifications.
    fn finish(&self, answer: Answer) -> Answer {
        self.context.take_answer();
        let method = self.context.method_entry();
        // A call over HTTP is counted there, by its route: a request is one.
        let socket = self.context.starling().face() == Face::Socket;
        match &answer {
            Ok(_) if socket => method.metrics.succeeded(self.started.elapsed()),
            Ok(_) => {}
            Err(error) => {
                if socket {
                    method.metrics.failed(self.started.elapsed());
                    self.metrics.observe_failure(method.name(), error.label());
                } else {
                    self.metrics.observe_error(error.label());
                }
                events::failed(&self.context, error);
            }
        }
        answer
    }
}

/// Whether a caller has what a method asks for.
fn may(principal: &Principal, method: &Method) -> Result<(), MethodError> {
    match &method.options().permission {
        Some(permission) if !principal.may(permission) => Err(MethodError::permission(permission)),
        _ => Ok(()),
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.context.method_entry().leave();
    }
}

/// Turns a panic of a handler into an outcome.
struct Guarded(BoxFuture<Answer>);

impl Future for Guarded {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Outcome> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Polls a handler inside the scope of its request, so that its log lines name it.
struct InScope<F> {
    id: RequestId,
    work: F,
    span: tracing::Span,
}

impl<F: Future + Unpin> Future for InScope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let _scope = enter_request(this.id.as_ascii());
        this.work.poll_unpin(cx)
    }
}
