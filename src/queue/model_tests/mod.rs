//! The queue beside the simplest thing that could be one, with the power cut at any operation of the disk and the clock
//! jumping: each job is acknowledged or still owed, no job has two live leases, and what waits comes in its order.

#![cfg(feature = "testing")]

mod run;

use std::collections::HashMap;

use serde_json::value::RawValue;

use self::run::{KINDS, Model, Run, effects_key, queue_ready};
use super::lease::Demand;
use super::*;

impl Run {
    /// Something random. `false` if the store gave no answer: the power is off.
    fn step(&mut self, queue: &Queue) -> bool {
        match self.random.next_u64() % 20 {
            0..5 => self.enqueue(queue),
            5..9 => self.lease(queue),
            9..11 => self.ack(queue),
            11 => self.nack(queue),
            12 => self.extend(queue),
            13 => self.release(queue),
            14 => self.cancel(queue),
            15 => self.retry(queue),
            16 => self.with_stale(queue),
            17 => {
                // Somebody may be too late now.
                // Jumps too: a laptop that slept.
                let by = if self.random.next_u64().is_multiple_of(5) { 400_000 } else { 3_000 };
                self.clock.advance_ms(self.random.next_u64() % by);
                true
            }
            18 => self.with_stale(queue),
            _ => self.tick(queue),
        }
    }

    fn enqueue(&mut self, queue: &Queue) -> bool {
        let kind = KINDS[self.random.next_u64() as usize % KINDS.len()];
        let payload = match self.random.next_u64() % 4 {
            0 => format!("\"{}\"", "x".repeat(3_000)),
            1 => "null".to_owned(),
            _ => "{\"n\":1}".to_owned(),
        };
        let delay_ms = self.random.next_u64().is_multiple_of(4).then(|| self.random.next_u64() % 5_000);
        let (priority, max_attempts) =
            (self.random.next_u64() as i64 % 3, 1 + (self.random.next_u64() % 3) as u32);
        let new = NewJob {
            priority,
            delay_ms,
            max_attempts: Some(max_attempts),
            visibility_timeout: Some(1 + self.random.next_u64() % 5),
            ..NewJob::new(kind.parse().unwrap(), RawValue::from_string(payload).unwrap())
        };
        let Ok(made) = self.rt.block_on(queue.enqueue(new)) else { return false };
        let at = self.now() + delay_ms.unwrap_or(0);
        let (priority, order) = (priority as i8, self.jobs.len());
        let status = Status::Pending;
        let job = Model { status, attempts: 0, max_attempts, priority, kind, order, at, token: None };
        assert!(self.jobs.insert(made.id, job).is_none(), "seed {}: a new id", self.seed);
        true
    }

    fn lease(&mut self, queue: &Queue) -> bool {
        let kinds: Vec<&str> =
            KINDS.into_iter().filter(|_| self.random.next_u64().is_multiple_of(2)).collect();
        let room = 1 + self.random.next_u64() as usize % 3;
        let types = kinds.iter().map(|kind| kind.parse().unwrap()).collect();
        let demand = Demand { seat: 1, worker: "w".into(), by: None, types, room };
        let given = self.rt.block_on(queue.decide(move |step| Ok(step.lease(vec![demand], &HashMap::new()))));
        let Ok(given) = given else { return false };
        let now = self.now();
        for (_, lease) in &given {
            let (id, seed) = (lease.job.id, self.seed);
            // What must come next: of those that lie among the ready, the first.
            let next = self
                .jobs
                .iter()
                .filter(|(id, job)| kinds.is_empty() || kinds.contains(&job.kind) || **id == lease.job.id)
                .filter(|(id, job)| job.status == Status::Pending && queue_ready(queue, **id, &given))
                .filter(|(_, job)| job.kind != "a" || self.running("a") < 4)
                .min_by_key(|(_, job)| (-i16::from(job.priority), job.order));
            assert_eq!(next.map(|(id, _)| *id), Some(id), "seed {seed}: the next in its order");
            let job = self.jobs.get_mut(&id).unwrap();
            assert!(!job.is_live(now) && job.status == Status::Pending, "seed {seed}: {id} is leased twice");
            (job.status, job.attempts) = (Status::InProgress, job.attempts + 1);
            (job.at, job.token) = (lease.until, Some(lease.token));
            assert!(lease.job.payload.is_some() && job.attempts <= job.max_attempts, "seed {seed}");
        }
        assert!(self.running("a") <= 4, "seed {}: no more of a type than may", self.seed);
        true
    }

