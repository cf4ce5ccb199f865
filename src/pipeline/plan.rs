//! What a session would do with each line of a listing, decided from the listing and the ledger alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::lines::{Earlier, Lines, Met, Tried};
use crate::catalog::{Archived, Known};
use crate::config::{Account, AfterArchive, DeleteWhen};
use crate::mail::event::{Listed, Missed};
use crate::mail::{Fate, Timestamp};
use crate::net::pop3;

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the archive already.
    pub(super) known: Vec<AlreadyKept>,
    /// To be fetched, in the order of the listing: oldest first.
    pub(super) fetch: Vec<(pop3::Retrieve, Listed)>,
    /// In the archive by their header blocks only: to be read before they may be deleted.
    pub(super) unread: Vec<(pop3::Retrieve, Listed)>,
    /// Those of `fetch` of which the ledger says already that they wait for their turn.
    pub(super) deferred: HashSet<u32>,
    /// Listed, but not to be fetched now.
    pub(super) missed: Vec<Missed>,
    /// As `missed`, but the ledger says so already.
    pub(super) still_missed: Vec<Fate>,
    /// Listed by an earlier session, never fetched, and not there any more.
    pub(super) vanished: Vec<Missed>,
    /// Deletions that this listing shows done.
    pub(super) gone: Vec<Listed>,
    /// Archived, and not there any more without our doing.
    pub(super) absent: Vec<Known>,
    /// A unique-id of a message in the archive stands for one of another size now: this server gives them out again.
    pub(super) reuses_ids: bool,
}

/// A listed message that the archive holds.
#[derive(Debug)]
pub(super) struct AlreadyKept {
    /// The message's number in this session.
    pub(super) number: u32,
    pub(super) listed: Listed,
    pub(super) archived: Arc<Archived>,
    pub(super) since: Timestamp,
    /// The line has a size now as it had when the message came, and it is the same.
    pub(super) has_its_size: bool,
    /// It was decided before that the server is to delete it.
    pub(super) is_deleting: bool,
    /// Others in the listing have the same unique-id: which is which, only their headers tell.
    pub(super) has_twins: bool,
}

/// The unique-ids that stand in for those of a server without UIDL begin so: the hash of the header block follows, or,
/// where it does not tell header blocks either, that of all octets.
pub(super) const BY_HEADER_HASH: &str = "header:";
pub(super) const BY_OCTETS_HASH: &str = "octets:";

/// A plan on its way: the ledger comes row by row, and is never held as a whole.
#[derive(Debug)]
pub(super) struct Planning<'a> {
    listing: &'a [pop3::Listed],
    lines: Lines<'a>,
    account: &'a Account,
    now: Timestamp,
    /// There are lines without a unique-id.
    is_nameless: bool,
    plan: Plan,
}

impl<'a> Planning<'a> {
    pub(super) fn new(listing: &'a [pop3::Listed], account: &'a Account, now: Timestamp) -> Self {
        let is_nameless = listing.iter().any(|line| line.uid.is_empty());
        Self { listing, lines: Lines::new(listing), account, now, is_nameless, plan: Plan::default() }
    }

    /// Takes in a row of the ledger.
    pub(super) fn take(&mut self, row: Known) {
        let Some(absent) = self.lines.take(row) else { return };
        // What has no name yet, or none because its header block did not come, may be just that.
        let is_stand_in = |name: &str| absent.listed.uidl.as_bytes().starts_with(name.as_bytes());
        if !(self.is_nameless && (is_stand_in(BY_HEADER_HASH) || is_stand_in(BY_OCTETS_HASH))) {
            self.plan.absent(absent);
        }
    }

    /// All of the ledger has been taken in.
    pub(super) fn finish(mut self) -> Plan {
        self.plan.known.reserve_exact(self.lines.finish());
        let mut tried = HashSet::new();
        for (at, line) in self.listing.iter().enumerate() {
            let (listed, earlier) = (self.lines.listed(at), self.lines.earlier(at));
            match self.lines.met(at) {
                Some(met) => self.known(at, listed, met),
                None => {
                    tried.extend(earlier.tried.map(|_| line.number));
                    self.place(line.number, listed, earlier);
                }
            }
        }
        // What broke off before comes last, so that it cannot keep the others from coming.
        self.plan.fetch.sort_by_key(|(retrieve, _)| tried.contains(&retrieve.number));
        self.plan
    }

