//! What a session has sent and may have to send again. Pure: no sockets, no clock.
//!
//! Messages are numbered from 1 in the order in which they were sent. Nothing of that is on the wire: a
//! connection keeps its order, so both sides count. A peer that knows our extensions acknowledges what its
//! application has handled; of others it is only known what their socket has taken.

use std::collections::VecDeque;
use std::sync::Arc;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::starling) struct Limits {
    /// Messages.
    pub(in crate::starling) messages_max: usize,
    /// Their bytes.
    pub(in crate::starling) bytes_max: usize,
}

/// The message does not fit any more; whoever sends it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::starling) struct Full;

/// What becomes of a message when the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::starling) enum Kind {
    /// Nobody could make it again, so it is written down.
    Lasting,
    /// An answer or what belongs to a request: it is made again, or remembered with its request.
    Passing,
    /// An answer that is on no disk. Its place is kept, with nothing in it.
    Secret,
}

/// The messages that a peer may not have, the oldest first.
#[derive(Debug, Default)]
pub(in crate::starling) struct Delivery {
    /// Their bytes, one after the other, from `start` on.
    bytes: Vec<u8>,
    start: usize,
    entries: VecDeque<Entry>,
    /// The number of the last message that was sent, kept or not.
    sent: u64,
    /// Every message up to this one is known to be with the peer's application.
    acked: u64,
    /// A message was turned away while nobody was there to get it.
    gap: bool,
    /// Numbers that were written down, the lowest first, and those of them that are not needed any more.
    written: VecDeque<u64>,
    done: Vec<u64>,
    /// What lies before this number has been looked at for writing down.
    collected: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: u32,
    kind: Kind,
}

/// A buffer that has become empty gives its memory back beyond this.
const KEEP_BYTES: usize = 64 * 1024;

/// Whoever acknowledges so many messages at once is busy.
const BUSY: usize = 32;

impl Delivery {
    /// Keeps what is sent after number `sent`.
    pub(in crate::starling) fn after(sent: u64) -> Self {
        Self { sent, acked: sent, collected: sent, ..Self::default() }
    }

    /// What a process before this one has written down, for a peer that has everything up to `number`. What
    /// it does not have is numbered anew, for it counts what it gets.
    pub(in crate::starling) fn restored(number: u64, messages: Vec<(u64, Vec<u8>)>) -> Self {
        let mut delivery = Self::after(number);
        for (at, payload) in messages {
            delivery.done.push(at);
            if at > number {
                delivery.append(&payload, Kind::Lasting);
            }
        }
        delivery
    }

    /// Adds what `later` has kept, for a peer whose place was not known until now.
    pub(in crate::starling) fn append_all(&mut self, later: &Self) {
        for (_, payload, kind) in later.messages() {
            self.append(payload, kind);
        }
        self.gap |= later.gap;
    }

    /// A note about this message was not written: it is to be noted again.
    pub(in crate::starling) fn take_back(&mut self, number: u64) {
        self.written.retain(|written| *written != number);
        self.done.push(number);
        self.collected = self.collected.min(number - 1);
    }

    /// The number of the last message.
    pub(in crate::starling) fn sent(&self) -> u64 {
        self.sent
    }

    #[cfg(test)]
    // Messages that are kept.
    pub(in crate::starling) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps a message that goes out now. The oldest make room: most likely the peer has them, and if it does
    /// not, it is told so when it comes back.
    pub(in crate::starling) fn push(&mut self, payload: &[u8], kind: Kind, limits: Limits) {
        while !self.fits(payload.len(), limits) && !self.entries.is_empty() {
            self.drop_first();
        }
        self.append(payload, kind);
    }

    /// Keeps a message for a peer that is away.
    pub(in crate::starling) fn hold(
        &mut self,
        payload: &[u8],
        kind: Kind,
        limits: Limits,
    ) -> Result<(), Full> {
        if !self.fits(payload.len(), limits) {
            self.gap = true;
            return Err(Full);
        }
        self.append(payload, kind);
        Ok(())
    }

