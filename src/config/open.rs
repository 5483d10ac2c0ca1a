//! Sections whose entries have names of the user's choice, each with the same keys.

use serde::Serialize;
use toml::{Table, Value};

use crate::dispatch::PolicyOptions;
use crate::hub::NamespaceOptions;
use crate::methods::KvNamespaceOptions;
use crate::queue::TypeOptions;

/// An open section.
struct Open {
    /// Where it is.
    path: [&'static str; 2],
    /// An entry with defaults.
    template: fn() -> Table,
}

const OPEN: [Open; 4] = [
    Open { path: ["jobs", "types"], template: entry::<TypeOptions> },
    Open { path: ["kv", "namespaces"], template: entry::<KvNamespaceOptions> },
    Open { path: ["limits", "policies"], template: entry::<PolicyOptions> },
    Open { path: ["topics", "namespaces"], template: entry::<NamespaceOptions> },
];

fn entry<T: Default + Serialize>() -> Table {
    Table::try_from(T::default()).expect("options are plain values with string keys")
}

/// An entry with defaults of the section at this path, if that has entries of its own names.
pub(super) fn template(path: &str) -> Option<Table> {
    OPEN.iter().find(|open| open.path.join(".") == path).map(|open| (open.template)())
}

/// Makes the entry that a path goes through, if it is in an open section and not there yet.
pub(super) fn make_entry<T: AsRef<str>>(tree: &mut Table, path: &[T]) {
    for open in &OPEN {
        let mut parts = path.iter().map(AsRef::as_ref);
        if !open.path.iter().all(|part| parts.next() == Some(part)) {
            continue;
        }
        let Some(name) = parts.next() else { continue };
        let section =
            open.path.iter().try_fold(&mut *tree, |table, part| table.get_mut(*part)?.as_table_mut());
        if let Some(section) = section {
            section.entry(name.to_owned()).or_insert_with(|| Value::Table((open.template)()));
        }
    }
}

/// Makes all entries that a file names.
pub(super) fn make_entries(tree: &mut Table, file: &Table) {
    for open in &OPEN {
        let section = open.path.iter().try_fold(file, |table, part| table.get(*part)?.as_table());
        for (name, entry) in section.into_iter().flatten() {
            // What is no table is told as a wrong value.
            if entry.is_table() {
                make_entry(tree, &[open.path[0], open.path[1], name]);
            }
        }
    }
}
