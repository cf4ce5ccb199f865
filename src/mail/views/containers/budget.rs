use super::Limits;
use crate::mail::views::Doubt;

/// What unpacks to less is no bomb, however little it was.
pub(super) const BOMB_BYTES: u64 = 32 << 20;
pub(super) const BOMB_TIMES: u64 = 250;
/// Many messages are looked at side by side, so each holds no more than this at a time.
const MOST_HELD_BYTES: u64 = 64 << 20;
/// Of what archives unpack to, this much is looked into however little they are, and no more however large.
const FEW_BYTES: u64 = 16 << 20;
const MANY_BYTES: u64 = 256 << 20;
const MOST_TIMES: u64 = 32;

/// What may still be unpacked of one message, all its views together.
#[derive(Debug)]
pub(in crate::mail::views) struct Budget {
    /// Octets of members to be looked into.
    left_bytes: u64,
    /// Of those, the ones that are held now.
    held_bytes: u64,
    /// Octets to be read or counted without being held: members can share them.
    left_work: u64,
}

impl Budget {
    pub(in crate::mail::views) fn of(message_bytes: usize, limits: &Limits) -> Self {
        let message = message_bytes as u64;
        let inside = message.saturating_mul(MOST_TIMES).saturating_add(FEW_BYTES).min(MANY_BYTES.max(message));
        let work = message.saturating_mul(BOMB_TIMES).saturating_add(BOMB_BYTES);
        Self { left_bytes: inside, held_bytes: 0, left_work: work.min(limits.total_bytes.saturating_add(inside)) }
    }

    /// The longest that may be unpacked to be held now.
    pub(super) fn room(&self) -> usize {
        let room = self.left_bytes.min(MOST_HELD_BYTES.saturating_sub(self.held_bytes));
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    pub(super) const fn hold(&mut self, bytes: u64) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
    }

    /// Gives back the room, not the right to fill it again.
    pub(super) const fn release(&mut self, bytes: u64) {
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
    }

    /// Whether a member of that length may be looked into, which uses it up.
    pub(super) const fn look(&mut self, bytes: u64) -> bool {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = match left {
            Some(left) => left,
            None => 0,
        };
        left.is_some()
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.left_work == 0
    }

    pub(super) const fn work(&mut self, bytes: u64) {
        self.left_work = self.left_work.saturating_sub(bytes);
    }
}

/// What is told where a budget ends.
pub(super) const EXHAUSTED: Doubt = Doubt::UnpacksToMore;
