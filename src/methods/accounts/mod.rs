//! `auth:*`, `users:*`, `roles:*`, `audit:*`: accounts, for those who have one and for those who look after them.

mod admin;
mod entry;
mod keys;
mod records;
mod roles;

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::About;
use crate::auth::{Account, Accounts, AuditCaller, AuditEntry, Proof, User};
use crate::dispatch::{Context, MethodError, MethodOptions, RegistryBuilder};
use crate::protocol::ErrorCode;

/// What the methods work with.
#[derive(Clone, Debug)]
struct Desk {
    accounts: Accounts,
    about: Arc<About>,
}

/// Adds methods that share a desk.
struct Namespace<'a> {
    to: &'a mut RegistryBuilder,
    desk: &'a Desk,
    permission: Option<&'static str>,
}

impl Namespace<'_> {
    fn method<P, F, Fut>(&mut self, name: &str, options: MethodOptions, run: F)
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Context, Desk, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json, MethodError>> + Send + 'static,
    {
        let mut options = options.with_schema_of::<P>().with_secret_payload();
        options.permission = self.permission.map(str::to_owned);
        let desk = self.desk.clone();
        self.to.built_in(name, options, move |ctx: Context, params: P| run(ctx, desk.clone(), params));
    }
}

/// Nothing, however it is written.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

pub(super) fn add(to: &mut RegistryBuilder, accounts: &Accounts, about: &Arc<About>) {
    let desk = Desk { accounts: accounts.clone(), about: Arc::clone(about) };
    let mut space = Namespace { to, desk: &desk, permission: None };
    entry::add(&mut space);
    keys::add(&mut space);
    admin::add(&mut space);
    roles::add(&mut space);
    records::add(&mut space);
}

/// Who asks, as the audit log has it.
fn caller_of(ctx: &Context) -> AuditCaller {
    AuditCaller {
        address: ctx.starling().address(),
        face: ctx.starling().face().as_str().into(),
        request_id: Some(ctx.request_id().to_string()),
        ..AuditCaller::of(&ctx.principal())
    }
}

/// Records something that methods of other namespaces have done, where there are accounts.
pub(super) async fn audit(
    accounts: Option<&Accounts>,
    ctx: &Context,
    entry: AuditEntry,
) -> Result<(), MethodError> {
    let Some(accounts) = accounts else { return Ok(()) };
    let noted = accounts.audit().note(&caller_of(ctx), entry).await;
    noted.map_err(|error| super::errors::store(&error))
}

/// The account of whoever asks.
fn account_of(ctx: &Context) -> Result<Account, MethodError> {
    ctx.principal().account().cloned().ok_or_else(|| ErrorCode::Unauthenticated.into())
}

/// The account of whoever asks and has logged in: an API key does not do.
fn login_of(ctx: &Context) -> Result<Account, MethodError> {
    let account = account_of(ctx)?;
    match account.proof {
        Proof::Token { .. } => Ok(account),
        Proof::Key { .. } => {
            Err(MethodError::of(ErrorCode::PermissionDenied, "An API key may not do this; log in"))
        }
    }
}

/// Whether a caller may let others have these permissions.
fn may_grant(ctx: &Context, permissions: &[String]) -> Result<(), MethodError> {
    let principal = ctx.principal();
    match permissions.iter().find(|permission| !principal.covers(permission)) {
        Some(missing) => Err(MethodError::permission(missing)),
        None => Ok(()),
    }
}

impl Desk {
    /// Whether a caller may hand out what roles grant: nobody gives what is not his, to himself or to others.
    fn may_give(&self, ctx: &Context, roles: &[String]) -> Result<(), MethodError> {
        for role in roles {
            may_grant(ctx, &self.accounts.role(role)?.permissions)?;
        }
        Ok(())
    }

    /// Whether a caller may change the account of somebody: not of whoever may more.
    fn may_touch(&self, ctx: &Context, user: &User) -> Result<(), MethodError> {
        let roles = self.accounts.roles_of(user.id)?;
        let known = roles.into_iter().filter(|role| self.accounts.role(role).is_ok());
        self.may_give(ctx, &known.collect::<Vec<_>>())
    }

    /// The user that a text names, by id or name.
    fn user(&self, text: &str) -> Result<User, MethodError> {
        Ok(self.accounts.find_user(text)?)
    }

    /// What may be told of a user.
    fn about(&self, user: &User) -> Result<Json, MethodError> {
        Ok(self.accounts.about_user(user)?)
    }

    /// The permission that a method needs: nothing for one that needs none.
    fn permission_of(&self, method: &str) -> Result<Option<String>, MethodError> {
        let known = self.about.methods.get().map(Vec::as_slice).unwrap_or_default();
        let found = known.iter().find(|about| about["name"] == method);
        let found = found.ok_or_else(|| {
            MethodError::of(ErrorCode::MethodNotFound, format!("Method {method} not found"))
        })?;
        Ok(found["permission"].as_str().map(str::to_owned))
    }
}
