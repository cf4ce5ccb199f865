use std::time::{Duration, Instant};

/// How fast a check goes, and who is told how far it is.
pub struct Pace<'a> {
    begun: Instant,
    bytes_per_second: Option<u64>,
    expected: u64,
    /// Octets of packs behind us, and of the pack in hand.
    done: u64,
    hashed: u64,
    progress: &'a mut dyn FnMut(u64, u64),
    /// Asked while it waits.
    stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Pace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("done", &self.done).field("expected", &self.expected).finish_non_exhaustive()
    }
}

/// A wait is at most so long at once, so that a stop is heard.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

impl<'a> Pace<'a> {
    /// `bytes_per_second` of messages and records, `None` for as fast as it goes. `progress` is told the stored octets
    /// that are done, and all.
    pub fn new(bytes_per_second: Option<u64>, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        let begun = Instant::now();
        Self { begun, bytes_per_second, expected: 0, done: 0, hashed: 0, progress, stopped: &|| false }
    }

    /// No more waiting once `stopped` says so.
    #[must_use]
    pub fn until(self, stopped: &'a dyn Fn() -> bool) -> Self {
        Self { stopped, ..self }
    }

    pub(super) fn expect(&mut self, bytes: u64) {
        self.expected += bytes;
    }

    /// So many stored octets are done.
    pub(super) fn read(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(self.done, self.expected);
    }

    /// So many octets were hashed: waits where that was too fast.
    pub(super) fn hashed(&mut self, bytes: u64) {
        self.hashed += bytes;
        let Some(rate) = self.bytes_per_second.filter(|rate| *rate > 0) else { return };
        let due = Duration::from_secs_f64(self.hashed as f64 / rate as f64);
        while !(self.stopped)() && self.begun.elapsed() < due {
            std::thread::sleep((due - self.begun.elapsed().min(due)).min(LONGEST_WAIT));
        }
    }
}
