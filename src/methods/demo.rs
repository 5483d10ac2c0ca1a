//! `demo:*`: one method for each thing that the protocol can do, to try it out and to test clients.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::dispatch::{Context, MethodError, MethodOptions, RegistryBuilder, Reply, Starling, TopicEvent};
use crate::protocol::Payload;

/// The longest that a demo method waits.
const WAIT_MAX_MS: u64 = 60_000;

/// Notifications of one session that are remembered, and their bytes.
const RECEIVED_MAX: usize = 1_000;
const RECEIVED_BYTES_MAX: usize = 256 * 1024;

pub(super) fn add(to: &mut RegistryBuilder) {
    let options = MethodOptions::described("Gives the payload back.").idempotent();
    to.passing_method("demo:echo", options, echo);
    let options = MethodOptions::described("Tells its progress from 0 to 100, then succeeds.");
    to.method("demo:progress", options.with_schema_of::<Option<Progress>>(), progress);
    let options = MethodOptions::described("Sends the caller a notification, then succeeds.");
    to.method("demo:topic", options.with_schema_of::<Topic>(), topic);
    let options = MethodOptions::described("Gives all data that this client has sent on a topic.");
    to.method("demo:received", options.with_schema_of::<Received>().idempotent(), received);
    let options = MethodOptions::described("Calls a method of the caller and gives its answer back.");
    to.method("demo:callme", options.with_schema_of::<CallMe>(), call_me);
    let options = MethodOptions::described("Fails with a code, a message and details.");
    to.method("demo:fail", options.with_schema_of::<Option<Fail>>(), fail);
    let options = MethodOptions::described("Succeeds at once and sends a notification later.");
    to.method("demo:later", options.with_schema_of::<Later>(), later);
    let options = MethodOptions::described("Gives a value after a while.").idempotent();
    let options = options.with_timeout(Duration::from_millis(WAIT_MAX_MS + 1_000));
    to.method("demo:slow", options.with_schema_of::<Slow>(), slow);
    to.topic("**", remember);
}

async fn echo(_: Context, payload: Option<Payload>) -> Result<Reply, MethodError> {
    Ok(Reply::raw(payload))
}

/// Parameters of `demo:progress`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
struct Progress {
    /// Steps between 0 and 100, at most 100.
    steps: Option<u32>,
    /// Milliseconds between two steps.
    step_ms: Option<u64>,
}

async fn progress(ctx: Context, params: Option<Progress>) -> Result<Value, MethodError> {
    let params = params.unwrap_or_default();
    let steps = params.steps.unwrap_or(4).clamp(1, 100);
    let wait = Duration::from_millis(params.step_ms.unwrap_or(0).min(1_000));
    for step in 0..=steps {
        if step > 0 && !wait.is_zero() {
            sleep(wait).await;
        }
        let percent = f64::from(step) * 100.0 / f64::from(steps);
        let details = json!({ "step": step, "of": steps });
        let status = if step == steps { "done" } else { "working" };
        ctx.progress(percent, Some(status), Some(&details))?;
    }
    Ok(json!({ "steps": steps }))
}

/// Parameters of `demo:topic`.
#[derive(Deserialize, JsonSchema)]
struct Topic {
    /// The topic of the notification.
    topic: String,
    /// Its data.
    #[serde(default)]
    data: Value,
}

async fn topic(ctx: Context, params: Topic) -> Result<Value, MethodError> {
    tell(ctx.starling(), &params.topic, &params.data)?;
    Ok(json!({ "sent": true }))
}

fn tell(starling: &Starling, topic: &str, data: &Value) -> Result<(), MethodError> {
    starling.notify(topic, data).map_err(|error| MethodError::invalid([format!("/topic: {error}")]))
}

/// What a session has sent, the oldest first.
#[derive(Default)]
struct Remembered {
    items: VecDeque<(String, Value, usize)>,
    bytes: usize,
}

fn remember(event: TopicEvent<'_>) {
    let bytes = event.data.map_or(0, |data| data.bytes.len()) + event.topic.len();
    // What serde cannot read (lone surrogates, deep nesting) is remembered as null.
    let data = event.data.and_then(|data| data.read().ok()).unwrap_or(Value::Null);
    event.starling.extensions().with(|remembered: &mut Remembered| {
        remembered.items.push_back((event.topic.to_owned(), data, bytes));
        remembered.bytes += bytes;
        while remembered.items.len() > RECEIVED_MAX || remembered.bytes > RECEIVED_BYTES_MAX {
            let Some((_, _, bytes)) = remembered.items.pop_front() else { break };
            remembered.bytes -= bytes;
        }
    });
}

/// Parameters of `demo:received`.
#[derive(Deserialize, JsonSchema)]
struct Received {
    /// The topic that was sent on.
    topic: String,
}

async fn received(ctx: Context, params: Received) -> Result<Vec<Value>, MethodError> {
    Ok(ctx.starling().extensions().with(|remembered: &mut Remembered| {
        let fitting = remembered.items.iter().filter(|(topic, ..)| *topic == params.topic);
        fitting.map(|(_, data, _)| data.clone()).collect()
    }))
}

/// Parameters of `demo:callme`.
#[derive(Deserialize, JsonSchema)]
struct CallMe {
    /// A method of the caller.
    method: String,
    /// Its parameters.
    #[serde(default)]
    payload: Value,
}

async fn call_me(ctx: Context, params: CallMe) -> Result<Value, MethodError> {
    let answer = ctx.starling().request(&params.method, &params.payload, Duration::from_secs(10)).await;
    Ok(answer?)
}

/// Parameters of `demo:fail`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Fail {
    /// The code, `APP_DEMO` if there is none.
    code: Option<String>,
    /// The message.
    message: Option<String>,
    /// The details.
    details: Option<Value>,
}

async fn fail(_: Context, params: Option<Fail>) -> Result<(), MethodError> {
    let params = params.unwrap_or_default();
    let code = params.code.unwrap_or_else(|| "APP_DEMO".into());
    let message = params.message.unwrap_or_else(|| "This method always fails".into());
    let details = params.details.unwrap_or_else(|| json!({ "demo": true }));
    Err(MethodError::new(code, message).with_details(&details))
}

/// Parameters of `demo:later`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Later {
    /// The topic of the notification.
    topic: String,
    /// Its data.
    #[serde(default)]
    data: Value,
    /// Milliseconds to wait, at most a minute.
    delay_ms: u64,
}

async fn later(ctx: Context, params: Later) -> Result<Value, MethodError> {
    let starling = ctx.starling().clone();
    let wait = Duration::from_millis(params.delay_ms.min(WAIT_MAX_MS));
    actix_rt::spawn(async move {
        let ended = starling.ended();
        tokio::select! {
            () = sleep(wait) => {
                if let Err(error) = tell(&starling, &params.topic, &params.data) {
                    tracing::debug!(%error, "a late notification was not sent");
                }
            }
            () = ended.cancelled() => {}
        }
    });
    Ok(json!({ "scheduled": true }))
}

/// Parameters of `demo:slow`.
#[derive(Deserialize, JsonSchema)]
struct Slow {
    /// Milliseconds to wait, at most a minute.
    ms: u64,
    /// What to give back.
    #[serde(default)]
    value: Value,
}

async fn slow(_: Context, params: Slow) -> Result<Value, MethodError> {
    sleep(Duration::from_millis(params.ms.min(WAIT_MAX_MS))).await;
    Ok(params.value)
}
