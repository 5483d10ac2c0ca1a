//! What waits to be written to one socket: bounded, joined into few writes, shared where it can be.

use std::collections::VecDeque;

use bytes::Bytes;

use super::websocket::{Opcode, frame_head};

/// From this size on, shared frames are queued as they are; smaller ones are cheaper copied.
const SHARE_BYTES: usize = 4 * 1024;

/// Frames in the order in which they were pushed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    sealed: VecDeque<Bytes>,
    open: Vec<u8>,
    /// Bytes that were pushed and not yet reported as written.
    waiting: usize,
    /// Of these, bytes that were sent again after a resume: they do not count against the limit.
    exempt: usize,
    marks: Option<Box<Marks>>,
}

/// Which messages are written, for peers that acknowledge nothing.
#[derive(Debug, Default)]
struct Marks {
    /// Bytes that were pushed, and those that were written, since marking began.
    pushed: u64,
    written: u64,
    /// Where each message ends that is not written yet.
    ends: VecDeque<u64>,
    /// How many are.
    done: u64,
}

/// The outbox cannot take any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Outbox {
    /// Queues a message. Nothing is queued if it would make more than `limit` bytes wait; a message
    /// larger than the limit passes while nothing else waits, for it would never pass otherwise.
    pub(super) fn push(&mut self, opcode: Opcode, payload: &[u8], limit: usize) -> Result<(), Full> {
        let (head, used) = frame_head(opcode, payload.len());
        self.admit(used + payload.len(), limit)?;
        self.open.reserve(used + payload.len());
        self.open.extend_from_slice(&head[..used]);
        self.open.extend_from_slice(payload);
        Ok(())
    }

    /// Queues a whole frame that other outboxes hold too.
    pub(super) fn push_shared(&mut self, frame: &Bytes, limit: usize) -> Result<(), Full> {
        self.admit(frame.len(), limit)?;
        // Alone, it is written as it is. With others it is worth joining them to one write.
        if frame.len() < SHARE_BYTES && !self.is_empty() {
            self.open.extend_from_slice(frame);
        } else {
            self.seal();
            self.sealed.push_back(frame.clone());
        }
        Ok(())
    }

    /// Queues a message that was sent once before. It was bounded where it was kept.
    pub(super) fn push_again(&mut self, opcode: Opcode, payload: &[u8]) {
        let before = self.waiting;
        // Without a limit nothing is refused.
        let _ = self.push(opcode, payload, usize::MAX);
        self.exempt += self.waiting - before;
    }

    /// Begins to count which messages are written.
    pub(super) fn mark_from_now(&mut self) {
        let pushed = self.waiting as u64;
        self.marks.get_or_insert_with(|| Box::new(Marks { pushed, ..Marks::default() }));
    }

    /// The message that was pushed last is one to be counted.
    pub(super) fn mark(&mut self) {
        if let Some(marks) = &mut self.marks {
            marks.ends.push_back(marks.pushed);
        }
    }

    /// How many messages of those to be counted are written.
    pub(super) fn marked_written(&self) -> u64 {
        self.marks.as_ref().map_or(0, |marks| marks.done)
    }

    /// The next bytes to write.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.sealed.is_empty() {
            self.seal();
        }
        let first = self.sealed.pop_front()?;
        if first.len() >= SHARE_BYTES || !self.sealed.is_empty() || self.open.is_empty() {
            return Some(first);
        }
        let rest = std::mem::take(&mut self.open);
        Some([&first[..], &rest].concat().into())
    }

    /// Forgets what was not taken.
    pub(super) fn clear(&mut self) {
        self.sealed.clear();
        self.open = Vec::new();
    }

    /// `count` bytes were written.
    pub(super) fn written(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        self.exempt = self.exempt.saturating_sub(count);
        let Some(marks) = &mut self.marks else { return };
        marks.written += count as u64;
        while marks.ends.front().is_some_and(|end| *end <= marks.written) {
            marks.ends.pop_front();
            marks.done += 1;
        }
    }

    /// Bytes that wait, those taken but not yet written included.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing is left to take.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty()
    }

    fn admit(&mut self, bytes: usize, limit: usize) -> Result<(), Full> {
        let counted = self.waiting - self.exempt;
        if counted > 0 && counted.saturating_add(bytes) > limit {
            return Err(Full);
        }
        self.waiting += bytes;
        if let Some(marks) = &mut self.marks {
            marks.pushed += bytes as u64;
        }
        Ok(())
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.sealed.push_back(Bytes::from(std::mem::take(&mut self.open)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_order_and_small_ones_are_joined() {
        let mut outbox = Outbox::default();
        let large = Bytes::from(vec![7; SHARE_BYTES]);
        outbox.push(Opcode::Text, b"a", usize::MAX).unwrap();
        outbox.push_shared(&Bytes::from_static(b"bc"), usize::MAX).unwrap();
        outbox.push_shared(&large, usize::MAX).unwrap();
        outbox.push(Opcode::Text, b"d", usize::MAX).unwrap();
        assert_eq!(outbox.take().unwrap(), b"\x81\x01abc"[..]);
        let shared = outbox.take().unwrap();
        assert_eq!(shared.as_ptr(), large.as_ptr(), "not copied");
        assert_eq!(outbox.take().unwrap(), b"\x81\x01d"[..]);
        assert_eq!(outbox.take(), None);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_was_sent_before_does_not_count_against_the_bound() {
        let mut outbox = Outbox::default();
        outbox.push_again(Opcode::Text, &[0; 98]);
        outbox.push_again(Opcode::Text, &[0; 98]);
        outbox.push(Opcode::Text, &[0; 98], 150).unwrap();
        assert_eq!(outbox.push(Opcode::Text, &[0; 98], 150), Err(Full));
        outbox.written(200);
        assert_eq!(outbox.waiting(), 100);
        assert_eq!(outbox.push(Opcode::Text, &[0; 98], 150), Err(Full));
    }

    #[test]
    fn a_message_is_written_when_its_last_byte_is() {
        let mut outbox = Outbox::default();
        outbox.push(Opcode::Text, b"before", usize::MAX).unwrap();
        outbox.mark_from_now();
        for text in [b"one", b"two"] {
            outbox.push(Opcode::Text, text, usize::MAX).unwrap();
            outbox.mark();
        }
        outbox.push(Opcode::Ping, b"", usize::MAX).unwrap();
        outbox.written(12);
        assert_eq!(outbox.marked_written(), 0);
        outbox.written(1);
        assert_eq!(outbox.marked_written(), 1);
        outbox.written(7);
        assert_eq!(outbox.marked_written(), 2);
    }

    #[test]
    fn the_bound_counts_what_is_being_written() {
        let mut outbox = Outbox::default();
        outbox.push(Opcode::Text, &[0; 98], 150).unwrap();
        let taken = outbox.take().unwrap();
        assert_eq!(outbox.push(Opcode::Text, &[0; 98], 150), Err(Full));
        outbox.written(taken.len());
        assert_eq!(outbox.waiting(), 0);
        outbox.push(Opcode::Text, &[0; 1_000], 150).unwrap();
        assert_eq!(outbox.push(Opcode::Text, b"", 150), Err(Full), "one long message, then no more");
    }
}
