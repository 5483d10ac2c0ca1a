use super::*;
use crate::auth::Principal;
use crate::base::Span;

const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn limits(clock: &Clock, policies: &[(&str, PolicyOptions)]) -> Limits {
    let policies = policies.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
    let options = LimitOptions { policies, ..LimitOptions::default() };
    assert_eq!(options.problems(), []);
    Limits::new(&options, clock, &Arc::default())
}

fn policy(by: LimitBy, capacity: u64, refill: u64) -> PolicyOptions {
    PolicyOptions { by, capacity, refill, ..PolicyOptions::default() }
}

#[test]
fn each_client_has_a_bucket_of_its_own() {
    let clock = Clock::manual(1_000);
    let limits = limits(&clock, &[("api", policy(LimitBy::Principal, 2, 1))]);
    let ann = Client::of(&Principal::named("ann", []), HERE);
    let left = limits.allow("api", &ann, 1).unwrap().unwrap();
    assert_eq!((left.limit, left.remaining, left.reset_s, left.window_s), (2, 1, 1, 2));
    limits.allow("api", &ann, 1).unwrap();
    let exceeded = limits.allow("api", &ann, 1).unwrap_err();
    assert_eq!((exceeded.limit, exceeded.retry_after_ms, exceeded.reset_s()), (2, Some(1_000), 1));
    assert!(limits.allow("api", &Client::at(HERE), 2).is_ok(), "somebody else");
    clock.advance_ms(1_000);
    assert!(limits.allow("api", &ann, 1).is_ok());
    assert_eq!(limits.allow("api", &ann, 3).unwrap_err().retry_after_ms, None, "more than it ever allows");
    assert!(limits.reset("api", &ann) && limits.allow("api", &ann, 2).is_ok());
    assert!(!limits.reset("other", &ann) && limits.allow("other", &ann, 99).unwrap().is_none());
}

#[test]
fn a_method_falls_under_the_policies_that_name_it() {
    let clock = Clock::manual(0);
    let named = |face: &str, methods: &[&str]| PolicyOptions {
        face: face.into(),
        methods: methods.iter().map(|it| (*it).to_owned()).collect(),
        ..PolicyOptions::default()
    };
    let address = PolicyOptions { by: LimitBy::Address, ..named("rest", &[]) };
    let limits = limits(
        &clock,
        &[
            ("a", named("any", &["kv:*"])),
            ("b", named("socket", &[])),
            ("c", named("rest", &["kv:set"])),
            ("d", address),
        ],
    );
    let count = |method: &str| limits.rules(method).0.map(|rules| rules.len());
    assert_eq!(count("kv:set"), [2, 2, 1]);
    assert_eq!(count("kv:get"), [2, 1, 1]);
    assert_eq!(count("demo:echo"), [1, 0, 0]);
    assert!(limits.address(Face::Rest, HERE, false).unwrap().is_some());
    assert!(limits.address(Face::Socket, HERE, false).unwrap().is_none());
}

#[test]
fn what_has_changed_is_told_once_and_goes_on_after_a_restart() {
    let clock = Clock::manual(10_000);
    let one = ("api", policy(LimitBy::Principal, 10, 1));
    let before = limits(&clock, std::slice::from_ref(&one));
    let client = Client::at(HERE);
    before.allow("api", &client, 7).unwrap();
    let changed = before.changed();
    let [(name, whose, Some(state))] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!((*name, whose.to_string().parse()), ("api", Ok(client.clone())));
    let written = BucketState { tokens: 3, last_refill: 10_000, capacity: 10, rate_num: 1, rate_den: 1 };
    assert_eq!(*state, written);
    assert!(before.changed().is_empty());
    let after = limits(&clock, std::slice::from_ref(&one));
    after.restore("api", client.clone(), state);
    assert_eq!(after.state("api", &client), Some(written));
    assert!(after.allow("api", &client, 4).is_err() && after.allow("api", &client, 3).is_ok());
    clock.advance_ms(60_000);
    assert!(matches!(after.changed()[..], [(_, _, None)]), "full again: forgotten");
}

#[test]
fn clients_are_written_and_read() {
    let user = crate::base::UserId::generate();
    for client in [Client::User(user), Client::Name("a:b".into()), Client::at(HERE), Client::Everybody] {
        assert_eq!(client.to_string().parse(), Ok(client));
    }
    for none in ["", "user:x", "address:x", "bob", "all:x"] {
        assert!(none.parse::<Client>().is_err(), "{none}");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let clock = Clock::manual(0);
    let limits = limits(&clock, &[("api", policy(LimitBy::Principal, 10, 1))]);
    for number in 0..1_200_000u32 {
        let _ = limits.allow("api", &Client::Address(IpAddr::from(number.to_be_bytes())), 1);
    }
    assert!(limits.changed().len() <= 16 * 65_536);
}

#[test]
fn mistakes_in_options_are_named() {
    let wrong = PolicyOptions {
        face: "web".into(),
        methods: vec!["kv:*:".into()],
        cost: 200,
        per: Span::millis(0),
        ..PolicyOptions::default()
    };
    let options = LimitOptions { policies: [("api".to_owned(), wrong)].into(), ..LimitOptions::default() };
    let keys: Vec<_> = options.problems().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["policies.api.face", "policies.api.per", "policies.api.cost", "policies.api.methods"]);
}
