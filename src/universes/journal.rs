//! What the store keeps of universes: a head for each, tags, and the new objects of the last moments, until they
//! are in the object store.
//!
//! ```text
//! universe:head:<id>          JSON, a [`Head`]
//! universe:tag:<name>         the id of a commit
//! universe:log:<20 digits>    new objects: version u8, then for each its length u32 and its bytes
//! ```
//!
//! All that some operations did is one commit of the store: it is there as a whole, or not at all.

use std::sync::Arc;

use super::archive::{Archive, BY_ALIAS, BY_TREE};
use super::commit::{Commit, alias};
use super::error::OpenUniversesError;
use super::seal::Sealed;
use super::table::Table;
use super::universe::{Head, Resident, Universe, UniverseId};
use crate::store::{Command, Key, Value, View};
use crate::universe::ContentId;

const HEAD: &str = "universe:head:";
const TAG: &str = "universe:tag:";
const LOG: &str = "universe:log:";

/// The version of journal entries.
const VERSION: u8 = 1;

/// The journal entry with this number.
pub(super) fn log_key(number: u64) -> Key {
    format!("{LOG}{number:020}").into_bytes().into()
}

fn head_key(id: UniverseId) -> Key {
    format!("{HEAD}{id}").into_bytes().into()
}

/// The commands of what was done. Objects are not among them if they are in the object store already.
pub(super) fn commands(sealed: &Sealed, number: u64, with_objects: bool) -> Vec<Command> {
    let mut commands = Vec::new();
    if with_objects && !sealed.objects.is_empty() {
        commands.push(Command::set(log_key(number), Value::bytes(entry(sealed))));
    }
    for universe in &sealed.heads {
        // A head is made of text, numbers and JSON: it can always be written.
        let text = serde_json::to_vec(&universe.head).unwrap_or_default();
        commands.push(Command::set(head_key(universe.head.id), Value::json(text)));
    }
    commands.extend(sealed.gone.iter().map(|id| Command::delete(head_key(*id))));
    for (name, commit) in &sealed.tags {
        let key = format!("{TAG}{name}").into_bytes();
        commands.push(match commit {
            Some(commit) => Command::set(key, Value::bytes(commit.to_string().into_bytes())),
            None => Command::delete(key),
        });
    }
    commands
}

fn entry(sealed: &Sealed) -> Vec<u8> {
    let mut entry = Vec::with_capacity(1 + sealed.bytes + 4 * sealed.objects.len());
    entry.push(VERSION);
    for (_, object) in &sealed.objects {
        entry.extend_from_slice(&(object.len() as u32).to_le_bytes());
        entry.extend_from_slice(object);
    }
    entry
}

/// Reads the universes of a store. Gives the table and the number of the last journal entry.
pub(super) fn recover(view: &View, archive: &Archive) -> Result<(Table, u64), OpenUniversesError> {
    let mut table = Table::default();
    for (key, entry) in view.prefix(HEAD.as_bytes()) {
        let head: Head =
            serde_json::from_slice(entry.value.as_bytes()).map_err(|error| damaged(key, &error))?;
        table.insert(Universe::new(head, Resident::default(), 0, view.now_ms()));
    }
    for (key, entry) in view.prefix(TAG.as_bytes()) {
        let text = std::str::from_utf8(entry.value.as_bytes()).map_err(|error| damaged(key, &error))?;
        let commit: ContentId = text.parse().map_err(|error| damaged(key, &error))?;
        table.set_tag(&String::from_utf8_lossy(&key[TAG.len()..]), Some(commit));
    }
    let mut last = 0;
    for (key, entry) in view.prefix(LOG.as_bytes()) {
        let number = std::str::from_utf8(&key[LOG.len()..]).ok().and_then(|text| text.parse().ok());
        last = number.ok_or_else(|| damaged(key, &"its number is wrong"))?;
        read_entry(archive, last, entry.value.as_bytes()).ok_or_else(|| damaged(key, &"it is cut off"))?;
    }
    Ok((table, last))
}

/// The number of the first journal entry, if there is any.
pub(super) fn first(view: &View) -> Option<u64> {
    let (key, _) = view.prefix(LOG.as_bytes()).next()?;
    std::str::from_utf8(&key[LOG.len()..]).ok()?.parse().ok()
}

fn damaged(key: &[u8], reason: &dyn std::fmt::Display) -> OpenUniversesError {
    OpenUniversesError::Damaged(format!("{}: {reason}", String::from_utf8_lossy(key)))
}

/// Puts the objects of a journal entry where they are looked for.
fn read_entry(archive: &Archive, number: u64, entry: &[u8]) -> Option<()> {
    let mut overlay = archive.overlay.write();
    let (&version, mut rest) = entry.split_first()?;
    if version != VERSION {
        return None;
    }
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        let (object, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        let id = ContentId::of(object);
        if let Some(commit) = Commit::read(object) {
            overlay.names.insert([BY_TREE, commit.tree.as_bytes()].concat(), (number, id));
            overlay.names.insert([BY_ALIAS, alias(id).as_bytes()].concat(), (number, id));
        }
        overlay.insert(number, id, Arc::from(object));
    }
    Some(())
}