    fn running(&self, kind: &str) -> usize {
        self.jobs.values().filter(|job| job.kind == kind && job.status == Status::InProgress).count()
    }

    /// A job with a live lease, and what proves it.
    fn held(&mut self) -> Option<(JobId, LeaseToken)> {
        let now = self.now();
        let id = self.pick(|job| job.is_live(now) && job.token.is_some())?;
        Some((id, self.jobs[&id].token.unwrap()))
    }

    fn settled(&mut self, id: JobId, status: Status, at: Option<u64>) {
        let now = self.now();
        let job = self.jobs.get_mut(&id).unwrap();
        job.status = status;
        job.at = at.unwrap_or(now);
        if let Some(token) = job.token.take() {
            self.stale.push((id, token));
        }
    }

    fn ack(&mut self, queue: &Queue) -> bool {
        let Some((id, token)) = self.held() else { return true };
        let effects =
            vec![Command::Increment { key: format!("kv:{id}").into_bytes().into(), by: 1, json: true }];
        let result = RawValue::from_string("1".into()).ok();
        for _ in 0..2 {
            // Said twice it is said once.
            let effects = vec![Command::Increment { key: effects_key(&effects), by: 1, json: true }];
            match self.rt.block_on(queue.ack(Ack { id, token, result: result.clone(), effects })) {
                Ok(settled) => assert_eq!(settled.status, Status::Done),
                Err(QueueError::Store(_)) => return false,
                Err(error) => panic!("seed {}: {error}", self.seed),
            }
        }
        self.settled(id, Status::Done, None);
        self.acknowledged.insert(id, 1);
        true
    }

    fn nack(&mut self, queue: &Queue) -> bool {
        let Some((id, token)) = self.held() else { return true };
        let permanent = self.random.next_u64().is_multiple_of(4);
        let nacked = self.rt.block_on(queue.nack(id, token, Some("no".into()), permanent, None));
        let Ok(settled) = nacked else { return false };
        let job = &self.jobs[&id];
        let status = match permanent {
            true => Status::Failed,
            false if job.attempts >= job.max_attempts => Status::Dlq,
            false => Status::Pending,
        };
        assert_eq!(settled.status, status, "seed {}", self.seed);
        let limit = 2_000u64 << (job.attempts - 1);
        assert!(settled.run_at.is_none_or(|at| at <= self.now() + limit.min(8_000)), "seed {}", self.seed);
        self.settled(id, status, settled.run_at);
        true
    }

    fn extend(&mut self, queue: &Queue) -> bool {
        let Some((id, token)) = self.held() else { return true };
        let Ok(until) = self.rt.block_on(queue.extend(id, token, Some(7))) else { return false };
        assert_eq!(until, self.now() + 7_000);
        self.jobs.get_mut(&id).unwrap().at = until;
        true
    }

    fn release(&mut self, queue: &Queue) -> bool {
        let Some((id, token)) = self.held() else { return true };
        if self.rt.block_on(queue.release(id, token)).is_err() {
            return false;
        }
        self.jobs.get_mut(&id).unwrap().attempts -= 1;
        self.settled(id, Status::Pending, None);
        true
    }

    fn cancel(&mut self, queue: &Queue) -> bool {
        let Some(id) = self.pick(|_| true) else { return true };
        let status = self.jobs[&id].status;
        match self.rt.block_on(queue.cancel(id, None)) {
            Ok(_) => {
                assert!(!status.is_over() || status == Status::Cancelled, "seed {}: {status}", self.seed);
                self.settled(id, Status::Cancelled, None);
            }
            Err(QueueError::Status { .. }) => assert!(status.is_over() && status != Status::Cancelled),
            Err(_) => return false,
        }
        true
    }

