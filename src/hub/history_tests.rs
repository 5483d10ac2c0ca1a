use super::*;
use crate::hub::publication::Kind;
use crate::protocol::Payload;

fn publication(offset: u64, at_ms: u64) -> Arc<Publication> {
    let position = Position { epoch: 7, offset };
    let data = Payload::json(&offset).unwrap();
    Arc::new(Publication::new(Kind::Message, &"a".into(), (position, offset), at_ms, data, None))
}

fn rules(size: usize) -> NamespaceOptions {
    NamespaceOptions { history_size: size, ..NamespaceOptions::default() }
}

fn offsets(history: &History, since: u64) -> Result<Vec<u64>, Lost> {
    let found = history.since(7, Position { epoch: 7, offset: since })?;
    Ok(found.iter().map(|it| it.position.offset).collect())
}

#[test]
fn everything_behind_a_position_or_the_reason_why_not() {
    let mut history = History::after(10);
    assert_eq!(offsets(&history, 10), Ok(vec![]));
    assert_eq!(offsets(&history, 9), Err(Lost::Expired), "what was before is not known");
    (11..=15).for_each(|offset| history.push(publication(offset, offset), &rules(3), usize::MAX));
    assert_eq!(offsets(&history, 12), Ok(vec![13, 14, 15]));
    assert_eq!(offsets(&history, 14), Ok(vec![15]));
    assert_eq!(offsets(&history, 15), Ok(vec![]));
    assert_eq!(offsets(&history, 11), Err(Lost::Expired));
    assert_eq!(offsets(&history, 16), Err(Lost::Ahead));
    let other = history.since(7, Position { epoch: 8, offset: 15 });
    assert_eq!(other.unwrap_err(), Lost::OtherHistory);
}

#[test]
fn age_and_bytes_bound_it_and_what_goes_is_lost() {
    let mut history = History::after(0);
    (1..=4).for_each(|offset| history.push(publication(offset, offset * 100), &rules(10), usize::MAX));
    assert_eq!(history.expire(1_150, 1_000), Some(1_200));
    assert_eq!(offsets(&history, 0), Err(Lost::Expired));
    assert_eq!(offsets(&history, 1), Ok(vec![2, 3, 4]));
    let one = history.bytes() / 3;
    history.push(publication(5, 500), &rules(10), 2 * one);
    assert_eq!(history.len(), 2);
    history.push(publication(6, 600), &rules(10), 0);
    assert_eq!((history.len(), history.bytes()), (0, 0), "there is no room at all");
    assert_eq!(offsets(&history, 6), Ok(vec![]));
    assert_eq!(offsets(&history, 5), Err(Lost::Expired));
    assert_eq!(history.expire(0, 0), None);
}
