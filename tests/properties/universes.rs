//! Universes beside deep copies: whatever is done, a change in one is visible in no other, and after any restart
//! everything is there with the same ids.

use std::collections::BTreeMap;
use std::path::Path;

use helios::base::{ByteSize, Random, Span};
use helios::store::{Seams, Store, StoreOptions};
use helios::universes::{
    Creation, FileChange, MergeWish, Note, Retention, Side, Strategy, UniverseError, UniverseId,
    UniverseOptions, Universes,
};
use serde_json::{Map, Value, json};

use crate::seeds;

/// A universe as a deep copy.
#[derive(Clone, Debug, Default)]
struct Model {
    state: Map<String, Value>,
    files: BTreeMap<String, Vec<u8>>,
    parent: Option<UniverseId>,
}

type Kept = (String, String, Map<String, Value>, BTreeMap<String, Vec<u8>>);

struct World {
    random: Random,
    universes: Universes,
    store: Store,
    models: BTreeMap<UniverseId, Model>,
    /// Commits: id, id of the state, and the state.
    kept: Vec<Kept>,
}

async fn open(directory: &Path) -> (Store, Universes) {
    let options = StoreOptions {
        data_dir: directory.to_owned(),
        sync_mode: helios::store::SyncMode::None,
        ..StoreOptions::default()
    };
    let store = Store::open(&options, Seams::default()).unwrap();
    let options = UniverseOptions {
        // Small, so that states come and go and the log is moved all the time.
        resident_bytes_max: ByteSize::kib(2),
        cache_bytes: ByteSize::kib(8),
        checkpoint_interval: Span::millis(10),
        ..UniverseOptions::default()
    };
    let universes = Universes::open(&store, &options).unwrap();
    (store, universes)
}

impl World {
    fn below(&mut self, limit: usize) -> usize {
        (self.random.next_u64() % limit as u64) as usize
    }

    fn any(&mut self) -> Option<UniverseId> {
        let count = self.models.len();
        (count > 0).then(|| {
            let place = self.below(count);
            *self.models.keys().nth(place).unwrap()
        })
    }

    fn value(&mut self) -> Value {
        match self.below(6) {
            0 => json!({ "x": self.below(3), "y": { "z": self.below(3) } }),
            1 => json!([self.below(3), { "in": "list" }]),
            2 => json!({}),
            3 => Value::Null,
            _ => json!(format!("value {}", self.below(50))),
        }
    }

    fn object(&mut self) -> Map<String, Value> {
        let names = ["a", "b", "c/d", "~e", "f"];
        (0..self.below(4)).map(|_| (names[self.below(5)].to_owned(), self.value())).collect()
    }

    async fn step(&mut self) {
        let Some(id) = self.any() else { return self.create().await };
        match self.below(20) {
            0..2 if self.models.len() < 12 => self.create().await,
            2..5 if self.models.len() < 12 => self.fork(id).await,
            5..11 => self.update(id).await,
            11..13 => self.write(id).await,
            13..15 => self.commit(id).await,
            15..17 => self.restore(id).await,
            17 => self.merge(id).await,
            18 if self.models.len() > 6 => self.delete(id).await,
            _ => drop(self.universes.sweep(Retention::default()).await.unwrap()),
        }
    }

    async fn create(&mut self) {
        let state = strip(self.object());
        let count = 1 + self.below(3);
        let wish = Creation { count, state: state.clone(), ..Creation::default() };
        for id in self.universes.create(wish).await.unwrap() {
            self.models.insert(id, Model { state: state.clone(), ..Model::default() });
        }
    }

    async fn fork(&mut self, id: UniverseId) {
        let mut model = Model { parent: Some(id), ..self.models[&id].clone() };
        let at = (!self.kept.is_empty() && self.below(3) == 0).then(|| {
            let place = self.below(self.kept.len());
            self.kept[place].clone()
        });
        if let Some((_, _, state, files)) = &at {
            (model.state, model.files) = (state.clone(), files.clone());
        }
        let at = at.map(|(commit, ..)| commit);
        let wish = Creation { count: 1, parent: Some(id), at, ..Creation::default() };
        match self.universes.create(wish).await {
            Ok(made) => {
                let sides = [Side::Universe(id), Side::Universe(made[0])];
                let diff = self.universes.diff(&sides[0], &sides[1], 10, false).unwrap();
                let same = model.state == self.models[&id].state && model.files == self.models[&id].files;
                let count = diff.added.len() + diff.changed.len() + diff.deleted.len();
                assert_eq!(
                    count == 0,
                    same,
                    "a fork differs from its source if it began elsewhere: {diff:?}"
                );
                self.models.insert(made[0], model);
            }
            // What was asked for is swept.
            Err(UniverseError::UnknownCommit(gone)) => self.kept.retain(|kept| kept.0 != gone),
            Err(error) => panic!("{error}"),
        }
    }

