//! What is done has to be heeded, also when whoever asked for it has hung up before the answer: others wait for what follows.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Does something to its end. If nobody waits for it any more, a task of its own does the rest.
pub(super) fn surely<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    Surely(Some(Box::pin(work)))
}

struct Surely<T: Send + 'static>(Option<Work<T>>);

impl<T: Send + 'static> Future for Surely<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let done = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for Surely<T> {
    fn drop(&mut self) {
        // Without a runtime the server has ended.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_is_done_to_its_end_whether_or_not_anybody_waits() {
        assert_eq!(surely(async { 1 }).await, 1);
        let ((go, gone), (done, heard)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut work = Box::pin(surely(async move {
            gone.await.unwrap();
            done.send(2).unwrap();
        }));
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(heard.await, Ok(2));
    }
}
