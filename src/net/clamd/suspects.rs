//! Messages that clamd had when it died and that it has not answered for since. They are asked about alone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Source;

/// More are not remembered: the oldest is forgotten.
const REMEMBERED: usize = 1024;

/// Length and checksum. Two messages with the same are both asked about alone, which harms nobody.
type Key = (u64, u32);

/// Each with how often clamd died while it had it.
#[derive(Debug, Default)]
pub(super) struct Suspects(Mutex<VecDeque<(Key, u32)>>);

impl Suspects {
    /// How often clamd died while it had this. A clamd may take longer to come back than anybody waits, so it is known
    /// from one question to the next.
    pub(super) fn deaths(&self, source: &Source) -> u32 {
        self.with(|known| if known.is_empty() { 0 } else { place(known, key(source)).map_or(0, |at| known[at].1) })
    }

    pub(super) fn add(&self, source: &Source) {
        let key = key(source);
        self.with(|known| match place(known, key) {
            Some(at) => known[at].1 = known[at].1.saturating_add(1),
            None => {
                if known.len() == REMEMBERED {
                    known.pop_front();
                }
                known.push_back((key, 1));
            }
        });
    }

    pub(super) fn remove(&self, source: &Source) {
        let key = key(source);
        self.with(|known| known.retain(|(other, _)| *other != key));
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<(Key, u32)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn place(known: &VecDeque<(Key, u32)>, key: Key) -> Option<usize> {
    known.iter().position(|(other, _)| *other == key)
}

/// A stream is known by its length only.
fn key(source: &Source) -> Key {
    let checksum = if let Source::Octets(octets) = source { crc32c::crc32c(octets) } else { 0 };
    (source.size_bytes(), checksum)
}
