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

/// Bytes of names and contents in one request, as they are written; a message must hold them.
const REQUEST_BYTES: usize = 700 * 1024;

/// Bytes of a long file in one request.
const PIECE_BYTES: usize = 384 * 1024;

/// What a file takes in a request beside its name and content.
const FILE_BYTES: usize = 64;

/// Makes the files of a universe those of a folder. If it fails, the universe is left half changed: callers work on a
/// fork.
pub(super) async fn take_over(peer: &mut Peer, universe: &str, folder: &Path) -> anyhow::Result<()> {
    let found = regular_files(folder)?;
    let there = listed(peer, universe, None).await?;
    let names: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let mut batch = Batch { universe, files: Vec::new(), bytes: 0 };
    // What goes makes room first: a folder may have become a file.
    for name in there.iter().filter(|name| !names.contains(name.as_str())) {
        batch.add(peer, name.len(), json!({ "path": name, "delete": true })).await?;
    }
    for (name, path) in &found {
        let content = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        // What is too long for a message goes in pieces; an empty file is one piece.
        let pieces = content.chunks(PIECE_BYTES).chain(content.is_empty().then_some(&[][..]));
        for (index, piece) in pieces.enumerate() {
            let base64 = STANDARD.encode(piece);
            let bytes = name.len() + base64.len();
            let file = json!({ "path": name, "base64": base64, "append": index > 0 });
            batch.add(peer, bytes, file).await?;
        }
    }
    batch.send(peer).await
}

/// Files that go in one request.
struct Batch<'a> {
    universe: &'a str,
    files: Vec<Value>,
    bytes: usize,
}

impl Batch<'_> {
    async fn add(&mut self, peer: &mut Peer, bytes: usize, file: Value) -> anyhow::Result<()> {
        if self.bytes + bytes > REQUEST_BYTES {
            self.send(peer).await?;
        }
        self.bytes += bytes + FILE_BYTES;
        self.files.push(file);
        Ok(())
    }

    async fn send(&mut self, peer: &mut Peer) -> anyhow::Result<()> {
        let Some(last) = self.files.last().and_then(|file| file["path"].as_str()).map(str::to_owned) else {
            return Ok(());
        };
        self.bytes = 0;
        let wish = json!({ "universe": self.universe, "files": std::mem::take(&mut self.files) });
        let sent = peer.request("universe:write", &wish).await;
        sent.map(drop).with_context(|| format!("files up to {last} were not written"))
    }
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
            if matches!(entry.file_name().to_str(), Some(".git" | ".helios")) {
                continue;
            }
            if kind.is_dir() {
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
    // What is asked for first is most likely to fail. Everything is read from one state, whatever happens meanwhile.
    let found = peer.request("universe:get", &json!({ "universe": universe, "at": at })).await?;
    let names = listed(peer, universe, at).await?;
    let (mut files, mut bytes) = (0, 0);
    for name in &names {
        let content = read(peer, universe, at, name).await?;
        write(out, name, &content)?;
        (files, bytes) = (files + 1, bytes + content.len());
    }
    if found["state"] != json!({}) && !names.iter().any(|name| name == "state.json") {
        write(out, "state.json", format!("{:#}\n", found["state"]).as_bytes())?;
        files += 1;
    }
    out!("{}", json!({ "materialized": universe, "out": out, "files": files, "bytes": bytes }));
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
