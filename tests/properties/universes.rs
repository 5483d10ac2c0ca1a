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
            Ok(made) => drop(self.models.insert(made[0], model)),
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
