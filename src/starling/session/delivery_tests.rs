use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { messages_max: 4, bytes_max: 1_000 };

fn kept(delivery: &Delivery, after: u64) -> Vec<String> {
    delivery.after_number(after).map(|it| String::from_utf8_lossy(it).into_owned()).collect()
}

fn push(delivery: &mut Delivery, text: &str) {
    delivery.push(text.as_bytes(), Kind::Lasting, LIMITS);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_in_order() {
    let mut delivery = Delivery::after(7);
    ["a", "b", "c"].iter().for_each(|text| push(&mut delivery, text));
    assert_eq!((delivery.sent(), delivery.len()), (10, 3));
    assert!(delivery.is_whole_after(8) && !delivery.is_whole_after(11) && !delivery.is_whole_after(6));
    assert_eq!(kept(&delivery, 8), ["b", "c"]);
    delivery.acknowledge(9);
    assert_eq!(kept(&delivery, 9), ["c"]);
    assert!(!delivery.is_whole_after(8), "what was acknowledged is gone");
    delivery.acknowledge(1_000);
    assert_eq!((delivery.len(), delivery.sent()), (0, 10), "nobody can have more than was sent");
    assert!(delivery.is_whole_after(10));
}

#[test]
fn a_peer_that_is_there_loses_the_oldest_and_is_told_so_when_it_comes_back() {
    let mut delivery = Delivery::after(0);
    ["a", "b", "c", "d", "e"].iter().for_each(|text| push(&mut delivery, text));
    assert_eq!(kept(&delivery, 1), ["b", "c", "d", "e"]);
    assert!(!delivery.is_whole_after(0) && delivery.is_whole_after(1));
    push(&mut delivery, &"x".repeat(2_000));
    assert_eq!(delivery.len(), 1, "one that is longer than all may be is kept alone");
}

#[test]
fn a_peer_that_is_away_keeps_the_oldest_and_whoever_sends_more_is_told() {
    let mut delivery = Delivery::after(0);
    for text in ["a", "b", "c", "d"] {
        delivery.hold(text.as_bytes(), Kind::Lasting, LIMITS).unwrap();
    }
    assert_eq!(delivery.hold(b"e", Kind::Lasting, LIMITS), Err(Full));
    assert_eq!(kept(&delivery, 0), ["a", "b", "c", "d"]);
    assert!(!delivery.is_whole_after(0), "something was turned away");
    delivery.give_up();
    assert_eq!(delivery.len(), 0);
    assert!(delivery.is_whole_after(4));
}

#[test]
fn what_was_not_written_is_noted_again() {
    let mut delivery = Delivery::after(5);
    ["a", "b"].iter().for_each(|text| push(&mut delivery, text));
    assert_eq!(delivery.collect(false).new.len(), 2);
    delivery.take_back(6);
    delivery.take_back(7);
    let again = delivery.collect(false);
    assert_eq!(
        (again.new.len(), again.done),
        (2, vec![6, 7]),
        "first away with what may be there, then anew"
    );
    delivery.acknowledge(7);
    assert_eq!(delivery.collect(false).done, [6, 7]);
}

#[test]
fn what_came_before_the_place_of_the_peer_was_known_comes_behind() {
    let mut later = Delivery::after(0);
    later.hold(b"new", Kind::Lasting, LIMITS).unwrap();
    let mut delivery = Delivery::restored(5, vec![(6, b"old".to_vec())]);
    delivery.append_all(&later);
    assert_eq!(kept(&delivery, 5), ["old", "new"]);
    assert!(delivery.is_whole_after(5));
}

#[test]
fn only_what_lasts_is_written_down_and_taken_out_again_once_acknowledged() {
    let mut delivery = Delivery::after(0);
    push(&mut delivery, "a");
    delivery.push(b"answer", Kind::Passing, LIMITS);
    push(&mut delivery, "c");
    delivery.acknowledge(1);
    let new = vec![(3, b"c"[..].into())];
    assert_eq!(
        delivery.collect(false),
        Collected { new, done: vec![] },
        "what is acknowledged never gets there"
    );
    assert_eq!(delivery.collect(false), Collected::default());
    let all = delivery.collect(true).new;
    assert_eq!(all, [(2, b"answer"[..].into()), (3, b"c"[..].into())], "an end in order keeps everything");
    delivery.acknowledge(3);
    assert_eq!(delivery.collect(false), Collected { new: vec![], done: vec![2, 3] });
}

#[test]
fn what_a_process_before_has_written_is_numbered_for_the_peer() {
    let messages = vec![(3, b"c".to_vec()), (8, b"h".to_vec()), (9, b"i".to_vec())];
    let mut delivery = Delivery::restored(5, messages);
    assert_eq!(kept(&delivery, 5), ["h", "i"]);
    assert_eq!(delivery.sent(), 7);
    let Collected { new, done } = delivery.collect(false);
    assert_eq!((new.len(), new[0].0, done), (2, 6, vec![3, 8, 9]));
}

proptest! {
    /// Beside a list that forgets nothing: whatever is said to be whole is exactly what was sent.
    #[test]
    fn what_is_called_whole_is_whole(steps in prop::collection::vec((0u8..5, 0u64..30), 1..200)) {
        let mut delivery = Delivery::after(0);
        let mut all: Vec<String> = Vec::new();
        let mut turned_away = false;
        for (kind, number) in steps {
            let text = format!("{}:{}", all.len(), "x".repeat(number as usize * 13));
            match kind {
                0 | 1 => {
                    delivery.push(text.as_bytes(), Kind::Passing, LIMITS);
                    all.push(text);
                }
                2 => match delivery.hold(text.as_bytes(), Kind::Lasting, LIMITS) {
                    Ok(()) => all.push(text),
                    Err(Full) => turned_away = true,
                },
                3 => delivery.acknowledge(number),
                _ => drop(delivery.collect(false)),
            }
            prop_assert_eq!(delivery.sent(), all.len() as u64);
            for from in 0..=all.len() {
                if delivery.is_whole_after(from as u64) {
                    prop_assert!(!turned_away);
                    prop_assert_eq!(kept(&delivery, from as u64), &all[from..]);
                }
            }
            prop_assert!(turned_away || delivery.is_whole_after(all.len() as u64));
        }
    }
}
