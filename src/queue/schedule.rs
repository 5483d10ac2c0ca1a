//! Schedules: jobs that are enqueued again and again, by a cron expression in a time zone.
//!
//! A schedule fires once for each time, whatever becomes of the server: that it has fired, and when it does next, is in the
//! same commit as the job. Local times that do not exist, when clocks go forward, fire when the gap is over; those that
//! exist twice fire once, unless the schedule is for every hour.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cron::CronExpression;
use super::enqueue::{NewJob, TIME_MAX};
use super::error::QueueError;
use super::ids::JobType;
use super::keys;
use super::step::Step;
use crate::store::{Expiry, Value, View};

/// What becomes of times that have passed while nobody looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are one.
    #[default]
    Once,
    /// They are left out.
    Skip,
    /// Each has its job.
    All,
}

/// A schedule, at `queue:schedule:{name}`. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// In this time zone, such as "Europe/Berlin".
    pub timezone: String,
    /// The type of its jobs.
    #[serde(rename = "type")]
    pub kind: JobType,
    /// Their payload.
    pub payload: Box<RawValue>,
    /// Their priority.
    #[serde(default)]
    pub priority: i8,
    /// Their attempts, unless the options are to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// What becomes of times that were missed.
    #[serde(default)]
    pub missed: Missed,
    /// Whether it does not fire.
    #[serde(default)]
    pub paused: bool,
    /// When it fires next.
    pub next_at: Option<u64>,
    /// The time that it fired for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<u64>,
    /// How many jobs have come from it.
    #[serde(default)]
    pub fired: u64,
    /// When it was made.
    pub created_at: u64,
    /// The name of whoever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// Letters of a name.
const NAME_MAX: usize = 128;

/// How late a time may be noticed and still not count as missed.
const LATE_MS: u64 = 60_000;

/// From this moment on, in 2024, it is looked whether an expression ever comes.
const NEVER_FROM_MS: u64 = 1_704_067_200_000;

/// A schedule is at most so many times behind.
const CAUGHT_UP_MAX: usize = 100;

impl Schedule {
    /// What is wrong with it, whatever else there is.
    pub(super) fn check(&self) -> Result<(), QueueError> {
        let invalid = |place, text: String| Err(QueueError::Invalid { place, text });
        let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | ':');
        if self.name.is_empty() || self.name.len() > NAME_MAX || !self.name.chars().all(fits) {
            let text = "must be 1 to 128 letters, digits, \".\", \"_\", \"-\" and \":\"";
            return invalid("name", text.to_owned());
        }
        if TimeZone::get(&self.timezone).is_err() {
            return invalid(
                "timezone",
                format!("\"{}\" is no time zone, such as Europe/Berlin", self.timezone),
            );
        }
        if let Err(text) = CronExpression::parse(&self.cron) {
            return invalid("cron", text);
        }
        // Whatever the year is now: what comes, comes within the twenty-eight years of the calendar.
        if self.after(NEVER_FROM_MS).is_none() {
            return invalid("cron", "never comes: there is no such day".to_owned());
        }
        Ok(())
    }

    /// The first time after another one; `None` if there is none.
    pub(super) fn after(&self, at_ms: u64) -> Option<u64> {
        let at = Timestamp::from_millisecond(i64::try_from(at_ms.min(TIME_MAX)).ok()?).ok()?;
        let zone = TimeZone::get(&self.timezone).ok()?;
        let next = CronExpression::parse(&self.cron).ok()?.next(at, &zone)?;
        u64::try_from(next.as_millisecond()).ok()
    }

    fn job(&self) -> NewJob {
        NewJob {
            priority: i64::from(self.priority),
            max_attempts: self.max_attempts,
            created_by: self.created_by.clone(),
            schedule: Some(self.name.clone()),
            ..NewJob::new(self.kind.clone(), self.payload.clone())
        }
    }
}

