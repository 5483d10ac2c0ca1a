//! How publications get to a session: to its socket, or into what is kept for it.

use super::Session;
use crate::dispatch::SendError;
use crate::hub::{Bundle, Frame, Listener, Undelivered};
use crate::protocol::CloseCode;
use crate::starling::link::{Link, Unsent};

/// Gets publications while there is no socket: the history has them.
pub(super) struct Nobody;

impl Listener for Nobody {
    fn deliver(&self, _: &Frame) -> Result<(), Undelivered> {
        Err(Undelivered::Closed)
    }

    fn waiting(&self) -> usize {
        0
    }

    fn close_slow(&self) {}
}

impl Listener for Link {
    fn deliver(&self, frame: &Frame) -> Result<(), Undelivered> {
        self.send_shared(frame.bytes()).map_err(|unsent| match unsent {
            Unsent::Closed => Undelivered::Closed,
            Unsent::SlowConsumer => Undelivered::SlowConsumer,
        })
    }

    fn deliver_all(&self, bundle: &Bundle<'_>) -> Result<(), Undelivered> {
        self.send_shared(bundle.bytes()).map_err(|unsent| match unsent {
            Unsent::Closed => Undelivered::Closed,
            Unsent::SlowConsumer => Undelivered::SlowConsumer,
        })
    }

    fn waiting(&self) -> usize {
        Link::waiting(self)
    }

    fn close_slow(&self) {
        self.close(CloseCode::SlowConsumer, "slow consumer");
    }
}

impl Listener for Session {
    fn deliver(&self, frame: &Frame) -> Result<(), Undelivered> {
        self.send_frame(frame.bytes(), frame.payload()).map_err(|error| match error {
            SendError::SlowConsumer => Undelivered::SlowConsumer,
            SendError::Full => Undelivered::Full,
            _ => Undelivered::Closed,
        })
    }

    fn deliver_all(&self, bundle: &Bundle<'_>) -> Result<(), Undelivered> {
        // Where messages are kept, each is kept by itself.
        match self.send_unkept(bundle.bytes(), bundle.frames().len()) {
            Some(sent) => sent.map_err(|_| Undelivered::Closed),
            None => bundle.frames().iter().try_for_each(|frame| self.deliver(frame)),
        }
    }

    fn waiting(&self) -> usize {
        self.link().map_or(0, |link| Link::waiting(&link))
    }

    fn close_slow(&self) {
        self.close_link(CloseCode::SlowConsumer, "slow consumer");
    }
}
