//! Room on the disk that is set aside, so that catalog, journal and index can still be written when mail no longer
//! fits: `DATA_DIR/reserve`, a file of really allocated octets.
//! Knows nothing about sessions; what it finds is told through [`Room`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tokio::sync::{Notify, watch};

use super::Shortage;
use crate::config::Config;
use crate::pipeline::{Budget, Room};
use crate::{files, telemetry};

/// How often the disk is looked at; while mail comes in, more often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the state of the disk asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// There is room for mail.
    Poll,
    /// There is room for mail and for the reserve, which is missing.
    SetAside,
    /// No more mail.
    Pause,
    /// No more mail, and the reserve goes too: what is here already needs its room.
    GiveUp,
}

/// `free` are the octets that are free beside the reserve, `coming` those of them that will be written in a moment. A
/// reserve that was given up comes back only when there is room for it twice: room that giving it up made is none.
const fn course(free: u64, coming: u64, is_held: bool, reserve: u64) -> Course {
    let left = free.saturating_sub(coming);
    match (is_held, reserve) {
        (_, 0) => Course::Poll,
        (true, _) if left >= reserve => Course::Poll,
        (true, _) if free >= reserve / 4 => Course::Pause,
        (true, _) => Course::GiveUp,
        (false, _) if left >= needed(false, reserve) => Course::SetAside,
        (false, _) => Course::Pause,
    }
}

/// What has to be free for mail to come in.
const fn needed(is_held: bool, reserve: u64) -> u64 {
    if is_held { reserve } else { reserve.saturating_mul(2) }
}

/// The reserve of one archive.
#[derive(Clone, Debug)]
pub struct Reserve {
    folder: PathBuf,
    octets: u64,
}

impl Reserve {
    pub fn of(config: &Config) -> Self {
        Self { folder: config.data_dir.clone(), octets: config.storage.reserve }
    }

    /// Gives the reserve up if the disk is nearly full: an archive without an owner could not even be opened. Whoever
    /// comes first does it; an owner sees at its next look that it is gone.
    pub fn make_way(&self) {
        if self.course(0).is_ok_and(|(_, course)| course == Course::GiveUp) {
            self.give_up();
        }
    }

    /// Why no mail would be taken in now. Changes nothing.
    pub fn shortage(&self) -> Option<Shortage> {
        match self.course(0).ok()? {
            (free, Course::Pause | Course::GiveUp) => Some(self.low(free)),
            (_, Course::Poll | Course::SetAside) => None,
        }
    }

    /// Watches the disk, from the first look, which is over when this returns, until `shutdown`.
    /// What is on its way to the disk counts as written, or sessions would fill the disk before it shows.
    pub(super) fn watch(
        self,
        budget: Budget,
        mut shutdown: watch::Receiver<bool>,
    ) -> (Room, impl Future<Output = ()> + Send) {
        self.clear_away();
        let (told, room) = watch::channel(None);
        let told = Arc::new(told);
        self.look(0, &told);
        let asked = Arc::new(Notify::new());
        let room = Room::new(room, asked.clone());
        let watching = async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                    () = asked.notified() => {}
                    _ = shutdown.wait_for(|shutdown| *shutdown) => return,
                }
                let (reserve, coming, told) = (self.clone(), budget.used_bytes(), told.clone());
                // A panic has been printed; what was told last stays true.
                drop(tokio::task::spawn_blocking(move || reserve.look(coming, &told)).await);
            }
        };
        (room, watching)
    }

    /// Does what the disk asks for, and tells it. `coming`: octets that will be written in a moment.
    fn look(&self, coming: u64, told: &watch::Sender<Option<Shortage>>) {
        let shortage = match self.course(coming) {
            // Nothing is known about the disk now; whoever writes to it will be told.
            Err(error) => return telemetry::disk_unknown(&self.folder, &error),
            Ok((_, Course::Poll)) => None,
            Ok((free, Course::Pause)) => Some(self.low(free)),
            Ok((free, Course::GiveUp)) => {
                self.give_up();
                Some(self.low(self.free().unwrap_or(free)))
            }
            Ok((free, Course::SetAside)) => self.set_aside().err().map(|error| self.unreserved(free, &error)),
        };
        match (&*told.borrow(), &shortage) {
            (None, Some(shortage)) => telemetry::room_short(shortage),
            (Some(_), None) => telemetry::room_again(),
            _ => {}
        }
        told.send_if_modified(|before| std::mem::replace(before, shortage.clone()) != shortage);
    }

    /// What is left beside what is `coming`, and what that asks for.
    fn course(&self, coming: u64) -> io::Result<(u64, Course)> {
        let free = self.free()?;
        Ok((free.saturating_sub(coming), course(free, coming, self.is_held(), self.octets)))
    }

    /// Octets that this user may still write to the disk.
    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn is_held(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok_and(|file| file.is_file() && file.len() == self.octets)
    }

    fn low(&self, free_bytes: u64) -> Shortage {
        let needed_bytes = needed(self.is_held(), self.octets);
        Shortage::Low { folder: self.folder.clone(), free_bytes, needed_bytes }
    }

    fn unreserved(&self, free: u64, error: &io::Error) -> Shortage {
        match error.kind() {
            // Others were faster.
            io::ErrorKind::StorageFull => self.low(self.free().unwrap_or(free)),
            _ => Shortage::Unreserved { path: self.path(), problem: error.to_string() },
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("reserve")
    }

    /// Removes a file that is no reserve: half made, of another size, or a copy that came back with holes.
    fn clear_away(&self) {
        let path = self.path();
        let Ok(file) = fs::symlink_metadata(&path) else { return };
        if self.octets == 0 || !self.is_held() || file.blocks() * 512 < self.octets {
            remove(&path);
        }
    }

    fn give_up(&self) {
        remove(&self.path());
        telemetry::reserve_given_up(&self.path());
    }

    fn set_aside(&self) -> io::Result<()> {
        let path = self.path();
        drop(fs::remove_file(&path));
        let file = files::create_private_file(&path)?;
        if let Err(error) = allocate(&file, self.octets) {
            drop(fs::remove_file(&path));
            return Err(error);
        }
        files::sync_data(&file, &path);
        files::sync_dir(&self.folder)
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        telemetry::reserve_stuck(path, &error);
    }
}

