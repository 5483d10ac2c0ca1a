//! Any text as an access token, an API key, a header: no panic, and nobody is let in.
#![no_main]

use std::sync::OnceLock;

use helios::auth::{AccountOptions, Accounts, KeyRing, TokenOptions, is_access_token};
use helios::store::{Seams, Store, StoreOptions};
use libfuzzer_sys::fuzz_target;

fn accounts() -> &'static (KeyRing, Accounts) {
    static ACCOUNTS: OnceLock<(KeyRing, Accounts)> = OnceLock::new();
    ACCOUNTS.get_or_init(|| {
        let data_dir = std::env::temp_dir().join(format!("helios-fuzz-{}", std::process::id()));
        let store = Store::open(&StoreOptions { data_dir, ..StoreOptions::default() }, Seams::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ring = KeyRing::open(&store, &TokenOptions::default()).await.unwrap();
            let options = AccountOptions { bcrypt_cost: 4, ..AccountOptions::default() };
            let accounts = Accounts::open(&store, &ring, &options).await.unwrap();
            (ring, accounts)
        })
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (ring, accounts) = accounts();
    let _ = is_access_token(text);
    assert!(ring.verify(text).is_err());
    assert!(accounts.principal_of_token(text).is_err());
    assert!(accounts.principal_of_key(text).is_err());
    assert!(accounts.principal_of_key(&format!("hk_{text}")).is_err());
});
