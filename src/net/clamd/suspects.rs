//! Messages that clamd had when it died and that it has not answered for since. They are asked about alone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Source;

/// More are not remembered: the oldest is forgotten.
const REMEMBERED: usize = 1024;

/// Length and checksum. Two messages with the same are both asked about alone, which harms nobody.
type Key = (u64, u32);

#[derive(Debug, Default)]
pub(super) struct Suspects(Mutex<VecDeque<Key>>);

impl Suspects {
    pub(super) fn has(&self, source: &Source) -> bool {
        self.with(|keys| !keys.is_empty() && keys.contains(&key(source)))
    }

    pub(super) fn add(&self, source: &Source) {
        let key = key(source);
        self.with(|keys| {
            if keys.contains(&key) {
                return;
            }
            if keys.len() == REMEMBERED {
                keys.pop_front();
            }
            keys.push_back(key);
        });
    }

    pub(super) fn remove(&self, source: &Source) {
        let key = key(source);
        self.with(|keys| keys.retain(|other| *other != key));
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Key>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream is known by its length only.
fn key(source: &Source) -> Key {
    let checksum = if let Source::Octets(octets) = source { crc32c::crc32c(octets) } else { 0 };
    (source.size_bytes(), checksum)
}