    async fn update(&mut self, id: UniverseId) {
        let (updates, merge) = (self.object(), self.below(4) > 0);
        let updates = if merge { updates } else { strip(updates) };
        self.universes.update(id, updates.clone(), merge).await.unwrap();
        let model = self.models.get_mut(&id).unwrap();
        if merge { patch(&mut model.state, updates) } else { model.state = updates }
    }

    async fn write(&mut self, id: UniverseId) {
        let path = ["a.txt", "src/b.txt", "src/lib/c.txt", "d"][self.below(4)].to_owned();
        let content = (self.below(4) > 0).then(|| vec![self.below(256) as u8; self.below(400)]);
        let change = FileChange { path: path.clone(), content: content.clone(), append: false };
        self.universes.write_files(id, vec![change]).await.unwrap();
        let files = &mut self.models.get_mut(&id).unwrap().files;
        match content {
            Some(content) => files.insert(path, content),
            None => files.remove(&path),
        };
    }

    async fn commit(&mut self, id: UniverseId) {
        let kept = self.universes.commit(id, Note::message("kept")).await.unwrap();
        let model = &self.models[&id];
        let (state, files) = (model.state.clone(), model.files.clone());
        let (commit, snapshot) = (kept.commit.to_string(), kept.snapshot.to_string());
        let same = self.kept.iter().filter(|other| other.2 == state && other.3 == files);
        assert!(same.into_iter().all(|other| other.1 == snapshot), "equal content, equal id");
        let other = self.kept.iter().filter(|other| other.2 != state || other.3 != files);
        assert!(other.into_iter().all(|other| other.1 != snapshot), "different content, different id");
        self.kept.push((commit, snapshot, state, files));
    }

    async fn restore(&mut self, id: UniverseId) {
        if self.kept.is_empty() {
            return;
        }
        let place = self.below(self.kept.len());
        let (commit, snapshot, state, files) = self.kept[place].clone();
        let by = if self.below(2) == 0 { commit } else { snapshot };
        match self.universes.restore(id, by).await {
            Ok(_) => {
                let model = self.models.get_mut(&id).unwrap();
                (model.state, model.files) = (state, files);
            }
            // Its universes are deleted, and it was swept.
            Err(UniverseError::UnknownCommit(_)) => drop(self.kept.remove(place)),
            Err(error) => panic!("{error}"),
        }
    }

    async fn merge(&mut self, id: UniverseId) {
        let source = self.any().unwrap();
        if source == id {
            return;
        }
        let wish = MergeWish {
            target: id,
            sources: vec![source],
            strategy: Strategy::Replace,
            on_conflict: None,
            resolutions: BTreeMap::new(),
            note: Note::message("merged"),
        };
        self.universes.merge(wish).await.unwrap();
        let theirs = self.models[&source].clone();
        let model = self.models.get_mut(&id).unwrap();
        overlay(&mut model.state, theirs.state);
        model.files.extend(theirs.files);
    }

    async fn delete(&mut self, id: UniverseId) {
        let gone = self.universes.delete(id).await.unwrap();
        let is_below = |models: &BTreeMap<UniverseId, Model>, mut at: UniverseId| loop {
            if at == id {
                return true;
            }
            match models.get(&at).and_then(|model| model.parent) {
                Some(parent) => at = parent,
                None => return false,
            }
        };
        let expected: Vec<_> = self.models.keys().copied().filter(|it| is_below(&self.models, *it)).collect();
        let mut sorted = gone.clone();
        sorted.sort();
        assert_eq!(sorted, expected, "it goes with its descendants");
        gone.iter().for_each(|id| drop(self.models.remove(id)));
    }

    fn check(&self) {
        assert_eq!(self.universes.count(), self.models.len());
        for (id, model) in &self.models {
            let state = self.universes.state(*id, "").unwrap().unwrap();
            assert_eq!(state, Value::Object(model.state.clone()), "the state of {id}");
            let files = self.universes.files(*id, None, ["", ""], 100).unwrap();
            let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
            assert_eq!(paths, model.files.keys().cloned().collect::<Vec<_>>(), "the files of {id}");
            for (path, content) in &model.files {
                assert_eq!(
                    self.universes.file(*id, None, path).unwrap().as_ref(),
                    Some(content),
                    "{path} of {id}"
                );
            }
            self.universes.verify(*id).unwrap();
            let head = &self.universes.get(*id).unwrap().head;
            let text = Value::Object(model.state.clone()).to_string();
            assert_eq!(head.sizes.json_bytes, text.len() as u64);
        }
    }
}

