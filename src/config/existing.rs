//! What keys of existing servers are called here. They are not taken as they are: their values mean something else.

/// Keys of existing servers, or what they begin with, and the key to write instead.
const NAMES: [(&str, &str); 15] = [
    ("worker.max_attempts", "jobs.max_attempts"),
    ("worker.visibility_timeout", "jobs.visibility_timeout"),
    ("worker.poll_interval", "none: leases are brought; see --poll-interval of helios worker"),
    ("worker", "jobs"),
    ("gateway.rate_limit.default_capacity", "limits.policies.api.capacity"),
    ("gateway.rate_limit.default_rate_num", "limits.policies.api.refill"),
    ("gateway.rate_limit.default_rate_den", "limits.policies.api.per, a time such as \"1s\""),
    ("gateway.rate_limit", "limits.policies.api"),
    ("rate_limiting.requests_per_second", "limits.policies.api.refill, with per = \"1s\""),
    ("rate_limiting.burst_size", "limits.policies.api.capacity"),
    ("rate_limiting.enabled", "limits.enabled"),
    ("rate_limiting", "limits"),
    ("gateway.tls_cert", "gateway.tls.cert"),
    ("gateway.tls_key", "gateway.tls.key"),
    ("gateway.tls_enabled", "gateway.tls, which is on when cert is set"),
];

/// What a key is called here, if existing servers have it.
pub(super) fn named_here(key: &str) -> Option<&'static str> {
    let fits =
        |name: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    NAMES.iter().find(|(name, _)| fits(name)).map(|(_, ours)| *ours)
}
