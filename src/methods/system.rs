//! `system:*`: what a peer can learn about the server.

use std::sync::Arc;

use serde_json::{Value, json};

use super::About;
use crate::base::Clock;
use crate::dispatch::{Anything, Context, MethodError, MethodOptions, RegistryBuilder};
use crate::telemetry::Metrics;

pub(super) fn add(to: &mut RegistryBuilder, clock: &Clock, metrics: &Arc<Metrics>, about: &Arc<About>) {
    let (time, counted) = (clock.clone(), Arc::clone(metrics));
    let options = MethodOptions::described("The server's time and how long it has run.").idempotent();
    to.built_in("system:ping", options, move |_: Context, _: Anything| {
        let answer = json!({ "timestamp": time.now_ms(), "uptime": counted.uptime().as_secs_f64() });
        async move { Ok::<Value, MethodError>(answer) }
    });

    let (time, known) = (clock.clone(), Arc::clone(about));
    let options = MethodOptions::described("What this server can do.").idempotent();
    to.built_in("system:capabilities", options, move |_: Context, _: Anything| {
        let answer = crate::starling::capabilities(time.now_ms(), known.proxy.get() == Some(&true));
        async move { Ok::<Value, MethodError>(answer) }
    });

    let known = Arc::clone(about);
    let options = MethodOptions::described("The methods that can be called, with their rules.").idempotent();
    to.built_in("system:methods", options, move |_: Context, _: Anything| {
        let methods = known.methods.get().cloned().unwrap_or_default();
        async move { Ok::<Value, MethodError>(json!({ "methods": methods })) }
    });
}
