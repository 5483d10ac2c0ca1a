//! One tree of every room's options, and where its values come from.
//!
//! Defaults, then the file, then the environment, then flags. Unknown keys are errors that name the nearest
//! known one, and all problems are told at once. The doc comment of a field is its manual: `sample` writes
//! `configs/helios.toml` from them.

mod environment;
mod existing;
mod load;
mod open;
mod problems;
mod sample;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::{AccountOptions, TokenOptions};
use crate::dispatch::{LimitOptions, MethodDefaults};
use crate::gateway::{AtlasOptions, GatewayOptions};
use crate::hub::{SlowPolicy, TopicOptions};
use crate::methods::{DemoOptions, KvOptions};
use crate::queue::QueueOptions;
use crate::starling::{ConnectionOptions, SessionOptions};
use crate::store::StoreOptions;
use crate::telemetry::TelemetryOptions;
use crate::universes::UniverseOptions;

pub use load::{Flag, Sources};
pub use problems::{Problem, Problems};
pub use sample::sample;

/// Everything that can be configured.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server and the WebSocket door.
    pub gateway: GatewayOptions,
    /// WebSocket connections.
    pub connections: ConnectionOptions,
    /// Sessions: what outlives a connection.
    pub sessions: SessionOptions,
    /// State tokens: what a client takes its session up again with.
    pub tokens: TokenOptions,
    /// Accounts: who may log in, and how.
    pub auth: AccountOptions,
    /// How often callers may call.
    pub limits: LimitOptions,
    /// Methods, unless they say otherwise themselves.
    pub methods: MethodDefaults,
    /// The namespace `demo`.
    pub demo: DemoOptions,
    /// The namespace `kv`: keys and values for peers.
    pub kv: KvOptions,
    /// Topics: publish and subscribe.
    pub topics: TopicOptions,
    /// Jobs: work in the background.
    pub jobs: QueueOptions,
    /// Universes: branchable state.
    pub universes: UniverseOptions,
    /// Durable data.
    pub store: StoreOptions,
    /// The TCP port of the store, for Redis clients and JSON lines.
    pub atlas: AtlasOptions,
    /// Logs and metrics.
    pub telemetry: TelemetryOptions,
}

/// What is a secret, as places in the tree.
const SECRETS: [&str; 2] = ["/atlas/password", "/auth/admin_password"];

impl Config {
    /// Everything as JSON, with "***" for secrets.
    pub fn redacted(&self) -> serde_json::Value {
        let mut told = serde_json::to_value(self).unwrap_or_default();
        for place in SECRETS {
            if let Some(secret) = told.pointer_mut(place).filter(|secret| *secret != "") {
                *secret = "***".into();
            }
        }
        told
    }

    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let rooms = [
            ("gateway", self.gateway.problems()),
            ("connections", self.connections.problems()),
            ("sessions", self.sessions.problems()),
            ("tokens", self.tokens.problems()),
            ("auth", self.auth.problems()),
            ("methods", self.methods.problems()),
            ("universes", self.universes.problems()),
            ("store", self.store.problems()),
            ("atlas", self.atlas.problems()),
            ("telemetry", self.telemetry.problems()),
        ];
        let named = |(room, problems): (&str, Vec<(&str, String)>)| {
            let room = room.to_owned();
            problems.into_iter().map(move |(key, text)| (format!("{room}.{key}"), text)).collect::<Vec<_>>()
        };
        let topics = self.topics.problems().into_iter();
        let topics = topics.map(|(key, text)| (format!("topics.{key}"), text));
        let limits = self.limits.problems().into_iter();
        let limits = limits.map(|(key, text)| (format!("limits.{key}"), text));
        let jobs = self.jobs.problems().into_iter();
        let jobs = jobs.map(|(key, text)| (format!("jobs.{key}"), text));
        let outbox = self.connections.outbox_bytes_max.0;
        let tight = self.topics.namespaces.iter().filter(|(_, rules)| {
            rules.slow != SlowPolicy::Disconnect && rules.slow_bytes.0 + rules.max_size.0 > outbox
        });
        let tight = tight.map(|(name, _)| {
            let text = "and max_size must fit into connections.outbox_bytes_max, which ends slow connections";
            (format!("topics.namespaces.{name}.slow_bytes"), text.to_owned())
        });
        rooms.into_iter().flat_map(named).chain(topics).chain(limits).chain(jobs).chain(tight).collect()
    }
}
