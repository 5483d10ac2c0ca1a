//! The tree beside `BTreeMap`, with old versions kept.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{InvalidId, children_of};
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

fn apply(tree: &mut Tree<Vec<u8>>, model: &mut Model, change: Change) {
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
}

/// Two trees that were one once.
fn two(common: Vec<Change>, a: Vec<Change>, b: Vec<Change>) -> [(Tree<Vec<u8>>, Model); 2] {
    let all = |(mut tree, mut model): (Tree<Vec<u8>>, Model), changes: Vec<Change>| {
        changes.into_iter().for_each(|change| apply(&mut tree, &mut model, change));
        (tree, model)
    };
    let base = all((Tree::new(), Model::new()), common);
    [all(base.clone(), a), all(base, b)]
}

proptest! {
    #[test]
    fn differences_are_what_leads_from_one_to_the_other(
        common in changes(), a in changes(), b in changes(), ids in any::<bool>()
    ) {
        let [(a, a_model), (b, b_model)] = two(common, a, b);
        if ids {
            a.id();
            b.id();
        }
        let mut keys: Vec<_> = a_model.keys().chain(b_model.keys()).cloned().collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| a_model.get(key) != b_model.get(key));
        let found: Vec<_> = a.differences(&b).map(|it| {
            assert_eq!((it.before, it.after), (a_model.get(&**it.key), b_model.get(&**it.key)));
            it.key.to_vec()
        }).collect();
        prop_assert_eq!(found, keys);
    }

    #[test]
    fn a_tree_is_read_back_from_its_records_and_shares_what_is_beside_it(
        common in changes(), a in changes(), b in changes()
    ) {
        let [(a, _), (b, b_model)] = two(common, a, b);
        let mut records = BTreeMap::new();
        a.fresh(&Tree::new(), |id, record| drop(records.insert(id, record)));
        b.fresh(&a, |id, record| drop(records.insert(id, record)));
        prop_assert!(records.iter().all(|(id, record)| ContentId::of(record) == *id));
        let mut fetch = |id| records.get(&id).map(|record| Arc::from(record.as_slice())).ok_or(id);
        let alone = Tree::load(b.id(), &Tree::new(), &mut fetch).unwrap();
        let beside = Tree::load(b.id(), &a, &mut fetch).unwrap();
        for tree in [alone, beside] {
            prop_assert_eq!(listed(tree.iter()), expected(b_model.iter()));
            prop_assert_eq!((tree.id(), tree.len()), (b.id(), b.len()));
            prop_assert_eq!(tree.differences(&b).count(), 0);
        }
    }

    #[test]
    fn what_is_no_record_is_told(bytes in vec(any::<u8>(), 0..80), kind in 0_u8..3) {
        for record in [bytes.clone(), [&[1, kind], bytes.as_slice()].concat()] {
            children_of(&record);
            let _ = Tree::<Vec<u8>>::load(ContentId::of(&record), &Tree::new(), |id| {
                if id == ContentId::of(&record) { Ok(record.as_slice().into()) } else { Err(()) }
            });
        }
    }

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
            apply(&mut tree, &mut model, change);
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
fn one_change_of_many_is_found_and_read_by_a_few_nodes() {
    let mut tree = Tree::new();
    for number in 0..10_000_u32 {
        tree.insert(number.to_string().as_bytes(), number.to_string().into_bytes());
    }
    let mut records = BTreeMap::new();
    tree.fresh(&Tree::new(), |id, record| drop(records.insert(id, record)));
    let (before, all) = (tree.clone(), records.len());
    tree.insert(&b"5000"[..], b"changed".to_vec());
    let mut fresh = 0;
    tree.fresh(&before, |id, record| {
        fresh += 1;
        records.insert(id, record);
    });
    assert!((2..10).contains(&fresh) && records.len() == all + fresh, "{fresh} nodes are new");
    let mut read = 0;
    let fetch = |id| {
        read += 1;
        records.get(&id).map(|record| Arc::from(record.as_slice())).ok_or(())
    };
    let loaded = Tree::load(tree.id(), &before, fetch).unwrap();
    assert_eq!((loaded.differences(&tree).count(), loaded.differences(&before).count()), (0, 1));
    assert_eq!(read, fresh, "only what is new was read");
}

#[test]
fn the_id_of_the_empty_tree_is_its_own() {
    let mut tree = Tree::new();
    let empty = tree.id();
    tree.insert(&b""[..], b"".to_vec());
    assert_ne!(tree.id(), empty);
    tree.remove(b"");
    assert_eq!(tree.id(), empty);
    assert_eq!(empty.to_string().parse(), Ok(empty));
    assert!(Tree::<Vec<u8>>::is_empty_id(empty));
    for wrong in ["", "blake3:", "blake3:AB", &empty.to_string().to_uppercase(), &empty.to_string()[1..]] {
        assert_eq!(wrong.parse::<ContentId>(), Err(InvalidId), "{wrong}");
    }
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
