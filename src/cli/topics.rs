//! `helios sub` and `helios pub`.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::server::ServerArgs;
use crate::base::Span;
use crate::hub::Tags;
use crate::peer::{Peer, PeerError, Received};

/// Subscribes to a topic of a running server and prints each publication as a line of JSON.
///
/// It goes on after a lost connection, from where it was: a gap is told on standard error. A pattern such as 'demo:*' is
/// allowed where the namespace allows it.
#[derive(Args, Debug)]
pub(super) struct SubArgs {
    /// The topic or pattern.
    topic: String,
    /// Begins behind this position, as a line before has told it.
    #[arg(long, value_name = "POSITION")]
    since: Option<String>,
    /// Only publications with this tag. Of several with one name, one must fit.
    #[arg(long = "tag", value_name = "NAME=TEXT", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Ends after so many publications.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Publishes on a topic of a running server and prints where, and how many subscribers it was queued for.
#[derive(Args, Debug)]
pub(super) struct PubArgs {
    /// The topic.
    topic: String,
    /// The data as JSON. Without it, each line of standard input is published.
    data: Option<String>,
    /// A tag that subscribers may choose by.
    #[arg(long = "tag", value_name = "NAME=TEXT", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// The longest time that an answer may take.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    timeout: Span,
    #[command(flatten)]
    server: ServerArgs,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.map(|(name, text)| (name.to_owned(), text.to_owned())).ok_or_else(|| "write name=text".to_owned())
}

/// A subscription can be silent for as long as it likes: longer than anybody will wait.
const SILENCE: Duration = Duration::from_secs(365 * 86_400);

/// How long to wait before the next attempt to connect.
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn run_sub(args: SubArgs) -> anyhow::Result<ExitCode> {
    actix_rt::System::new().block_on(subscribe(args))
}

async fn subscribe(mut args: SubArgs) -> anyhow::Result<ExitCode> {
    let options = args.server.options(SILENCE);
    let mut peer = Peer::connect(&args.server.url, &options).await?;
    loop {
        match listen(&mut peer, &mut args).await? {
            Ended::Enough => return Ok(ExitCode::SUCCESS),
            Ended::Lost if args.topic.contains('*') => {
                say!("the connection is lost; what comes until it is back is missing");
            }
            Ended::Lost => say!("the connection is lost; trying again"),
        }
        peer = loop {
            tokio::time::sleep(RETRY).await;
            if let Ok(peer) = Peer::connect(&args.server.url, &options).await {
                break peer;
            }
        };
    }
}

/// Why nothing more is listened to.
enum Ended {
    Enough,
    Lost,
}

async fn listen(peer: &mut Peer, args: &mut SubArgs) -> anyhow::Result<Ended> {
    let mut wish = json!({ "topic": args.topic, "filter": filter(&args.tags) });
    if let Some(since) = &args.since {
        wish["since"] = since.as_str().into();
    }
    let told = match peer.request("topic:subscribe", &wish).await {
        Ok(told) => told,
        Err(error @ PeerError::Failed(_)) => return Err(error.into()),
        Err(_) => return Ok(Ended::Lost),
    };
    if told["recovered"] == false {
        say!("publications are missing: {}", told["reason"].as_str().unwrap_or("unknown"));
    }
    // A pattern has no position to go on from.
    let single = !args.topic.contains('*');
    if single {
        args.since = told["position"].as_str().map(str::to_owned);
    }
    while args.count != Some(0) {
        let (topic, data, published) = match peer.receive().await {
            Ok(Received::Notification { topic, data, published, .. }) => (topic, data, published),
            Ok(_) => continue,
            Err(_) => return Ok(Ended::Lost),
        };
        if topic == crate::protocol::TOPIC_GAP {
            say!("publications are missing: {}", data["missed"]);
        }
        let Some(place) = published else { continue };
        let mut line = json!({ "topic": topic, "position": place.position, "data": data });
        if !place.tags.is_null() {
            line["tags"] = place.tags;
        }
        out!("{line}");
        args.since = single.then_some(place.position);
        args.count = args.count.map(|count| count - 1);
    }
    Ok(Ended::Enough)
}

fn filter(tags: &[(String, String)]) -> Value {
    let mut filter = serde_json::Map::new();
    for (name, text) in tags {
        let texts = filter.entry(name.clone()).or_insert_with(|| json!([]));
        if let Some(texts) = texts.as_array_mut() {
            texts.push(text.as_str().into());
        }
    }
    filter.into()
}

pub(super) fn run_pub(args: &PubArgs) -> anyhow::Result<ExitCode> {
    if args.topic.contains('*') {
        bail!("\"{}\" is a pattern: publish on one topic", args.topic);
    }
    let data = args.data.as_deref().map(read).transpose()?;
    actix_rt::System::new().block_on(publish(args, data))
}

fn read(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))
}

async fn publish(args: &PubArgs, data: Option<Value>) -> anyhow::Result<ExitCode> {
    // A line may be long in coming; an answer may not.
    let limit = if data.is_some() { args.timeout.get() } else { SILENCE };
    let mut peer = Peer::connect(&args.server.url, &args.server.options(limit)).await?;
    let tags: Tags = args.tags.iter().cloned().collect();
    let one = |data: &Value| json!({ "topic": args.topic, "data": data, "tags": tags });
    if let Some(data) = data {
        out!("{}", peer.request("topic:publish", &one(&data)).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines();
        lines.try_for_each(|line| sender.blocking_send(line).map_err(drop))
    });
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            // The server wants signs of life also while nothing is typed.
            lost = peer.expect(|_| false) => {
                lost.context("the connection is lost")?;
                continue;
            }
        };
        let Some(line) = line else { break };
        let line = line.context("standard input cannot be read")?;
        if !line.trim().is_empty() {
            out!("{}", peer.request("topic:publish", &one(&read(&line)?)).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
