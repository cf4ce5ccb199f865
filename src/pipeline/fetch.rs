//! One session with one account's server: lists, fetches what the archive does not hold, deletes what the policy
//! wants gone, and leaves a completeness record.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::clear::{self, Wanted};
use super::error::blocking;
use super::holds::Holds;
use super::keep::{Answer, Keeper, Share};
use super::plan::{AlreadyKept, Plan, wants_deleted};
use super::{Error, Progress, Room, Shortage, login};
use crate::config::{Account, AfterArchive};
use crate::mail::event::{self, AccountAdded, Listed, Missed, SessionCounts, Sighting};
use crate::mail::{AccountId, Event, Fate, Timestamp};
use crate::net::pop3::{self, Deadlines, Quit, Retrieved, Session};
use crate::store::Incoming;
use crate::telemetry;

/// Where mail comes in.
#[derive(Clone, Debug)]
pub struct Door {
    pub holds: Holds,
    pub keeper: Keeper,
    pub turns: Turns,
    pub room: Room,
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

/// What one session came to.
#[derive(Debug)]
pub struct Fetched {
    pub account: String,
    pub counts: SessionCounts,
    pub seconds: f64,
    pub error: Option<Error>,
}

impl Fetched {
    /// No session was begun, and none is on record.
    fn nothing(account: String, error: Error) -> Self {
        Self { account, counts: SessionCounts::default(), seconds: 0.0, error: Some(error) }
    }
}

impl Door {
    /// Polls an account. Trouble with the server, or with the disk, is part of the answer; what was kept before it is
    /// kept. `stop` ends the session early, politely, and so does a disk without room; with that none is begun.
    pub async fn fetch(
        &self,
        account: &Account,
        progress: &Progress,
        stop: watch::Receiver<bool>,
    ) -> Result<Fetched, Error> {
        let _turn = self.turns.take(&account.name).await;
        let began = Instant::now();
        if let Some(shortage) = self.room.shortage() {
            return Ok(Fetched::nothing(account.name.clone(), shortage.into()));
        }
        let id = self.account(account).await?;
        let started = self.holds.clock.now();
        telemetry::session_started(&account.name);
        let mut visit = Visit { door: self, account, id, started, record: Record::default(), progress, stop };
        let error = visit.run().await.err();
        let Visit { record, .. } = visit;
        let session = event::Session {
            account: id,
            started,
            counts: record.counts,
            missed: record.missed,
            gone: record.gone,
            absent: record.absent,
            error: error.as_ref().map(ToString::to_string),
        };
        let fetched = Fetched {
            account: account.name.clone(),
            counts: session.counts,
            seconds: began.elapsed().as_secs_f64(),
            error,
        };
        telemetry::session_ended(&account.name, &session);
        let holds = self.holds.clone();
        blocking(move || Ok(holds.tell(vec![Event::Session(session)])?)).await?;
        Ok(fetched)
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

/// What a session will leave in the ledger.
#[derive(Debug, Default)]
struct Record {
    counts: SessionCounts,
    missed: Vec<Missed>,
    gone: Vec<Listed>,
    absent: Vec<Listed>,
}

impl Record {
    fn miss(&mut self, listed: Listed, fate: Fate, reason: String) {
        self.count(fate);
        self.missed.push(Missed { listed, fate, reason });
    }

    const fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Oversize => self.counts.oversize += 1,
            Fate::Failed => self.counts.failed += 1,
            Fate::Vanished => self.counts.vanished += 1,
            _ => self.counts.deferred += 1,
        }
    }
}

struct Visit<'a> {
    door: &'a Door,
    account: &'a Account,
    id: AccountId,
    started: Timestamp,
    record: Record,
    progress: &'a Progress,
    stop: watch::Receiver<bool>,
}

