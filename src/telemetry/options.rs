//! Options of logs and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LogFormat;
use super::logging::level_problem;

/// Logs and metrics.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryOptions {
    /// What is logged: error, warn, info, debug or trace, or a filter such as "info,helios::starling=debug".
    pub log_level: String,
    /// How lines look: "json" for machines, "text" for people, "auto" for text on a terminal and JSON otherwise.
    pub log_format: LogFormat,
    /// Serve the metrics at /metrics in the Prometheus text format.
    pub metrics: bool,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self { log_level: "info".into(), log_format: LogFormat::Auto, metrics: true }
    }
}

impl TelemetryOptions {
    /// What is wrong with the values, each with its key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        level_problem(&self.log_level).map(|text| ("log_level", text)).into_iter().collect()
    }
}
