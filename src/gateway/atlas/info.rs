//! INFO and LASTSAVE: what the port tells about itself.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::answer::Answers;
use super::commands::Seen;
use super::request::Args;
use crate::store::Health;

/// LASTSAVE.
pub(super) fn last_save(seen: &Seen<'_>, _: Args<'_>, to: &mut Answers) {
    to.integer((seen.port.store.last_snapshot().0 / 1_000) as i64);
}

/// INFO [section ...].
pub(super) fn info(seen: &Seen<'_>, args: Args<'_>, to: &mut Answers) {
    let asked: Vec<String> = args.from(1).map(|it| String::from_utf8_lossy(it).to_lowercase()).collect();
    let all =
        asked.is_empty() || asked.iter().any(|it| matches!(it.as_str(), "all" | "default" | "everything"));
    let mut text = String::new();
    for (name, lines) in sections(seen) {
        if all || asked.iter().any(|asked| *asked == name.to_lowercase()) {
            let between = if text.is_empty() { "" } else { "\r\n" };
            // Writing to memory cannot fail.
            let _ = write!(text, "{between}# {name}\r\n{}", lines.concat());
        }
    }
    to.bulk(text.as_bytes());
}

fn sections(seen: &Seen<'_>) -> Vec<(&'static str, Vec<String>)> {
    let (view, port, store) = (seen.view, seen.port, &seen.port.store);
    let atlas = &store.metrics().atlas;
    let line = |name: &str, value: &dyn std::fmt::Display| format!("{name}:{value}\r\n");
    let (saved_at, saved_revision) = store.last_snapshot();
    let status = |fine: bool| if fine { "ok" } else { "err" };
    let writable = store.health() == Health::Writable;
    vec![
        (
            "Server",
            vec![
                // What clients decide by is what they know of Redis; what it is stands beside it.
                line("redis_version", &"7.0.0"),
                line("redis_mode", &"standalone"),
                line("server_name", &"helios-atlas"),
                line("helios_version", &env!("CARGO_PKG_VERSION")),
                line("process_id", &std::process::id()),
                line("tcp_port", &port.options.address().map_or(0, |address| address.port())),
                line("uptime_in_seconds", &store.metrics().uptime().as_secs()),
            ],
        ),
        (
            "Clients",
            vec![
                line("connected_clients", &port.clients.load(Ordering::Relaxed)),
                line("maxclients", &port.options.connections_max),
            ],
        ),
        ("Memory", vec![line("used_memory_dataset", &view.bytes())]),
        (
            "Persistence",
            vec![
                line("loading", &0),
                line("aof_enabled", &1),
                line("aof_sync_mode", &store.options().sync_mode.as_str()),
                line("aof_current_size", &atlas.aof_size_bytes.get()),
                line("aof_last_write_status", &status(writable)),
                line("rdb_changes_since_last_save", &(view.revision().saturating_sub(saved_revision))),
                line("rdb_last_save_time", &(saved_at / 1_000)),
                line("rdb_last_bgsave_status", &status(!store.last_snapshot_failed())),
            ],
        ),
        (
            "Stats",
            vec![
                line("total_connections_received", &port.accepted.load(Ordering::Relaxed)),
                line("total_commands_processed", &port.commands.load(Ordering::Relaxed)),
                line("expired_keys", &atlas.expired_keys.get()),
                line("revision", &view.revision()),
            ],
        ),
        ("Replication", vec![line("role", &"master"), line("connected_slaves", &0)]),
        (
            "Keyspace",
            match seen.keyspace.len(view) {
                0 => Vec::new(),
                keys => {
                    let expires = seen.keyspace.ending(view);
                    vec![format!("db0:keys={keys},expires={expires},avg_ttl=0\r\n")]
                }
            },
        ),
    ]
}