impl Visit<'_> {
    async fn run(&mut self) -> Result<(), Error> {
        let (endpoint, login) = login::way_in(self.account).await?;
        let mut session = Session::open(&endpoint, &login, &Deadlines::default()).await?;
        let listing = session.list().await?;
        if listing.unreadable_lines > 0 {
            telemetry::listing_unreadable(&self.account.name, listing.unreadable_lines);
        }
        let plan = self.plan(&listing).await?;
        self.record.counts.listed = listing.messages.len() as u64;
        self.record.counts.known = plan.known.len() as u64;
        self.record.gone = plan.gone;
        self.record.absent = plan.absent;
        plan.still_missed.iter().for_each(|fate| self.record.count(*fate));
        for Missed { listed, fate, reason } in plan.missed.into_iter().chain(plan.vanished) {
            self.record.miss(listed, fate, reason);
        }
        let shortage = self.retrieve(&mut session, plan.fetch).await?;
        // What was kept just now may go as well.
        let known = match self.account.after_archive {
            AfterArchive::Keep => Vec::new(),
            _ => self.plan(&listing).await?.known,
        };
        self.clear(session, known).await?;
        shortage.map_or(Ok(()), |shortage| Err(shortage.into()))
    }

    /// What the ledger makes of a listing, as it stands now.
    async fn plan(&self, listing: &pop3::Listing) -> Result<Plan, Error> {
        let (catalog, id) = (self.door.holds.catalog.clone(), self.id);
        let known = blocking(move || Ok(catalog.known(&id)?)).await?;
        Ok(Plan::new(&listing.messages, &known, self.account, self.started))
    }

    /// Takes in what it can; what kept it from taking in all, if that was the disk's want of room.
    async fn retrieve(
        &mut self,
        session: &mut Session,
        fetch: Vec<(pop3::Retrieve, Listed)>,
    ) -> Result<Option<Shortage>, Error> {
        self.progress.want(fetch.len() as u64);
        let mut arrival =
            Arrival { missing: HashMap::with_capacity(fetch.len()), current: None, answers: VecDeque::new() };
        let wanted: Vec<pop3::Retrieve> = fetch.iter().map(|(retrieve, _)| *retrieve).collect();
        arrival.missing.extend(fetch.into_iter().map(|(retrieve, listed)| (retrieve.number, listed)));
        session.retrieve(wanted, self.account.max_message_bytes);

        let outcome = self.drain(session, &mut arrival).await;
        // What is queued will be durable whatever became of the session.
        let kept = self.settle(&mut arrival, Settle::All).await;
        let why = match (&outcome, &kept) {
            (Err(error), _) | (_, Err(error)) => format!("the session ended before its turn: {error}"),
            (Ok(Some(shortage)), _) => shortage.to_string(),
            _ => "the program was stopping".to_owned(),
        };
        // Only the server can make a message suspect; trouble with the disk here says nothing of it.
        if let (Some((number, _, _)), Err(Error::Pop3(_))) = (arrival.current.take(), &outcome) {
            self.missed(&mut arrival, number, Fate::Interrupted, why.replace("before its turn", "while it came"));
        }
        let mut rest: Vec<(u32, Listed)> = arrival.missing.drain().collect();
        rest.sort_unstable_by_key(|(number, _)| *number);
        for (_, listed) in rest {
            self.record.miss(listed, Fate::Deferred, why.clone());
        }
        outcome.and_then(|shortage| kept.map(|()| shortage))
    }

    async fn drain(&mut self, session: &mut Session, arrival: &mut Arrival) -> Result<Option<Shortage>, Error> {
        let mut stopping = false;
        let mut shortage = None;
        loop {
            if !stopping {
                shortage = self.door.room.shortage();
                stopping = shortage.is_some() || *self.stop.borrow();
                if stopping {
                    session.stop_retrieving();
                }
            }
            match session.next().await? {
                None => return Ok(shortage),
                Some(Retrieved::Begin { number }) => {
                    let hint = arrival.missing.get(&number).and_then(|listed| listed.listed_bytes);
                    let share = self.door.keeper.budget.share(hint).await?;
                    let incoming = Incoming::new(&self.door.holds.spool(), share.bytes());
                    arrival.current = Some((number, incoming, share));
                }
                Some(Retrieved::Chunk(octets)) => {
                    if let Some((_, incoming, _)) = &mut arrival.current {
                        incoming.write(octets)?;
                    }
                }
                Some(Retrieved::End { number, octets, .. }) => {
                    self.progress.did(octets);
                    self.record.counts.bytes += octets;
                    self.door.room.took(octets);
                    self.arrived(arrival, number).await?;
                }
                Some(Retrieved::TooLarge { number, octets }) => {
                    arrival.current = None;
                    let reason = format!("{octets} octets came, more than max_message_bytes; it stays on the server");
                    self.missed(arrival, number, Fate::Oversize, reason);
                }
                Some(Retrieved::Refused { number, reply }) => {
                    // Trouble of the whole server: the next session tries again, without counting it as a failure.
                    let temporary = reply.code == Some(pop3::Code::SysTemp);
                    let fate = if temporary { Fate::Deferred } else { Fate::Failed };
                    self.missed(arrival, number, fate, format!("the server refused it: {reply}"));
                    if temporary {
                        session.stop_retrieving();
                    }
                }
            }
        }
    }

    async fn arrived(&mut self, arrival: &mut Arrival, number: u32) -> Result<(), Error> {
        let Some((_, incoming, share)) = arrival.current.take() else { return Ok(()) };
        let Some(listed) = arrival.missing.get(&number).cloned() else { return Ok(()) };
        let sighting = Sighting { account: self.id, listed };
        let answer = self.door.keeper.keep(incoming.finish(), sighting, share).await?;
        arrival.answers.push_back((number, answer));
        self.settle(arrival, Settle::Ready).await
    }

    fn missed(&mut self, arrival: &mut Arrival, number: u32, fate: Fate, reason: String) {
        self.progress.did(0);
        if let Some(listed) = arrival.missing.remove(&number) {
            self.record.miss(listed, fate, reason);
        }
    }

    /// Takes the answers of the keeping stage, in the order of the messages. The first that is an error is returned,
    /// after all have been looked at.
    async fn settle(&mut self, arrival: &mut Arrival, which: Settle) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some((number, mut answer)) = arrival.answers.pop_front() {
            let kept = match which {
                Settle::All => answer.await.unwrap_or(Err(Error::Closing)),
                Settle::Ready => match answer.try_recv() {
                    Ok(kept) => kept,
                    Err(tokio::sync::oneshot::error::TryRecvError::Empty) => {
                        arrival.answers.push_front((number, answer));
                        break;
                    }
                    Err(tokio::sync::oneshot::error::TryRecvError::Closed) => Err(Error::Closing),
                },
            };
            match kept {
                Ok(kept) => {
                    arrival.missing.remove(&number);
                    match kept.fate {
                        Fate::Kept => self.record.counts.kept += 1,
                        _ => self.record.counts.duplicates += 1,
                    }
                }
                // This message alone; the others of its batch were kept.
                Err(error @ Error::Refused(_)) => self.missed(arrival, number, Fate::Failed, error.to_string()),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// Deletes what the policy wants gone and ends the session.
    async fn clear(&mut self, mut session: Session, known: Vec<AlreadyKept>) -> Result<(), Error> {
        let now = self.door.holds.clock.now();
        let wanted: Vec<Wanted> = known
            .into_iter()
            .filter_map(|kept| {
                let reason = wants_deleted(self.account, &kept, now)?;
                let sighting = Sighting { account: self.id, listed: kept.listed };
                Some(Wanted { number: kept.number, sighting, archived: kept.archived, reason })
            })
            .collect();
        let accepted = clear::clear(&mut session, self.door, wanted).await?;
        match session.quit().await? {
            Quit::Committed => self.record.counts.deleted = accepted,
            Quit::Refused(reply) => telemetry::quit_refused(&self.account.name, &reply.to_string()),
        }
        Ok(())
    }
}

/// Messages on their way from the server to the disk.
struct Arrival {
    /// Asked for and not durable yet, by their numbers in this session.
    missing: HashMap<u32, Listed>,
    /// The one that is coming just now: its number, and what it may hold in memory.
    current: Option<(u32, Incoming, Share)>,
    answers: VecDeque<(u32, Answer)>,
}

#[derive(Clone, Copy)]
enum Settle {
    Ready,
    All,
}
