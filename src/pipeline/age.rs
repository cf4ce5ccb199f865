//! By which time the age of mail is judged where it is deleted by its age (`delete_after`).
//!
//! A clock that was set forward makes all mail old at once. From within it looks like a time in which nothing was on record,
//! so such a time does not count, until there was a day to notice it and to set the clock back.

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
    match account.after_archive {
        AfterArchive::Keep | AfterArchive::Delete => Ok(now),
        AfterArchive::DeleteAfter(_) => Ok(catalog.gap(id, now)?.map_or(now, |gap| without(gap, now))),
    }
}

fn without(gap: Gap, now: Timestamp) -> Timestamp {
    let since = now.as_millis().saturating_sub(gap.to.as_millis());
    gap.from.after(Duration::from_millis(u64::try_from(since).unwrap_or(0)))
}
