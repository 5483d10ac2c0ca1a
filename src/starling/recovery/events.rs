//! What happens to sessions, told once to logs, metrics and the embedding program.

use tracing::{debug, warn};

use super::refusal::Refusal;
use crate::dispatch::Starling;
use crate::starling::shared::Shared;

/// An event in the life of a session. The names are those of the existing server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// A session begins.
    New,
    /// A connection is linked to it, the first or another one.
    Connected,
    /// Its connection is gone; it waits for another one.
    Disconnected {
        /// The close code.
        code: u16,
    },
    /// It was taken up again.
    Recovered {
        /// Messages that were sent again.
        replayed: usize,
        /// Whether the server was restarted in between.
        restarted: bool,
    },
    /// A token was shown that does not take its session up, or not without a gap.
    RecoveryFailed {
        /// Why.
        reason: Refusal,
    },
    /// A state provider was asked, and its state went into a token.
    StateRegistered {
        /// Its namespace.
        namespace: String,
    },
    /// A state provider has got its state back.
    StateRestored {
        /// Its namespace.
        namespace: String,
    },
    /// A state provider has failed.
    StateFailed {
        /// Its namespace.
        namespace: String,
    },
    /// It is over. Told exactly once for each session.
    Closed {
        /// Why.
        reason: Ended,
    },
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its connection is gone, and nobody has a token to come back with.
    Left,
    /// Nobody came back in time.
    TimedOut,
    /// The application, the peer or an administrator ended it.
    Closed,
    /// Too many sessions wait for their peers.
    Crowded,
    /// The server stops, and keeps nothing.
    Stopped,
}

impl Ended {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Crowded => "crowded",
            Self::Stopped => "stopped",
        }
    }
}

impl SessionEvent {
    /// The name that the existing server gives it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::New => "starling:new",
            Self::Connected => "starling:connected",
            Self::Disconnected { .. } => "starling:disconnected",
            Self::Recovered { .. } => "starling:recovered",
            Self::RecoveryFailed { .. } => "starling:recovery:failed",
            Self::StateRegistered { .. } => "state:registered",
            Self::StateRestored { .. } => "state:restored",
            Self::StateFailed { .. } => "state:failed",
            Self::Closed { .. } => "starling:closed",
        }
    }
}

/// Tells everybody who may want to know.
pub(in crate::starling) fn emit(shared: &Shared, starling: &Starling, event: &SessionEvent) {
    let metrics = &shared.metrics.sessions;
    metrics.events.with_label_values(&[event.name()]).inc();
    match event {
        SessionEvent::Recovered { replayed, .. } => {
            metrics.recoveries.with_label_values(&["recovered"]).inc();
            metrics.replayed.inc_by(*replayed as u64);
        }
        SessionEvent::RecoveryFailed { reason } => {
            metrics.recoveries.with_label_values(&[reason.as_str()]).inc();
        }
        SessionEvent::Closed { reason } => metrics.ended.with_label_values(&[reason.as_str()]).inc(),
        _ => {}
    }
    match event {
        SessionEvent::StateFailed { namespace } => {
            warn!(starling = %starling.id(), namespace, "a state provider failed");
        }
        _ => debug!(starling = %starling.id(), event = event.name(), details = ?event, "a session"),
    }
    if let Some(hook) = &shared.hooks.on_session {
        super::super::hooks::guarded("onSession", || hook(starling, event));
    }
}
