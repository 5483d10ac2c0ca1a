//! Laws that hold for any input: simple models beside the real thing, with crashes at any moment. Seeds are
//! printed; `HELIOS_SEED=n` runs one alone, `HELIOS_RUNS=n` runs more.

mod job_crash;
mod server;
mod session_storm;
mod store_clock;
mod store_crash;
mod store_faults;
mod store_model;
mod store_private;
mod store_tools;
mod store_watches;
mod topic_soak;
mod topic_storm;
mod universe_crash;
mod universes;
mod wishes;

/// The seeds to run: one that was asked for, or `usual` many.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("HELIOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HELIOS_RUNS").unwrap_or(usual),
    }
}
