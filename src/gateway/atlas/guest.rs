//! A client that has said whose account it is.

use std::time::{Duration, Instant};

use crate::auth::{AccountError, Accounts, Principal};

/// What an account needs to be here: the port shows all keys, those of the server too.
const PERMISSION: &str = "atlas:access";

/// How often it is asked whether the account still may.
const EACH: Duration = Duration::from_millis(250);

/// A client with an account.
#[derive(Debug)]
pub(super) struct Guest {
    principal: Principal,
    looked: Instant,
}

impl Guest {
    /// Who shows an API key or an access token; the name, if there is one, has to be that of the account.
    pub(super) fn of(accounts: &Accounts, name: Option<&[u8]>, shown: &[u8]) -> Option<Self> {
        let shown = std::str::from_utf8(shown).ok()?;
        let principal =
            accounts.principal_of_key(shown).or_else(|_| accounts.principal_of_token(shown)).ok()?;
        let named = |name: &[u8]| principal.name().is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(name));
        let fits = name.is_none_or(named) && principal.may(PERMISSION);
        fits.then(|| Self { principal, looked: Instant::now() })
    }

    /// Whether its account still may.
    pub(super) fn may_stay(&mut self, accounts: &Accounts) -> bool {
        if self.looked.elapsed() < EACH {
            return true;
        }
        self.looked = Instant::now();
        match accounts.renewed(&self.principal, 0) {
            Ok(principal) => {
                self.principal = principal;
                self.principal.may(PERMISSION)
            }
            Err(AccountError::Store(_)) => true,
            Err(_) => false,
        }
    }
}