impl Step<'_> {
    /// Makes a schedule, or replaces one: it goes on from now.
    pub(super) fn set_schedule(&mut self, mut schedule: Schedule) -> Result<Schedule, QueueError> {
        let before = read(self.view, &schedule.name);
        let limit = self.options.schedules_max;
        if before.is_none() && self.view.count(keys::SCHEDULES.as_bytes()) >= limit {
            return Err(QueueError::TooManySchedules { limit });
        }
        if let Some(before) = &before {
            (schedule.fired, schedule.last_at, schedule.created_at) =
                (before.fired, before.last_at, before.created_at);
        } else {
            schedule.created_at = self.now_ms;
        }
        self.plan(before.as_ref(), &mut schedule, self.now_ms);
        Ok(schedule)
    }

    /// Takes a schedule away. Its jobs stay.
    pub(super) fn remove_schedule(&mut self, name: &str) -> Result<(), QueueError> {
        let schedule = read(self.view, name).ok_or_else(|| QueueError::NoSchedule(name.to_owned()))?;
        self.remove(keys::schedule(name));
        if let Some(at) = schedule.next_at {
            self.remove(keys::due(at, name));
        }
        Ok(())
    }

    /// Writes a schedule that fires next after this time.
    fn plan(&mut self, before: Option<&Schedule>, schedule: &mut Schedule, after_ms: u64) {
        if let Some(at) = before.and_then(|before| before.next_at) {
            self.remove(keys::due(at, &schedule.name));
        }
        schedule.next_at = if schedule.paused { None } else { schedule.after(after_ms) };
        if let Some(at) = schedule.next_at {
            self.mark(keys::due(at, &schedule.name), Expiry::Never);
        }
        let text = serde_json::to_vec(schedule).unwrap_or_default();
        self.put(keys::schedule(&schedule.name), Value::json(text), Expiry::Never);
    }

    /// Enqueues what schedules want by now.
    pub(super) fn fire_schedules(&mut self, left: &mut usize) {
        let due: Vec<(u64, String)> = self
            .view
            .prefix(keys::DUE.as_bytes())
            .map_while(|(key, _)| keys::due_of(key))
            .take_while(|(at, _)| *at <= self.now_ms)
            .take(*left)
            .map(|(at, name)| (at, name.to_owned()))
            .collect();
        *left -= due.len();
        for (at, name) in due {
            match read(self.view, &name) {
                Some(schedule) => self.fire(schedule, at),
                None => self.remove(keys::due(at, &name)),
            }
        }
    }

    fn fire(&mut self, mut schedule: Schedule, at: u64) {
        let before = schedule.clone();
        let late = self.now_ms.saturating_sub(at) > LATE_MS;
        let mut times = vec![at];
        if schedule.missed == Missed::All {
            while times.len() < CAUGHT_UP_MAX
                && let Some(next) = schedule.after(times[times.len() - 1]).filter(|next| *next <= self.now_ms)
            {
                times.push(next);
            }
        }
        let last = times[times.len() - 1];
        if schedule.missed == Missed::Skip && late {
            times.clear();
        }
        for _ in &times {
            // What is refused here, a full queue, is refused in vain: the time passes, and the log tells.
            match self.enqueue(schedule.job()) {
                Ok(_) => schedule.fired += 1,
                Err(error) => tracing::error!(%error, schedule = schedule.name, "a schedule could not fire"),
            }
        }
        schedule.last_at = Some(last);
        let after_ms = if schedule.missed == Missed::All { last } else { self.now_ms };
        self.plan(Some(&before), &mut schedule, after_ms);
    }
}

/// The schedule of this name.
pub(super) fn read(view: &View, name: &str) -> Option<Schedule> {
    let value = view.value(keys::schedule(name).as_bytes())?;
    let schedule = serde_json::from_slice(value.as_bytes());
    schedule.inspect_err(|error| tracing::error!(%error, name, "a schedule is not readable")).ok()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
