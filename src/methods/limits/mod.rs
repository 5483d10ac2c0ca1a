//! `limits:*`: how often somebody may still call, for administrators. And where that is written down.

mod keeper;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

pub use keeper::RateKeeper;

use super::accounts::audit;
use crate::auth::{Accounts, AuditEntry};
use crate::dispatch::{Client, Context, Limits, MethodError, MethodOptions, RegistryBuilder};
use crate::protocol::ErrorCode;

const PERMISSION: &str = "admin:limits";

/// Parameters of `limits:get` and `limits:reset`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bucket {
    /// The name of the policy.
    policy: String,
    /// Whose bucket: "user:ID", "name:NAME", "address:ADDRESS" or "all".
    client: String,
}

impl Bucket {
    fn client(&self) -> Result<Client, MethodError> {
        self.client.parse().map_err(|error| MethodError::invalid([format!("/client: {error}")]))
    }
}

pub(super) fn add(to: &mut RegistryBuilder, limits: &Limits, accounts: Option<&Accounts>) {
    let options = |about: &str| MethodOptions {
        permission: Some(PERMISSION.into()),
        ..MethodOptions::described(about).idempotent().with_schema_of::<Bucket>()
    };
    let mine = limits.clone();
    let about = "What is left to somebody under a policy.";
    to.built_in("limits:get", options(about), move |_: Context, params: Bucket| {
        let state = params
            .client()
            .and_then(|client| mine.state(&params.policy, &client).ok_or_else(|| no_policy(&params.policy)));
        async move { state.map(|state| json!(state)) }
    });
    let about = "Fills the bucket of somebody under a policy.";
    let (mine, accounts) = (limits.clone(), accounts.cloned());
    to.built_in("limits:reset", options(about), move |ctx: Context, params: Bucket| {
        let (mine, accounts) = (mine.clone(), accounts.clone());
        async move {
            let client = params.client()?;
            if mine.state(&params.policy, &client).is_none() {
                return Err(no_policy(&params.policy));
            }
            // Recorded first: what cannot be recorded is not done.
            let entry = AuditEntry::done("limit.reset", format!("{} {}", params.policy, params.client));
            audit(accounts.as_ref(), &ctx, entry).await?;
            mine.reset(&params.policy, &client);
            Ok::<Json, MethodError>(json!({ "reset": true }))
        }
    });
}

fn no_policy(name: &str) -> MethodError {
    MethodError::of(ErrorCode::NotFound, format!("There is no policy \"{name}\""))
        .with_details(&json!({ "what": "policy" }))
}
