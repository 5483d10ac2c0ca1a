//! Commands and what they give.

use super::super::command::Decision;
use super::super::options::StoreOptions;
use super::*;
use crate::base::Random;

const NOW: u64 = 1_000;

fn engine() -> Engine {
    Engine::new(State::default(), Limits::of(&StoreOptions::default()))
}

fn set(key: &str, value: &str) -> Command {
    Command::set(key.as_bytes(), Value::bytes(value.as_bytes()))
}

fn run(engine: &mut Engine, command: Command, at: u64) -> Result<Outcome, Refusal> {
    match engine.apply(Work::One(command), at) {
        (Done::One(outcome), _) => outcome,
        (other, _) => panic!("{other:?}"),
    }
}

fn text(engine: &Engine, key: &str) -> Option<String> {
    let entry = engine.state.get(key.as_bytes(), NOW)?;
    Some(String::from_utf8_lossy(entry.value.as_bytes()).into_owned())
}

#[test]
fn the_same_commands_at_the_same_times_give_the_same_commits() {
    let play = || {
        let mut engine = engine();
        let commands = [set("a", "1"), set("b", "2"), Command::Clear { keep: [].into() }, set("a", "3")];
        let commits: Vec<_> = (NOW..)
            .zip(commands)
            .filter_map(|(at, command)| engine.apply(Work::One(command), at).1)
            .collect();
        (commits, engine.state.entries().id())
    };
    assert_eq!(play(), play());
}

#[test]
fn a_commit_is_done_whole_or_not_at_all() {
    let mut engine = engine();
    run(&mut engine, set("a", "x"), NOW).unwrap();
    let commands = || vec![set("b", "1"), Command::Increment { key: b"a"[..].into(), by: 1, json: false }];
    let commit = Commit { commands: commands(), ..Commit::default() };
    let (done, committed) = engine.apply(Work::Commit(commit), NOW);
    let refused = CommitOutcome::Refused { command: 1, refusal: Refusal::NotANumber };
    assert_eq!(format!("{done:?}"), format!("{:?}", Done::Commit(refused)));
    assert_eq!((committed, text(&engine, "b"), engine.state.revision), (None, None, 1));

    let commit = Commit { commands: commands(), keep_going: true, ..Commit::default() };
    let (_, committed) = engine.apply(Work::Commit(commit), NOW);
    assert_eq!(committed.map(|commit| commit.changes.len()), Some(1), "as Redis has it");
    assert_eq!(text(&engine, "b").as_deref(), Some("1"));
}

#[test]
fn versions_guard_against_what_others_have_done_even_if_it_was_undone() {
    let mut engine = engine();
    run(&mut engine, set("a", "1"), NOW).unwrap();
    run(&mut engine, Command::delete(&b"a"[..]), NOW).unwrap();
    run(&mut engine, set("a", "1"), NOW).unwrap();
    let guarded = |version| Command::Set {
        key: b"a"[..].into(),
        value: Value::bytes(&b"2"[..]),
        condition: Condition::IfVersion(version),
        expiry: Expiry::Never,
    };
    let outcome = run(&mut engine, guarded(1), NOW).unwrap();
    assert!(matches!(outcome, Outcome::Written { done: false, version: 3, .. }), "{outcome:?}");
    let outcome = run(&mut engine, guarded(3), NOW).unwrap();
    assert!(matches!(outcome, Outcome::Written { done: true, version: 4, .. }), "{outcome:?}");
}

#[test]
fn numbers_are_whole_and_do_not_wrap() {
    let mut engine = engine();
    let add = |by| Command::Increment { key: b"n"[..].into(), by, json: false };
    assert!(matches!(run(&mut engine, add(i64::MAX), NOW), Ok(Outcome::Number(i64::MAX))));
    assert!(matches!(run(&mut engine, add(1), NOW), Err(Refusal::Overflow)));
    for wrong in ["", " 1", "1 ", "+1", "01", "1.0", "x", "9223372036854775808", "-0"] {
        run(&mut engine, set("n", wrong), NOW).unwrap();
        assert!(matches!(run(&mut engine, add(1), NOW), Err(Refusal::NotANumber)), "{wrong:?}");
    }
}

#[test]
fn the_sweep_takes_the_first_to_end_first_and_says_why() {
    let mut engine = engine();
    for (key, at) in [("b", 1_002), ("a", 1_001), ("c", 2_000)] {
        let (condition, expiry) = (Condition::Always, Expiry::At(at));
        let value = Value::bytes(&b""[..]);
        run(&mut engine, Command::Set { key: key.as_bytes().into(), value, condition, expiry }, NOW).unwrap();
    }
    let deleted = |commit: Option<Committed>| commit.map(|commit| commit.changes.to_vec());
    let gone = |key: &str| Change::Delete { key: key.as_bytes().into(), expired: true };
    assert_eq!(deleted(engine.sweep(1_000, 10)), None);
    assert_eq!(deleted(engine.sweep(1_500, 1)), Some(vec![gone("a")]));
    assert_eq!(deleted(engine.sweep(1_500, 1)), Some(vec![gone("b")]));
    assert_eq!(deleted(engine.sweep(1_500, 1)), None);
}

