//! By which time the age of mail is judged where it is deleted by its age (`delete_after`).
//!
//! A clock that was set forward makes all mail old at once, and so does one that was behind and is right again. From within
//! both look like a time from which nothing is on record. Such a time counts for nothing until there was a day to notice it
//! and to set the clock back, and for a day, or a quarter of the wait, from then on: mail is as old as somebody saw it become.

use std::time::Duration;

use crate::catalog::{self, Catalog, Gap};
use crate::config::{Account, AfterArchive};
use crate::mail::{AccountId, Timestamp};

/// The time by which this account's mail is as old as somebody saw it become. Never later than `now`.
pub(super) fn judged_at(
    catalog: &Catalog,
    account: &Account,
    id: &AccountId,
    now: Timestamp,
) -> Result<Timestamp, catalog::Error> {
    let AfterArchive::DeleteAfter(wait) = account.after_archive else { return Ok(now) };
    let mut walk = Walk::from(now, wait);
    catalog.sessions_back(id, &mut |began, ended| walk.over(began, ended))?;
    Ok(walk.judged_at(wait))
}

/// From now back over the sessions, until `left` of time was seen pass.
#[derive(Debug)]
struct Walk {
    now: Timestamp,
    at: Timestamp,
    left: i64,
    /// A time from which nothing is on record counts for so long at most: who polls each week must not wait for years.
    most: i64,
    /// The earliest beginning of a session on the way: what one kept is younger than what was kept before it, whatever
    /// the clock said.
    earliest: Timestamp,
    /// What was kept until then is old enough.
    old: Option<Timestamp>,
}

impl Walk {
    fn from(now: Timestamp, wait: Duration) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (left, most) = (millis(wait), millis(Gap::LENGTH.max(wait / 4)));
        Self { now, at: now, left, most, earliest: Timestamp::from_millis(i64::MAX), old: None }
    }

    /// Whether to go on.
    fn over(&mut self, began: Timestamp, ended: Timestamp) -> bool {
        self.back_to(ended);
        self.back_to(began);
        self.earliest = self.earliest.min(began);
        self.old.is_none()
    }

    fn back_to(&mut self, to: Timestamp) {
        let passed = self.at.as_millis().saturating_sub(to.as_millis()).max(0);
        let day = i64::try_from(Gap::LENGTH.as_millis()).unwrap_or(i64::MAX);
        let seen = match passed {
            few if few <= day => few,
            _ if self.at.after(Gap::LENGTH) > self.now => 0,
            long => long.min(self.most),
        };
        if self.old.is_none() && seen >= self.left {
            let moment = if seen == passed { self.at.as_millis().saturating_sub(self.left) } else { to.as_millis() };
            let moment = moment.min(self.earliest.as_millis().saturating_sub(1));
            self.old = Some(Timestamp::from_millis(moment));
        }
        (self.left, self.at) = (self.left.saturating_sub(seen), to);
    }

    fn judged_at(&self, wait: Duration) -> Timestamp {
        self.old.map_or(Timestamp::from_millis(i64::MIN), |old| old.after(wait)).min(self.now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_000_000 * HOUR;

    /// Whether mail kept in a session is old enough after `wait` hours: `sessions` in their order, by hours from now.
    fn is_old(kept: i64, sessions: &[i64], wait: u64) -> bool {
        let (now, wait) = (Timestamp::from_millis(NOW), Duration::from_secs(wait * 3600));
        let mut walk = Walk::from(now, wait);
        for at in sessions.iter().rev().map(|hours| Timestamp::from_millis(NOW + hours * HOUR)) {
            if !walk.over(at, at) {
                break;
            }
        }
        Timestamp::from_millis(NOW + kept * HOUR).after(wait) <= walk.judged_at(wait)
    }

    #[test]
    fn time_that_was_seen_counts() {
        let daily = [-96, -72, -48, -24];
        assert!(is_old(-96, &daily, 96) && !is_old(-96, &daily, 97) && !is_old(-72, &daily, 96));
    }

    #[test]
    fn a_jump_counts_for_nothing_at_first_and_then_for_a_day() {
        assert!(!is_old(-9_000, &[-9_000], 1));
        assert!(!is_old(-9_000, &[-9_000, -20, -10], 21) && is_old(-9_000, &[-9_000, -20, -10], 20));
        assert!(!is_old(-9_000, &[-9_000, -40, -20], 65) && is_old(-9_000, &[-9_000, -40, -20], 64));
    }

    #[test]
    fn weekly_polls_make_mail_old_a_week_late() {
        let weekly = [-1_008, -840, -672, -504, -336, -168];
        assert!(is_old(-1_008, &weekly, 720) && !is_old(-840, &weekly, 720));
    }

    #[test]
    fn a_clock_that_was_behind_in_between_makes_nothing_old() {
        // Right, then a thousand hours behind, then right again for 30 hours.
        let sessions = [-100, -90, -1_080, -1_070, -30, -10];
        assert!(!is_old(-1_080, &sessions, 65) && is_old(-1_080, &sessions, 64));
        assert!(!is_old(-1_070, &sessions, 60));
    }

    #[test]
    fn a_clock_that_was_ahead_makes_nothing_of_this_session_old() {
        assert!(!is_old(0, &[900, 910, 920], 1));
        assert!(!is_old(910, &[900, 910, 920], 1));
    }

    proptest! {
        #[test]
        fn nothing_is_judged_by_a_time_to_come(sessions in prop::collection::vec(-2_000_i64..2_000, 0..30), wait in 0_u64..900) {
            let wait = Duration::from_secs(wait * 3600);
            let mut walk = Walk::from(Timestamp::from_millis(NOW), wait);
            for at in sessions.iter().map(|hours| Timestamp::from_millis(NOW + hours * HOUR)) {
                walk.over(at, at);
            }
            prop_assert!(walk.judged_at(wait).as_millis() <= NOW);
        }
    }
}
