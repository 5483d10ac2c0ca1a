//! Who a caller is, what it may do, and the tokens that prove it.
//!
//! `principal` is the caller; `keys` and `signing` are what tokens are signed with; `state_token` is the token that
//! a session is taken up again with; `ring` keeps the keys in the store. What is absent on purpose: sockets,
//! and what a session is made of.

mod error;
mod keys;
mod options;
mod principal;
mod ring;
mod signing;
mod state_token;

pub use error::{IssueError, RingError, TokenRefusal};
pub use keys::{KeyAbout, TokenKey, TokenKeys};
pub use options::TokenOptions;
pub use principal::Principal;
pub use ring::KeyRing;
pub use state_token::{Issued, StateClaims, StateToken};
