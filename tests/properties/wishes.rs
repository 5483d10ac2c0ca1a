//! Random commands, and the simplest thing that could answer them.

use std::collections::BTreeMap;

use helios::base::Random;
use helios::store::{Check, Command, Commit, Condition, Decision, Expiry, Key, Value, View, Work};

/// Value and end of each key.
pub(crate) type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// A command as plain data, so that it can be given to both.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Set(Vec<u8>, Vec<u8>, Option<u64>),
    SetIfAbsent(Vec<u8>, Vec<u8>),
    SetKeep(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Expire(Vec<u8>, Option<u64>),
    Increment(Vec<u8>, i64),
    Append(Vec<u8>, Vec<u8>),
    /// An entry of the log of a key, which keeps so many.
    Record(Vec<u8>, Vec<u8>, u64),
    /// What lies under one key is moved under another, as is decided by what is there then.
    Move(Vec<u8>, Vec<u8>),
    /// All at once, if the key is there.
    Together(Vec<u8>, Vec<Wish>),
    /// All keys but those that begin with one of these.
    Clear(Vec<&'static str>),
}

fn key(random: &mut Random) -> Vec<u8> {
    let number = random.next_u64() % 24;
    if number == 23 { vec![0xff, 0, b'\n'] } else { format!("k:{number}").into_bytes() }
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.next_u64() % 6 {
        0 => Vec::new(),
        1 => (random.next_u64() % 100).to_string().into_bytes(),
        2 => vec![0xc3, 0x28, 0, b'"', b'\n'],
        3 => vec![b'x'; (random.next_u64() % 3_000) as usize],
        _ => format!("value \"{}\"\n", random.next_u64()).into_bytes(),
    }
}

/// What the entries of the log of a key begin with.
fn log(key: &[u8]) -> Vec<u8> {
    [b"log:", key, b"/"].concat()
}

impl Wish {
    /// Any wish. Keys that end do so soon after `now`.
    pub(crate) fn any(random: &mut Random, now: u64) -> Self {
        let key = key(random);
        let soon = |random: &mut Random| Some(now + 1 + random.next_u64() % 200);
        match random.next_u64() % 24 {
            0..8 => Self::Set(key, value(random), None),
            8..11 => Self::Set(key, value(random), soon(random)),
            11 => Self::SetIfAbsent(key, value(random)),
            12 => Self::SetKeep(key, value(random)),
            13..16 => Self::Delete(key),
            16 => Self::Expire(key, soon(random)),
            17 => Self::Expire(key, None),
            18..20 => Self::Increment(key, random.next_u64() as i64 % 1_000),
            20 if random.next_u64().is_multiple_of(2) => {
                Self::Record(key, value(random), 1 + random.next_u64() % 4)
            }
            20 => Self::Append(key, value(random)),
            21 if random.next_u64().is_multiple_of(2) => Self::Move(key, self::key(random)),
            21..23 => {
                let count = 1 + random.next_u64() % 4;
                Self::Together(key, (0..count).map(|_| Self::any_single(random, now)).collect())
            }
            _ if random.next_u64().is_multiple_of(4) => match random.next_u64() % 4 {
                0 => Self::Clear(vec!["k:1"]),
                1 => Self::Clear(vec!["k:2", "k:3"]),
                _ => Self::Clear(Vec::new()),
            },
            _ => Self::Delete(key),
        }
    }

    fn any_single(random: &mut Random, now: u64) -> Self {
        loop {
            match Self::any(random, now) {
                Self::Together(..) => {}
                single => return single,
            }
        }
    }

    /// What the store is asked.
    pub(crate) fn work(&self) -> Work {
        match self {
            Self::Together(key, wishes) => Work::Commit(Commit {
                checks: vec![Check { key: key.as_slice().into(), condition: Condition::IfPresent }],
                commands: wishes.iter().map(Self::command).collect(),
                keep_going: false,
            }),
            single => Work::One(single.command()),
        }
    }

    fn command(&self) -> Command {
        let shared = |key: &Vec<u8>| -> Key { key.as_slice().into() };
        let set = |key, value: &Vec<u8>, condition, expiry| Command::Set {
            key: shared(key),
            value: Value::bytes(value.as_slice()),
            condition,
            expiry,
        };
        match self {
            Self::Set(key, value, None) => set(key, value, Condition::Always, Expiry::Never),
            Self::Set(key, value, Some(at)) => set(key, value, Condition::Always, Expiry::At(*at)),
            Self::SetIfAbsent(key, value) => set(key, value, Condition::IfAbsent, Expiry::Never),
            Self::SetKeep(key, value) => set(key, value, Condition::Always, Expiry::Keep),
            Self::Delete(key) => Command::delete(key.as_slice()),
            Self::Expire(key, at) => Command::Expire { key: shared(key), at: *at },
            Self::Increment(key, by) => Command::Increment { key: shared(key), by: *by, json: false },
            Self::Append(key, tail) => Command::Append { key: shared(key), tail: tail.clone() },
            Self::Record(key, value, keep) => Command::Record {
                counter: shared(key),
                prefix: log(key).into(),
                value: Value::bytes(value.as_slice()),
                keep: *keep,
                expiry: Expiry::Never,
            },
            Self::Move(from, to) => {
                let (from, to) = (shared(from), shared(to));
                Command::Decide(Decision::new(move |view| {
                    let value = view.value(&from)?.clone();
                    Some(vec![Command::delete(from), Command::set(to, value)])
                }))
            }
            Self::Clear(keep) => {
                Command::Clear { keep: keep.iter().map(|family| Key::from(family.as_bytes())).collect() }
            }
            Self::Together(..) => unreachable!("it is a commit, not a command"),
        }
    }

    /// What must come of it at a time.
    pub(crate) fn apply(&self, model: &mut Model, now: u64) {
        model.retain(|_, (_, ends)| *ends == 0 || *ends > now);
        if let Self::Together(key, wishes) = self {
            let mut after = model.clone();
            if model.contains_key(key) && wishes.iter().all(|wish| wish.apply_single(&mut after)) {
                *model = after;
            }
        } else {
            self.apply_single(model);
        }
    }

    /// Whether it was not refused.
    fn apply_single(&self, model: &mut Model) -> bool {
        let ends = |model: &Model, key| model.get(key).map_or(0, |(_, ends)| *ends);
        match self {
            Self::Set(key, value, at) => {
                model.insert(key.clone(), (value.clone(), at.unwrap_or(0)));
            }
            Self::SetIfAbsent(key, value) => {
                model.entry(key.clone()).or_insert_with(|| (value.clone(), 0));
            }
            Self::SetKeep(key, value) => {
                let ends = ends(model, key);
                model.insert(key.clone(), (value.clone(), ends));
            }
            Self::Delete(key) => {
                model.remove(key);
            }
            Self::Expire(key, at) => {
                if let Some((_, ends)) = model.get_mut(key) {
                    *ends = at.unwrap_or(0);
                }
            }
            Self::Increment(key, by) => {
                let text = model.get(key).map_or(b"0".as_slice(), |(value, _)| value);
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
                let Some(number) = number.filter(|number| number.to_string().as_bytes() == text) else {
                    return false;
                };
                let ends = ends(model, key);
                model.insert(key.clone(), ((number + by).to_string().into_bytes(), ends));
            }
            Self::Append(key, tail) => {
                model.entry(key.clone()).or_default().0.extend_from_slice(tail);
            }
            Self::Record(key, value, keep) => {
                let count = model.get(key).map_or(b"0".as_slice(), |(value, _)| value);
                if count.starts_with(b"-") || !Self::Increment(key.clone(), 1).apply_single(model) {
                    return false;
                }
                let last: u64 = String::from_utf8_lossy(&model[key].0).parse().unwrap();
                let entry = |number: u64| [log(key), format!("{number:020}").into_bytes()].concat();
                let old = model.range(log(key)..entry(last.saturating_sub(*keep) + 1)).take(2);
                for key in old.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    model.remove(&key);
                }
                model.insert(entry(last), (value.clone(), 0));
            }
            Self::Move(from, to) => {
                let Some((value, _)) = model.remove(from) else { return false };
                model.insert(to.clone(), (value, 0));
            }
            Self::Clear(keep) => {
                model.retain(|key, _| keep.iter().any(|family| key.starts_with(family.as_bytes())));
            }
            Self::Together(..) => unreachable!("not in itself"),
        }
        true
    }
}

/// What a model shows at a time.
pub(crate) fn visible(model: &Model, now: u64) -> Model {
    model
        .iter()
        .filter(|(_, (_, ends))| *ends == 0 || *ends > now)
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// What the store shows. Scan, count and single reads must agree.
pub(crate) fn shown(view: &View) -> Model {
    let all: Model = view
        .prefix(b"")
        .map(|(key, entry)| (key.to_vec(), (entry.value.as_bytes().to_vec(), entry.expires_at)))
        .collect();
    assert_eq!(view.len(), all.len(), "count and scan");
    assert_eq!(view.ending(), all.values().filter(|(_, ends)| *ends != 0).count(), "keys that end");
    for (key, (value, _)) in &all {
        assert_eq!(view.value(key).map(|value| value.as_bytes()), Some(value.as_slice()));
    }
    let bytes: usize = all.iter().map(|(key, (value, _))| key.len() + value.len()).sum();
    assert!(view.bytes() >= bytes, "what is over may still be counted, but nothing is forgotten");
    all
}
