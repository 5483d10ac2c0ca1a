//! The tree beside `BTreeMap`, with old versions kept.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

/// Short keys of few letters, so that they often begin each other, and some of any bytes.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0x61 ^ 0x10), Just(0), Just(255)], 0..6),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let insert = (key(), vec(any::<u8>(), 0..3)).prop_map(|(key, value)| Change::Insert(key, value));
    vec(prop_oneof![3 => insert, 2 => key().prop_map(Change::Remove)], 0..120)
}

fn of(model: &Model) -> Tree<Vec<u8>> {
    let mut tree = Tree::new();
    for (key, value) in model {
        tree.insert(key.as_slice(), value.clone());
    }
    tree
}

fn listed(entries: Entries<'_, Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    entries.map(|(key, value)| (key.to_vec(), value.clone())).collect()
}

fn expected<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}

proptest! {
    #[test]
    fn it_answers_as_a_btreemap_does_and_old_versions_stay(changes in changes(), probe in key()) {
        let (mut tree, mut model) = (Tree::new(), Model::new());
        let mut versions = Vec::new();
        for change in changes {
            versions.push((tree.clone(), model.clone()));
            match change {
                Change::Insert(key, value) => {
                    let new = model.insert(key.clone(), value.clone()).is_none();
                    prop_assert_eq!(tree.insert(key.as_slice(), value), new);
                }
                Change::Remove(key) => prop_assert_eq!(tree.remove(&key), model.remove(&key).is_some()),
            }
            prop_assert_eq!(tree.len(), model.len());
        }
        versions.push((tree, model));
        for (tree, model) in versions.iter().rev().step_by(7) {
            prop_assert_eq!(listed(tree.iter()), expected(model.iter()));
            prop_assert_eq!(tree.get(&probe), model.get(&probe));
            prop_assert_eq!(listed(tree.range_from(&probe)), expected(model.range(probe.clone()..)));
            let begins = |(key, _): &(&Vec<u8>, &Vec<u8>)| key.starts_with(&probe);
            prop_assert_eq!(listed(tree.prefix(&probe)), expected(model.iter().filter(begins)));
            prop_assert_eq!(tree.prefix_len(&probe), model.iter().filter(begins).count());
            prop_assert_eq!(tree.rank(&probe), model.range(..probe.clone()).count());
        }
    }

    #[test]
    fn equal_content_has_an_equal_id_whatever_the_history(changes in changes(), other in changes()) {
        let (mut tree, mut model) = (Tree::new(), Model::new());
        for change in changes.into_iter().chain(other) {
            match change {
                Change::Insert(key, value) => {
                    tree.insert(key.as_slice(), value.clone());
                    model.insert(key, value);
                }
                Change::Remove(key) => {
                    tree.remove(&key);
                    model.remove(&key);
                }
            }
            // Ids that were computed on the way must not be left behind on changed nodes.
            tree.id();
        }
        prop_assert_eq!(tree.id(), of(&model).id());
        if let Some((key, value)) = model.iter().next_back() {
            let mut changed = tree.clone();
            changed.insert(key.as_slice(), [value.as_slice(), b"!"].concat());
            prop_assert_ne!(changed.id(), tree.id());
            changed.insert(key.as_slice(), value.clone());
            prop_assert_eq!(changed.id(), tree.id());
            changed.remove(key);
            prop_assert_ne!(changed.id(), tree.id());
        }
    }
}

#[test]
fn a_change_shares_all_but_the_way_to_it() {
    let mut tree = Tree::new();
    for number in 0..10_000_u32 {
        tree.insert(&number.to_be_bytes()[..], ());
    }
    let before = tree.clone();
    assert!(before.is_same(&tree));
    tree.insert(&b"one more"[..], ());
    assert!(!before.is_same(&tree));
    assert_eq!((before.len(), tree.len()), (10_000, 10_001));
}

#[test]
fn the_id_of_the_empty_tree_is_its_own() {
    let mut tree = Tree::new();
    let empty = tree.id();
    tree.insert(&b""[..], b"".to_vec());
    assert_ne!(tree.id(), empty);
    tree.remove(b"");
    assert_eq!(tree.id(), empty);
    assert!(empty.to_string().starts_with("blake3:2d3adedf"), "{empty}");
}

#[test]
fn keys_that_begin_each_other_overflow_no_stack() {
    let long = vec![b'a'; 3_000];
    let small_stack = std::thread::Builder::new().stack_size(128 * 1024);
    let work = small_stack.spawn(move || {
        let mut tree = Tree::new();
        for end in 0..long.len() {
            tree.insert(&long[..end], ());
        }
        let copy = tree.clone();
        assert_eq!(tree.iter().count(), long.len());
        assert_eq!(copy.id(), tree.id());
        for end in (0..long.len()).step_by(2) {
            assert!(tree.remove(&long[..end]));
        }
        assert_eq!((tree.len(), copy.len()), (long.len() / 2, long.len()));
    });
    work.unwrap().join().unwrap();
}
