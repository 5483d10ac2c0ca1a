//! A snapshot is read as it was written.

use super::*;
use crate::store::disk::{Disk, RealDisk};
use crate::store::state::{State, View};
use crate::store::value::{Entry, Value};

#[test]
fn a_snapshot_holds_what_was_there_and_not_what_was_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = State::default();
    let value = |number: u32| Value::bytes(vec![number as u8; number as usize % 500]);
    for number in 0..2_000_u32 {
        let expires_at = if number.is_multiple_of(3) { 1_000 + u64::from(number) } else { 0 };
        let entry = Entry { value: value(number), version: u64::from(number) + 1, expires_at };
        state.put(&number.to_be_bytes()[..].into(), entry);
    }
    state.finish(2_001, 10);
    let view = View::new(state, 1_600);
    write(&RealDisk, directory.path(), &view).unwrap();
    let mut found = Vec::new();
    let file = RealDisk.open(&path(directory.path(), 2_001)).unwrap();
    let head = read(file, |key, entry| found.push((key.to_vec(), entry))).unwrap();
    assert_eq!((head.revision, head.at, head.entries), (2_001, 1_600, view.len() as u64));
    let expected: Vec<_> = view.prefix(b"").map(|(key, entry)| (key.to_vec(), entry.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 2_000 - 201);
}
