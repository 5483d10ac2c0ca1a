//! Where keys lie: in the store, or in a universe that was forked from it.

use std::sync::Arc;

use super::super::errors;
use super::{KeyAction, KeyRules};
use crate::auth::Principal;
use crate::dispatch::{Context, MethodError};
use crate::protocol::ErrorCode;
use crate::store::{Command, Commit, CommitOutcome, Outcome, Store, View};
use crate::universes::{UniverseId, Universes};

/// What a caller needs who names a universe.
pub(super) const READ: &str = "universe:read";
pub(super) const WRITE: &str = "universe:write";

/// What the methods work with.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) store: Store,
    pub(super) universes: Option<Universes>,
    /// Whether everybody may use the keys.
    pub(super) everyone: bool,
    /// Who reaches which keys.
    pub(super) rules: Arc<KeyRules>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The keys themselves.
    Main(Store),
    /// Those of a universe.
    Universe(Universes, UniverseId),
}

impl Places {
    /// Whether a caller may do something with the keys themselves.
    pub(super) fn may(&self, principal: &Principal, permission: &str) -> bool {
        self.everyone || principal.may(permission)
    }

    /// Whether a caller may do that with a key.
    pub(super) fn check(&self, ctx: &Context, key: &str, action: KeyAction) -> Result<(), MethodError> {
        self.rules.check(&ctx.principal(), key, action)
    }

    /// The universe that is named, or the keys themselves. Whoever names one needs the permission for it.
    pub(super) fn get(
        &self,
        ctx: &Context,
        universe: Option<&str>,
        permission: &str,
    ) -> Result<Place, MethodError> {
        let Some(name) = universe.filter(|name| *name != "main") else {
            return Ok(Place::Main(self.store.clone()));
        };
        let Some(universes) = &self.universes else {
            return Err(MethodError::invalid(["/universe: there are no universes here"]));
        };
        if !universes.options().everyone && !ctx.principal().may(permission) {
            return Err(MethodError::permission(permission));
        }
        let id = name
            .parse()
            .map_err(|_| MethodError::invalid([format!("/universe: \"{name}\" is no id of a universe")]))?;
        Ok(Place::Universe(universes.clone(), id))
    }
}

impl Place {
    /// The keys as they are.
    pub(super) async fn view(&self) -> Result<View, MethodError> {
        match self {
            Self::Main(store) => Ok(store.view()),
            Self::Universe(universes, id) if universes.is_resident(*id) => {
                universes.keys(*id).map_err(|error| errors::universe(&error))
            }
            Self::Universe(universes, id) => {
                let (universes, id) = (universes.clone(), *id);
                let read = actix_rt::task::spawn_blocking(move || universes.keys(id)).await;
                let read = read.map_err(|_| MethodError::from(ErrorCode::InternalError))?;
                read.map_err(|error| errors::universe(&error))
            }
        }
    }

    /// The time that they end by.
    pub(super) fn now_ms(&self) -> u64 {
        match self {
            Self::Main(store) => store.now_ms(),
            Self::Universe(universes, _) => universes.now_ms(),
        }
    }

    /// Carries out several commands at once, or none of them.
    pub(super) async fn commit(&self, commit: Commit) -> Result<CommitOutcome, MethodError> {
        match self {
            Self::Main(store) => store.commit(commit).await.map_err(|error| errors::store(&error)),
            Self::Universe(universes, id) => {
                universes.commit_keys(*id, commit).await.map_err(|error| errors::universe(&error))
            }
        }
    }

    /// Carries out one command.
    pub(super) async fn run(&self, command: Command) -> Result<Outcome, MethodError> {
        if let Self::Main(store) = self {
            let outcome = store.run(command).await.map_err(|error| errors::store(&error))?;
            return outcome.map_err(|refusal| errors::refusal("payload", &refusal));
        }
        let commit = Commit { commands: vec![command], ..Commit::default() };
        match self.commit(commit).await? {
            CommitOutcome::Done { mut outcomes, .. } => match outcomes.pop() {
                Some(outcome) => outcome.map_err(|refusal| errors::refusal("payload", &refusal)),
                None => Err(ErrorCode::InternalError.into()),
            },
            CommitOutcome::Refused { refusal, .. } => Err(errors::refusal("payload", &refusal)),
            CommitOutcome::Conflict { .. } => Err(ErrorCode::InternalError.into()),
        }
    }
}
