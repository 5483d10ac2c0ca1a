//! Changes of a state.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::super::draft::Draft;
use super::super::engine::Engine;
use super::super::error::UniverseError;
use super::super::merge::above;
use super::super::path::file_key;
use super::super::universe::UniverseId;
use crate::store::Value;

/// What an update has done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Updated {
    /// Bytes that the JSON state has grown by; less than 0 if it has shrunk.
    pub size_change: i64,
    /// Values, files and keys that were put or taken away.
    pub changes: u64,
    /// Whether the state was shared until now, so that its way to the changes was copied.
    pub shared: bool,
}

/// A file that is written, or taken away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What is in it; `None` takes it away.
    pub content: Option<Vec<u8>>,
    /// Whether it goes behind what is in the file already.
    pub append: bool,
}

impl Engine {
    /// Changes the JSON state: by a merge patch, or as a whole.
    pub(in super::super) fn update(
        &mut self,
        id: UniverseId,
        updates: &Map<String, Json>,
        merge: bool,
    ) -> Result<Updated, UniverseError> {
        self.edit(id, |draft| if merge { draft.merge(updates) } else { draft.replace(updates) })
    }

    /// Writes files, and takes files away.
    pub(in super::super) fn write_files(
        &mut self,
        id: UniverseId,
        files: Vec<FileChange>,
    ) -> Result<Updated, UniverseError> {
        let limit = self.options.path_bytes_max.0;
        self.edit(id, |draft| files.into_iter().try_for_each(|file| draft.write_file(file, limit)))
    }

    /// Changes the state by a draft of it.
    pub(in super::super) fn edit(
        &mut self,
        id: UniverseId,
        change: impl FnOnce(&mut Draft) -> Result<(), UniverseError>,
    ) -> Result<Updated, UniverseError> {
        let universe = self.universe(id)?;
        let mut draft = self.draft(&universe)?;
        change(&mut draft)?;
        let size_change = draft.sizes.json_bytes as i64 - universe.head.sizes.json_bytes as i64;
        let shared = draft.changes > 0 && universe.is_shared();
        let updated = Updated { size_change, changes: draft.changes, shared };
        self.put_draft(&universe, draft);
        Ok(updated)
    }
}

impl Draft {
    fn write_file(&mut self, file: FileChange, limit: usize) -> Result<(), UniverseError> {
        let FileChange { path, content, append } = file;
        let key = file_key(&path, limit)?;
        let Some(content) = content else {
            self.take(&key);
            return Ok(());
        };
        let wrong = |text: String| Err(UniverseError::Invalid { place: "files", text });
        if above(&key).any(|above| self.tree.get(above).is_some()) {
            return wrong(format!("\"{path}\" lies below a file"));
        }
        if self.any(&[&key, &b"/"[..]].concat()) {
            return wrong(format!("\"{path}\" is a directory"));
        }
        let before = self.tree.get(&key).filter(|_| append);
        let content = match before {
            Some(entry) => [entry.value.as_bytes(), &content].concat(),
            None => content,
        };
        self.put(key, Value::bytes(content), 0)
    }
}