    fn known(&mut self, at: usize, listed: Listed, met: Met) {
        let (number, size_hint) = (self.listing[at].number, listed.listed_bytes);
        let Met { archived, listed_bytes, fate_at, is_deleting } = met;
        let since = if archived.by_header { archived.kept } else { fate_at };
        let listed = Listed { listed_bytes, ..listed };
        let has_its_size = size_hint.is_some() && size_hint == listed_bytes;
        let has_twins = self.lines.has_twins(at);
        let kept = AlreadyKept { number, listed, archived, since, has_its_size, is_deleting, has_twins };
        if kept.archived.by_header && wants_deleted(self.account, &kept, self.now).is_some() {
            self.plan.unread.push((pop3::Retrieve { number, size_hint }, kept.listed));
        } else {
            self.plan.known.push(kept);
        }
    }

    fn place(&mut self, number: u32, listed: Listed, earlier: Earlier) {
        let plan = &mut self.plan;
        plan.reuses_ids |= earlier.is_archived_otherwise;
        if let Some(size) = listed.listed_bytes.filter(|size| *size > self.account.max_message_bytes) {
            if earlier.was_oversize {
                plan.still_missed.push(Fate::Oversize);
                return;
            }
            let reason = format!("{size} octets, more than max_message_bytes; it stays on the server");
            plan.missed.push(Missed { listed, fate: Fate::Oversize, reason });
            return;
        }
        if earlier.tried.is_some_and(|tried| waits(tried, self.now)) {
            plan.still_missed.push(Fate::Deferred);
            return;
        }
        if earlier.was_deferred {
            plan.deferred.insert(number);
        }
        plan.fetch.push((pop3::Retrieve { number, size_hint: listed.listed_bytes }, listed));
    }
}

impl Plan {
    fn absent(&mut self, row: Known) {
        match (row.fate, &row.archived, row.deleting) {
            (_, Some(_), Some(_)) => self.gone.push(row.listed),
            // An imported file is in no listing.
            (_, Some(_), None) if row.listed.uidl.as_bytes().starts_with(b"file:") => {}
            (_, Some(_), None) => self.absent.push(row),
            (Fate::Vanished, ..) => {}
            (fate, None, _) => {
                let reason = format!("was {fate}, and the server does not list it any more");
                self.vanished.push(Missed { listed: row.listed, fate: Fate::Vanished, reason });
            }
        }
    }
}

/// Whether its next try is still to come. A last one in a time to come was noted by a clock that was set back since.
fn waits(tried: Tried, now: Timestamp) -> bool {
    tried.at <= now && now < tried.at.after(back_off(tried))
}

/// An hour, six hours, then once a day. What broke off is asked for twice more before it has to wait.
const fn back_off(tried: Tried) -> Duration {
    let hours = match (tried.fate, tried.attempts) {
        (Fate::Interrupted, 0..=2) => 0,
        (_, 0 | 1) => 1,
        (_, 2) => 6,
        _ => 24,
    };
    Duration::from_secs(hours * 3600)
}

