//! Who may do what with a topic.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::TopicDesk;
use crate::auth::{Principal, grants};
use crate::dispatch::{Call, MethodError, Starling};
use crate::hub::Access;
use crate::protocol::{ErrorCode, Payload, Raw, RequestId, is_topic_name};

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Subscribe,
    Publish,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
        }
    }
}

/// What a rule says of a caller, without asking a method.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Allowed,
    Denied,
    /// This permission is missing.
    Missing(String),
    /// This method knows.
    Ask(String),
}

fn judge(access: &Access, principal: &Principal, topic: &str, permission: impl Fn() -> String) -> Verdict {
    let fits = |fits: bool| match principal.account().and_then(|account| account.scopes.as_deref()) {
        _ if !fits => Verdict::Denied,
        // What an account may for who it is, an API key of it may if its scopes say so.
        Some(scopes) if !scopes.iter().any(|scope| grants(scope, &permission())) => {
            Verdict::Missing(permission())
        }
        _ => Verdict::Allowed,
    };
    match access {
        Access::Nobody => Verdict::Denied,
        Access::Everyone => Verdict::Allowed,
        Access::Users => fits(principal.name().is_some()),
        Access::Owner => {
            // Whoever is called as a wildcard owns nothing.
            let name = principal.name().filter(|name| is_topic_name(name));
            fits(name.is_some() && topic.split(':').nth(1) == name)
        }
        Access::Permission => {
            let permission = permission();
            if principal.may(&permission) { Verdict::Allowed } else { Verdict::Missing(permission) }
        }
        Access::Method(name) => Verdict::Ask(name.clone()),
    }
}

/// Whether a peer may do that with a topic.
///
/// # Errors
/// With what it is told if it may not.
pub(super) async fn check(
    starling: &Starling,
    desk: &TopicDesk,
    topic: &str,
    action: Action,
) -> Result<(), MethodError> {
    let Some(namespace) = desk.hub.namespace(topic) else {
        let name = topic.split(':').next().unwrap_or_default();
        return Err(denied(topic, action, &format!("Topics of the namespace \"{name}\" are not open")));
    };
    let access = match action {
        Action::Subscribe => &namespace.options().subscribe,
        Action::Publish => &namespace.options().publish,
    };
    let permission = || format!("topic:{}:{}", action.as_str(), namespace.name());
    match judge(access, &starling.principal(), topic, permission) {
        Verdict::Allowed => Ok(()),
        Verdict::Missing(permission) => Err(MethodError::permission(&permission)),
        Verdict::Denied => {
            let text = format!("You may not {} \"{topic}\"", about(action));
            Err(denied(topic, action, &text))
        }
        Verdict::Ask(method) => ask(starling, desk, &method, topic, action).await,
    }
}

/// Whether somebody may see numbers of the whole server.
///
/// # Errors
/// With what it is told if it may not.
pub(super) fn check_stats(principal: &Principal, desk: &TopicDesk) -> Result<(), MethodError> {
    let access = &desk.hub.options().stats;
    match judge(access, principal, "", || "topic:stats".to_owned()) {
        Verdict::Allowed => Ok(()),
        Verdict::Missing(permission) => Err(MethodError::permission(&permission)),
        Verdict::Denied | Verdict::Ask(_) => Err(ErrorCode::PermissionDenied.into()),
    }
}

fn about(action: Action) -> &'static str {
    match action {
        Action::Subscribe => "subscribe to",
        Action::Publish => "publish on",
    }
}

fn denied(topic: &str, action: Action, text: &str) -> MethodError {
    let details = json!({ "topic": topic, "action": action.as_str() });
    MethodError::of(ErrorCode::PermissionDenied, text.to_owned()).with_details(&details)
}

/// Asks a method of the application, as this caller.
async fn ask(
    starling: &Starling,
    desk: &TopicDesk,
    method: &str,
    topic: &str,
    action: Action,
) -> Result<(), MethodError> {
    let shared = desk.shared()?;
    let payload = Payload::json(&json!({ "topic": topic, "action": action.as_str() }))
        .map_err(|_| MethodError::from(ErrorCode::InternalError))?;
    let (sender, answer) = oneshot::channel();
    {
        // The payload of a call is in the codec of its caller.
        let codec = starling.dialect().codec;
        let bytes =
            payload.as_raw().translate(codec).map_err(|_| MethodError::from(ErrorCode::InternalError))?;
        let raw = Raw { codec, bytes: bytes.as_ref() };
        let (registry, metrics) = (&shared.registry, &shared.metrics);
        let call = Call::admit_private(registry, metrics, starling, RequestId::generate(), method);
        call.map_err(|refused| refused.0)?.run(Some(raw), move |answer, _| drop(sender.send(answer)));
    }
    let answer = answer.await.map_err(|_| MethodError::from(ErrorCode::InternalError))??;
    let said: Option<Value> = answer.into_payload().and_then(|payload| payload.read().ok());
    if said == Some(Value::Bool(true)) {
        return Ok(());
    }
    Err(denied(topic, action, &format!("You may not {} \"{topic}\"", about(action))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_admits_whom_it_says() {
        let ann = Principal::named("ann", ["topic:publish:chat".to_owned()]);
        let nobody = Principal::anonymous();
        let judge = |access: &str, principal: &Principal, topic: &str| {
            judge(&access.parse().unwrap(), principal, topic, || "topic:publish:chat".to_owned())
        };
        assert_eq!(judge("nobody", &ann, "chat:a"), Verdict::Denied);
        assert_eq!(judge("everyone", &nobody, "chat:a"), Verdict::Allowed);
        assert_eq!(judge("users", &nobody, "chat:a"), Verdict::Denied);
        assert_eq!(judge("users", &ann, "chat:a"), Verdict::Allowed);
        assert_eq!(judge("owner", &ann, "chat:ann:more"), Verdict::Allowed);
        assert_eq!(judge("owner", &ann, "chat:bob"), Verdict::Denied);
        assert_eq!(judge("owner", &nobody, "chat"), Verdict::Denied, "no name is nobody's");
        let star = Principal::named("*", []);
        assert_eq!(judge("owner", &star, "chat:*"), Verdict::Denied, "a wildcard is no name");
        assert_eq!(judge("permission", &ann, "chat:a"), Verdict::Allowed);
        assert!(matches!(judge("permission", &nobody, "chat:a"), Verdict::Missing(_)));
        assert_eq!(judge("method chat:may", &ann, "chat:a"), Verdict::Ask("chat:may".to_owned()));
        assert!("method x".parse::<Access>().is_err() && "all".parse::<Access>().is_err());
    }
}