#[test]
fn a_reader_sees_what_came_before_it_in_the_same_commit() {
    let mut engine = engine();
    let read = |view: &View| view.value(b"a").map_or_else(Vec::new, |value| value.as_bytes().to_vec());
    let commands = vec![set("a", "1"), Command::Read(super::super::Reader::new(read)), set("a", "2")];
    let (done, _) = engine.apply(Work::Commit(Commit { commands, ..Commit::default() }), NOW);
    let Done::Commit(CommitOutcome::Done { outcomes, revision: 1 }) = done else { panic!("{done:?}") };
    assert!(matches!(&outcomes[1], Ok(Outcome::Read(bytes)) if bytes == b"1"), "{outcomes:?}");
    assert_eq!(text(&engine, "a").as_deref(), Some("2"));
}

/// Moves what lies under one key to another, if there is anything.
fn moves(from: &'static str, to: &'static str) -> Command {
    Command::Decide(Decision::new(move |view| {
        let value = view.value(from.as_bytes())?.clone();
        Some(vec![Command::delete(from.as_bytes()), Command::set(to.as_bytes(), value)])
    }))
}

#[test]
fn a_decision_sees_what_was_done_before_it_and_is_a_part_of_its_commit() {
    let mut engine = engine();
    let commands = vec![set("a", "1"), moves("a", "b"), moves("b", "c")];
    let (done, committed) = engine.apply(Work::Commit(Commit { commands, ..Commit::default() }), NOW);
    assert!(matches!(done, Done::Commit(CommitOutcome::Done { revision: 1, .. })), "{done:?}");
    assert_eq!(committed.map(|commit| commit.changes.len()), Some(5), "the log has what was done");
    assert_eq!((text(&engine, "a"), text(&engine, "b")), (None, None));
    assert_eq!(text(&engine, "c").as_deref(), Some("1"));
    let moved = run(&mut engine, moves("c", "a"), NOW).unwrap();
    assert!(matches!(moved, Outcome::Number(2)));
}

#[test]
fn a_decision_against_it_undoes_all_of_the_commit_and_so_does_one_that_panics_or_meets_a_limit() {
    let panics = || Command::Decide(Decision::new(|_| panic!("on purpose")));
    let long = || {
        Command::Decide(Decision::new(|_| {
            let key: Key = vec![b'k'; 5_000].into();
            Some(vec![set("b", "2"), Command::set(key, Value::bytes(&b"1"[..]))])
        }))
    };
    for (decision, keep_going) in [(moves("none", "b"), true), (panics(), false), (long(), true)] {
        let mut engine = engine();
        let commands = vec![set("a", "1"), decision];
        let commit = Commit { commands, keep_going, ..Commit::default() };
        let (done, committed) = engine.apply(Work::Commit(commit), NOW);
        assert!(matches!(done, Done::Commit(CommitOutcome::Refused { command: 1, .. })), "{done:?}");
        assert_eq!((committed, text(&engine, "a"), text(&engine, "b")), (None, None, None));
        assert_eq!(
            run(&mut engine, long(), NOW).unwrap_err(),
            Refusal::KeyLength { bytes: 5_000, limit: 4_096 }
        );
        assert_eq!(text(&engine, "b"), None, "alone too");
    }
}

#[test]
fn a_commit_that_is_refused_at_its_end_leaves_nothing_behind_whatever_it_has_done() {
    let seed = Random::from_system().next_u64();
    println!("seed {seed}");
    let mut random = Random::seeded(seed);
    let mut pick = |most: u64| random.next_u64() % most;
    let mut engine = engine();
    let whole = |engine: &Engine| {
        let State { revision, at, .. } = engine.state;
        let ends: Vec<_> = engine.state.overdue(u64::MAX).collect();
        let versions: Vec<_> = engine.state.entries().iter().map(|(_, entry)| entry.version).collect();
        (engine.state.entries().id(), versions, ends, engine.state.bytes(), revision, at)
    };
    for round in 0..2_000 {
        let commands = (0..pick(8) + 1).map(|_| {
            let key: Key = format!("k{}", pick(12)).into_bytes().into();
            let expiry = [Expiry::Never, Expiry::Keep, Expiry::At(NOW - 1 + pick(100))][pick(3) as usize];
            let value = Value::bytes(pick(1_000).to_string().into_bytes());
            match pick(if round % 10 == 0 { 8 } else { 7 }) {
                0 | 1 => Command::Set { key, value, condition: Condition::Always, expiry },
                2 => Command::delete(key),
                3 => Command::Expire { key, at: (pick(2) == 0).then(|| NOW + pick(100)) },
                4 => Command::Append { key, tail: b"7".to_vec() },
                5 => Command::Record {
                    counter: b"n"[..].into(),
                    prefix: b"n:"[..].into(),
                    value,
                    keep: 3,
                    expiry,
                },
                6 => {
                    Command::Decide(Decision::new(move |_| Some(vec![Command::delete(key), set("k0", "1")])))
                }
                _ => Command::Clear { keep: [b"k1"[..].into()].into() },
            }
        });
        let mut commands: Vec<_> = commands.collect();
        let before = whole(&engine);
        let refused = pick(2) == 0;
        if refused {
            commands.push(Command::Decide(Decision::new(|_| None)));
        }
        let (done, committed) = engine.apply(Work::Commit(Commit { commands, ..Commit::default() }), NOW);
        match done {
            Done::Commit(CommitOutcome::Refused { .. }) if refused => {
                assert_eq!((whole(&engine), committed), (before, None), "round {round}");
            }
            Done::Commit(CommitOutcome::Done { .. }) if !refused => {}
            other => panic!("round {round}: {other:?}"),
        }
    }
}
