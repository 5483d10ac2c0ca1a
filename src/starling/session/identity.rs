//! Who a session belongs to, and what becomes of that while it is open.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::Session;
use crate::auth::Principal;
use crate::dispatch::Peer;
use crate::protocol::{CloseCode, TOPIC_AUTH_CHANGED, TOPIC_AUTH_EXPIRED};
use crate::starling::recovery::Refusal;

impl Session {
    /// The session belongs to somebody else from now on, or its owner may something else.
    pub(in crate::starling) fn become_principal(self: &Arc<Self>, principal: Principal) {
        let (online, new) = (&self.shared.online, Arc::new(principal));
        let old = self.principal.swap(Arc::clone(&new));
        online.leave(self.id, &old);
        online.enter(self.id, &new);
        if self.has_ended() {
            online.leave(self.id, &new);
        }
        if self.is_resumable() {
            self.take_back_record();
            self.note_change();
        }
        if !old.is_same(&new) {
            self.wake_subscriptions();
        }
        if let Some(hook) = self.shared.on_identity.get() {
            hook.call(self);
        }
    }

    /// Looks whether the account of the session still is what it was.
    pub(in crate::starling) fn renew_principal(self: &Arc<Self>) {
        let Some(accounts) = &self.shared.accounts else { return };
        let mine = self.principal();
        match accounts.renewed(&mine, accounts.options().grace.as_ms()) {
            Ok(renewed) if renewed == *mine => {}
            Ok(renewed) => {
                let roles = renewed.account().map(|account| Arc::clone(&account.roles));
                let data = json!({ "roles": roles, "permissions": renewed.permissions() });
                self.become_principal(renewed);
                self.tell_of_identity(TOPIC_AUTH_CHANGED, &data);
            }
            Err(error) => self.disown(&error.to_string()),
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

    /// Whether whoever comes as `claimant` with a token of the session may have it. A token alone gives back what the
    /// session had, as long as that is good; who also says who it is has to be its owner, and gets the rights that it
    /// has shown.
    pub(in crate::starling) fn check_owner(self: &Arc<Self>, claimant: &Principal) -> Result<(), Refusal> {
        let mine = self.principal();
        if claimant.name().is_some() {
            if !mine.is_same(claimant) {
                return Err(Refusal::Principal);
            }
            if *mine != *claimant {
                self.become_principal(claimant.clone());
            }
            return Ok(());
        }
        let Some(accounts) = &self.shared.accounts else { return Ok(()) };
        match accounts.renewed(&mine, accounts.options().grace.as_ms()) {
            Ok(renewed) if renewed == *mine => Ok(()),
            Ok(renewed) => {
                self.become_principal(renewed);
                Ok(())
            }
            Err(_) if self.leaving.load(Ordering::SeqCst) => Err(Refusal::Revoked),
            Err(_) => Err(Refusal::Principal),
        }
    }
}
