//! Who a session belongs to, and what becomes of that while it is open.

use std::sync::Arc;

use serde_json::json;

use super::Session;
use crate::auth::Principal;
use crate::dispatch::Peer;
use crate::protocol::{CloseCode, TOPIC_AUTH_CHANGED, TOPIC_AUTH_EXPIRED};
use crate::starling::recovery::Refusal;

impl Session {
    /// The session belongs to somebody else from now on, or its owner may something else; unless it has another
    /// principal than `from` by now.
    pub(in crate::starling) fn exchange_principal(
        self: &Arc<Self>,
        from: &Arc<Principal>,
        to: Principal,
    ) -> bool {
        if !self.exchange(from, to) {
            return false;
        }
        // What has happened to the account before it was entered here was told to nobody.
        self.renew_principal();
        true
    }

    fn exchange(self: &Arc<Self>, from: &Arc<Principal>, to: Principal) -> bool {
        let to = Arc::new(to);
        {
            let _turn = self.identity.lock();
            if !Arc::ptr_eq(&self.principal.load(), from) {
                return false;
            }
            let online = &self.shared.online;
            self.principal.store(Arc::clone(&to));
            online.leave(self.id, from);
            online.enter(self.id, &to);
            if self.has_ended() {
                online.leave(self.id, &to);
            }
        }
        if self.is_resumable() {
            self.take_back_record();
            self.note_change();
        }
        if !from.is_same(&to) {
            if from.name().is_some() {
                self.forget_owner();
            }
            self.wake_subscriptions();
        }
        if let Some(hook) = self.shared.on_identity.get() {
            hook.call(self);
        }
        true
    }

    /// Looks whether the account of the session still is what it was.
    pub(in crate::starling) fn renew_principal(self: &Arc<Self>) {
        let Some(accounts) = &self.shared.accounts else { return };
        loop {
            let mine = self.principal();
            let renewed = accounts.renewed(&mine, accounts.options().grace.as_ms());
            // Somebody else has exchanged it meanwhile, and will look by himself; or has not yet, and is looked after.
            if !Arc::ptr_eq(&self.principal.load(), &mine) {
                continue;
            }
            match renewed {
                Ok(renewed) if renewed == *mine => return,
                Ok(renewed) => {
                    let roles = renewed.account().map(|account| Arc::clone(&account.roles));
                    let data = json!({ "roles": roles, "permissions": renewed.permissions() });
                    if self.exchange(&mine, renewed) {
                        self.tell_of_identity(TOPIC_AUTH_CHANGED, &data);
                        return;
                    }
                }
                Err(error) => return self.disown(&error.to_string()),
            }
        }
    }

    /// What its owner has shown is void: the session ends, whoever comes with its tokens.
    fn disown(&self, reason: &str) {
        tracing::info!(starling = %self.id, reason, "a session has lost its account");
        self.tell_of_identity(TOPIC_AUTH_EXPIRED, &json!({ "reason": "revoked", "graceMs": 0 }));
        self.leave(CloseCode::CredentialsRevoked, "the credentials were revoked");
    }

    /// The access token has ended; there is a while left to bring another one.
    pub(in crate::starling) fn warn_of_expiry(&self, grace_ms: u64) {
        self.tell_of_identity(TOPIC_AUTH_EXPIRED, &json!({ "reason": "expired", "graceMs": grace_ms }));
    }

    /// And nobody has brought one. The session waits for its peer as for one that was cut off.
    pub(in crate::starling) fn close_expired(&self) {
        self.close_link(CloseCode::CredentialsExpired, "the access token has ended");
    }

    /// Tells peers that know our extensions.
    pub(in crate::starling) fn tell_of_identity(&self, topic: &str, data: &serde_json::Value) {
        if self.dialect.extensions
            && self.is_connected()
            && let Some(me) = self.me()
        {
            // A peer that is gone learns it when it comes back.
            let _ = me.starling().notify(topic, data);
        }
    }

    /// Whether whoever comes as `claimant` with a token of the session may have it, and who it belongs to then. A token
    /// alone gives back what the session had, as long as that is good; who also says who it is has to be its owner, and
    /// gets the rights that it has shown.
    pub(in crate::starling) fn check_owner(&self, claimant: &Principal) -> Result<Principal, Refusal> {
        let mine = self.principal();
        if claimant.name().is_some() {
            return if mine.is_same(claimant) { Ok(claimant.clone()) } else { Err(Refusal::Principal) };
        }
        let Some(accounts) = &self.shared.accounts else {
            // There were accounts when it began, and there are none now.
            return if mine.account().is_none() { Ok((*mine).clone()) } else { Err(Refusal::Principal) };
        };
        let renewed = accounts.renewed(&mine, accounts.options().grace.as_ms());
        renewed.map_err(|_| match self.is_revoked() {
            true => Refusal::Revoked,
            false => Refusal::Principal,
        })
    }

    /// Whoever has taken the session up is its owner, with the rights of now.
    pub(in crate::starling) fn own(self: &Arc<Self>, owner: &Principal) {
        let mine = self.principal();
        match *mine == *owner {
            true => self.renew_principal(),
            // Whoever was faster has looked as well.
            false => drop(self.exchange_principal(&mine, owner.clone())),
        }
    }

    /// What is kept for the owner before is for nobody else: answers that may be asked for again, messages that may be
    /// sent again.
    fn forget_owner(&self) {
        if let Some(past) = self.past.lock().as_mut() {
            past.calls.forget_answers();
        }
        if let Some(delivery) = &mut self.out.lock().delivery {
            delivery.give_up();
        }
        self.note_change();
    }

    /// The access token has ended while nobody was connected: the new connection has what is left of the time.
    pub(super) fn watch_end(&self) {
        let Some(accounts) = &self.shared.accounts else { return };
        let end = self.principal().account().and_then(|account| account.proof.expires_at());
        if let Some(at) = end.filter(|at| *at <= self.shared.clock.now_ms()) {
            self.shared.online.close_at(at + accounts.options().grace.as_ms(), self.id);
        }
    }
}
