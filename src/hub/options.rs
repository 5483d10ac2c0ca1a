//! Options of topics.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{ByteSize, Span};
use crate::protocol::{is_method_name, is_topic_name};

/// Topics: publish and subscribe.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TopicOptions {
    /// Whether there are the methods topic:*.
    pub enabled: bool,
    /// Subscriptions that one session may have.
    pub subscriptions_max: usize,
    /// Characters that the name of a topic may have.
    pub name_max: usize,
    /// Topics that may be remembered at the same time.
    pub topics_max: usize,
    /// Different patterns of each namespace that may be subscribed to at the same time.
    pub patterns_max: usize,
    /// Bytes of all histories in memory. Beyond it, a topic that is published on gives up its oldest publications.
    pub history_bytes_max: ByteSize,
    /// How long a topic without subscribers and history is remembered, so that positions in it keep their meaning.
    pub linger: Span,
    /// Publications that may be on their way to subscribers; whoever publishes more waits.
    pub in_flight_max: usize,
    /// Who may see the numbers of the server: topic:stats without a topic, and metrics:subscribe. One of nobody,
    /// everyone, users, permission (topic:stats).
    pub stats: Access,
    /// Rules by namespace: the first segment of a topic's name. Topics of other namespaces are closed to all.
    pub namespaces: BTreeMap<String, NamespaceOptions>,
}

/// The rules of one namespace. "Who may" is one of: nobody; everyone; users (whoever has a name); owner (the second
/// segment of the topic is the caller's name); permission (topic:subscribe:NAMESPACE or topic:publish:NAMESPACE); or
/// "method NAME", which is asked with {topic, action} and answers true or false.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamespaceOptions {
    /// Who may subscribe, read the history and see who is there.
    pub subscribe: Access,
    /// Who may publish. Embedding programs always may.
    pub publish: Access,
    /// Whether a subscription may be a pattern: * is one segment, ** one or more.
    pub patterns: bool,
    /// Publications that each topic keeps; 0 keeps none, so that whoever was cut off is told of a gap.
    pub history_size: usize,
    /// How long they are kept.
    pub history_age: Span,
    /// Bytes that each topic keeps.
    pub history_bytes: ByteSize,
    /// Publications are on the disk before they are told to anybody, and the history survives the server.
    pub durable: bool,
    /// Whether it can be asked who is there.
    pub presence: bool,
    /// Whether subscribers may be told who comes and leaves.
    pub join_leave: bool,
    /// How long somebody who was cut off still counts as present.
    pub presence_grace: Span,
    /// What becomes of a subscriber that reads too slowly: disconnect; drop_oldest and tell it of the gap; or latest,
    /// which keeps the last publication of each topic.
    pub slow: SlowPolicy,
    /// Bytes that may wait for a subscriber's socket before it counts as slow.
    pub slow_bytes: ByteSize,
    /// Publications that may wait for a slow subscriber.
    pub slow_queue: usize,
    /// Bytes of the data of a publication.
    pub max_size: ByteSize,
    /// Publications per second of one session, and as many at once; 0 is no limit.
    pub rate: u64,
    /// Whether whoever may subscribe may list the topics.
    pub list: bool,
}

/// What becomes of a subscriber that reads too slowly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlowPolicy {
    /// Its connection is closed.
    #[default]
    Disconnect,
    /// It misses the oldest publications and is told so.
    DropOldest,
    /// It gets the last publication of each topic.
    Latest,
}

/// Who may do something with topics.
#[derive(Clone, PartialEq, Eq, Debug, Default, JsonSchema)]
#[schemars(with = "String")]
pub enum Access {
    /// Nobody.
    #[default]
    Nobody,
    /// Everyone.
    Everyone,
    /// Whoever has a name.
    Users,
    /// Whose name is the second segment of the topic.
    Owner,
    /// Who has the permission for it.
    Permission,
    /// Whom this method admits.
    Method(String),
}

/// The text names no access.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("\"{0}\" is none of nobody, everyone, users, owner, permission, \"method NAME\"")]
pub struct InvalidAccess(String);

impl std::str::FromStr for Access {
    type Err = InvalidAccess;

