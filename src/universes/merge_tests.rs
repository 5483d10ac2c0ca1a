//! Laws of merging.

use proptest::collection::btree_map;
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, json};

use super::super::draft::{Limits, Sizes};
use super::{Conflict, Draft, Json, MergeSide as Side, Rules, Tree, UniverseError, json_at};

const LIMITS: Limits = Limits { state_bytes: 1 << 20, value_bytes: 1 << 20, path_bytes: 1_000 };

fn draft(state: &Json) -> Draft {
    let mut draft = Draft::new(Tree::new(), Sizes::EMPTY, 1, LIMITS);
    draft.replace(state.as_object().unwrap()).unwrap();
    draft
}

fn whole(draft: &Draft) -> Json {
    json_at(&draft.tree, "").unwrap()
}

fn merged(base: &Json, ours: &Json, theirs: &Json, rules: &Rules) -> Result<Json, UniverseError> {
    let mut result = draft(ours);
    result.merge_three_way(&draft(base).tree, &draft(theirs).tree, rules)?;
    assert_eq!(result.sizes.json_bytes, whole(&result).to_string().len() as u64, "{}", whole(&result));
    let again = draft(&whole(&result));
    assert_eq!(again.tree.id(), result.tree.id(), "the tree has the shape of its state: {}", whole(&result));
    Ok(whole(&result))
}

/// Small objects of small objects.
fn states() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![(0..3).prop_map(Json::from), Just(json!({})), Just(json!([1]))];
    let object = |inner: BoxedStrategy<Json>| {
        btree_map("[abc]", inner, 0..4).prop_map(|map| map.into_iter().collect::<Map<_, _>>())
    };
    let inner = prop_oneof![2 => leaf.clone(), 1 => object(leaf.boxed()).prop_map(Json::from)];
    let middle = prop_oneof![1 => inner.clone(), 1 => object(inner.boxed()).prop_map(Json::from)];
    object(middle.boxed()).prop_map(Json::from)
}

fn all(side: Side) -> Rules {
    Rules { side: Some(side), ..Rules::default() }
}

proptest! {
    #[test]
    fn who_has_changed_nothing_gets_what_the_other_has(base in states(), changed in states()) {
        let rules = Rules::default();
        prop_assert_eq!(&merged(&base, &base, &changed, &rules).unwrap(), &changed);
        prop_assert_eq!(&merged(&base, &changed, &base, &rules).unwrap(), &changed);
        prop_assert_eq!(&merged(&base, &changed, &changed, &rules).unwrap(), &changed);
    }

    #[test]
    fn merging_without_conflict_commutes(base in states(), a in states(), b in states()) {
        let rules = Rules::default();
        let (ab, ba) = (merged(&base, &a, &b, &rules), merged(&base, &b, &a, &rules));
        match (ab, ba) {
            (Ok(ab), Ok(ba)) => prop_assert_eq!(ab, ba),
            (Err(UniverseError::Conflicts(ab)), Err(UniverseError::Conflicts(ba))) => {
                let paths = |all: Vec<Conflict>| all.into_iter().map(|it| it.path).collect::<Vec<_>>();
                prop_assert_eq!(paths(ab), paths(ba));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_side_that_wins_resolves_every_conflict(base in states(), a in states(), b in states()) {
        let ours = merged(&base, &a, &b, &all(Side::Ours)).unwrap();
        let theirs = merged(&base, &b, &a, &all(Side::Theirs)).unwrap();
        prop_assert_eq!(ours, theirs, "whose side a name is on depends on where one stands");
    }

    #[test]
    fn overlaying_is_what_assigning_deeply_does(a in states(), b in states()) {
        fn assign(to: &mut Json, from: &Json) {
            match (to.as_object_mut(), from) {
                (Some(to), Json::Object(from)) => {
                    for (name, value) in from {
                        match (to.get_mut(name), value) {
                            (Some(to @ Json::Object(_)), Json::Object(members)) if !members.is_empty() => assign(to, value),
                            (Some(Json::Object(there)), Json::Object(_)) if !there.is_empty() => {}
                            _ => drop(to.insert(name.clone(), value.clone())),
                        }
                    }
                }
                _ => *to = from.clone(),
            }
        }
        let mut result = draft(&a);
        result.overlay(&draft(&b).tree, false).unwrap();
        let mut expected = a;
        assign(&mut expected, &b);
        prop_assert_eq!(whole(&result), expected);
    }
}

#[test]
fn a_conflict_tells_all_three_and_is_resolved_by_its_path() {
    let base = json!({ "a": 1, "b": { "x": 1 }, "c": 1 });
    let ours = json!({ "a": 2, "b": { "x": 1, "y": 2 }, "c": 5 });
    let theirs = json!({ "a": 3, "b": 7, "d": 1 });
    let Err(UniverseError::Conflicts(found)) = merged(&base, &ours, &theirs, &Rules::default()) else {
        panic!("there are conflicts")
    };
    let told = serde_json::to_value(&found).unwrap();
    let expected = json!([
        { "path": "/a", "base": 1, "ours": 2, "theirs": 3 },
        { "path": "/b", "base": { "x": 1 }, "ours": { "x": 1, "y": 2 }, "theirs": 7 },
        { "path": "/c", "base": 1, "ours": 5, "theirs": null },
    ]);
    assert_eq!(told, expected);
    let by_path = serde_json::from_value(json!({
        "/a": { "value": { "deep": [1] } },
        "/b": { "take": "ours" },
        "/c": { "delete": true },
    }));
    let rules = Rules { side: None, by_path: by_path.unwrap() };
    let result = merged(&base, &ours, &theirs, &rules).unwrap();
    assert_eq!(result, json!({ "a": { "deep": [1] }, "b": { "x": 1, "y": 2 }, "d": 1 }));
}

#[test]
fn union_keeps_everything_and_joins_lists() {
    let mut result = draft(&json!({ "a": [1, 2], "b": 1, "c": { "x": 1 } }));
    result.overlay(&draft(&json!({ "a": [2, 3], "b": 2, "c": { "y": 1 } })).tree, true).unwrap();
    assert_eq!(whole(&result), json!({ "a": [1, 2, 3], "b": 2, "c": { "x": 1, "y": 1 } }));
}