fn strip(object: Map<String, Value>) -> Map<String, Value> {
    object.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// RFC 7396.
fn patch(target: &mut Map<String, Value>, by: Map<String, Value>) {
    for (name, value) in by {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(members) => {
                let place = target.entry(name).or_insert_with(|| json!({}));
                if !place.is_object() {
                    *place = json!({});
                }
                patch(place.as_object_mut().unwrap(), members);
            }
            value => drop(target.insert(name, value)),
        }
    }
}

/// What the source has takes the place of what was there; objects with members are gone into.
fn overlay(target: &mut Map<String, Value>, source: Map<String, Value>) {
    for (name, value) in source {
        match (target.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(members)) if !members.is_empty() => {
                overlay(there, members);
            }
            (Some(Value::Object(there)), Value::Object(_)) if !there.is_empty() => {}
            (_, value) => drop(target.insert(name, value)),
        }
    }
}

#[tokio::test]
async fn universes_behave_as_deep_copies_do_through_restarts_and_sweeps() {
    for seed in seeds(8) {
        println!("seed {seed}");
        let directory = tempfile::tempdir().unwrap();
        let (store, universes) = open(directory.path()).await;
        let random = Random::seeded(seed);
        let mut world = World { random, universes, store, models: BTreeMap::new(), kept: Vec::new() };
        for round in 0..6 {
            for _ in 0..60 {
                world.step().await;
            }
            world.check();
            if round % 2 == 0 {
                world.universes.close().await;
                world.store.close().await.unwrap();
                // Another thread may hold the files for a moment longer.
                let World { random, models, kept, universes, store } = world;
                drop((universes, store));
                let (store, universes) = open(directory.path()).await;
                world = World { random, models, kept, universes, store };
                world.check();
            }
        }
    }
}

#[tokio::test]
async fn what_a_sweep_keeps_can_be_restored_and_what_it_takes_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, universes) = open(directory.path()).await;
    let wish = Creation { count: 1, state: strip(Map::new()), ..Creation::default() };
    let id = universes.create(wish).await.unwrap()[0];
    let mut commits = Vec::new();
    for number in 0..30 {
        let updates = json!({ "number": number, "text": "x".repeat(200 + number) });
        universes.update(id, updates.as_object().unwrap().clone(), true).await.unwrap();
        commits.push(universes.commit(id, Note::message(format!("commit {number}"))).await.unwrap());
    }
    universes.tag("kept".to_owned(), None, Some(commits[3].commit.to_string())).await.unwrap();
    let swept = universes.sweep(Retention { commits: Some(5), younger_than_ms: 0 }).await.unwrap();
    assert!(swept.objects > 40, "{swept:?}");
    assert_eq!(universes.log(id, 100).unwrap().len(), 5);
    for (number, kept) in commits.iter().enumerate() {
        let stays = number >= 25 || number == 3;
        let restored = universes.restore(id, kept.commit.to_string()).await;
        assert_eq!(restored.is_ok(), stays, "commit {number}: {restored:?}");
        if stays {
            assert_eq!(universes.state(id, "/number").unwrap(), Some(json!(number)));
        }
    }
    assert_eq!(universes.restore(id, "kept".to_owned()).await.unwrap(), commits[3].snapshot);
    let again = universes.sweep(Retention { commits: Some(5), younger_than_ms: 0 }).await.unwrap();
    assert_eq!(again.objects, 0, "{again:?}");
    let diff = universes.diff(&Side::Universe(id), &Side::Commit("kept".to_owned()), 10, true).unwrap();
    assert_eq!(diff.stats.changed + diff.stats.added + diff.stats.deleted, 0);
}

async fn one(universes: &Universes, state: Value) -> UniverseId {
    let wish = Creation { count: 1, state: state.as_object().unwrap().clone(), ..Creation::default() };
    universes.create(wish).await.unwrap()[0]
}

async fn set(universes: &Universes, id: UniverseId, updates: Value) {
    universes.update(id, updates.as_object().unwrap().clone(), true).await.unwrap();
}

fn merge(target: UniverseId, source: UniverseId, strategy: Strategy) -> MergeWish {
    let (on_conflict, resolutions) = (None, BTreeMap::new());
    MergeWish { target, sources: vec![source], strategy, on_conflict, resolutions, note: Note::default() }
}

async fn fork(universes: &Universes, parent: UniverseId) -> UniverseId {
    let wish = Creation { count: 1, parent: Some(parent), ..Creation::default() };
    universes.create(wish).await.unwrap()[0]
}