    fn fits(&self, bytes: usize, limits: Limits) -> bool {
        let held = self.bytes.len() - self.start;
        self.entries.len() < limits.messages_max && (held == 0 || held + bytes <= limits.bytes_max)
    }

    fn append(&mut self, payload: &[u8], kind: Kind) {
        self.sent += 1;
        self.bytes.extend_from_slice(payload);
        self.entries.push_back(Entry { length: payload.len() as u32, kind });
    }

    /// The application of the peer has handled everything up to `number`.
    pub(in crate::starling) fn acknowledge(&mut self, number: u64) {
        self.acked = self.acked.max(number.min(self.sent));
        let before = self.entries.len();
        while self.first() <= self.acked && !self.entries.is_empty() {
            self.drop_first();
        }
        // A busy peer fills the buffer again at once. A quiet one acknowledges little at a time, and keeps none.
        if self.entries.is_empty() && (before < BUSY || self.bytes.capacity() > KEEP_BYTES) {
            (self.bytes, self.entries) = (Vec::new(), VecDeque::new());
        }
    }

    /// The number of the oldest message that is kept; one more than the last if none is.
    pub(in crate::starling) fn first(&self) -> u64 {
        self.sent + 1 - self.entries.len() as u64
    }

    fn drop_first(&mut self) {
        let number = self.first();
        let Some(entry) = self.entries.pop_front() else { return };
        self.start += entry.length as usize;
        if self.written.front() == Some(&number) {
            self.written.pop_front();
            self.done.push(number);
        }
        if self.entries.is_empty() {
            self.start = 0;
            self.bytes.clear();
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Whether something that was written down is not needed any more.
    pub(in crate::starling) fn has_written_ones_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether a peer that has everything up to `number` can be given all the rest.
    pub(in crate::starling) fn is_whole_after(&self, number: u64) -> bool {
        !self.gap && number <= self.sent && self.first() <= number + 1
    }

    /// Messages after `number`, the oldest first.
    pub(in crate::starling) fn after_number(&self, number: u64) -> impl Iterator<Item = &[u8]> {
        let skipped = (number + 1).saturating_sub(self.first()) as usize;
        self.messages().skip(skipped).map(|(_, payload, _)| payload)
    }

    fn messages(&self) -> impl Iterator<Item = (u64, &[u8], Kind)> {
        let mut at = self.start;
        self.entries.iter().zip(self.first()..).map(move |(entry, number)| {
            let from = at;
            at += entry.length as usize;
            (number, &self.bytes[from..at], entry.kind)
        })
    }

    /// The peer starts again from here: what is kept is given up, and whatever was lost is no gap any more.
    pub(in crate::starling) fn give_up(&mut self) {
        self.acknowledge(self.sent);
        self.gap = false;
    }

    /// What is to be written down since the last time and what is to be taken out again. `all` also takes
    /// messages that pass, for an end in order.
    pub(in crate::starling) fn collect(&mut self, all: bool) -> Collected {
        let from = if all { 0 } else { self.collected };
        let wanted = |number: u64, kind| number > from && (all || kind == Kind::Lasting);
        let new: Vec<(u64, Arc<[u8]>)> = self
            .messages()
            .filter(|(number, _, kind)| wanted(*number, *kind))
            .map(|(number, payload, kind)| {
                (number, if kind == Kind::Secret { Arc::default() } else { payload.into() })
            })
            .collect();
        if all {
            self.written.clear();
        }
        self.written.extend(new.iter().map(|(number, _)| *number));
        self.collected = self.sent;
        Collected { new, done: std::mem::take(&mut self.done) }
    }
}

/// The difference between what is kept and what is written down.
#[derive(Debug, Default, PartialEq)]
pub(in crate::starling) struct Collected {
    /// Messages with their numbers. Of a secret one, nothing.
    pub(in crate::starling) new: Vec<(u64, Arc<[u8]>)>,
    /// Numbers of messages that are not needed any more.
    pub(in crate::starling) done: Vec<u64>,
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
