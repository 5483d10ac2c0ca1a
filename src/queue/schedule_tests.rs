//! When schedules fire: expressions, time zones, clocks that are changed.

use super::*;

fn schedule(cron: &str, timezone: &str) -> Schedule {
    Schedule {
        name: "s".into(),
        cron: cron.into(),
        timezone: timezone.into(),
        kind: "a".parse().unwrap(),
        payload: RawValue::from_string("null".into()).unwrap(),
        priority: 0,
        max_attempts: None,
        missed: Missed::Once,
        paused: false,
        next_at: None,
        last_at: None,
        fired: 0,
        created_at: 0,
        created_by: None,
    }
}

/// The next times, in local time with the offset.
fn next(cron: &str, timezone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = schedule(cron, timezone);
    schedule.check().unwrap();
    let mut at = from.parse::<Timestamp>().unwrap().as_millisecond() as u64;
    let mut told = Vec::new();
    for _ in 0..count {
        at = schedule.after(at).unwrap();
        let zoned = Timestamp::from_millisecond(at as i64).unwrap().in_tz(timezone).unwrap();
        told.push(zoned.strftime("%m-%d %H:%M %:z").to_string());
    }
    told
}

#[test]
fn times_follow_the_expression_in_its_zone() {
    let from = "2026-01-30T12:00:00Z";
    assert_eq!(
        next("*/20 9-10 * * 1-5", "UTC", from, 3),
        ["02-02 09:00 +00:00", "02-02 09:20 +00:00", "02-02 09:40 +00:00"]
    );
    assert_eq!(next("0 8 29 2 *", "UTC", from, 1), ["02-29 08:00 +00:00"], "the next leap year");
    assert_eq!(next("30 6 * * *", "Asia/Kolkata", from, 1), ["01-31 06:30 +05:30"]);
}

#[test]
fn when_clocks_go_forward_what_falls_into_the_gap_fires_after_it() {
    // In Berlin there is no 02:30 on 29 March 2026.
    let told = next("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(told, ["03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"]);
    let told = next("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 3);
    assert_eq!(told, ["03-29 01:00 +01:00", "03-29 03:00 +02:00", "03-29 04:00 +02:00"], "no hour twice");
}

#[test]
fn when_clocks_go_back_what_comes_twice_fires_once() {
    // In Berlin there is 02:30 twice on 25 October 2026.
    let told = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(told, ["10-25 02:30 +02:00", "10-26 02:30 +01:00"]);
    let told = next("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 3);
    assert_eq!(
        told,
        ["10-25 02:00 +02:00", "10-25 02:00 +01:00", "10-25 03:00 +01:00"],
        "every hour is every hour"
    );
    let told = next("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2);
    assert_eq!(told, ["11-01 01:30 -04:00", "11-02 01:30 -05:00"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (cron, timezone, place) in [
        ("* * * *", "UTC", "/cron: has 4 fields"),
        ("* * * * * *", "UTC", "/cron: has 6 fields"),
        ("61 * * * *", "UTC", "/cron: "),
        ("x * * * *", "UTC", "/cron: "),
        ("* * * * *", "Mars/Olympus", "/timezone: \"Mars/Olympus\" is no time zone"),
    ] {
        let told = schedule(cron, timezone).check().unwrap_err().to_string();
        assert!(told.starts_with(place) && told.len() > place.len(), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
    let named = Schedule { name: "a b".into(), ..schedule("* * * * *", "UTC") };
    assert!(named.check().unwrap_err().to_string().starts_with("/name: "));
}

#[test]
fn every_time_of_a_repeated_hour_fires_once() {
    let from = "2026-10-24T22:00:00Z";
    assert_eq!(
        next("*/30 2 * * *", "Europe/Berlin", from, 3),
        ["10-25 02:00 +02:00", "10-25 02:30 +02:00", "10-26 02:00 +01:00"]
    );
    assert_eq!(
        next("*/15 2 * * *", "Europe/Berlin", from, 5)[3..],
        ["10-25 02:45 +02:00", "10-26 02:00 +01:00"]
    );
    // Clocks go back by half an hour there: 01:30 to 02:00 comes twice.
    assert_eq!(
        next("*/15 1 * * *", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", 5),
        [
            "04-05 01:00 +11:00",
            "04-05 01:15 +11:00",
            "04-05 01:30 +11:00",
            "04-05 01:45 +11:00",
            "04-06 01:00 +10:30"
        ]
    );
    assert_eq!(
        next("*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["03-29 03:00 +02:00", "03-30 02:00 +02:00"],
        "a gap is one moment"
    );
}

#[test]
fn the_last_days_of_months_and_weeks_are_found() {
    assert_eq!(
        next("0 0 L * *", "UTC", "2026-12-05T00:00:00Z", 2),
        ["12-31 00:00 +00:00", "01-31 00:00 +00:00"]
    );
    assert_eq!(
        next("0 0 L 12 *", "UTC", "2026-01-01T00:00:00Z", 2),
        ["12-31 00:00 +00:00", "12-31 00:00 +00:00"]
    );
    assert_eq!(next("0 0 * 12 5L", "UTC", "2026-01-01T00:00:00Z", 1), ["12-25 00:00 +00:00"]);
    assert_eq!(next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["02-29 00:00 +00:00"], "past 2100");
}

#[test]
fn what_never_comes_is_refused() {
    for cron in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 32 * *"] {
        let told = schedule(cron, "UTC").check().unwrap_err().to_string();
        assert!(told.starts_with("/cron: "), "{cron}: {told}");
    }
}
