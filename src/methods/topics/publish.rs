//! `topic:publish`, and publications inside a commit.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::errors;
use super::TopicDesk;
use super::access::{self, Action};
use super::ledger;
use crate::base::TokenBucket;
use crate::dispatch::{Client, Context, Face, IntoReply, MethodError, Reply};
use crate::hub::{Namespace, Tags, Wish};
use crate::protocol::{Codec, ErrorCode, Payload};
use crate::store::Command;

/// Parameters of `topic:publish`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::methods) struct PublishParams<D> {
    /// The topic.
    topic: String,
    /// Its data: any value.
    data: D,
    /// Tags that subscribers with a filter choose by.
    #[serde(default)]
    tags: Tags,
}

/// A publication that is a part of a commit; the namespace of its topic must be durable.
pub(in crate::methods) type Announcement = PublishParams<Value>;

fn read(payload: Option<&Payload>) -> Result<Wish, MethodError> {
    let Some(payload) = payload else {
        return Err(MethodError::invalid(["payload: {topic, data, tags?} is missing"]));
    };
    let raw = payload.as_raw();
    let wish = match raw.codec {
        Codec::Json => raw.read::<PublishParams<Box<RawValue>>>().and_then(|params| {
            let PublishParams { topic, data, tags } = params;
            Ok(Wish { topic, data: Payload::json(&data)?, tags })
        }),
        Codec::MsgPack => raw.read::<PublishParams<Value>>().and_then(|params| {
            let PublishParams { topic, data, tags } = params;
            Ok(Wish { topic, data: Payload::json(&data)?, tags })
        }),
    };
    wish.map_err(|error| MethodError::invalid([format!("payload: {error}")]))
}

/// Publishes. The answer says where, and how many subscribers it was queued for.
pub(super) async fn publish(
    ctx: Context,
    desk: TopicDesk,
    payload: Option<Payload>,
) -> Result<Reply, MethodError> {
    let wish = read(payload.as_ref())?;
    access::check(ctx.starling(), &desk, &wish.topic, Action::Publish).await?;
    if let Some(namespace) = desk.hub.namespace(&wish.topic) {
        take_turn(&ctx, &desk, namespace)?;
    }
    let published = desk.hub.publish(wish).await.map_err(|error| errors::publish(&error))?;
    let answer = json!({ "position": published.position.to_string(), "delivered": published.delivered });
    answer.into_reply(ctx.starling().dialect().codec)
}

/// How fast a session publishes, by namespace.
#[derive(Default)]
struct Rates(HashMap<Box<str>, TokenBucket>);

fn take_turn(ctx: &Context, desk: &TopicDesk, namespace: &Namespace) -> Result<(), MethodError> {
    let rate = namespace.options().rate;
    if rate == 0 {
        return Ok(());
    }
    let now_ms = desk.shared()?.clock.now_ms();
    if ctx.starling().face() != Face::Socket {
        // Each request over HTTP is another peer; whoever sends it is not.
        let client = Client::of(&ctx.principal(), ctx.starling().address());
        let mut rates = desk.rates.lock();
        let fresh = || TokenBucket::new(rate, rate, now_ms);
        let key = (namespace.name().into(), client);
        let taken = rates.entry(&key, fresh, |bucket| bucket.full_in_ms(now_ms) == 0).take(now_ms);
        return taken.map_err(|retry_after_ms| too_fast(retry_after_ms, rate));
    }
    let taken = ctx.starling().extensions().with(|rates: &mut Rates| {
        let bucket = rates.0.entry(namespace.name().into());
        bucket.or_insert_with(|| TokenBucket::new(rate, rate, now_ms)).take(now_ms)
    });
    taken.map_err(|retry_after_ms| too_fast(retry_after_ms, rate))
}

/// Callers over HTTP that are remembered; beyond them, those who have waited long enough are forgotten, and whoever is
/// new shares with others.
pub(super) const RATES_MAX: usize = 100_000;

fn too_fast(retry_after_ms: u64, rate: u64) -> MethodError {
    MethodError::from(ErrorCode::RateLimitExceeded)
        .with_details(&json!({ "retryAfterMs": retry_after_ms, "perSecond": rate }))
}

impl Announcement {
    /// The command that publishes at a time of the store, once the caller was found to be allowed to.
    ///
    /// # Errors
    /// If it may not, or the topic has no durable history.
    pub(in crate::methods) async fn command(
        self,
        ctx: &Context,
        desk: &TopicDesk,
        now_ms: u64,
    ) -> Result<Command, MethodError> {
        let Self { topic, data, tags } = self;
        access::check(ctx.starling(), desk, &topic, Action::Publish).await?;
        let namespace = desk.hub.namespace(&topic).filter(|namespace| namespace.options().durable);
        let Some(namespace) = namespace else {
            let text =
                format!("/topic: \"{topic}\" has no durable history, so it cannot be part of a commit");
            return Err(MethodError::invalid([text]));
        };
        take_turn(ctx, desk, namespace)?;
        let data = Payload::json(&data).map_err(|error| MethodError::invalid([error]))?;
        let wish = Wish { topic, data, tags };
        let line = desk.hub.written(&wish).map_err(|error| errors::publish(&error))?;
        let rules = namespace.options();
        let until_ms = now_ms.saturating_add(rules.history_age.as_ms());
        Ok(ledger::record(&wish.topic, line, rules.history_size as u64, until_ms))
    }
}
