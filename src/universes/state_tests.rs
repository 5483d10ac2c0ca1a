//! JSON in a tree beside plain JSON.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::super::draft::{Limits, Sizes};
use super::*;

const LIMITS: Limits = Limits { state_bytes: 1 << 20, value_bytes: 1 << 20, path_bytes: 1_000 };

fn draft() -> Draft {
    Draft::new(Tree::new(), Sizes::EMPTY, 1, LIMITS)
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// RFC 7396, as it stands there.
fn patched(target: Json, patch: &Json) -> Json {
    let Json::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Json::Object(target) = target { target } else { Map::new() };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let before = target.remove(name).unwrap_or_default();
            target.insert(name.clone(), patched(before, value));
        }
    }
    target.into()
}

/// Objects of few names, with empty ones and names that need care.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<i32>().prop_map(Json::from),
        "[a-z\"/~ä]{0,5}".prop_map(Json::from),
        Just(json!([1, {"b": null, "a": {}}])),
        Just(json!({})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![Just("a"), Just("b"), Just("c/d"), Just("~"), Just(""), Just("\"q")];
        btree_map(name.prop_map(str::to_owned), inner, 0..4)
            .prop_map(|map| Json::Object(map.into_iter().collect()))
    })
}

fn objects() -> impl Strategy<Value = Map<String, Json>> {
    json().prop_filter_map("an object", |json| json.as_object().cloned())
}

fn without_null(json: Json) -> Json {
    match json {
        Json::Object(object) => object
            .into_iter()
            .filter(|(_, it)| !it.is_null())
            .map(|(name, it)| (name, without_null(it)))
            .collect(),
        other => other,
    }
}

proptest! {
    #[test]
    fn a_state_is_read_as_it_was_written_and_weighs_what_its_text_does(states in vec(objects(), 1..4)) {
        let mut draft = draft();
        for state in states {
            draft.replace(&state).unwrap();
            let text = Json::Object(state.clone()).to_string();
            prop_assert_eq!(json_at(&draft.tree, ""), Some(state.into()));
            prop_assert_eq!(draft.sizes.json_bytes, text.len() as u64, "{}", text);
            prop_assert_eq!(draft.sizes.entries, draft.tree.len() as u64);
        }
    }

    #[test]
    fn a_patch_does_what_the_rfc_says(state in objects(), patches in vec(objects(), 1..5)) {
        let mut draft = draft();
        let mut model = without_null(state.into());
        draft.replace(&object(model.clone())).unwrap();
        for patch in patches {
            draft.merge(&patch).unwrap();
            model = patched(model, &patch.into());
            prop_assert_eq!(&json_at(&draft.tree, "").unwrap(), &model);
            prop_assert_eq!(draft.sizes.json_bytes, model.to_string().len() as u64);
        }
        let mut again = self::draft();
        again.replace(&object(model)).unwrap();
        prop_assert_eq!(again.tree.id(), draft.tree.id(), "equal content has an equal id");
    }
}

#[test]
fn a_part_of_the_state_is_found_by_its_pointer() {
    let mut draft = draft();
    draft.replace(&object(json!({ "a": { "b/c": [1], "e": {} }, "n": null }))).unwrap();
    let at = |pointer: &str| json_at(&draft.tree, pointer);
    assert_eq!(at("/a"), Some(json!({ "b/c": [1], "e": {} })));
    assert_eq!(at("/a/b~1c"), Some(json!([1])));
    assert_eq!(at("/a/e"), Some(json!({})));
    assert_eq!(at("/n"), Some(json!(null)));
    assert_eq!((at("/a/b"), at("/x"), at("/a/e/f")), (None, None, None));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let limits = Limits { state_bytes: 50, value_bytes: 20, path_bytes: 10 };
    let try_it = |state: Json| {
        Draft::new(Tree::new(), Sizes::EMPTY, 1, limits)
            .replace(&object(state))
            .map_err(|error| error.to_string())
    };
    assert_eq!(try_it(json!({ "a": "0123456789" })), Ok(()));
    let told = try_it(json!({ "a": "0123456789012345678" })).unwrap_err();
    assert_eq!(told, "a value has at most 20 bytes, not 21");
    let told = try_it(json!({ "a": "01234567890", "b": "01234567890", "c": "01234567890" })).unwrap_err();
    assert!(told.starts_with("a universe has at most 50 bytes"), "{told}");
    assert!(try_it(json!({ "aaaaaaaaaaa": 1 })).unwrap_err().starts_with("a path has at most 10 bytes"));
    let deep = (0..200).fold(json!(1), |inner, _| json!({ "": inner }));
    assert!(draft().merge(&object(deep)).unwrap_err().to_string().contains("in each other"));
}