#[tokio::test]
async fn a_backup_has_the_universes_too() {
    let directory = tempfile::tempdir().unwrap();
    let [live, copy, back] = ["live", "copy", "back"].map(|name| directory.path().join(name));
    let (_store, universes) = open(&live).await;
    let id = one(&universes, json!({ "a": [1, { "b": 2 }] })).await;
    let kept = universes.commit(id, Note::message("kept")).await.unwrap();
    // Large, so that it goes to the object store at once; and small, so that it may be on its way.
    set(&universes, id, json!({ "large": "x".repeat(2 << 20) })).await;
    set(&universes, id, json!({ "small": 1 })).await;
    helios::store::tools::create_backup(&live, &copy, &helios::base::Clock::default()).unwrap();
    helios::store::tools::verify_backup(&copy).unwrap();
    helios::store::tools::restore_backup(&copy, &back).unwrap();
    let (_store, restored) = open(&back).await;
    restored.verify(id).unwrap();
    assert_eq!(restored.state(id, "").unwrap(), universes.state(id, "").unwrap());
    restored.restore(id, kept.snapshot.to_string()).await.unwrap();
    assert_eq!(restored.state(id, "").unwrap(), Some(json!({ "a": [1, { "b": 2 }] })));
}

#[tokio::test]
async fn a_sweep_counts_commits_by_the_shortest_way() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, universes) = open(directory.path()).await;
    let base = one(&universes, json!({ "n": 0 })).await;
    for step in 1..=5 {
        let branch = fork(&universes, base).await;
        set(&universes, branch, json!({ "n": step })).await;
        universes.commit(branch, Note::message("tried")).await.unwrap();
        universes.merge(merge(base, branch, Strategy::ThreeWay)).await.unwrap();
        universes.delete(branch).await.unwrap();
    }
    let before = universes.log(base, 10).unwrap();
    universes.sweep(Retention { commits: Some(3), younger_than_ms: 0 }).await.unwrap();
    let after = universes.log(base, 10).unwrap();
    assert_eq!(after, before[..3], "the last three of its own history are there");
}

#[tokio::test]
async fn where_history_was_cut_off_nobody_guesses() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, universes) = open(directory.path()).await;
    let base = one(&universes, json!({ "gone": 1 })).await;
    let branch = fork(&universes, base).await;
    set(&universes, base, json!({ "gone": null })).await;
    for id in [base, branch] {
        for step in 0..5 {
            set(&universes, id, json!({ "step": step })).await;
            universes.commit(id, Note::default()).await.unwrap();
        }
    }
    universes.sweep(Retention { commits: Some(2), younger_than_ms: 0 }).await.unwrap();
    let refused = universes.merge(merge(base, branch, Strategy::ThreeWay)).await.unwrap_err();
    assert!(refused.to_string().contains("does not go back to a common state"), "{refused}");
    assert_eq!(universes.state(base, "").unwrap(), Some(json!({ "step": 4 })));
    universes.merge(merge(base, branch, Strategy::Union)).await.unwrap();
    assert_eq!(universes.state(base, "/gone").unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn states_of_others_do_not_take_memory_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, universes) = open(directory.path()).await;
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(one(&universes, json!({ "text": format!("{number} {}", "x".repeat(2_000)) })).await);
    }
    let begin = std::time::Instant::now();
    while ids.iter().filter(|id| universes.is_resident(**id)).count() > 2 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "they are let go of");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (number, id) in ids.iter().enumerate() {
        let text = universes.state(*id, "/text").unwrap().unwrap();
        assert!(text.as_str().unwrap().starts_with(&format!("{number} x")));
    }
}

#[tokio::test]
async fn long_lists_are_joined_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, universes) = open(directory.path()).await;
    let a = one(&universes, json!({ "l": (0..60_000).collect::<Vec<_>>() })).await;
    let b = one(&universes, json!({ "l": (30_000..90_000).collect::<Vec<_>>() })).await;
    let begin = std::time::Instant::now();
    universes.merge(merge(a, b, Strategy::Union)).await.unwrap();
    assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
    let joined = universes.state(a, "/l").unwrap().unwrap();
    assert_eq!(joined, json!((0..90_000).collect::<Vec<_>>()));
}

#[tokio::test]
async fn old_universes_go_unless_a_fork_is_young() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { data_dir: directory.path().to_owned(), ..StoreOptions::default() };
    let clock = helios::base::Clock::manual(1_000_000);
    let store = Store::open(&options, Seams { clock: clock.clone(), ..Seams::default() }).unwrap();
    let options = UniverseOptions { ttl: Span::secs(60), ..UniverseOptions::default() };
    let universes = Universes::open(&store, &options).unwrap();
    let (alone, parent) = (one(&universes, json!({})).await, one(&universes, json!({})).await);
    let child = fork(&universes, parent).await;
    clock.advance_ms(50_000);
    set(&universes, child, json!({ "a": 1 })).await;
    clock.advance_ms(20_000);
    let begin = std::time::Instant::now();
    while universes.get(alone).is_ok() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "it goes");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(universes.get(parent).is_ok() && universes.get(child).is_ok(), "its fork is young");
    clock.advance_ms(100_000);
    while universes.count() > 0 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "they go together");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
