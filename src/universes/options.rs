//! Options of universes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{ByteSize, Span};

/// Universes: branchable state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UniverseOptions {
    /// Whether there are universes.
    pub enabled: bool,
    /// Whether everybody may use them, also over HTTP below /api. Otherwise a caller needs the permission
    /// universe:read or universe:write.
    pub everyone: bool,
    /// Universes at a time.
    pub universes_max: usize,
    /// Universes that one request may create.
    pub create_max: usize,
    /// The state and the files of one universe, with their names.
    pub state_bytes_max: ByteSize,
    /// One value or one file.
    pub value_bytes_max: ByteSize,
    /// The longest name of a value or a file, with all names above it.
    pub path_bytes_max: ByteSize,
    /// Memory for universes beyond what they share. Those that were not used for longest are read from the disk
    /// when they are wanted again.
    pub resident_bytes_max: ByteSize,
    /// Memory for nodes of the history that were wanted lately. 0B keeps none.
    pub cache_bytes: ByteSize,
    /// Changes go from the log to the object store after this time, or after overlay_bytes.
    pub checkpoint_interval: Span,
    /// Changes that wait for that.
    pub overlay_bytes: ByteSize,
    /// Operations that may wait for their turn.
    pub queue_max: usize,
    /// A universe that was not changed for so long is deleted, with its descendants. 0s keeps it.
    pub ttl: Span,
    /// The directory below which the server writes files out; "" is none, and it does not.
    #[serde(with = "directory")]
    #[schemars(with = "PathBuf")]
    pub materialize_root: Option<PathBuf>,
}

impl Default for UniverseOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            everyone: false,
            universes_max: 10_000,
            create_max: 1_000,
            state_bytes_max: ByteSize::mib(256),
            value_bytes_max: ByteSize::mib(8),
            path_bytes_max: ByteSize::kib(1),
            resident_bytes_max: ByteSize::mib(512),
            cache_bytes: ByteSize::mib(32),
            checkpoint_interval: Span::secs(1),
            overlay_bytes: ByteSize::mib(8),
            queue_max: 1_000,
            ttl: Span::secs(0),
            materialize_root: None,
        }
    }
}

impl UniverseOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text: &str| {
            if !fine {
                problems.push((key, text.to_owned()));
            }
        };
        check("universes_max", self.universes_max > 0, "must be at least 1");
        check("create_max", self.create_max > 0, "must be at least 1");
        check("queue_max", self.queue_max > 0, "must be at least 1");
        // A journal entry is one value of the store, and a node one record.
        check("value_bytes_max", self.value_bytes_max <= ByteSize::mib(256), "must be at most 256MiB");
        let path = self.path_bytes_max;
        check("path_bytes_max", path >= ByteSize(16), "must be at least 16B");
        check("path_bytes_max", path <= ByteSize::kib(4), "must be at most 4KiB");
        check("checkpoint_interval", self.checkpoint_interval.as_ms() >= 10, "must be at least 10ms");
        problems
    }
}

/// A directory that may be none, as text: what is left out of a file would be no key of it.
mod directory {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.clone().unwrap_or_default().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Some(PathBuf::deserialize(from)?).filter(|path| !path.as_os_str().is_empty()))
    }
}
