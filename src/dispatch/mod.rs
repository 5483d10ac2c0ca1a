//! From a request to its answer: the registry of methods, the context that a handler gets, and the one path
//! on which every call is checked, run, timed and counted, whichever face it came by.
//!
//! What is absent on purpose: frames and sockets. A caller is whatever implements [`Peer`].

mod account_error;
mod context;
mod data;
mod error;
mod events;
mod extensions;
mod handler;
mod limits;
mod method;
mod options;
mod peer;
mod registry;
mod reply;
mod run;
mod send_error;
mod topics;

pub use context::{Cancelled, Context};
pub use data::{DataError, SessionData};
pub use error::MethodError;
pub use extensions::Extensions;
pub use handler::{AlreadyAnswered, Anything, Responder};
pub use limits::{
    BucketState, Client, Exceeded, Face, InvalidClient, Left, LimitBy, LimitOptions, Limits, PolicyOptions,
};
pub use method::{Method, MethodOptions, Validator};
pub use options::MethodDefaults;
pub use peer::{Peer, Starling, Told};
pub use registry::{Registry, RegistryBuilder, RegistryError};
pub use reply::{IntoReply, Reply};
pub use run::{Answer, Call, Refused};
pub use send_error::{CallError, SendError};
pub use topics::{TopicEvent, TopicHandlers};

use std::future::Future;
use std::pin::Pin;

/// A future on the heap, as handlers of different types are kept together.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;
