//! Who a peer is and what it may do. Accounts, tokens and roles come here; for now everybody is anonymous
//! or was named by the embedding program.

mod principal;

pub use principal::Principal;
