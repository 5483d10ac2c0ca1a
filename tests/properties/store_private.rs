//! Password hashes and signing keys are in the data directory: nobody else reads it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use helios::store::{Command, Seams, Store, StoreOptions, Value, tools};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything in a directory that others have any right to.
fn open_to_others(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if mode(&path) & 0o077 != 0 {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn the_data_directory_and_its_backups_are_their_owners_alone_also_when_they_were_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("somewhere/data");
    let options = StoreOptions { data_dir: data.clone(), ..StoreOptions::default() };
    let open = || Store::open(&options, Seams::default()).unwrap();
    let store = open();
    store.run(Command::set(*b"a", Value::bytes(&b"1"[..]))).await.unwrap().unwrap();
    store.snapshot().await.unwrap();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(open_to_others(&data), [""; 0]);
    let backup = directory.path().join("backups/one");
    tools::create_backup(&data, &backup, &helios::base::Clock::default()).unwrap();
    assert_eq!(mode(&backup), 0o700);
    assert_eq!(open_to_others(&backup), [""; 0]);
    store.close().await.unwrap();
    drop(store);

    // As the version before left it; a file that is not the store's is left alone.
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
    }
    let other = data.join("notes.txt");
    fs::write(&other, "mine").unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o644)).unwrap();
    let store = open();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(open_to_others(&data), [other.display().to_string()]);
    store.close().await.unwrap();
}
