//! `token:*`: the keys that state tokens are signed with, for whoever runs the server.

use serde_json::{Value, json};

use super::accounts::audit;
use crate::auth::{Accounts, AuditEntry, KeyRing};
use crate::dispatch::{Anything, Context, MethodError, MethodOptions, RegistryBuilder};
use crate::protocol::ErrorCode;

const PERMISSION: &str = "token:keys";

pub(super) fn add(to: &mut RegistryBuilder, ring: &KeyRing, accounts: Option<&Accounts>) {
    let options = |about: &str| MethodOptions {
        permission: Some(PERMISSION.into()),
        ..MethodOptions::described(about)
    };
    let keys = ring.clone();
    let about = "The keys of state tokens, the one that signs first. No secrets.";
    to.built_in("token:keys", options(about).idempotent(), move |_: Context, _: Anything| {
        let answer = json!({ "keys": keys.about() });
        async move { Ok::<Value, MethodError>(answer) }
    });
    let (keys, accounts) = (ring.clone(), accounts.cloned());
    let about = "Signs state tokens with a new key; those of the key before stay good until they end.";
    to.built_in("token:rotate", options(about), move |ctx: Context, _: Anything| {
        let (keys, accounts) = (keys.clone(), accounts.clone());
        async move {
            match keys.rotate().await {
                Ok(key) => {
                    let entry = AuditEntry::done("token.rotate", format!("key:{}", key.kid));
                    audit(accounts.as_ref(), &ctx, entry).await?;
                    Ok(json!({ "key": key }))
                }
                Err(error) => {
                    tracing::error!(%error, "the key of tokens was not replaced");
                    Err(MethodError::from(ErrorCode::StoreUnavailable))
                }
            }
        }
    });
}
