//! Handlers of jobs that run in this process, from the start to the end in order.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, join_all};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::queue::{JobContext, JobFailure, JobReply, Queue, WorkerOptions, work};

type Handle = dyn Fn(JobContext) -> BoxFuture<'static, Result<JobReply, JobFailure>> + Send + Sync;

/// A handler for jobs of one type.
pub(super) struct JobHandler {
    pub(super) kind: String,
    concurrency: usize,
    handle: Arc<Handle>,
}

impl JobHandler {
    pub(super) fn new<F, Fut>(kind: &str, concurrency: usize, handler: F) -> Self
    where
        F: Fn(JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<JobReply, JobFailure>> + Send + 'static,
    {
        Self { kind: kind.to_owned(), concurrency, handle: Arc::new(move |context| handler(context).boxed()) }
    }
}

impl fmt::Debug for JobHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobHandler({})", self.kind)
    }
}

/// How long jobs may still run when the server stops; then they are given back.
const GRACE: Duration = Duration::from_secs(5);

/// The workers of a server.
#[derive(Debug)]
pub(super) struct Workers {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(queue: Option<&Queue>, handlers: Vec<JobHandler>) -> Self {
        let stop = CancellationToken::new();
        let run = |(queue, handler): (Queue, JobHandler)| {
            let JobHandler { kind, concurrency, handle } = handler;
            let options = WorkerOptions {
                // The same after a restart: what it had then has ended with the process.
                worker: format!("server:{kind}"),
                types: kind.parse().into_iter().collect(),
                concurrency,
                grace: GRACE,
            };
            let stop = stop.clone();
            actix_rt::spawn(async move {
                if let Err(error) = work(queue, options, stop, move |context| handle(context)).await {
                    tracing::error!(%error, kind, "a worker has stopped");
                }
            })
        };
        // Without a queue there are no handlers.
        let tasks = handlers.into_iter().filter_map(|it| Some((queue?.clone(), it))).map(run).collect();
        Self { stop, tasks }
    }

    /// Lets jobs come to their end, or gives them back.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        join_all(self.tasks).await;
    }
}
