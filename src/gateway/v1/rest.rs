//! A request on its way from a route to a method.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::Value as Json;

use super::answer::Failure;
use crate::dispatch::{Face, MethodError};
use crate::gateway::caller::{Answered, Caller, Told};
use crate::gateway::http_sockets::{AtWork, HttpSocket};
use crate::gateway::serve::Surroundings;
use crate::protocol::ErrorCode;

/// A request, and what it is asked of.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) request: HttpRequest,
    pub(super) around: Data<Surroundings>,
}

impl FromRequest for Rest {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let around = request.app_data::<Data<Surroundings>>().cloned();
        let rest = around.map(|around| Self { request: request.clone(), around });
        ready(rest.ok_or_else(|| Failure::of(&ErrorCode::InternalError.into(), false)))
    }
}

impl Rest {
    /// Calls a method.
    pub(super) async fn call(&self, method: &str, payload: &Json) -> Result<Json, Failure> {
        self.call_telling(method, payload, None).await
    }

    /// Calls a method that anybody may call, whatever the request shows: a token that has ended must not keep anybody
    /// from getting another one.
    pub(super) async fn call_as_nobody(&self, method: &str, payload: &Json) -> Result<Json, Failure> {
        let caller = Caller::nobody(&self.around, &self.request, Face::Rest);
        let caller = caller.map_err(|error| self.failure(&error, false))?;
        self.answered(caller.call(method, payload, None).await, false)
    }

    /// Calls a method that tells something while it works.
    pub(super) async fn call_telling(
        &self,
        method: &str,
        payload: &Json,
        told: Option<Told>,
    ) -> Result<Json, Failure> {
        let caller = self.caller()?;
        let anonymous = caller.principal().name().is_none();
        self.answered(caller.call(method, payload, told).await, anonymous)
    }

    /// Counts the connection apart from now on: its request waits for something to happen.
    ///
    /// # Errors
    /// If as many wait as may.
    pub(super) fn wait_apart(&self) -> Result<Option<AtWork>, Failure> {
        let Some(socket) = self.request.conn_data::<Arc<HttpSocket>>() else { return Ok(None) };
        match socket.wait_apart() {
            true => Ok(Some(socket.begin())),
            false => {
                let text = "too many requests wait already: see gateway.http_waiting_max";
                Err(Failure::plain(503, "TOO_MANY_CONNECTIONS", text))
            }
        }
    }

    fn answered(&self, answered: Answered, anonymous: bool) -> Result<Json, Failure> {
        let Answered { result, left } = answered;
        if let Some(left) = left {
            self.request.extensions_mut().insert(left);
        }
        result.map_err(|error| self.failure(&error, anonymous))
    }

    /// Whether the caller may go on to a method, before its body is read.
    pub(super) fn check(&self, method: &str) -> Result<(), Failure> {
        let caller = self.caller()?;
        let anonymous = caller.principal().name().is_none();
        caller.check(method).map_err(|error| self.failure(&error, anonymous))
    }

    /// Whether the caller has a permission that no method asks for.
    pub(super) fn need(&self, permission: &str) -> Result<(), Failure> {
        let caller = self.caller()?;
        if caller.principal().may(permission) {
            return Ok(());
        }
        let anonymous = caller.principal().name().is_none();
        Err(self.failure(&MethodError::permission(permission), anonymous))
    }

    fn caller(&self) -> Result<Caller<'_>, Failure> {
        Caller::of(&self.around, &self.request, Face::Rest).map_err(|error| self.failure(&error, false))
    }

    pub(super) fn failure(&self, error: &MethodError, anonymous: bool) -> Failure {
        Failure::of(error, anonymous)
    }
}
