//! What happens with time: leases end, those that wait for a time have waited long enough, schedules fire, the oldest go.

use super::ids::JobType;
use super::job::Status;
use super::keys;
use super::step::{Step, read};
use crate::store::View;

/// What one step takes at the most; what is left is taken by the next.
const BATCH: usize = 500;

impl Step<'_> {
    /// Does what is due. Says whether there may be more.
    pub(super) fn tick(&mut self) -> bool {
        let mut left = BATCH;
        self.expire_leases(&mut left);
        self.wake(&mut left);
        self.fire_schedules(&mut left);
        self.forget_beyond(&mut left);
        left == 0
    }

    fn expire_leases(&mut self, left: &mut usize) {
        for key in self.due_in(keys::LEASED, left) {
            let job = keys::id_of(&key).and_then(|id| read(self.view, id));
            match job.filter(|job| job.status == Status::InProgress) {
                Some(job) => self.expire(job),
                None => self.commands.push(crate::store::Command::delete(key)),
            }
        }
    }

    /// Those whose time has come lie among the others now. Nothing else of them changes.
    fn wake(&mut self, left: &mut usize) {
        for key in self.due_in(keys::DELAYED, left) {
            let job = keys::id_of(&key).and_then(|id| read(self.view, id));
            self.commands.push(crate::store::Command::delete(key));
            if let Some(job) = job.filter(|job| job.status == Status::Pending) {
                self.mark(keys::ready(&job), crate::store::Expiry::Never);
            }
        }
    }

    /// Of each type the oldest that are done go, if there are too many.
    fn forget_beyond(&mut self, left: &mut usize) {
        let family = keys::over(Status::Done);
        for kind in keys::types(self.view, family) {
            let beyond = self.count(family, &kind).saturating_sub(self.options.retention_max).min(*left);
            let line = keys::line(family, &kind);
            let old: Vec<Vec<u8>> =
                self.view.prefix(line.as_bytes()).take(beyond).map(|(key, _)| key.to_vec()).collect();
            *left -= old.len();
            for key in old {
                if let Some(id) = keys::id_of(&key) {
                    self.remove(keys::job(id));
                    self.remove(keys::payload(id));
                }
                self.commands.push(crate::store::Command::delete(key));
            }
        }
    }

    /// Keys of a family whose time has come.
    fn due_in(&self, family: &str, left: &mut usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for kind in keys::types(self.view, family) {
            let line = keys::line(family, &kind);
            let keys = self.view.prefix(line.as_bytes()).map(|(key, _)| key);
            let due = keys.take_while(|key| keys::time_of(key).is_none_or(|at| at <= self.now_ms));
            found.extend(due.take(*left - found.len()).map(<[u8]>::to_vec));
        }
        *left -= found.len();
        found
    }
}

/// When something is due next, in milliseconds since the Unix epoch; `None` if nothing is.
pub(super) fn next_due(view: &View, retention_max: usize) -> Option<u64> {
    let first = |family: &'static str| {
        let heads = keys::types(view, family).filter_map(move |kind: JobType| {
            let line = keys::line(family, &kind);
            view.prefix(line.as_bytes()).next().and_then(|(key, _)| keys::time_of(key))
        });
        heads.min()
    };
    let schedule = view.prefix(keys::DUE.as_bytes()).next().and_then(|(key, _)| keys::due_of(key));
    let done = keys::over(Status::Done);
    let beyond = |kind: JobType| view.count(keys::line(done, &kind).as_bytes()) > retention_max;
    let too_many = keys::types(view, done).any(beyond).then_some(0);
    [first(keys::LEASED), first(keys::DELAYED), schedule.map(|(at, _)| at), too_many]
        .into_iter()
        .flatten()
        .min()
}
