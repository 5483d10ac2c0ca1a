//! The data directory of a server that is not running, for subcommands that work on it.

use std::path::PathBuf;

use super::serve::{Profile, ServeArgs};
use crate::config::Config;
use crate::store::{OpenError, Seams, Store};

/// Opens the store that a server with this file and this directory would open.
pub(super) fn open(file: Option<PathBuf>, data_dir: Option<String>) -> anyhow::Result<(Config, Store)> {
    let args = ServeArgs::with_file(file).and_data_dir(data_dir);
    let config = args.sources(Profile::Production).load()?;
    let directory = config.store.data_dir.display().to_string();
    anyhow::ensure!(config.store.data_dir.exists(), "there is no data directory {directory}");
    let store = Store::open(&config.store, Seams::default()).map_err(|error| match error {
        OpenError::Locked(_) => anyhow::anyhow!("a server runs with {directory}; ask it with --url"),
        other => other.into(),
    })?;
    Ok((config, store))
}
