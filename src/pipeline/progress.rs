use std::sync::atomic::{AtomicU64, Ordering};

/// How far a piece of work is, for whoever shows it while it goes on. Not a record of anything.
#[derive(Debug, Default)]
pub struct Progress {
    wanted: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    pub fn want(&self, messages: u64) {
        self.wanted.fetch_add(messages, Ordering::Relaxed);
    }

    pub fn did(&self, bytes: u64) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Messages asked for, messages done, octets done.
    pub fn read(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.wanted), read(&self.done), read(&self.bytes))
    }
}
