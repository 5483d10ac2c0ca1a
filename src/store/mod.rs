//! ATLAS, the durable store. So far only where its files will lie, so that the flag is settled.

mod options;

pub use options::StoreOptions;
