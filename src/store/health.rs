//! Whether writes are taken.

use parking_lot::RwLock;

use super::error::StoreError;

/// Whether writes are taken, and if not, why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// Writes are taken.
    #[default]
    Writable,
    /// The disk is full; this is tried again and again.
    Full(String),
    /// The disk has failed, or the writer has died; only a restart helps.
    Broken(String),
}

impl Health {
    /// Why writes are refused.
    ///
    /// # Errors
    /// With the reason, if they are.
    pub fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Writable => Ok(()),
            Self::Full(reason) => Err(StoreError::DiskFull(reason.clone())),
            Self::Broken(reason) => Err(StoreError::Broken(reason.clone())),
        }
    }
}

/// The health that writer and readers share.
#[derive(Debug, Default)]
pub(super) struct SharedHealth(RwLock<Health>);

impl SharedHealth {
    pub(super) fn get(&self) -> Health {
        self.0.read().clone()
    }

    /// Sets it, unless it is broken: that is for good.
    pub(super) fn set(&self, health: Health) {
        let mut current = self.0.write();
        if !matches!(*current, Health::Broken(_)) {
            *current = health;
        }
    }
}