    fn from_str(text: &str) -> Result<Self, InvalidAccess> {
        Ok(match text {
            "nobody" => Self::Nobody,
            "everyone" => Self::Everyone,
            "users" => Self::Users,
            "owner" => Self::Owner,
            "permission" => Self::Permission,
            _ => match text.strip_prefix("method ").filter(|name| is_method_name(name)) {
                Some(name) => Self::Method(name.to_owned()),
                None => return Err(InvalidAccess(text.to_owned())),
            },
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Everyone => f.write_str("everyone"),
            Self::Users => f.write_str("users"),
            Self::Owner => f.write_str("owner"),
            Self::Permission => f.write_str("permission"),
            Self::Method(name) => write!(f, "method {name}"),
        }
    }
}

impl Serialize for Access {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            subscriptions_max: 1_000,
            name_max: 256,
            topics_max: 2_000_000,
            patterns_max: 1_000,
            history_bytes_max: ByteSize::mib(256),
            linger: Span::secs(600),
            in_flight_max: 1_024,
            stats: Access::Permission,
            namespaces: BTreeMap::new(),
        }
    }
}

impl Default for NamespaceOptions {
    fn default() -> Self {
        Self {
            subscribe: Access::Nobody,
            publish: Access::Nobody,
            patterns: false,
            history_size: 100,
            history_age: Span::secs(300),
            history_bytes: ByteSize::mib(1),
            durable: false,
            presence: false,
            join_leave: false,
            presence_grace: Span::secs(10),
            slow: SlowPolicy::Disconnect,
            slow_bytes: ByteSize::kib(256),
            slow_queue: 256,
            max_size: ByteSize::kib(64),
            rate: 0,
            list: false,
        }
    }
}

impl NamespaceOptions {
    /// Open to everybody, with everything: for trying things out.
    pub fn open() -> Self {
        Self {
            subscribe: Access::Everyone,
            publish: Access::Everyone,
            patterns: true,
            presence: true,
            join_leave: true,
            list: true,
            ..Self::default()
        }
    }

    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        let mut check = |key, fine: bool, text| {
            if !fine {
                problems.push((key, text));
            }
        };
        let kept = self.history_size > 0 && !self.history_age.is_zero();
        check("durable", !self.durable || kept, "needs a history_size and a history_age");
        check("history_size", self.history_size <= 100_000, "must be at most 100000");
        check("max_size", self.max_size <= ByteSize::kib(960), "must be at most 960KiB");
        check("max_size", self.max_size.0 > 0, "must be more than 0");
        check("slow_queue", self.slow_queue > 0, "must be at least 1");
        check("slow_bytes", self.slow_bytes >= ByteSize::kib(4), "must be at least 4KiB");
        check("join_leave", self.presence || !self.join_leave, "needs presence");
        check("presence_grace", self.presence_grace <= Span::secs(3_600), "must be at most 1h");
        problems
    }
}

/// First segments of notifications that the server itself sends.
const RESERVED: [&str; 12] = [
    "jobs",
    "auth",
    "hello",
    "connection",
    "system",
    "starling",
    "topic",
    "metrics",
    "kv",
    "internal",
    "stream",
    "helios",
];

impl TopicOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut check = |key: &str, fine: bool, text: &str| {
            if !fine {
                problems.push((key.to_owned(), text.to_owned()));
            }
        };
        check("in_flight_max", (1..=1_000_000).contains(&self.in_flight_max), "must be from 1 to 1000000");
        let plain = !matches!(self.stats, Access::Owner | Access::Method(_));
        check("stats", plain, "must be nobody, everyone, users or permission");
        check("name_max", (1..=1_024).contains(&self.name_max), "must be from 1 to 1024");
        for (name, options) in &self.namespaces {
            let single = is_topic_name(name) && !name.contains(':');
            let key = |key: &str| format!("namespaces.{name}{key}");
            check(&key(""), single, "must be one segment: a letter, then letters, digits and underscores");
            let ours = RESERVED.contains(&name.as_str());
            check(&key(""), !ours, "is a name of the protocol: its notifications must not be forged");
            for (field, text) in options.problems() {
                check(&key(&format!(".{field}")), false, text);
            }
        }
        problems
    }
}
