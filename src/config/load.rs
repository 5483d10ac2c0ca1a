//! Lays the sources over each other.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use super::problems::{Problem, Problems};
use super::{Config, environment, existing, open};

/// A value from the command line: its flag's name, its key and its text.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As it was written, such as `--listen`.
    pub name: &'static str,
    /// The key, such as `gateway.listen`.
    pub key: &'static str,
    /// The value.
    pub value: Value,
}

/// Where the values come from, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What is assumed when nobody says anything; a profile changes it.
    pub base: Config,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Flags.
    pub flags: Vec<Flag>,
}

/// One value for one key.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) origin: String,
    pub(super) path: Vec<String>,
    pub(super) value: Value,
}

impl Sources {
    /// The configuration that they give together.
    ///
    /// # Errors
    /// With everything that is wrong in any of them.
    pub fn load(self) -> Result<Config, Problems> {
        let mut merge = Merge { tree: tree_of(&self.base), problems: Vec::new() };
        if let Some(path) = &self.file {
            let origin = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => merge.file(&origin, &text),
                Err(error) => merge.problem(&origin, "", format!("cannot be read: {error}")),
            }
        }
        for path in environment::paths(&self.environment) {
            open::make_entry(&mut merge.tree, &path);
        }
        let from_environment = environment::assignments(self.environment, &merge.tree.clone());
        let from_flags = self.flags.into_iter().map(|flag| Assignment {
            origin: flag.name.to_owned(),
            path: flag.key.split('.').map(str::to_owned).collect(),
            value: flag.value,
        });
        from_environment.into_iter().chain(from_flags).for_each(|assignment| merge.assign(assignment));
        merge.finish()
    }
}

struct Merge {
    /// Always a valid configuration: what does not fit is never put in.
    tree: Table,
    problems: Vec<Problem>,
}

impl Merge {
    fn problem(&mut self, origin: &str, key: &str, text: String) {
        self.problems.push(Problem { origin: origin.to_owned(), key: key.to_owned(), text });
    }

    fn file(&mut self, origin: &str, text: &str) {
        match text.parse::<Table>() {
            Ok(table) => {
                open::make_entries(&mut self.tree, &table);
                let known = self.tree.clone();
                for assignment in leaves(origin, &table, &known) {
                    self.assign(assignment);
                }
            }
            Err(error) => self.problem(origin, "", error.to_string().trim_end().replace('\n', "\n    ")),
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        let Assignment { origin, path, mut value } = assignment;
        let key = path.join(".");
        if let Err(text) = self.check_known(&path) {
            return self.problem(&origin, &key, text);
        }
        let mut tree = self.tree.clone();
        let Some(slot) = slot(&mut tree, &path) else { return };
        if matches!(key.as_str(), "gateway.listen" | "atlas.listen") {
            value = with_known_address(value, slot);
        }
        *slot = value;
        match Config::deserialize(Value::Table(tree.clone())) {
            Ok(_) => self.tree = tree,
            Err(error) => {
                // The last line says what is wrong; the key is named already.
                let text = error.message().to_owned();
                self.problem(&origin, &key, text);
            }
        }
    }

    /// Whether each part of the key exists; if not, which one is nearest.
    fn check_known(&self, path: &[String]) -> Result<(), String> {
        let mut table = &self.tree;
        for (depth, part) in path.iter().enumerate() {
            let Some(value) = table.get(part) else {
                let nearest = table.keys().max_by(|a, b| closeness(a, part).total_cmp(&closeness(b, part)));
                let hint = nearest.filter(|nearest| closeness(nearest, part) > 0.6);
                let before = path[..depth].iter().map(|part| format!("{part}.")).collect::<String>();
                if let Some(ours) = existing::named_here(&path.join(".")) {
                    return Err(format!("unknown key; here it is {ours}"));
                }
                return Err(match hint {
                    Some(nearest) => format!("unknown key; did you mean {before}{nearest}?"),
                    None => "unknown key".to_owned(),
                });
            };
            match value {
                Value::Table(inner) => table = inner,
                _ if depth + 1 < path.len() => return Err("unknown key: it is no section".to_owned()),
                _ => return Ok(()),
            }
        }
        Err("is a section, not a value".to_owned())
    }

    fn finish(mut self) -> Result<Config, Problems> {
        match Config::deserialize(Value::Table(self.tree.clone())) {
            Ok(config) => {
                for (key, text) in config.problems() {
                    self.problem("configuration", &key, text);
                }
                if self.problems.is_empty() { Ok(config) } else { Err(Problems(self.problems)) }
            }
            Err(error) => {
                self.problem("configuration", "", error.to_string());
                Err(Problems(self.problems))
            }
        }
    }
}

fn closeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(a, b)
}

/// The values of a table, in their order. A section that is unknown is one leaf: it is told once.
fn leaves(origin: &str, table: &Table, known: &Table) -> Vec<Assignment> {
    let mut found = Vec::new();
    for (key, value) in table {
        match (value, known.get(key)) {
            (Value::Table(inner), Some(Value::Table(known))) => {
                found.extend(leaves(origin, inner, known).into_iter().map(|mut leaf| {
                    leaf.path.insert(0, key.clone());
                    leaf
                }));
            }
            _ => found.push(Assignment {
                origin: origin.to_owned(),
                path: vec![key.clone()],
                value: value.clone(),
            }),
        }
    }
    found
}

fn slot<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(table, |table, key| table.get_mut(key)?.as_table_mut())?;
    parent.get_mut(last)
}

/// `PORT` and a bare `:port` keep the address that was there; without one it is loopback.
fn with_known_address(value: Value, known: &Value) -> Value {
    let port = value.as_str().and_then(|text| text.strip_prefix(':'));
    let address = known.as_str().map(|text| match text {
        "" => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        text => text.parse::<SocketAddr>().ok(),
    });
    let address = address.flatten();
    match (port.and_then(|port| port.parse().ok()), address) {
        (Some(port), Some(mut address)) => {
            address.set_port(port);
            Value::String(address.to_string())
        }
        _ => value,
    }
}

/// A configuration as a tree of all its keys.
pub(super) fn tree_of(config: &Config) -> Table {
    Table::try_from(config).expect("options are plain values with string keys")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
