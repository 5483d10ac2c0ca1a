//! Files and directories that only their owner reads: password hashes and signing keys are in them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a directory, and those above it that are missing: 0700.
///
/// # Errors
/// If it cannot be made.
pub fn make_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options that make files 0600.
pub(in crate::store) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What the names of a store's files begin with. A directory that was chosen badly may hold others' files too.
const OURS: [&str; 5] = ["LOCK", "manifest", "appendonly-", "dump-", "objects.redb"];

/// Takes the rights of others away from a data directory and the store's files in it, as versions before this one left
/// them. Says whether there were any.
#[cfg(unix)]
pub(in crate::store) fn close_to_others(directory: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let mut closed = false;
    let mut close = |path: &Path, wanted: u32| {
        let about = fs::metadata(path)?;
        // Not what belongs to somebody else, nor a directory that is meant for all.
        let shared = about.mode() & 0o1000 != 0 || about.uid() != rustix::process::geteuid().as_raw();
        if shared || about.mode() & 0o077 == 0 {
            return Ok(());
        }
        closed = true;
        fs::set_permissions(path, fs::Permissions::from_mode(wanted))
    };
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if OURS.iter().any(|ours| name.starts_with(ours)) && path.is_file() {
            close(&path, 0o600)?;
        }
    }
    // Only a directory that holds a store already is ours to change, and one that was just made is closed.
    if directory.join("LOCK").exists() {
        close(directory, 0o700)?;
    }
    Ok(closed)
}

/// Elsewhere, rights are not ours to manage.
#[cfg(not(unix))]
pub(in crate::store) fn close_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}
