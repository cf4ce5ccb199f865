use super::Limits;
use crate::mail::views::Doubt;

/// What unpacks to less is no bomb, however little it was.
pub(super) const BOMB_BYTES: u64 = 32 << 20;
pub(super) const BOMB_TIMES: u64 = 250;
/// Many messages are looked at side by side, so each holds no more than this at a time.
const MOST_HELD_BYTES: u64 = 64 << 20;

/// What may still be unpacked of one message, all its views together.
#[derive(Debug)]
pub(in crate::mail::views) struct Budget {
    /// Octets to be held: archives that lie packed in archives.
    left_bytes: u64,
    /// Of those, the ones that are held now.
    held_bytes: u64,
    /// Octets to be read or counted without being held: members can share them.
    left_work: u64,
}

impl Budget {
    pub(in crate::mail::views) fn of(message_bytes: usize, limits: &Limits) -> Self {
        let message = message_bytes as u64;
        let few = message.saturating_mul(4).saturating_add(1 << 20);
        let work = message.saturating_mul(BOMB_TIMES).saturating_add(BOMB_BYTES);
        Self { left_bytes: few, held_bytes: 0, left_work: work.min(limits.total_bytes.saturating_add(few)) }
    }

    /// The longest that may be unpacked to be held now.
    pub(super) fn room(&self) -> u64 {
        self.left_bytes.min(MOST_HELD_BYTES.saturating_sub(self.held_bytes))
    }

    pub(super) fn hold(&mut self, octets: &[u8]) {
        self.left_bytes = self.left_bytes.saturating_sub(octets.len() as u64);
        self.held_bytes += octets.len() as u64;
    }

    /// Gives back the room, not the right to fill it again.
    pub(super) fn release(&mut self, octets: &[u8]) {
        self.held_bytes -= octets.len() as u64;
    }

    pub(super) const fn left_work(&self) -> u64 {
        self.left_work
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.left_work == 0
    }

    pub(super) fn work(&mut self, bytes: u64) {
        self.left_work = self.left_work.saturating_sub(bytes);
    }
}

/// What is told where a budget ends.
pub(super) fn exhausted() -> Doubt {
    Doubt::UnpacksToMore
}
