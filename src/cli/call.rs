//! `helios call`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::server::ServerArgs;
use crate::base::Span;
use crate::peer::{Peer, PeerOptions, Received};
use crate::protocol::is_method_name;

/// Calls a method of a running server and prints its answer.
///
/// Progress and other notifications go to standard error. The exit code is 1 if the method fails.
#[derive(Args, Debug)]
pub(super) struct CallArgs {
    /// The method, such as demo:echo.
    method: String,
    /// The payload as JSON.
    payload: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// The longest time between two messages.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    timeout: Span,
    /// Speaks the compact codec.
    #[arg(long)]
    msgpack: bool,
}

pub(super) fn run(args: &CallArgs) -> anyhow::Result<ExitCode> {
    if !is_method_name(&args.method) {
        bail!("\"{}\" is not a method name: write namespace:action", args.method);
    }
    let read = |text: &String| serde_json::from_str(text).context("the payload is not JSON");
    let payload: Option<Value> = args.payload.as_ref().map(read).transpose()?;
    let options = PeerOptions { msgpack: args.msgpack, ..args.server.options(args.timeout.get()) };
    actix_rt::System::new().block_on(call(args, payload, &options))
}

async fn call(args: &CallArgs, payload: Option<Value>, options: &PeerOptions) -> anyhow::Result<ExitCode> {
    let mut peer = Peer::connect(&args.server.url, options).await?;
    let asked = peer.send_request(&args.method, payload.as_ref()).await?.to_string();
    let code = loop {
        match peer.receive().await? {
            Received::Response { id, result: Ok(data), .. } if id == asked => {
                out!("{}", serde_json::to_string_pretty(&data)?);
                break ExitCode::SUCCESS;
            }
            Received::Response { id, result: Err(failure), .. } if id == asked => {
                say!("error: {failure}");
                break ExitCode::FAILURE;
            }
            Received::Notification { topic, data, .. } if topic != "hello" => say!("{topic} {data}"),
            Received::Error(failure) => bail!("the server refused the message: {failure}"),
            _ => {}
        }
    };
    // The answer is out; a server that does not say goodbye is no failure of the call.
    let _ = tokio::time::timeout(Duration::from_secs(1), peer.close()).await;
    Ok(code)
}