/// Whether the account's policy wants a message deleted at the server now; the reason, in words.
pub(super) fn wants_deleted(account: &Account, kept: &AlreadyKept, now: Timestamp) -> Option<String> {
    let AlreadyKept { archived, since, .. } = kept;
    if archived.is_destroyed {
        return None;
    }
    let far_enough = match account.delete_when {
        DeleteWhen::Kept => true,
        DeleteWhen::Scanned => archived.verdict.is_final(),
        DeleteWhen::Indexed => archived.verdict.is_final() && archived.is_indexed,
    };
    let due = match account.after_archive {
        AfterArchive::Keep => false,
        AfterArchive::Delete => true,
        AfterArchive::DeleteAfter(wait) => since.after(wait) <= now,
    };
    (far_enough && due).then(|| match account.after_archive {
        AfterArchive::DeleteAfter(_) => "after_archive = { delete_after }, and its time is over".to_owned(),
        _ => "after_archive = delete".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Archived;
    use crate::config::{Auth, SecretSource, TlsMode};
    use crate::mail::event::{MessageRef, Uidl};
    use crate::mail::{BlobId, Nonce, Verdict};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn account() -> Account {
        Account {
            name: "sales".to_owned(),
            host: "localhost".to_owned(),
            port: 995,
            tls: TlsMode::Implicit,
            allow_cleartext: false,
            user: "ana".to_owned(),
            password: Some(SecretSource::Env("PASSWORD".to_owned())),
            oauth: None,
            auth: Auth::Auto,
            ca_file: None,
            pin_sha256: Vec::new(),
            pin_only: false,
            client_cert: None,
            client_key: None,
            tls_server_name: None,
            poll_every: Duration::from_secs(300),
            timeout: Duration::from_secs(120),
            after_archive: AfterArchive::Keep,
            delete_when: DeleteWhen::Scanned,
            max_message_bytes: 1_000,
            multidrop: false,
        }
    }

    fn known(uidl: &str, fate: Fate, attempts: u32) -> Known {
        let message = MessageRef { id: BlobId::of(uidl.as_bytes()), nonce: Nonce::from_bytes([0; 32]) };
        let archived = Archived {
            message,
            place: (1, 0),
            verdict: Verdict::Clean,
            is_indexed: true,
            header: BlobId::of(uidl.as_bytes()),
            kept: NOW,
            by_header: false,
            is_destroyed: false,
        };
        Known {
            listed: Listed { uidl: Uidl::new(uidl), ordinal: 0, listed_bytes: Some(9) },
            fate,
            fate_at: NOW,
            attempts,
            archived: fate.is_archived().then(|| Arc::new(archived)),
            deleting: None,
        }
    }

    fn plan(lines: &[(&str, u64)], known: &[Known]) -> Plan {
        let listing: Vec<pop3::Listed> = (1..)
            .zip(lines)
            .map(|(number, (uid, size))| pop3::Listed { number, uid: uid.as_bytes().to_vec(), size_bytes: Some(*size) })
            .collect();
        let account = account();
        let mut planning = Planning::new(&listing, &account, NOW);
        known.iter().cloned().for_each(|row| planning.take(row));
        planning.finish()
    }

    fn fetched(plan: &Plan) -> Vec<u32> {
        plan.fetch.iter().map(|(retrieve, _)| retrieve.number).collect()
    }

    #[test]
    fn what_is_archived_is_not_fetched_unless_its_size_says_that_it_is_another() {
        let ledger = [known("a", Fate::Kept, 0), known("b", Fate::Duplicate, 0)];
        assert_eq!(fetched(&plan(&[("a", 9), ("b", 9), ("c", 9)], &ledger)), [3]);
        assert_eq!(fetched(&plan(&[("a", 8)], &ledger)), [1]);
        assert!(plan(&[("a", 8)], &ledger).reuses_ids);
        assert!(!plan(&[("a", 9), ("b", 9)], &ledger).reuses_ids);
    }

    #[test]
    fn equal_unique_ids_are_marked_as_twins() {
        let ledger = [known("a", Fate::Kept, 0), known("b", Fate::Kept, 0)];
        let twins: Vec<bool> =
            plan(&[("a", 9), ("a", 9), ("b", 9)], &ledger).known.iter().map(|kept| kept.has_twins).collect();
        assert_eq!(twins, [true, false]);
    }

    #[test]
    fn equal_unique_ids_of_one_listing_are_all_fetched() {
        assert_eq!(fetched(&plan(&[("a", 9), ("a", 9)], &[known("a", Fate::Kept, 0)])), [2]);
    }

    #[test]
    fn what_broke_off_is_asked_for_again_behind_all_others() {
        let ledger = [known("a", Fate::Interrupted, 2)];
        assert_eq!(fetched(&plan(&[("a", 9), ("b", 9), ("c", 9)], &ledger)), [2, 3, 1]);
        assert_eq!(fetched(&plan(&[("a", 9), ("b", 9)], &[known("a", Fate::Interrupted, 3)])), [2]);
    }

    #[test]
    fn what_failed_in_a_time_to_come_is_asked_for_now() {
        let ahead = Known { fate_at: NOW.after(Duration::from_secs(9_000_000)), ..known("a", Fate::Failed, 3) };
        assert_eq!(fetched(&plan(&[("a", 9)], &[ahead])), [1]);
    }

    #[test]
    fn what_waits_for_its_next_try_is_counted_and_not_told_again() {
        let ledger = [known("a", Fate::Failed, 1), known("b", Fate::Oversize, 0)];
        let plan = plan(&[("a", 9), ("b", 2_000), ("c", 2_000)], &ledger);
        assert_eq!(plan.still_missed, [Fate::Deferred, Fate::Oversize]);
        assert_eq!(plan.missed.len(), 1);
        assert!(plan.fetch.is_empty());
    }

    #[test]
    fn what_is_listed_no_more_is_noticed_by_what_it_was() {
        let deleted = Known { deleting: Some(NOW), ..known("b", Fate::Kept, 0) };
        let ledger =
            [known("a", Fate::Kept, 0), deleted, known("c", Fate::Deferred, 0), known("file:/m", Fate::Kept, 0)];
        let plan = plan(&[], &ledger);
        assert_eq!(plan.absent.iter().map(|row| row.listed.clone()).collect::<Vec<_>>(), [ledger[0].listed.clone()]);
        assert_eq!(plan.gone, [ledger[1].listed.clone()]);
        assert_eq!(plan.vanished[0].listed, ledger[2].listed);
        assert_eq!(plan.vanished.len(), 1);
    }
}
