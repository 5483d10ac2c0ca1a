use super::*;

fn ids(count: usize) -> Vec<StarlingId> {
    (0..count).map(|_| StarlingId::generate()).collect()
}

fn told(presence: &mut Presence) -> (usize, usize) {
    let Some(told) = presence.take_difference("a") else { return (0, 0) };
    let count = |key: &str| told[key].as_array().map_or(0, Vec::len);
    (count("joined"), count("left"))
}

#[test]
fn a_user_joins_with_the_first_session_and_leaves_with_the_last() {
    let (mut presence, ids) = (Presence::default(), ids(3));
    presence.come(ids[0], Some("ann"), 1);
    presence.come(ids[1], Some("ann"), 2);
    presence.come(ids[2], None, 3);
    assert_eq!(presence.counts(), (3, 1, 1));
    assert_eq!(told(&mut presence), (2, 0));
    assert_eq!(presence.leave(ids[0]), Changed::No);
    assert_eq!(told(&mut presence), (0, 0));
    assert_eq!(presence.leave(ids[1]), Changed::Yes);
    assert_eq!(presence.leave(ids[1]), Changed::No);
    presence.leave(ids[2]);
    assert_eq!(told(&mut presence), (0, 2));
    assert!(presence.is_empty());
}

#[test]
fn who_comes_back_in_time_has_not_left() {
    let (mut presence, ids) = (Presence::default(), ids(2));
    presence.come(ids[0], Some("ann"), 1);
    told(&mut presence);
    let absence = presence.away(ids[0]).unwrap();
    presence.come(ids[0], Some("ann"), 2);
    assert_eq!(presence.depart(ids[0], absence), Changed::No);
    let absence = presence.away(ids[0]).unwrap();
    // A reload: another session of the same user.
    presence.come(ids[1], Some("ann"), 2);
    assert_eq!(presence.depart(ids[0], absence), Changed::No);
    assert_eq!(presence.counts(), (1, 1, 0));
    assert_eq!(told(&mut presence), (0, 0));
}

#[test]
fn what_cancels_out_is_not_told() {
    let (mut presence, ids) = (Presence::default(), ids(1));
    presence.come(ids[0], None, 1);
    presence.leave(ids[0]);
    assert!(presence.take_difference("a").is_none());
    presence.come(ids[0], None, 1);
    told(&mut presence);
    presence.leave(ids[0]);
    presence.come(ids[0], None, 1);
    assert!(presence.take_difference("a").is_none());
}

#[test]
fn a_hundred_thousand_members_are_counted_and_paged() {
    let (mut presence, ids) = (Presence::default(), ids(100_000));
    for (at, id) in ids.iter().enumerate() {
        presence.come(*id, Some(&format!("user{}", at % 50_000)), 1);
    }
    assert_eq!(presence.counts(), (100_000, 50_000, 0));
    assert_eq!(presence.take_difference("a").unwrap()["truncated"], true);
    let (mut cursor, mut seen) = (None, 0);
    loop {
        let page = presence.page(By::Session, cursor, 1_000);
        seen += page.members.len();
        match page.cursor {
            Some(next) => cursor = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, 100_000);
    let page = presence.page(By::User, None, 100);
    assert_eq!((page.members.len(), page.members[0].sessions), (100, Some(2)));
    for id in &ids {
        presence.leave(*id);
    }
    assert_eq!(presence.counts(), (0, 0, 0));
}
