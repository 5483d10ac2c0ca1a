//! `universe:batch`: several operations in one request.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::operate::{Operate, operate};
use super::{UniverseDesk, shapes};
use crate::dispatch::{Context, MethodError};

/// Operations of one batch.
const BATCH_MAX: usize = 1_000;

/// Parameters of `universe:batch`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// The operations, in order. One that fails, or is none, does not hold up the others.
    operations: Vec<Json>,
}

pub(super) async fn batch(ctx: Context, desk: UniverseDesk, params: Batch) -> Result<Json, MethodError> {
    let began = Instant::now();
    let count = params.operations.len();
    if count > BATCH_MAX {
        return Err(MethodError::invalid([format!("/operations: at most {BATCH_MAX}, not {count}")]));
    }
    let mut results = Vec::with_capacity(count);
    for operation in params.operations {
        let done = match serde_json::from_value::<Operate>(operation) {
            Ok(operation) => operate(ctx.clone(), desk.clone(), operation).await,
            Err(error) => Err(MethodError::invalid([error])),
        };
        results.push(match done {
            Ok(data) => json!({ "success": true, "data": data }),
            Err(error) => {
                let details: Json =
                    error.as_failure().details.and_then(|it| it.read().ok()).unwrap_or_default();
                let (code, message) = (error.code().to_owned(), error.message().to_owned());
                json!({ "success": false, "error": message, "code": code, "details": details })
            }
        });
    }
    desk.universes.count_batch(count);
    Ok(json!({
        "batchId": uuid::Uuid::new_v4(),
        "operations": count,
        "results": results,
        "performance": shapes::performance(began.elapsed()),
    }))
}
