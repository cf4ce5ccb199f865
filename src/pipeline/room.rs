//! Whether the disk has room for more mail, as whoever watches the disk says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

/// Why no mail is taken in for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error(
        "no mail is taken in: the disk of {} has {} free, and {} are needed (storage.reserve). Make room there; what \
         was not fetched stays on the server, and comes once there is room", .folder.display(), Mebibytes(*.free_bytes),
        Mebibytes(*.needed_bytes)
    )]
    Low { folder: PathBuf, free_bytes: u64, needed_bytes: u64 },
    #[error(
        "no mail is taken in: the room that storage.reserve asks for cannot be set aside in {}: {problem}. Make room \
         there, or ask for less", .path.display()
    )]
    Unreserved { path: PathBuf, problem: String },
}

/// Told for as long as there is a shortage.
#[derive(Clone, Debug)]
pub struct Room {
    told: watch::Receiver<Option<Shortage>>,
    /// Asks for a look at the disk, which is not waited for.
    look: Arc<Notify>,
    /// Octets taken in since a look was asked for.
    taken: Arc<AtomicU64>,
}

/// The disk is looked at again when so many octets came, or mail would fill it between two looks.
const LOOK_AFTER_BYTES: u64 = 1 << 20;

impl Room {
    /// `look` is notified when the disk should be looked at.
    pub fn new(told: watch::Receiver<Option<Shortage>>, look: Arc<Notify>) -> Self {
        Self { told, look, taken: Arc::default() }
    }

    pub fn shortage(&self) -> Option<Shortage> {
        self.told.borrow().clone()
    }

    /// So many octets came in.
    pub fn took(&self, octets: u64) {
        if self.taken.fetch_add(octets, Ordering::Relaxed).saturating_add(octets) >= LOOK_AFTER_BYTES {
            self.taken.store(0, Ordering::Relaxed);
            self.look.notify_one();
        }
    }

    /// Resolves when there is room.
    pub async fn there(&mut self) {
        // Without a watcher nobody can say that there is none.
        drop(self.told.wait_for(Option::is_none).await);
    }

    /// Resolves when there is none; never, if nobody watches any more.
    pub async fn short(&mut self) -> Shortage {
        match self.told.wait_for(Option::is_some).await.ok().and_then(|told| told.clone()) {
            Some(shortage) => shortage,
            None => std::future::pending().await,
        }
    }
}

/// To a tenth, rounded down: what is free must not look enough when it is not.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (u128::from(self.0) * 10) >> 20;
        write!(f, "{}.{} MiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_to_the_tenth_of_a_mebibyte() {
        let shown = [0, 104_858, (1 << 20) - 1, 64 << 20, u64::MAX].map(|bytes| Mebibytes(bytes).to_string());
        assert_eq!(shown, ["0.0 MiB", "0.1 MiB", "0.9 MiB", "64.0 MiB", "17592186044415.9 MiB"]);
    }
}
