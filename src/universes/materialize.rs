//! Writing a state out as files, below a directory that the configuration names and nowhere else.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::Universes;
use super::diff::Side;
use super::error::UniverseError;
use super::path::{FILE, shown};

use super::state::json_at;
use crate::universe::Tree;

/// Which files are written out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// Patterns of which one must fit; none means all. `*` and `?` stay within a name, `**` does not.
    pub include: Vec<String>,
    /// Patterns of which none may fit.
    pub exclude: Vec<String>,
}

/// What was written out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Materialized {
    /// The state.
    pub snapshot_id: String,
    /// Where.
    pub output_dir: String,
    /// Files, with `state.json` if there is a JSON state.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The JSON state, as a file beside the others.
const STATE: &str = "state.json";

impl Universes {
    /// Writes the files of a state, and its JSON state as `state.json`, below the directory of the configuration.
    /// Waits for the disk.
    ///
    /// # Errors
    /// If no directory is configured, `to` is not a relative path, something on the way is a link, a file cannot be
    /// written, or the state is unknown.
    pub fn materialize(
        &self,
        from: &Side,
        to: &str,
        selection: &Selection,
    ) -> Result<Materialized, UniverseError> {
        let Some(root) = &self.options().materialize_root else {
            let text = "the server writes no files: universes.materialize_root is not set".to_owned();
            return Err(UniverseError::Materialize(text));
        };
        let tree = self.side(from, &Tree::new())?;
        let (snapshot, out) = (tree.id(), confined(root, to)?);
        let mut written = Written { root, files: 0, bytes: 0 };
        for (key, entry) in tree.prefix(FILE) {
            let path = shown(key);
            if selection.takes(&path) {
                written.file(&out, &path, entry.value.as_bytes())?;
            }
        }
        let state =
            json_at(&tree, "").filter(|state| state.as_object().is_some_and(|state| !state.is_empty()));
        if let Some(state) = state
            && selection.takes(STATE)
            && tree.get(&[FILE, STATE.as_bytes()].concat()).is_none()
        {
            written.file(&out, STATE, format!("{state:#}\n").as_bytes())?;
        }
        let Written { files, bytes, .. } = written;
        let output_dir = out.to_string_lossy().into_owned();
        Ok(Materialized { snapshot_id: snapshot.to_string(), output_dir, files, bytes })
    }
}

struct Written<'a> {
    root: &'a Path,
    files: u64,
    bytes: u64,
}

impl Written<'_> {
    fn file(&mut self, out: &Path, path: &str, content: &[u8]) -> Result<(), UniverseError> {
        let path = out.join(confined(Path::new(""), path)?);
        let failed = |error: std::io::Error| {
            UniverseError::Materialize(format!("{} cannot be written: {error}", path.display()))
        };
        let parent = path.parent().unwrap_or(out);
        no_links(self.root, &path)?;
        fs::create_dir_all(parent).map_err(failed)?;
        // Between the look and the writing somebody may have put a link there: it is looked at again.
        no_links(self.root, &path)?;
        fs::write(&path, content).map_err(failed)?;
        self.files += 1;
        self.bytes += content.len() as u64;
        Ok(())
    }
}

/// A path below a root. Nothing in it may lead out.
fn confined(root: &Path, path: &str) -> Result<PathBuf, UniverseError> {
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.contains(['\\', '\0']) || !Path::new(path).components().all(normal) {
        return Err(UniverseError::Materialize(format!("\"{path}\" leads out of the directory")));
    }
    Ok(root.join(path))
}

/// Whether nothing between the root and a path is a link, which might lead anywhere.
fn no_links(root: &Path, path: &Path) -> Result<(), UniverseError> {
    let below = path.ancestors().take_while(|above| *above != root);
    for part in below {
        if fs::symlink_metadata(part).is_ok_and(|found| found.file_type().is_symlink()) {
            return Err(UniverseError::Materialize(format!("{} is a link", part.display())));
        }
    }
    Ok(())
}

impl Selection {
    fn takes(&self, path: &str) -> bool {
        let any =
            |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern.as_bytes(), path.as_bytes()));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// Whether a pattern fits a whole path. Tried place by place: what a star has taken is given back once at most.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    // Two stars and a slash are also no directory at all.
    if pattern.strip_prefix(b"**/").is_some_and(|rest| fits(rest, path)) {
        return true;
    }
    let (mut at, mut from) = (0, 0);
    // Where to go on after the last star: in the pattern, in the path, and whether it goes over slashes.
    let mut star: Option<(usize, usize, bool)> = None;
    let mut wide: Option<(usize, usize)> = None;
    loop {
        match pattern.get(at) {
            Some(b'*') => {
                let double = pattern.get(at + 1) == Some(&b'*');
                at += if double { 2 } else { 1 };
                star = Some((at, from, double));
                if double {
                    wide = Some((at, from));
                }
                continue;
            }
            Some(b'?') if path.get(from).is_some_and(|byte| *byte != b'/') => (at, from) = (at + 1, from + 1),
            Some(byte) if path.get(from) == Some(byte) => (at, from) = (at + 1, from + 1),
            None if from == path.len() => return true,
            _ => match (&mut star, &mut wide) {
                (Some((behind, taken, double)), _)
                    if *taken < path.len() && (*double || path[*taken] != b'/') =>
                {
                    *taken += 1;
                    (at, from) = (*behind, *taken);
                }
                (_, Some((behind, taken))) if *taken < path.len() => {
                    *taken += 1;
                    (at, from) = (*behind, *taken);
                    star = Some((*behind, *taken, true));
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_files_as_shells_do() {
        let fit = [
            ("**", "a/b.txt"),
            ("*.txt", "a.txt"),
            ("src/**", "src/a/b.txt"),
            ("src**", "src/a"),
            ("**/*.rs", "a/b/c.rs"),
            ("**/*.rs", "c.rs"),
            ("a?c", "abc"),
            ("a/*/c", "a/b/c"),
            ("**/x/*", "a/x/b/x/c"),
        ];
        for (pattern, path) in fit {
            assert!(fits(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
        for (pattern, path) in
            [("*.txt", "a/b.txt"), ("a?c", "a/c"), ("src/*", "src/a/b"), ("", "a"), ("a", "")]
        {
            assert!(!fits(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
        let hard = "*a".repeat(30) + "b";
        assert!(!fits(hard.as_bytes(), &[b'a'; 200]));
    }

    #[test]
    fn nothing_leads_out() {
        for wrong in ["..", "a/../../b", "/etc", "a\\..\\b"] {
            assert!(confined(Path::new("/top"), wrong).is_err(), "{wrong}");
        }
        assert_eq!(confined(Path::new("/top"), "a/b").unwrap(), Path::new("/top/a/b"));
    }
}