/// Makes the file so long, with every octet of it on the disk.
fn allocate(mut file: &File, octets: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, octets) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let zeros = vec![0; 1 << 20];
            let mut left = octets;
            while left > 0 {
                let piece = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                file.write_all(&zeros[..piece])?;
                left -= piece as u64;
            }
            Ok(())
        }
        allocated => Ok(allocated?),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const R: u64 = 64 << 20;

    #[test]
    fn what_the_disk_asks_for() {
        for (free, is_held, expected) in [
            (0, true, Course::GiveUp),
            (R / 4 - 1, true, Course::GiveUp),
            (R / 4, true, Course::Pause),
            (R - 1, true, Course::Pause),
            (R, true, Course::Poll),
            (u64::MAX, true, Course::Poll),
            (0, false, Course::Pause),
            (R + R / 4, false, Course::Pause),
            (2 * R - 1, false, Course::Pause),
            (2 * R, false, Course::SetAside),
            (u64::MAX, false, Course::SetAside),
        ] {
            assert_eq!(course(free, 0, is_held, R), expected, "{free} free, held: {is_held}");
        }
        assert_eq!([course(0, 0, true, 0), course(0, 9, false, 0)], [Course::Poll; 2], "there is no reserve");
        assert_eq!(course(R, 1, true, R), Course::Pause, "what comes counts as written, …");
        assert_eq!(course(R, R, true, R), Course::Pause, "… but nothing is given up to it");
    }

    proptest! {
        /// Whatever the disk is like, two looks settle it, and what they lead to lasts while the disk stays as it is.
        #[test]
        fn what_was_done_is_not_undone_by_the_next_look(free in any::<u64>(), is_held: bool, reserve in 1..u64::MAX / 4) {
            let (free, is_held) = match course(free, 0, is_held, reserve) {
                Course::SetAside => (free - reserve, true),
                Course::GiveUp => (free + reserve, false),
                Course::Poll | Course::Pause => (free, is_held),
            };
            let settled = course(free, 0, is_held, reserve);
            prop_assert!(matches!(settled, Course::Poll | Course::Pause), "{settled:?}");
            prop_assert_eq!(settled == Course::Poll, is_held && free >= reserve);
        }

        /// More room never means less mail.
        #[test]
        fn more_room_is_never_worse(free in any::<u64>(), more in any::<u64>(), is_held: bool, reserve in any::<u64>()) {
            let takes = |free| matches!(course(free, 0, is_held, reserve), Course::Poll | Course::SetAside);
            prop_assert!(!takes(free) || takes(free.saturating_add(more)));
        }
    }

    fn reserve(folder: &Path, octets: u64) -> Reserve {
        Reserve { folder: folder.to_owned(), octets }
    }

    #[test]
    fn it_is_really_on_the_disk_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = reserve(folder.path(), 3 << 20);
        reserve.set_aside().unwrap();
        let file = reserve.path().metadata().unwrap();
        assert_eq!((file.len(), file.mode() & 0o777), (3 << 20, 0o600));
        assert!(file.blocks() * 512 >= 3 << 20, "{} blocks", file.blocks());
        reserve.clear_away();
        assert!(reserve.is_held());
    }

    #[test]
    fn a_file_that_is_no_reserve_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = reserve(folder.path(), 3 << 20);
        for (octets, why) in [(1 << 20, "half made"), (3 << 20, "with holes")] {
            files::create_private_file(&reserve.path()).unwrap().set_len(octets).unwrap();
            reserve.clear_away();
            assert!(!reserve.path().exists(), "{why}");
        }
        reserve.set_aside().unwrap();
        Reserve { octets: 0, ..reserve.clone() }.clear_away();
        assert!(!reserve.path().exists(), "turned off");
    }
}
