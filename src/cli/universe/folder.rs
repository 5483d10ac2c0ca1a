//! Files of a universe from a folder, and into one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::peer::Peer;

/// Bytes of files in one request; a message must hold them in base64.
const REQUEST_BYTES: usize = 384 * 1024;

/// Makes the files of a universe those of a folder.
pub(super) async fn take_over(peer: &mut Peer, universe: &str, folder: &Path) -> anyhow::Result<()> {
    let found = regular_files(folder)?;
    let there = listed(peer, universe, None).await?;
    let names: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let gone = there.iter().filter(|name| !names.contains(name.as_str()));
    // What goes makes room first: a folder may have become a file.
    let mut batch: Vec<Value> = gone.map(|name| json!({ "path": name, "delete": true })).collect();
    let mut bytes = 0;
    for (name, path) in &found {
        let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        // What is too long for a message goes in pieces; an empty file is one piece.
        let pieces = content.chunks(REQUEST_BYTES).chain(content.is_empty().then_some(&[][..]));
        for (index, piece) in pieces.enumerate() {
            if bytes + piece.len() > REQUEST_BYTES && !batch.is_empty() {
                send(peer, universe, &mut batch).await?;
                bytes = 0;
            }
            bytes += piece.len();
            batch.push(json!({ "path": name, "base64": STANDARD.encode(piece), "append": index > 0 }));
        }
    }
    if batch.is_empty() { Ok(()) } else { send(peer, universe, &mut batch).await }
}

async fn send(peer: &mut Peer, universe: &str, batch: &mut Vec<Value>) -> anyhow::Result<()> {
    let first = batch.last().and_then(|file| file["path"].as_str()).unwrap_or_default().to_owned();
    let wish = json!({ "universe": universe, "files": std::mem::take(batch) });
    let sent = peer.request("universe:write", &wish).await;
    sent.map(drop).with_context(|| format!("files up to {first} were not written"))
}

/// Regular files below a folder, by their path in it. Links are not followed.
fn regular_files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        let entries = fs::read_dir(&next).with_context(|| format!("{} cannot be read", next.display()))?;
        for entry in entries {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() && !matches!(entry.file_name().to_str(), Some(".git" | ".helios")) {
                waiting.push(path);
            } else if kind.is_file() {
                let parts = path.strip_prefix(folder)?.components().map(|part| part.as_os_str().to_str());
                let Some(names) = parts.collect::<Option<Vec<_>>>() else {
                    bail!("the name of {} is not UTF-8", path.display());
                };
                found.push((names.join("/"), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The paths of all files of a universe.
async fn listed(peer: &mut Peer, universe: &str, at: Option<&str>) -> anyhow::Result<Vec<String>> {
    let (mut all, mut after) = (Vec::new(), json!(""));
    loop {
        let wish = json!({ "universe": universe, "after": after, "limit": 1_000, "at": at });
        let mut page = peer.request("universe:files", &wish).await?;
        let files = page["files"].as_array().into_iter().flatten();
        all.extend(files.filter_map(|file| file["path"].as_str().map(str::to_owned)));
        after = page["after"].take();
        if after.is_null() {
            return Ok(all);
        }
    }
}

/// Writes the files of a universe into a folder.
pub(super) async fn write_out(
    peer: &mut Peer,
    universe: &str,
    at: Option<&str>,
    out: &Path,
) -> anyhow::Result<ExitCode> {
    let names = listed(peer, universe, at).await?;
    let (mut files, mut bytes) = (0, 0);
    for name in &names {
        let content = read(peer, universe, at, name).await?;
        write(out, name, &content)?;
        (files, bytes) = (files + 1, bytes + content.len());
    }
    let found = peer.request("universe:get", &json!({ "universe": universe, "at": at })).await?;
    if found["state"] != json!({}) && !names.iter().any(|name| name == "state.json") {
        write(out, "state.json", format!("{:#}\n", found["state"]).as_bytes())?;
        files += 1;
    }
    out!("{}", json!({ "materialized": universe, "dir": out, "files": files, "bytes": bytes }));
    Ok(ExitCode::SUCCESS)
}

/// What is in a file, piece by piece.
async fn read(peer: &mut Peer, universe: &str, at: Option<&str>, name: &str) -> anyhow::Result<Vec<u8>> {
    let (mut content, mut offset) = (Vec::new(), json!(0));
    loop {
        let wish = json!({ "universe": universe, "path": name, "at": at, "offset": offset });
        let mut found = peer.request("universe:read", &wish).await?;
        match found["base64"].as_str() {
            Some(base64) => content.extend(STANDARD.decode(base64)?),
            None => content.extend_from_slice(found["text"].as_str().unwrap_or_default().as_bytes()),
        }
        offset = found["next"].take();
        if offset.is_null() {
            return Ok(content);
        }
    }
}

/// Writes a file below a folder, whatever the server calls it.
fn write(out: &Path, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let fine =
        !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !fine || name.contains('\\') {
        bail!("the server has a file \"{name}\", which leads out of the folder");
    }
    let path = out.join(name);
    for above in path.ancestors().take_while(|above| *above != out) {
        if above.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            bail!("{} is a link", above.display());
        }
    }
    let failed = || format!("{} cannot be written", path.display());
    fs::create_dir_all(path.parent().unwrap_or(out)).with_context(failed)?;
    fs::write(&path, content).with_context(failed)
}
