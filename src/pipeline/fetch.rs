//! One poll of one account: as many sessions as it takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::blocking;
use super::holds::Holds;
use super::keep::Keeper;
use super::manner::{Manner, Next, Trouble, Visited};
use super::recognise::Doubt;
use super::visit::Visit;
use super::{AccessTokens, Error, Progress, Room};
use crate::catalog::Dialog;
use crate::config::Account;
use crate::mail::event::{AccountAdded, SessionCounts};
use crate::mail::{AccountId, Event, Timestamp};
use crate::telemetry;

/// Where mail comes in.
#[derive(Clone, Debug)]
pub struct Door {
    pub holds: Holds,
    pub keeper: Keeper,
    pub turns: Turns,
    pub room: Room,
    pub tokens: AccessTokens,
}

/// One session an account at a time: a server gives a maildrop to one session only (RFC 1939 section 4), and a
/// schedule and a person who ask for the same account must not stand in each other's way.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Turns {
    async fn take(&self, account: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account.to_owned()).or_default().clone();
        turn.lock_owned().await
    }
}

/// What one poll came to.
#[derive(Debug)]
pub struct Fetched {
    pub account: String,
    pub counts: SessionCounts,
    /// From the first connection to the end of the last session that brought or deleted something.
    pub seconds: f64,
    pub error: Option<Error>,
}

/// How long pipelining is left alone after a session in which it led to nonsense, and that went well without.
const ONE_AT_A_TIME_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// The same where the line only broke, which happens to servers that can pipeline as well.
const ONE_AT_A_TIME_FOR_A_WHILE: Duration = Duration::from_secs(24 * 3600);
/// How long header blocks are not compared after they turned out to differ from those that RETR gives.
const HEADERS_DIFFER_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// A server that wants a longer pause between two logins gets it between two polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Door {
    /// Polls an account. Trouble with the server, or with the disk, is part of the answer; what was kept before it is
    /// kept. `stop` ends a session early, politely, and so does a disk without room; with that none is begun.
    pub async fn fetch(
        &self,
        account: &Account,
        progress: &Progress,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Fetched, Error> {
        let _turn = self.turns.take(&account.mailbox()).await;
        let began = Instant::now();
        let mut fetched =
            Fetched { account: account.name.clone(), counts: SessionCounts::default(), seconds: 0.0, error: None };
        if let Some(shortage) = self.room.shortage() {
            fetched.error = Some(shortage.into());
            return Ok(fetched);
        }
        let id = self.account(account).await?;
        let mut dialog = self.dialog(&id).await?;
        let mut manner = self.manner(&dialog);
        let (mut retried, mut before) = (None, None);
        loop {
            let visited = self.session(account, id, progress, &stop, manner).await?;
            // A last session that only finds out that there is no more counts for nothing.
            if fetched.seconds == 0.0 || visited.counts.new_messages() + visited.counts.deleted > 0 {
                fetched.seconds = began.elapsed().as_secs_f64();
            }
            fetched.counts = fetched.counts.and_then(&visited.counts);
            let learnt = self.learn(dialog, &visited, retried);
            if learnt != dialog {
                dialog = learnt;
                self.note(&id, dialog).await?;
            }
            fetched.error = visited.error;
            match visited.next {
                Next::Nothing => break,
                Next::OneAtATime(_) if retried.is_some() => break,
                Next::OneAtATime(trouble) => (retried, manner.one_at_a_time) = (Some(trouble), true),
                Next::DoubtAll if manner.doubt == Doubt::All => break,
                Next::DoubtAll => manner.doubt = Doubt::All,
                Next::More if fetched.error.is_some() => break,
                Next::More if visited.behind <= manner.behind && !goes_on(before.as_ref(), &visited.counts) => break,
                Next::More => manner.behind = visited.behind,
            }
            before = Some(visited.counts);
            if *stop.borrow() || visited.pause > LONGEST_PAUSE {
                break;
            }
            // Ends at once when the program stops; the session then begun would notice too.
            drop(tokio::time::timeout(visited.pause, stop.wait_for(|stop| *stop)).await);
        }
        Ok(fetched)
    }

    /// One session, and its event.
    async fn session(
        &self,
        account: &Account,
        id: AccountId,
        progress: &Progress,
        stop: &watch::Receiver<bool>,
        manner: Manner,
    ) -> Result<Visited, Error> {
        telemetry::session_started(&account.name);
        let visit = Visit::new(self, account, id, progress, stop.clone(), manner);
        let (visited, session) = visit.run().await;
        telemetry::session_ended(&account.name, &session);
        self.tell(vec![Event::Session(session)]).await?;
        Ok(visited)
    }

    pub(super) async fn tell(&self, events: Vec<Event>) -> Result<(), Error> {
        let holds = self.holds.clone();
        blocking(move || Ok(holds.tell(events)?)).await
    }

    fn manner(&self, dialog: &Dialog) -> Manner {
        let now = self.holds.clock.now();
        Manner {
            one_at_a_time: lasts(dialog.one_at_a_time_until, ONE_AT_A_TIME_FOR, now),
            headers: !lasts(dialog.headers_differ_until, HEADERS_DIFFER_FOR, now),
            doubt: Doubt::Some,
            behind: 0,
        }
    }

    /// What a session teaches for those to come.
    fn learn(&self, mut dialog: Dialog, visited: &Visited, retried: Option<Trouble>) -> Dialog {
        let now = self.holds.clock.now();
        match retried.filter(|_| visited.error.is_none()) {
            Some(Trouble::Nonsense) => dialog.one_at_a_time_until = now.after(ONE_AT_A_TIME_FOR),
            Some(Trouble::Broken) => dialog.one_at_a_time_until = now.after(ONE_AT_A_TIME_FOR_A_WHILE),
            None => {}
        }
        if visited.headers_differ {
            dialog.headers_differ_until = now.after(HEADERS_DIFFER_FOR);
        }
        dialog
    }

    async fn dialog(&self, id: &AccountId) -> Result<Dialog, Error> {
        let (catalog, id) = (self.holds.catalog.clone(), *id);
        blocking(move || Ok(catalog.dialog(&id)?)).await
    }

    async fn note(&self, id: &AccountId, dialog: Dialog) -> Result<(), Error> {
        let (catalog, id) = (self.holds.catalog.clone(), *id);
        blocking(move || Ok(catalog.set_dialog(&id, dialog)?)).await
    }

    /// Notes when an account will be polled next, for `status`.
    pub fn next_poll(&self, account: &str, at: Timestamp) -> Result<(), Error> {
        if let Some(known) = self.holds.catalog.account(account)? {
            self.holds.catalog.next_poll(&known.id, at)?;
        }
        Ok(())
    }

    /// The account's opaque id; it gets one, and an event, when it is seen for the first time or has moved.
    async fn account(&self, account: &Account) -> Result<AccountId, Error> {
        let (name, host, user) = (account.name.clone(), account.host.clone(), account.user.clone());
        let holds = self.holds.clone();
        blocking(move || introduce(&holds, name, Some(host), Some(user))).await
    }
}