    fn retry(&mut self, queue: &Queue) -> bool {
        let Some(id) = self.pick(|job| job.status != Status::InProgress) else { return true };
        let status = self.jobs[&id].status;
        match self.rt.block_on(queue.retry(id)) {
            Ok(_) if status == Status::Pending => self.jobs.get_mut(&id).unwrap().at = self.now(),
            Ok(_) => {
                assert!(status.is_over() && status != Status::Done, "seed {}: {status}", self.seed);
                self.settled(id, Status::Pending, None);
                self.jobs.get_mut(&id).unwrap().attempts = 0;
            }
            Err(QueueError::Status { .. }) => assert_eq!(status, Status::Done, "seed {}", self.seed),
            Err(_) => return false,
        }
        true
    }

    /// Whoever comes with a lease that is over changes nothing.
    fn with_stale(&mut self, queue: &Queue) -> bool {
        let now = self.now();
        let overdue = self.jobs.iter().filter(|(_, job)| job.status == Status::InProgress && job.at <= now);
        let mut stale: Vec<_> = overdue.filter_map(|(id, job)| Some((*id, job.token?))).collect();
        if stale.is_empty() || self.random.next_u64().is_multiple_of(2) {
            stale.extend(self.stale.iter().copied());
        }
        if stale.is_empty() {
            return true;
        }
        let (id, token) = stale[self.random.next_u64() as usize % stale.len()];
        let before = queue.job(id).ok().map(|job| job.sequence);
        let done = match self.random.next_u64() % 4 {
            0 => self
                .rt
                .block_on(queue.ack(Ack { id, token, result: None, effects: Vec::new() }))
                .map(|settled| settled.repeated),
            1 => self.rt.block_on(queue.nack(id, token, None, false, None)).map(|settled| settled.repeated),
            2 => self.rt.block_on(queue.release(id, token)).map(|settled| settled.repeated),
            _ => self.rt.block_on(queue.extend(id, token, None)).map(|_| false),
        };
        match done {
            Ok(repeated) => assert!(repeated, "seed {}: a lease that is over is good", self.seed),
            Err(QueueError::LeaseLost(_)) => {}
            Err(_) => return false,
        }
        assert_eq!(queue.job(id).ok().map(|job| job.sequence), before, "seed {}", self.seed);
        true
    }

    fn tick(&mut self, queue: &Queue) -> bool {
        loop {
            match self.rt.block_on(queue.decide(|step| Ok(step.tick()))) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return false,
            }
        }
        let now = self.now();
        let over: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.status == Status::InProgress && job.at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            let job = &self.jobs[&id];
            let status = if job.attempts >= job.max_attempts { Status::Dlq } else { Status::Pending };
            self.settled(id, status, None);
        }
        true
    }
}

fn live(seed: u64) {
    println!("seed {seed}");
    let mut run = Run::new(seed);
    for _ in 0..4 {
        let queue = run.open();
        run.adopt(&queue);
        run.compare(&queue);
        run.disk.cut_power_after(run.random.next_u64() % 600);
        for _ in 0..200 {
            if !run.step(&queue) {
                break;
            }
            run.compare(&queue);
        }
        drop(queue);
        run.disk = run.disk.after_power_cut();
    }
    // In the end everything that is owed is done.
    let queue = run.open();
    run.adopt(&queue);
    let mut rounds = 0;
    while run.jobs.values().any(|job| !job.status.is_over()) {
        rounds += 1;
        assert!(rounds < 1_000, "seed {seed}: something is owed for ever");
        run.clock.advance_ms(400_000);
        assert!(run.tick(&queue));
        assert!(run.lease(&queue));
        while run.held().is_some() {
            assert!(run.ack(&queue));
        }
    }
    run.compare(&queue);
}

#[test]
fn every_job_is_acknowledged_or_owed_and_has_one_lease() {
    let runs = std::env::var("HELIOS_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(8);
    let first: u64 = std::env::var("HELIOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + runs {
        live(seed);
    }
}
