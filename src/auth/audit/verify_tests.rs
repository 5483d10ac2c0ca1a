use serde_json::json;

use super::super::{Audit, AuditCaller, AuditEntry};
use super::*;
use crate::store::{
    Check, Command, Commit, CommitOutcome, Condition, Seams, Store, StoreError, StoreOptions, Value,
};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions { data_dir: directory.path().to_owned(), ..StoreOptions::default() };
    let store = Store::open(&options, Seams::default()).unwrap();
    (directory, store)
}

async fn filled(store: &Store, keep: u64, count: usize) -> Audit {
    let audit = Audit::new(store, keep);
    for number in 0..count {
        let entry = AuditEntry::done("user.create", format!("user:{number}"));
        let entry = entry.changing(None, Some(json!({ "name": "ann", "roles": ["user"] })));
        audit.note(&AuditCaller::cli(), entry).await.unwrap();
    }
    audit
}

#[tokio::test]
async fn what_was_written_is_whole() {
    let (_directory, store) = store();
    assert_eq!(verify(&store.view()).unwrap().records, 0);
    filled(&store, 1_000, 20).await;
    let verified = verify(&store.view()).unwrap();
    assert_eq!((verified.records, verified.first, verified.last), (20, 1, 20));
}

#[tokio::test]
async fn many_at_a_time_make_one_chain() {
    let (_directory, store) = store();
    let audit = Audit::new(&store, 1_000);
    let entry = AuditEntry::failed("login", "user:ann");
    let caller = AuditCaller::server();
    let notes = (0..50).map(|_| audit.note(&caller, entry.clone()));
    futures_util::future::join_all(notes).await.into_iter().for_each(|done| done.unwrap());
    assert_eq!(verify(&store.view()).unwrap().last, 50);
    let (page, next) = audit.page(None, 20, |record| !record.done);
    assert_eq!((page.len(), page[0].number, next), (20, 50, Some(31)));
    let (page, next) = audit.page(Some(3), 20, |_| true);
    assert_eq!((page.len(), next), (2, None));
}

#[tokio::test]
async fn the_oldest_go_and_the_rest_is_still_verified() {
    let (_directory, store) = store();
    filled(&store, 10, 25).await;
    let verified = verify(&store.view()).unwrap();
    assert_eq!((verified.records, verified.first, verified.last), (10, 16, 25));
    // Less is kept from now on.
    filled(&store, 5, 8).await;
    assert_eq!(verify(&store.view()).unwrap().first, 29);
}

#[tokio::test]
async fn every_touch_is_found() {
    let (_directory, store) = store();
    filled(&store, 1_000, 8).await;
    let good: Vec<_> =
        store.view().prefix(b"audit:").map(|(key, entry)| (key.to_vec(), entry.value.clone())).collect();
    let key = |number| key_of(number);
    let text =
        |number| String::from_utf8(store.view().value(&key(number)).unwrap().as_bytes().to_vec()).unwrap();
    let changed = |number| Value::json(text(number).replace("user:", "uses:").into_bytes());
    let touches = [
        (Command::set(key(3), changed(3)), VerifyError::Changed(3)),
        (Command::set(key(8), changed(8)), VerifyError::Changed(8)),
        (Command::set(key(1), changed(1)), VerifyError::Changed(1)),
        (Command::delete(key(5)), VerifyError::Missing(5)),
        (Command::delete(key(8)), VerifyError::Missing(8)),
        (Command::delete(key(1)), VerifyError::Missing(1)),
        (Command::set(key(4), Value::json(*b"{}")), VerifyError::Unreadable(4)),
        (Command::set(key(4), Value::json(text(5).into_bytes())), VerifyError::Unreadable(4)),
        (Command::set(key(9), changed(8)), VerifyError::Stray("audit:log:00000000000000000009".into())),
        (Command::delete(*b"audit:head"), VerifyError::Head),
        (Command::set(*b"audit:head", Value::json(*b"[]")), VerifyError::Head),
    ];
    for (touch, expected) in touches {
        store.run(touch).await.unwrap().unwrap();
        assert_eq!(verify(&store.view()), Err(expected));
        store.run(Command::delete(key(9))).await.unwrap().unwrap();
        let commands = good.iter().map(|(key, value)| Command::set(key.clone(), value.clone())).collect();
        store.commit(Commit { commands, ..Commit::default() }).await.unwrap();
        verify(&store.view()).unwrap();
    }
}

#[tokio::test]
async fn a_change_that_is_refused_is_not_recorded() {
    let (_directory, store) = store();
    let audit = Audit::new(&store, 1_000);
    let check = Check { key: (*b"kv:a").into(), condition: Condition::IfPresent };
    let caller = AuditCaller::cli();
    let refused = audit.commit::<StoreError>(&caller, move |_| {
        let commands = vec![Command::set(*b"kv:b", Value::bytes(*b"1"))];
        let commit = Commit { checks: vec![check], commands, keep_going: false };
        Ok((AuditEntry::done("user.create", "user:ann"), commit))
    });
    let refused = refused.await.unwrap();
    assert!(matches!(refused, CommitOutcome::Conflict { check: 0, .. }));
    assert_eq!(verify(&store.view()).unwrap().records, 0);
    assert!(store.view().get(b"kv:b").is_none());
}

#[tokio::test]
async fn who_gives_up_waiting_breaks_nothing() {
    let (_directory, store) = store();
    let audit = Audit::new(&store, 1_000);
    for number in 0..40 {
        let caller = AuditCaller::cli();
        let mut note = Box::pin(audit.note(&caller, AuditEntry::done("x", format!("{number}"))));
        // Some are dropped when they have begun.
        if number % 2 == 0 {
            drop(futures_util::FutureExt::now_or_never(&mut note));
            drop(note);
        } else {
            note.await.unwrap();
        }
    }
    assert!(verify(&store.view()).unwrap().last >= 20);
}