/// Whether another session would bring more: this one brought mail, or the server shows what the one before it did. What
/// this one was told may not be so, a server that keeps what it says it deletes would be asked for ever.
fn goes_on(before: Option<&SessionCounts>, now: &SessionCounts) -> bool {
    let Some(before) = before else { return !now.moved_nothing() };
    let shows_deletions = now.listed < before.listed;
    let shows_duplicates = now.known > before.known + before.kept;
    now.kept > 0 || shows_deletions || shows_duplicates
}

/// Whether it is not yet `until`. Further away than it is at most, it was noted by a clock that was set back since.
fn lasts(until: Timestamp, at_most: Duration, now: Timestamp) -> bool {
    now < until && until <= now.after(at_most)
}

/// The id of the account with this name, made if there is none.
pub(super) fn introduce(
    holds: &Holds,
    name: String,
    host: Option<String>,
    user: Option<String>,
) -> Result<AccountId, Error> {
    let known = holds.catalog.account(&name)?;
    let account = known.as_ref().map_or_else(AccountId::random, |known| known.id);
    // An import says nothing of servers, and takes nothing back that was said of them.
    if known.is_none_or(|known| host.is_some() && (known.host != host || known.user != user)) {
        holds.tell(vec![Event::AccountAdded(AccountAdded { account, name, host, user })])?;
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    #[test]
    fn a_time_that_is_too_far_away_is_over() {
        let day = Duration::from_secs(24 * 3600);
        let lasts = |wait| lasts(NOW.after(wait), day, NOW);
        assert!(!lasts(Duration::ZERO) && lasts(day / 2) && lasts(day) && !lasts(day * 2));
    }

    #[test]
    fn a_poll_goes_on_while_the_server_shows_that_something_happened() {
        let counts = |listed, known, kept, duplicates, deleted| SessionCounts {
            listed,
            known,
            kept,
            duplicates,
            deleted,
            ..SessionCounts::default()
        };
        let first = counts(100, 0, 20, 10, 20);
        assert!(goes_on(None, &first) && !goes_on(None, &counts(100, 0, 0, 0, 0)));
        // Nothing went, and what was met again is new again.
        assert!(!goes_on(Some(&first), &counts(100, 20, 0, 10, 20)));
        for next in [counts(100, 20, 1, 0, 0), counts(80, 0, 0, 10, 0), counts(100, 30, 0, 10, 0)] {
            assert!(goes_on(Some(&first), &next), "{next:?}");
        }
    }
}
