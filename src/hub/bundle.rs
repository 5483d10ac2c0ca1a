//! Publications of one topic that are given out together: joined once, for all who get them all.

use std::cell::OnceCell;
use std::sync::Arc;

use super::Seams;
use super::listener::Bundle;
use super::publication::{Kind, Publication};
use crate::protocol::Dialect;

/// Some publications of one topic in their order.
pub(super) struct Run<'a> {
    publications: Vec<&'a Arc<Publication>>,
    /// Whether all of them are messages of the application.
    messages: bool,
    bundles: [OnceCell<Option<Bundle<'a>>>; 4],
}

impl<'a> Run<'a> {
    pub(super) fn new(publications: Vec<&'a Arc<Publication>>) -> Self {
        let messages = publications.iter().all(|it| it.kind == Kind::Message);
        Self { publications, messages, bundles: Default::default() }
    }

    pub(super) fn publications(&self) -> &[&'a Arc<Publication>] {
        &self.publications
    }

    /// Whether somebody who wants everything behind a sequence gets them all.
    pub(super) fn is_whole_after(&self, sequence: u64) -> bool {
        let begins = self.publications.first().is_some_and(|first| first.sequence > sequence);
        self.publications.len() > 1 && self.messages && begins
    }

    /// All of them for a dialect; `None` if one cannot be written.
    pub(super) fn bundle(&self, dialect: Dialect, seams: &Seams) -> Option<&Bundle<'a>> {
        let join = || {
            let frames: Option<Vec<_>> =
                self.publications.iter().map(|it| it.frame(dialect, seams)).collect();
            let frames = frames?;
            let mut bytes = Vec::with_capacity(frames.iter().map(|frame| frame.bytes().len()).sum());
            frames.iter().for_each(|frame| bytes.extend_from_slice(frame.bytes()));
            Some(Bundle { frames, bytes: bytes.into() })
        };
        self.bundles[dialect.index()].get_or_init(join).as_ref()
    }
}
