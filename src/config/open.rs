//! Sections whose entries have names of the user's choice, each with the same keys.

use toml::{Table, Value};

use crate::hub::NamespaceOptions;

/// Where they are.
const NAMESPACES: [&str; 2] = ["topics", "namespaces"];

/// An entry with defaults.
pub(super) fn template() -> Table {
    Table::try_from(NamespaceOptions::default()).expect("options are plain values with string keys")
}

/// Whether the section at this path has entries of its own names.
pub(super) fn is_open(path: &str) -> bool {
    path == NAMESPACES.join(".")
}

/// Makes the entry that a path goes through, if it is in an open section and not there yet.
pub(super) fn make_entry<T: AsRef<str>>(tree: &mut Table, path: &[T]) {
    let mut parts = path.iter().map(AsRef::as_ref);
    if !NAMESPACES.iter().all(|part| parts.next() == Some(part)) {
        return;
    }
    let Some(name) = parts.next() else { return };
    let section = NAMESPACES.iter().try_fold(tree, |table, part| table.get_mut(*part)?.as_table_mut());
    if let Some(section) = section {
        section.entry(name.to_owned()).or_insert_with(|| Value::Table(template()));
    }
}

/// Makes all entries that a file names.
pub(super) fn make_entries(tree: &mut Table, file: &Table) {
    let section = NAMESPACES.iter().try_fold(file, |table, part| table.get(*part)?.as_table());
    for (name, entry) in section.into_iter().flatten() {
        // What is no table is told as a wrong value.
        if entry.is_table() {
            make_entry(tree, &[NAMESPACES[0], NAMESPACES[1], name]);
        }
    }
}
