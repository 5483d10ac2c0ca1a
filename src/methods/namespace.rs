//! Methods that share what they work with, and who may call them.

use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::dispatch::{Context, MethodError, MethodOptions, RegistryBuilder};

/// Adds methods that work with the same.
pub(super) struct Namespace<'a, D> {
    pub(super) to: &'a mut RegistryBuilder,
    pub(super) desk: &'a D,
    /// Whether callers need no permission.
    pub(super) everyone: bool,
}

impl<D: Clone + Send + Sync + 'static> Namespace<'_, D> {
    pub(super) fn method<P, F, Fut>(&mut self, name: &str, permission: &str, options: MethodOptions, run: F)
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Context, D, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Json, MethodError>> + Send + 'static,
    {
        let mut options = options.with_schema_of::<P>();
        if !self.everyone {
            options.permission = Some(permission.to_owned());
        }
        let desk = self.desk.clone();
        self.to.built_in(name, options, move |ctx: Context, params: P| run(ctx, desk.clone(), params));
    }
}
