//! What routes take and give, as their description says it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// A failure, whatever the route.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    /// Always "error".
    status: String,
    error: ErrorBody,
    meta: Meta,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// A code of the table of errors, such as PERMISSION_DENIED.
    code: String,
    /// The same for people.
    message: String,
    /// More for programs: an object, or for VALIDATION_ERROR a list of `{field, message}`.
    details: Option<Json>,
}

/// What is said of every request.
#[derive(Serialize, ToSchema)]
pub(super) struct Meta {
    /// When it was answered.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The id of the request, as in X-Request-Id.
    request_id: String,
    /// The version of the envelope.
    version: String,
}

/// A success in an envelope.
#[derive(Serialize, ToSchema)]
pub(super) struct Envelope {
    /// Always "success".
    status: String,
    /// What the method gave.
    data: Json,
    meta: Meta,
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// 3 to 64 letters, digits, ".", "_" and "-". Upper and lower case are the same.
    pub(super) username: String,
    /// 8 to 72 bytes, and not the name.
    #[schema(format = Password)]
    pub(super) password: String,
}

/// An account that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    pub(super) user_id: Json,
    pub(super) username: Json,
}

/// Somebody is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// The access token: `Authorization: Bearer <token>`.
    #[schema(value_type = String)]
    pub(super) token: Json,
    /// Always "Bearer".
    pub(super) token_type: &'static str,
    /// Seconds that the token is good for.
    #[schema(value_type = u64)]
    pub(super) expires_in: Json,
    /// What the next token is had for, once.
    #[schema(value_type = String)]
    pub(super) refresh_token: Json,
    /// Seconds that the refresh token is good for.
    #[schema(value_type = u64)]
    pub(super) refresh_expires_in: Json,
    #[schema(value_type = String)]
    pub(super) user_id: Json,
    #[schema(value_type = String)]
    pub(super) username: Json,
    #[schema(value_type = Vec<String>)]
    pub(super) roles: Json,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    pub(super) refresh_token: String,
}

/// The password until now, and from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Passwords {
    #[schema(format = Password)]
    pub(super) current_password: String,
    /// 8 to 72 bytes, and not the name.
    #[schema(format = Password)]
    pub(super) new_password: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    #[schema(value_type = String)]
    pub(super) user_id: Json,
    #[schema(value_type = String)]
    pub(super) username: Json,
    #[schema(value_type = Vec<String>)]
    pub(super) roles: Json,
    /// What it may: names such as "kv:get", "kv:*".
    #[schema(value_type = Vec<String>)]
    pub(super) permissions: Json,
    /// What an API key narrows that to; null without one.
    #[schema(value_type = Option<Vec<String>>)]
    pub(super) scopes: Json,
}

/// An API key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What it is for.
    pub(super) name: String,
    /// What it may do at most: "kv:get", "kv:*"; "*" is all that you may.
    pub(super) scopes: Vec<String>,
    /// Seconds that it is good for; without it, until it is revoked.
    #[schema(minimum = 1)]
    pub(super) ttl: Option<u64>,
}

/// It was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    pub(super) ok: bool,
}

/// A value that is to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetValue {
    /// Any JSON. A string is kept as its text, so that other clients of the store read it as that.
    pub(super) value: Json,
    /// Seconds until the key ends; without it, the key has no end.
    #[schema(minimum = 1)]
    pub(super) ttl: Option<u64>,
}

/// A key and its value.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyAndValue {
    pub(super) key: String,
    /// The key in base64, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) key_base64: Option<Json>,
    /// What was set: JSON, or text; base64 if `encoding` says so. Not there if only keys were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Json, required = false)]
    pub(super) value: Option<Json>,
    /// The value is too long for a page; ask for it by its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    pub(super) value_omitted: Option<Json>,
    /// Seconds until the key ends; null is never.
    pub(super) ttl: Option<u64>,
    /// Its version, as in ETag.
    #[schema(value_type = u64)]
    pub(super) version: Json,
    /// json, utf8 or base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) encoding: Option<Json>,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    pub(super) keys: Vec<KeyAndValue>,
    /// Where to go on; null at the end.
    #[schema(value_type = Option<String>)]
    pub(super) cursor: Json,
}

/// A key is gone.
#[derive(Serialize, ToSchema)]
pub(super) struct Deleted {
    #[schema(value_type = bool)]
    pub(super) deleted: Json,
}

/// A publication.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publication {
    /// The topic, such as "room:1".
    pub(super) topic: String,
    /// Any JSON.
    pub(super) data: Json,
    /// Tags that subscribers with a filter choose by.
    pub(super) tags: Option<std::collections::BTreeMap<String, String>>,
}
