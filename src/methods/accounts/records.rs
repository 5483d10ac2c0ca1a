//! `audit:*`: who has changed what.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::admin::{LIMIT, LIMIT_MAX};
use super::{Desk, Namespace, NoParams};
use crate::auth::{AuditRecord, verify_audit};
use crate::dispatch::{Context, MethodError, MethodOptions};
use crate::protocol::ErrorCode;

pub(super) fn add(to: &mut Namespace<'_>) {
    let about = MethodOptions::described;
    to.permission = Some("admin:audit");
    to.method("audit:list", about("Records of the audit log, the newest first.").idempotent(), list);
    to.method("audit:verify", about("Whether nobody has touched the audit log.").idempotent(), verify);
    to.permission = None;
}

/// Parameters of `audit:list`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Where to go on, by an earlier answer: the number of a record.
    before: Option<u64>,
    /// The most records to give, at most 1000.
    limit: Option<usize>,
    /// What was done, such as "auth.login", or what that begins with.
    action: Option<String>,
    /// The name of who did it.
    user: Option<String>,
    /// What it was done to, such as "user:ann", or what that begins with.
    target: Option<String>,
}

async fn list(_: Context, desk: Desk, params: Option<List>) -> Result<Json, MethodError> {
    let List { before, limit, action, user, target } = params.unwrap_or_default();
    let fits = |record: &AuditRecord| {
        action.as_ref().is_none_or(|action| record.action.starts_with(action.as_str()))
            && user.as_ref().is_none_or(|user| record.caller.name.as_ref() == Some(user))
            && target.as_ref().is_none_or(|target| record.target.starts_with(target.as_str()))
    };
    let limit = limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let (records, next) = desk.accounts.audit().page(before, limit, fits);
    Ok(json!({ "records": records, "before": next }))
}

async fn verify(_: Context, desk: Desk, _: Option<NoParams>) -> Result<Json, MethodError> {
    let view = desk.accounts.audit().view();
    let verified = actix_rt::task::spawn_blocking(move || verify_audit(&view)).await;
    Ok(match verified.map_err(|_| MethodError::from(ErrorCode::InternalError))? {
        Ok(verified) => json!({ "intact": true, "log": verified }),
        Err(error) => json!({ "intact": false, "problem": error.to_string() }),
    })
}
