//! Who a caller is, what it may do, and the tokens that prove it.
//!
//! `principal` is the caller, `permission` what it may; `keys` and `signing` are what tokens are signed with;
//! `state_token` is the token that a session is taken up again with, `access_token` the one that says who somebody is;
//! `ring` keeps the keys in the store. `accounts` are users, roles and API keys; `audit` is who has changed what. What is
//! absent on purpose: sockets, and what a session is made of.

mod access_token;
mod accounts;
mod audit;
mod error;
mod keys;
mod options;
mod permission;
mod principal;
mod ring;
mod signing;
mod state_token;

pub use access_token::is_access_token;
pub use accounts::{
    AccountChange, AccountError, AccountOptions, Accounts, ApiKey, Explained, GrantedBy, LoggedIn, NewUser,
    OpenAccountsError, Role, Unauthenticated, User,
};
pub use audit::{Audit, AuditCaller, AuditEntry, AuditRecord, Verified, VerifyError, verify as verify_audit};
pub use error::{IssueError, RingError, TokenRefusal};
pub use keys::{KeyAbout, TokenKey, TokenKeys};
pub use options::TokenOptions;
pub use permission::{grants, is_grant};
pub use principal::{Account, Principal, Proof};
pub use ring::KeyRing;
pub use state_token::{Issued, StateClaims, StateToken};
