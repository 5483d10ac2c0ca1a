//! Requests that run once, however often they come: known by their id, and where sessions are written down noted
//! before they run and with their answer.

use super::answer::Accepted;
use super::ears::Ears;
use super::session::Known;
use crate::dispatch::{Answer, Call, Context, MethodError, Peer};
use crate::protocol::{ErrorCode, Raw, Request, RequestId};

/// A request that is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    pub(super) id: RequestId,
    /// Its answer is on no disk.
    secret: bool,
    /// Its answer waits until it is on the disk.
    durable: bool,
}

impl Ears {
    /// Whether a repeat of the request must not run again: its peer can come back and repeat it, and running it
    /// twice is not the same as once.
    pub(super) fn is_remembered(&self, request: &Request<'_>) -> bool {
        self.session.is_resumable()
            && request.peer.is_none()
            && self.method_of(request).is_some_and(|method| !method.options().idempotent)
    }

    /// Whether it is also written down before it runs.
    pub(super) fn is_written_down(&self, request: &Request<'_>) -> bool {
        self.session.is_kept() && self.is_remembered(request)
    }

    fn method_of(&self, request: &Request<'_>) -> Option<&crate::dispatch::Method> {
        self.session.shared.registry.get(&request.method).map(AsRef::as_ref)
    }

    /// Looks whether the request has come before. `None` if it has; then it is answered here, or will be.
    pub(super) fn repeats(&self, request: &Request<'_>) -> Option<Repeats> {
        let (session, id) = (&self.session, request.id);
        match session.begin_call(id) {
            Known::New => {
                let secret = self.method_of(request).is_some_and(|method| method.options().secret_answer);
                return Some(Repeats { id, secret, durable: session.is_kept() });
            }
            // Its answer is on its way.
            Known::Running => {}
            Known::Answered(answer) => session.send_answer(&answer),
            Known::Forgotten => session.refuse_request(&id, ErrorCode::RequestInterrupted.into()),
        }
        None
    }

    /// Runs a call that has not come before.
    pub(super) fn run_once(
        &self,
        call: Call,
        payload: Option<Raw<'_>>,
        accepted: Accepted,
        repeats: Repeats,
    ) {
        let Repeats { id, secret, durable } = repeats;
        if !durable {
            return call.run(payload, move |answer, context| {
                let session = &accepted.session;
                let message = session.answer_message(&id, answer);
                session.end_call(&id, &message);
                match secret {
                    true => session.send_secret(&message),
                    false => session.send_answer(&message),
                }
                context.mark_sent();
            });
        }
        let (payload, place, gate) = (payload.map(Raw::to_owned), self.gate.enter(), self.gate.clone());
        actix_rt::spawn(async move {
            let noted = accepted.session.note_call(id, None).await;
            gate.ready(
                place,
                Box::new(move || match noted {
                    Ok(()) => call.run(payload.as_ref().map(|it| it.as_raw()), move |answer, context| {
                        actix_rt::spawn(answer_once(accepted, (id, secret), answer, context.clone()));
                    }),
                    Err(_) => {
                        accepted.session.undo_call(&id);
                        let error = MethodError::from(ErrorCode::StoreUnavailable);
                        accepted.session.refuse_request(&id, error);
                    }
                }),
            );
        });
    }
}

/// Answers once the answer is on the disk, and with it everything that the call has told others.
async fn answer_once(accepted: Accepted, (id, secret): (RequestId, bool), answer: Answer, context: Context) {
    let session = &accepted.session;
    let message = session.answer_message(&id, answer);
    // Of a secret only that it was given is noted: whoever asks again after a restart is told that it has run.
    let noted = session.note_call(id, (!secret).then(|| message.as_slice().into())).await;
    session.end_call(&id, &message);
    if noted.is_err() {
        // It has run. That its answer cannot be remembered is a reason to say so here, not to hide it from
        // whoever waits.
        tracing::warn!(starling = %session.id(), request_id = %id, "an answer is not written down");
    }
    match secret {
        true => session.send_secret(&message),
        false => session.send_answer(&message),
    }
    context.mark_sent();
}
