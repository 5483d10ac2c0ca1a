//! What the system says of this process; null where it does not say it.

use serde_json::{Value, json};

/// Memory in bytes, under the names that existing front ends know. Whether memory is on a heap is nobody's business
/// here, so those are null.
pub(super) fn memory() -> Value {
    let of = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1_024)
    };
    json!({
        "rss": of("/proc/self/status", "VmRSS:"),
        "total": of("/proc/meminfo", "MemTotal:"),
        "heapTotal": null,
        "heapUsed": null,
        "external": null,
        "arrayBuffers": null,
    })
}

/// What a tick of the kernel's accounting is, everywhere that Linux runs.
const TICK_US: u64 = 10_000;

/// Time of the processor in microseconds.
pub(super) fn processor_us() -> Value {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the process may hold anything; what follows does not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let of =
        |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).map(|ticks| ticks * TICK_US);
    json!({ "user": of(11), "system": of(12) })
}
