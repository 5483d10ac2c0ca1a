//! Cron expressions, and which moments they name in a time zone.
//!
//! An expression names local times; the library finds them on a calendar without a zone. Which moments those are is
//! decided here, for local time has gaps and repeats itself when clocks change: a time in a gap is when the gap is over, a
//! time that comes twice counts the first time. An expression for every hour goes by the hours that there really are.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Changes of the clock that are looked through for the next time: a century of them.
const CHANGES_MAX: usize = 200;

/// A schedule of local times.
#[derive(Clone, Debug)]
pub(super) struct CronExpression {
    cron: Cron,
    /// It has all hours, or each second, third … of them.
    hourly: bool,
}

impl CronExpression {
    /// Reads five fields: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// With what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != 5 {
            let count = fields.len();
            return Err(format!(
                "has {count} fields, not five: minute, hour, day of the month, month, day of the week"
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| error.to_string().replace('\n', " "))?;
        Ok(Self { cron, hourly: fields[1].starts_with('*') })
    }

    /// The first moment after another one; `None` if there never is one.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self.hourly {
            true => self.next_of_hours(after, zone),
            false => self.next_of_days(after, zone),
        }
    }

    fn next_local(&self, after: DateTime, inclusive: bool) -> Option<DateTime> {
        self.cron.find_next_occurrence(&after, inclusive).ok()
    }

    /// Between two changes of the clock local time runs on like any other.
    fn next_of_hours(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (after, false);
        let mut changes = zone.following(after).take(CHANGES_MAX);
        loop {
            let offset = zone.to_offset(from);
            let change = changes.next().map(|change| change.timestamp());
            let local = self.next_local(offset.to_datetime(from), inclusive)?;
            let found = offset.to_timestamp(local).ok()?;
            match change {
                Some(change) if found >= change => (from, inclusive) = (change, true),
                _ => return Some(found),
            }
        }
    }

    /// Day by day in local time.
    fn next_of_days(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut local = zone.to_datetime(after);
        loop {
            local = self.next_local(local, false)?;
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let moment = match ambiguous.offset() {
                AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().ok()?,
                AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok()?,
                // The gap is over at the last change before a time behind it.
                AmbiguousOffset::Gap { .. } => {
                    let behind = ambiguous.later().ok()?;
                    zone.preceding(behind).next().map_or(behind, |change| change.timestamp())
                }
            };
            if moment > after {
                return Some(moment);
            }
        }
    }
}
