//! Several of one kind in one request: each is done for itself, and has an answer of its own.

use std::future::Future;

use serde_json::{Value as Json, json};

use super::super::errors;
use crate::dispatch::MethodError;
use crate::protocol::ErrorCode;
use crate::queue::QueueError;

/// How many one request may have.
const BATCH_MAX: usize = 1_000;

/// Whether there are neither none nor too many.
pub(super) fn check(at: &str, count: usize) -> Result<(), MethodError> {
    match count {
        1..=BATCH_MAX => Ok(()),
        _ => Err(MethodError::invalid([format!("{at}: must have from 1 to {BATCH_MAX} items, not {count}")])),
    }
}

/// Does together what can be done. Answers come in the order in which was asked.
pub(super) async fn each<A, B, Done>(
    asked: Vec<Result<A, MethodError>>,
    run: impl FnOnce(Vec<A>) -> Done,
) -> Vec<Result<B, MethodError>>
where
    Done: Future<Output = Vec<Result<B, QueueError>>>,
{
    let mut fitting = Vec::with_capacity(asked.len());
    let refused = asked.into_iter().map(|it| it.map(|it| fitting.push(it)).err());
    let refused: Vec<Option<MethodError>> = refused.collect();
    let mut done = run(fitting).await.into_iter();
    let mut next = || match done.next() {
        Some(done) => done.map_err(|error| errors::queue(&error)),
        None => Err(ErrorCode::InternalError.into()),
    };
    refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect()
}

/// The answers as peers see them.
pub(super) fn told<B>(done: Vec<Result<B, MethodError>>, shape: impl Fn(B) -> Json) -> Vec<Json> {
    let error = |error: MethodError| {
        let failure = error.as_failure();
        let details: Option<Json> = failure.details.and_then(|details| details.read().ok());
        json!({ "error": { "code": failure.code, "message": failure.message, "details": details } })
    };
    done.into_iter().map(|done| done.map_or_else(error, &shape)).collect()
}
