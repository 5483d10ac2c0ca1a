//! `kv:*`: keys and values for applications. They lie under the prefix `kv:` of the store, apart from what the
//! server keeps there for itself.

mod commit;
mod place;
mod read;
mod rules;
mod values;
mod watch;
mod write;

pub(super) use self::commit::{Effects, Operation, effects};
use self::place::Places;
pub(super) use self::rules::{KeyAction, KeyRules};
pub use self::rules::{KvAccess, KvNamespaceOptions};
use super::jobs;
use super::namespace::Namespace;
use super::options::KvOptions;
use super::topics::TopicDesk;
use std::sync::Arc;

use crate::dispatch::{MethodOptions, RegistryBuilder};
use crate::store::{Key, Store};
use crate::universes::Universes;

/// Where the keys of applications begin.
pub(super) const SPACE: &str = "kv:";

/// Notifications about what a session watches.
pub(super) const CHANGES: &str = "kv:changes";
pub(super) const ENDED: &str = "kv:ended";

pub(super) fn add(
    to: &mut RegistryBuilder,
    (store, universes): (&Store, Option<&Universes>),
    options: &KvOptions,
    (topics, jobs): (&TopicDesk, Option<&jobs::Desk>),
) {
    let everyone = options.everyone;
    let rules = Arc::new(KeyRules::new(options));
    let places = Places { store: store.clone(), universes: universes.cloned(), everyone, rules };
    let mut kv = Namespace { to, desk: &places, everyone };
    let about = MethodOptions::described;
    let watches_max = options.watches_max;
    kv.method("kv:get", READ, about("Gives the value of a key.").idempotent(), read::get);
    kv.method("kv:ttl", READ, about("Tells when a key ends.").idempotent(), read::ttl);
    kv.method("kv:scan", READ, about("Lists keys by their prefix, in order.").idempotent(), read::scan);
    kv.method("kv:set", WRITE, about("Sets the value of a key."), write::set);
    kv.method("kv:delete", DELETE, about("Takes a key away."), write::delete);
    kv.method("kv:increment", WRITE, about("Adds to a whole number."), write::increment);
    let tellers = (topics.clone(), jobs.cloned());
    let text = "Changes several keys at once, or none.";
    kv.method("kv:commit", WRITE, about(text), move |ctx, places, params| {
        commit::commit(ctx, places, tellers.clone(), params)
    });
    let text = "Tells every change below a prefix, without a gap.";
    kv.method("kv:watch", READ, about(text).of_session(), move |ctx, places, params| {
        let watching = watch::watch(&ctx, &places, &params, watches_max);
        async move { watching }
    });
    kv.method("kv:unwatch", READ, about("Ends a watch.").idempotent().of_session(), |ctx, _, params| {
        let ended = watch::unwatch(&ctx, &params);
        async move { Ok(ended) }
    });
}

pub(super) const READ: &str = "kv:get";
pub(super) const WRITE: &str = "kv:set";
pub(super) const DELETE: &str = "kv:delete";

/// The key of the store for a key of the application, or for what keys begin with.
fn stored(key: &str) -> Key {
    [SPACE.as_bytes(), key.as_bytes()].concat().into()
}
