//! The handlers that are built in.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::base::Clock;
use crate::store::tools;

/// What handlers are allowed to do.
#[derive(Clone)]
pub(super) struct Handlers {
    pub(super) http_hosts: Vec<String>,
    pub(super) webhook_secret: Option<String>,
    pub(super) backup_dir: Option<PathBuf>,
    pub(super) data_dir: PathBuf,
    pub(super) shell: bool,
}

/// What a handler has come to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) result: Value,
    /// Operations of `kv:commit` that go with the acknowledgement.
    pub(super) effects: Vec<Value>,
    /// A method of the server whose answer is the result.
    pub(super) call: Option<(&'static str, Value)>,
}

/// Why it did not work out.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) permanent: bool,
}

impl Failed {
    fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), permanent: true }
    }

    fn for_now(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), permanent: false }
    }
}

/// The longest time that a request of http.post may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer or an output that are kept.
const KEPT_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sleep {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Set {
    key: String,
    value: Value,
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    url: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shell {
    command: String,
}

impl Handlers {
    /// The types that there is a handler for.
    pub(super) fn types(&self) -> Vec<&'static str> {
        let mut types = vec!["noop", "echo", "sleep", "kv.set", "benchmark.run"];
        if !self.http_hosts.is_empty() {
            types.extend(["http.post", "webhook.deliver"]);
        }
        types.extend(self.backup_dir.as_ref().map(|_| "backup.create"));
        types.extend(self.shell.then_some("shell"));
        types
    }

    /// Does what a job is about. May be dropped at any time.
    pub(super) async fn run(&self, id: &str, kind: &str, payload: Value) -> Result<Done, Failed> {
        let of = |result: Value| Ok(Done { result, ..Done::default() });
        match kind {
            "noop" => of(Value::Null),
            "echo" => of(payload),
            "sleep" => {
                let Sleep { ms } = read(payload)?;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                of(json!({ "sleptMs": ms }))
            }
            "kv.set" => {
                let Set { key, value, ttl_ms } = read(payload)?;
                let mut set = json!({ "op": "set", "key": key, "value": value });
                if let Some(ttl_ms) = ttl_ms {
                    set["ttlMs"] = ttl_ms.into();
                }
                Ok(Done { result: json!({ "key": key }), effects: vec![set], call: None })
            }
            "benchmark.run" => Ok(Done { call: Some(("universe:benchmark", payload)), ..Done::default() }),
            "http.post" => self.post(id, read(payload)?, false).await.and_then(of),
            "webhook.deliver" => self.post(id, read(payload)?, true).await.and_then(of),
            "backup.create" => self.back_up(id).await.and_then(of),
            "shell" if self.shell => shell(&read::<Shell>(payload)?.command).await.and_then(of),
            _ => Err(Failed::for_good(format!("there is no handler for {kind}"))),
        }
    }

    /// Sends a request, and takes every answer of 200 to 299 for success. What is the caller's fault is not tried again.
    async fn post(&self, id: &str, post: Post, signed: bool) -> Result<Value, Failed> {
        let uri: ureq::http::Uri = post.url.parse().map_err(|_| Failed::for_good("/url: is no address"))?;
        let host = uri.host().unwrap_or_default().to_owned();
        if !["http", "https"].contains(&uri.scheme_str().unwrap_or_default()) {
            return Err(Failed::for_good("/url: must begin with http:// or https://"));
        }
        if !self.http_hosts.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(&host)) {
            return Err(Failed::for_good(format!("/url: {host} is none of the hosts of --http-host")));
        }
        let body = post.body.to_string();
        let mut request = ureq::http::Request::post(uri).header("content-type", "application/json");
        // Whoever gets it twice knows it by this.
        request = request.header("x-helios-job", id).header("idempotency-key", id);
        if let Some(secret) = self.webhook_secret.as_ref().filter(|_| signed) {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let tag = ring::hmac::sign(&key, body.as_bytes());
            let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            request = request.header("x-helios-signature", format!("sha256={digits}"));
        }
        for (name, value) in &post.headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|error| Failed::for_good(format!("/headers: {error}")))?;
        let sent = tokio::task::spawn_blocking(move || {
            let config =
                ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(HTTP_TIMEOUT));
            // A redirect may lead to a host that is not allowed.
            let agent: ureq::Agent = config.max_redirects(0).max_redirects_will_error(false).build().into();
            let mut answer = agent.run(request)?;
            let text =
                answer.body_mut().with_config().limit(KEPT_BYTES as u64).lossy_utf8(true).read_to_string();
            Ok::<_, ureq::Error>((answer.status().as_u16(), text.unwrap_or_default()))
        });
        let (status, text) = sent.await.map_err(Failed::for_now)?.map_err(Failed::for_now)?;
        match status {
            200..300 => Ok(json!({ "status": status, "body": text })),
            408 | 425 | 429 | 500.. => Err(Failed::for_now(format!("the answer is {status}"))),
            _ => Err(Failed::for_good(format!("the answer is {status}"))),
        }
    }

    async fn back_up(&self, id: &str) -> Result<Value, Failed> {
        let Some(directory) = &self.backup_dir else {
            return Err(Failed::for_good("there is no directory for backups: start with --backup-dir"));
        };
        let (from, to) = (self.data_dir.clone(), directory.join(id));
        let made = tokio::task::spawn_blocking(move || {
            // What an attempt before has left is not whole.
            let _ = std::fs::remove_dir_all(&to);
            tools::create_backup(&from, &to, &Clock::default()).map(|backup| (to, backup))
        });
        let (to, backup) = made.await.map_err(Failed::for_now)?.map_err(Failed::for_now)?;
        Ok(json!({ "path": to, "revision": backup.revision, "keys": backup.keys }))
    }
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Failed> {
    serde_json::from_value(payload)
        .map_err(|error| Failed::for_good(format!("the payload does not fit: {error}")))
}

async fn shell(command: &str) -> Result<Value, Failed> {
    let command = command.to_owned();
    // It is ended with the worker if it is dropped: by then nobody waits for it.
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new("sh").arg("-c").arg(command).stdin(std::process::Stdio::null()).output()
    });
    let output = ran.await.map_err(Failed::for_now)?.map_err(Failed::for_now)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT_BYTES)]).into_owned();
    match output.status.success() {
        true => Ok(json!({ "stdout": text(&output.stdout), "stderr": text(&output.stderr) })),
        false => Err(Failed::for_now(format!("{}: {}", output.status, text(&output.stderr).trim_end()))),
    }
}
