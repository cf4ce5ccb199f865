//! Polls accounts: one poll, whoever asks for it, and the tasks that poll by schedule.
//! Knows nothing about what is done in a session.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::owner::Owner;
use super::roster::Roster;
use super::run::SHUTDOWN;
use super::schedule::{self, LONGEST_AFTER_FAILURE, Trouble, left};
use crate::catalog;
use crate::config::{Account, Config};
use crate::mail::event::AccountAdded;
use crate::mail::{AccountId, Event};
use crate::pipeline::{self, Door, Fetched, Holds, Progress};
use crate::telemetry;

/// What is needed to poll.
#[derive(Clone)]
pub(super) struct Polls {
    pub(super) door: Door,
    pub(super) roster: Roster,
}

/// Who wants an account polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    BySchedule,
    ByHand,
}

/// Longer than the daemon waits for anybody when it ends.
const TOO_LATE: Duration = SHUTDOWN.saturating_add(Duration::from_secs(1));

/// What became of the wish to poll an account.
pub(super) enum Polled {
    Fetched(Box<Fetched>),
    /// It is paused; the server was not asked.
    Paused,
    /// Nobody wants it any more: the program stops, or the account was removed.
    Unwanted,
}

impl Polls {
    /// Polls now, as soon as there is leave for a session, and notes when the schedule is to do it again.
    pub(super) async fn poll(
        &self,
        account: &Account,
        asked: Asked,
        progress: &Progress,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Polled, pipeline::Error> {
        let mut waiting_for = stop.clone();
        let (leave, turn) = tokio::select! {
            biased;
            _ = waiting_for.wait_for(|stop| *stop), if asked == Asked::BySchedule => return Ok(Polled::Unwanted),
            both = async { (self.roster.leave(&account.host).await, self.roster.turn(account).await) } => both,
        };
        if *stop.borrow() {
            // A session that would have to be broken off is not begun. Who asked by hand is not told that it failed: dropped
            // with the program, the request is the command's own again.
            drop((leave, turn));
            if asked == Asked::ByHand {
                tokio::time::sleep(TOO_LATE).await;
            }
            return Ok(Polled::Unwanted);
        }
        let account = &turn.account;
        let known = self.door.holds.catalog.account(&account.name)?;
        if asked == Asked::BySchedule && known.is_some_and(|known| known.removed.is_some()) {
            return Ok(Polled::Unwanted);
        }
        let known = introduced(self.door.holds.clone(), account.clone()).await?;
        if known.paused.is_some() {
            return Ok(Polled::Paused);
        }
        let (end, ended) = watch::channel(*stop.borrow_and_update());
        let fetched = tokio::select! {
            biased;
            fetched = self.door.fetch(account, progress, ended) => fetched,
            never = self.until_unwanted(&account.name, stop, end) => match never {},
        };
        let error = match &fetched {
            Ok(fetched) => fetched.error.as_ref(),
            Err(error) => Some(error),
        };
        self.settle(account, &known, error)?;
        if asked == Asked::ByHand {
            self.roster.tell();
        }
        Ok(Polled::Fetched(Box::new(fetched?)))
    }

    /// Has a session end early when the program stops, or the account is paused, removed or renamed. Does not return: the
    /// session does.
    async fn until_unwanted(
        &self,
        name: &str,
        mut stop: watch::Receiver<bool>,
        end: watch::Sender<bool>,
    ) -> std::convert::Infallible {
        let mut changes = self.roster.changes();
        loop {
            if *stop.borrow() || self.is_unwanted(name) {
                end.send_replace(true);
                return std::future::pending().await;
            }
            tokio::select! {
                Ok(()) = stop.changed() => {}
                Ok(()) = changes.changed() => {}
                else => return std::future::pending().await,
            }
        }
    }

    fn is_unwanted(&self, name: &str) -> bool {
        let known = || self.door.holds.catalog.account(name).ok().flatten();
        self.roster.is_called(name) || known().is_some_and(|known| known.paused.is_some() || known.removed.is_some())
    }

    /// Notes what the schedule makes of a poll.
    fn settle(
        &self,
        account: &Account,
        known: &catalog::Account,
        error: Option<&pipeline::Error>,
    ) -> Result<(), pipeline::Error> {
        let Holds { catalog, clock, .. } = &self.door.holds;
        let now = clock.now();
        // As it is after the session, which may have learned more about the server.
        let known = catalog.account(&account.name)?.unwrap_or_else(|| known.clone());
        let (trouble, wait) = match error {
            None => {
                (None, Some(schedule::interval(&known.id, account.poll_every, delay(&known), now, schedule::chance())))
            }
            // No failure of the server's: it is asked again as soon as there is room, or at the next start.
            Some(pipeline::Error::NoRoom(_) | pipeline::Error::Closing) => {
                (known.trouble.clone(), Some(Duration::ZERO))
            }
            Some(error) => {
                let class = Trouble::of(error);
                let settings = schedule::settings(account, self.roster.process());
                let trouble = schedule::troubled(known.trouble.as_ref(), class, settings);
                let wait = class.wait(trouble.polls, delay(&known), schedule::chance());
                (Some(trouble), wait)
            }
        };
        let next = wait.filter(|_| known.paused.is_none()).map(|wait| now.after(wait));
        catalog.note_schedule(&known.id, trouble.as_ref(), next)?;
        match wait {
            Some(wait) => telemetry::next_poll(&account.name, wait.as_secs()),
            None => telemetry::account_rests(&account.name),
        }
        Ok(())
    }
}

fn delay(known: &catalog::Account) -> Option<Duration> {
    known.server.login_delay_seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

/// The account on record as the configuration has it: added if it is new or was removed, collecting or not.
pub(super) async fn introduced(holds: Holds, account: Account) -> Result<catalog::Account, pipeline::Error> {
    let told = tokio::task::spawn_blocking(move || {
        let known = holds.catalog.account(&account.name)?;
        let id = known.as_ref().map_or_else(AccountId::random, |known| known.id);
        let mut events = Vec::new();
        if known.as_ref().is_none_or(|known| known.removed.is_some()) {
            let (name, host, user) = (account.name.clone(), Some(account.host.clone()), Some(account.user.clone()));
            events.push(Event::AccountAdded(AccountAdded { account: id, name, host, user }));
        }
        if known.is_some_and(|known| known.multidrop) != account.multidrop {
            events.push(Event::AccountMultidrop { account: id, multidrop: account.multidrop });
        }
        let collects = events.iter().any(|event| matches!(event, Event::AccountMultidrop { .. }));
        holds.tell(events)?;
        if collects {
            holds.wake.index.notify_one();
        }
        let known = holds.catalog.account(&account.name)?;
        Ok(known.ok_or_else(|| catalog::Error::NoAccount(account.name))?)
    });
    told.await.unwrap_or(Err(pipeline::Error::Closing))
}

/// The accounts' pollers under one configuration.
pub(super) struct Polling {
    stop: watch::Sender<bool>,
    pollers: JoinSet<()>,
}

impl Polling {
    pub(super) fn start(owner: &Owner, config: &Config) -> Result<Self, catalog::Error> {
        owner.roster.adopt(config, &owner.holds.catalog)?;
        let (stop, stopped) = watch::channel(false);
        let mut pollers = JoinSet::new();
        let polls = Polls { door: owner.door.clone(), roster: owner.roster.clone() };
        for account in &config.accounts {
            let poller = Poller {
                polls: polls.clone(),
                account: account.clone(),
                changes: owner.roster.changes(),
                stop: stopped.clone(),
                has_polled: false,
            };
            pollers.spawn(poller.run());
            if let Some(limit) = config.polling.alarm_after {
                let (holds, roster) = (owner.holds.clone(), owner.roster.clone());
                pollers.spawn(Alarm::new(holds, roster, account.name.clone(), limit).run(stopped.clone()));
            }
        }
        Ok(Self { stop, pollers })
    }

    /// Ends the sessions politely, and those that hang after `limit` at once.
    pub(super) async fn stop(mut self, limit: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.pollers.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            telemetry::sessions_cut_short();
            self.pollers.shutdown().await;
        }
    }
}

/// How often a password file is looked at that did not let the account in.
const LOOK_AT_SECRET: Duration = Duration::from_secs(5);

/// After the longest wait: settings and clock may be others by then.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// After the archive itself failed: the disk, or the catalog.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// One account's schedule.
struct Poller {
    polls: Polls,
    account: Account,
    changes: watch::Receiver<()>,
    stop: watch::Receiver<bool>,
    /// By this poller.
    has_polled: bool,
}

impl Poller {
    async fn run(mut self) {
        self.revive().await;
        while !*self.stop.borrow() {
            self.changes.mark_unchanged();
            let wait = match self.wait() {
                Ok(Duration::ZERO) => {
                    self.poll().await;
                    continue;
                }
                Ok(wait) => wait,
                Err(error) => {
                    telemetry::stage_failed("schedule", &error);
                    LOOK_AT_SECRET
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.changes.changed() => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// An account that was removed once and is in the configuration again is one again.
    async fn revive(&self) {
        let holds = &self.polls.door.holds;
        let known = holds.catalog.account(&self.polls.roster.name(&self.account.name));
        let revived = match known {
            Ok(Some(known)) if known.removed.is_some() => {
                introduced(holds.clone(), self.account.clone()).await.map(drop)
            }
            known => known.map(drop).map_err(Into::into),
        };
        if let Err(error) = revived {
            telemetry::stage_failed("schedule", &error);
        }
    }

    /// How long to wait before looking again; nothing: the account is due.
    fn wait(&self) -> Result<Duration, catalog::Error> {
        let Holds { catalog, clock, .. } = &self.polls.door.holds;
        let Some(known) = catalog.account(&self.polls.roster.name(&self.account.name))? else {
            return Ok(Duration::ZERO);
        };
        if known.paused.is_some() || known.removed.is_some() {
            return Ok(LOOK_AGAIN);
        }
        let now = clock.now();
        if let Some(trouble) = &known.trouble
            && trouble.settings == schedule::settings(&self.account, self.polls.roster.process())
        {
            let wait = known.next_poll.map(|next| left(next, LONGEST_AFTER_FAILURE, now));
            return Ok(wait.map_or(LOOK_AT_SECRET, |wait| wait.min(LOOK_AT_SECRET)));
        }
        let delay = delay(&known).unwrap_or_default();
        // A last poll in a time to come is none that anybody knows of.
        let last = known.last_poll.filter(|last| *last <= now);
        let since_login = last.map_or(Duration::ZERO, |last| left(last.after(delay), delay, now));
        // Nothing is known against it: a start, or another configuration, is a good moment.
        let is_fresh = !self.has_polled || known.trouble.is_some();
        let wait = match known.next_poll.filter(|_| !is_fresh) {
            Some(next) => left(next, delay.max(self.account.poll_every * 2), now).max(since_login),
            None => since_login,
        };
        Ok(wait.min(LOOK_AGAIN))
    }

    /// Polls once there is room for mail.
    async fn poll(&mut self) {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => return,
            () = self.polls.door.room.there() => {}
        }
        let polled = self.polls.poll(&self.account, Asked::BySchedule, &Progress::default(), self.stop.clone()).await;
        self.has_polled = true;
        if let Err(error) = polled {
            telemetry::stage_failed("fetch", &error);
            // Perhaps nothing could be noted of it either: the account may still count as due.
            tokio::select! {
                () = tokio::time::sleep(WAIT_AFTER_FAILURE) => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}
