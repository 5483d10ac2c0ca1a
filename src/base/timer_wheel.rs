//! Deadlines for many entries at the cost of one timer.

/// A wheel of slots, one per tick. Entries that lie further ahead than the wheel is wide wait in its
/// last slot and are handed out early; whoever takes an entry looks at the time and puts it back.
#[derive(Debug)]
pub struct TimerWheel<T> {
    slots: Vec<Vec<T>>,
    now: u64,
    len: usize,
}

impl<T> TimerWheel<T> {
    /// A wheel of `width` ticks (at least two) that starts at tick `now`.
    pub fn new(width: usize, now: u64) -> Self {
        Self { slots: (0..width.max(2)).map(|_| Vec::new()).collect(), now, len: 0 }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no entry waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Hands `entry` out at tick `due`, at the earliest with the next tick.
    pub fn insert(&mut self, due: u64, entry: T) {
        let last = self.now + self.slots.len() as u64 - 1;
        let slot = self.slot(due.clamp(self.now + 1, last));
        self.slots[slot].push(entry);
        self.len += 1;
    }

    /// Moves on to tick `now` and gives back what became due. `due` is filled, never read.
    pub fn advance(&mut self, now: u64, due: &mut Vec<T>) {
        let turns = now.saturating_sub(self.now).min(self.slots.len() as u64);
        for tick in now - turns + 1..=now {
            let slot = self.slot(tick);
            due.append(&mut self.slots[slot]);
            self.slots[slot].shrink_to(64);
        }
        self.now = self.now.max(now);
        self.len -= due.len().min(self.len);
    }

    fn slot(&self, tick: u64) -> usize {
        (tick % self.slots.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_at_their_tick() {
        let mut wheel = TimerWheel::new(8, 100);
        wheel.insert(103, 'c');
        wheel.insert(101, 'a');
        wheel.insert(50, 'p');
        let mut due = Vec::new();
        wheel.advance(101, &mut due);
        assert_eq!(due, ['a', 'p'], "what is overdue comes with the next tick");
        due.clear();
        wheel.advance(102, &mut due);
        assert!(due.is_empty());
        wheel.advance(103, &mut due);
        assert_eq!(due, ['c']);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_long_pause_loses_nobody() {
        let mut wheel = TimerWheel::new(4, 0);
        (1..=3).for_each(|tick| wheel.insert(tick, tick));
        wheel.insert(1_000, 1_000);
        let mut due = Vec::new();
        wheel.advance(500, &mut due);
        due.sort_unstable();
        assert_eq!(due, [1, 2, 3, 1_000]);
        assert_eq!(wheel.len(), 0);
    }
}
