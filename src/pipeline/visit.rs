//! One session with one account's server: lists, recognises, fetches what the archive does not hold, deletes what the
//! policy wants gone, and leaves a completeness record.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::sync::watch;

use super::arrival::Retrieval;
use super::clear::{self, Wanted};
use super::error::blocking;
use super::fetch::Door;
use super::keep::Kept;
use super::manner::{Manner, Next, Trouble, Visited};
use super::plan::{AlreadyKept, Plan, Planning, wants_deleted};
use super::recognise::{self, Doubt};
use super::record::Record;
use super::stopping::in_time;
use super::{Error, Progress, Shortage, age, listing, login};
use crate::catalog::{Known, ServerFacts};
use crate::config::{Account, AfterArchive};
use crate::mail::event::{self, Listed, Missed, Sighted, Sighting};
use crate::mail::{AccountId, BlobId, Event, Fate, Secret, Timestamp};
use crate::net::pop3::{self, Class, Deadlines, Expire, Listing, Quit, Session};
use crate::telemetry;

/// What a session takes at most: then its deletions are committed, the server's lock is given back, and a server that
/// shows a window of its maildrop shows the next.
const SESSION_MESSAGES: usize = 10_000;
const SESSION_BYTES: u64 = 2 << 30;
/// A listing of about this length may be a window of more: Gmail shows some 250 conversations, WildDuck 250 messages, and
/// then others.
const A_WINDOW: RangeInclusive<u64> = 200..=600;
/// Recognised messages told in one transaction.
const TOLD_AT_ONCE: usize = 1024;

pub(super) struct Visit<'a> {
    pub(super) door: &'a Door,
    pub(super) account: &'a Account,
    pub(super) id: AccountId,
    started: Timestamp,
    pub(super) record: Record,
    pub(super) progress: &'a Progress,
    pub(super) stop: watch::Receiver<bool>,
    manner: Manner,
    next: Next,
    pause: Duration,
    /// What let us in, where it was an access token.
    token: Option<Secret<String>>,
    /// Messages that were compared with the archive in this session, or came in it.
    compared: HashSet<u32>,
    /// Messages that came, but not with the size they were listed with. It may have been others that came: whether they
    /// may be deleted, a later session finds out.
    odd_sizes: HashSet<u32>,
    /// Messages fetched again because their header block was another than that of the message they were taken for.
    different: HashMap<u32, BlobId>,
    /// Messages fetched again because nothing else tells whether they are still what the archive holds.
    again: HashMap<u32, BlobId>,
    /// The last message that came without a name.
    named_upto: u32,
    /// How many of them had the same octets after all, and how many not.
    false_alarms: usize,
    true_alarms: usize,
}

impl<'a> Visit<'a> {
    pub(super) fn new(
        door: &'a Door,
        account: &'a Account,
        id: AccountId,
        progress: &'a Progress,
        stop: watch::Receiver<bool>,
        manner: Manner,
    ) -> Self {
        Self {
            door,
            account,
            id,
            started: door.holds.clock.now(),
            record: Record::default(),
            progress,
            stop,
            manner,
            next: Next::Nothing,
            pause: Duration::ZERO,
            token: None,
            compared: HashSet::new(),
            odd_sizes: HashSet::new(),
            different: HashMap::new(),
            again: HashMap::new(),
            named_upto: 0,
            false_alarms: 0,
            true_alarms: 0,
        }
    }

    /// What came of it, and what is to go on record.
    pub(super) async fn run(mut self) -> (Visited, event::Session) {
        let error = self.converse().await.err();
        let Record { counts, missed, gone, absent, .. } = self.record;
        let session = event::Session {
            account: self.id,
            started: self.started,
            counts,
            missed,
            gone,
            absent,
            error: error.as_ref().map(ToString::to_string),
        };
        let headers_differ = self.false_alarms > self.true_alarms;
        let next = match self.next {
            Next::Nothing if self.true_alarms > 0 && error.is_none() => Next::DoubtAll,
            next => next,
        };
        // What was deleted before them moves the others up.
        let deleted = u32::try_from(counts.deleted).unwrap_or(u32::MAX);
        let behind = self.named_upto.max(self.manner.behind).saturating_sub(deleted);
        (Visited { counts, error, next, behind, pause: self.pause, headers_differ }, session)
    }

    async fn converse(&mut self) -> Result<(), Error> {
        let mut session = self.open().await?;
        let outcome = self.transact(&mut session).await;
        if let Err(Error::Pop3(error)) = &outcome
            && session.outstanding() > 1
            && error.breaks_the_dialog()
        {
            let nonsense = error.class() == Class::Protocol;
            self.next = Next::OneAtATime(if nonsense { Trouble::Nonsense } else { Trouble::Broken });
        }
        let (listing, shortage) = outcome?;
        // What was kept just now may go as well.
        let known = match self.account.after_archive {
            AfterArchive::Keep => Vec::new(),
            _ => self.plan(listing).await?.1.known,
        };
        self.clear(session, known).await?;
        shortage.map_or(Ok(()), |shortage| Err(shortage.into()))
    }

    /// A session with the server, and what it said of itself noted.
    async fn open(&mut self) -> Result<Session, Error> {
        let (endpoint, login) = login::way_in(self.account, &self.door.tokens).await?;
        let deadlines = Deadlines::within(self.account.timeout);
        let opened = in_time(&self.stop, async { Ok(Session::open(&endpoint, &login, &deadlines).await?) }).await;
        if let (Err(Error::Pop3(error)), Some(token)) = (&opened, &login.credentials.token)
            && error.class() == Class::Auth
        {
            self.door.tokens.refused(self.account, token).await;
        }
        let mut session = opened?;
        self.token = login.credentials.token;
        if self.manner.one_at_a_time {
            session.one_at_a_time();
        }
        let capabilities = session.capabilities();
        self.manner.headers &= capabilities.top() || !capabilities.are_known();
        let facts = ServerFacts {
            expire_days: match capabilities.expire() {
                Some(Expire::Days(days)) => Some(days),
                Some(Expire::Never) | None => None,
            },
            login_delay_seconds: capabilities.login_delay_seconds(),
            certificate_expires: session.tls_facts().and_then(|tls| tls.chain.first().map(|own| own.not_after)),
        };
        self.pause = Duration::from_secs(facts.login_delay_seconds.unwrap_or(0).into());
        let (catalog, id) = (self.door.holds.catalog.clone(), self.id);
        blocking(move || Ok(catalog.note_server(&id, &facts)?)).await?;
        Ok(session)
    }

    /// The token of this session is over in mid session, as Microsoft's servers say: the next begins with another.
    pub(super) async fn token_expired(&mut self) {
        if let Some(token) = &self.token {
            self.door.tokens.refused(self.account, token).await;
            self.next = Next::More;
        }
    }

    async fn transact(&mut self, session: &mut Session) -> Result<(Listing, Option<Shortage>), Error> {
        let listing = listing::list(session, &self.stop, &mut self.manner.headers).await?;
        if listing.unreadable_lines > 0 {
            telemetry::listing_unreadable(&self.account.name, listing.unreadable_lines);
        }
        let (mut listing, mut plan) = self.plan(listing).await?;
        let judged_at = self.judged_at(self.started).await?;
        let recognised = self.compare(session, &mut plan, judged_at).await?;
        if recognised > 0 {
            telemetry::mail_recognised(&self.account.name, recognised);
        }
        self.doubt(&mut plan, judged_at);
        plan.fetch.append(&mut plan.unread);
        self.record.counts.listed = listing.messages.len() as u64;
        self.record.counts.known = plan.known.len() as u64 + self.pass_over(&mut plan.fetch);
        self.record.counts.duplicates = recognised;
        self.record.deferred = plan.deferred;
        plan.still_missed.iter().for_each(|fate| self.record.count(*fate));
        // A listing that a stop may have cut short says nothing of what it lacks.
        if !*self.stop.borrow() {
            self.record.gone = plan.gone;
            self.record.absent = plan.absent.into_iter().map(|row| row.listed).collect();
            plan.missed.append(&mut plan.vanished);
        }
        for Missed { listed, fate, reason } in plan.missed {
            self.record.miss(listed, fate, reason);
        }
        let fetch = self.portion(plan.fetch);
        let shortage = Retrieval::new(self).run(session, fetch, &mut listing).await?;
        let counts = self.record.counts;
        if self.next == Next::Nothing && A_WINDOW.contains(&counts.listed) && counts.kept >= *A_WINDOW.start() {
            self.next = Next::More;
        }
        Ok((listing, shortage))
    }

    /// What the ledger makes of a listing, as it stands now.
    async fn plan(&self, listing: Listing) -> Result<(Listing, Plan), Error> {
        let (catalog, id) = (self.door.holds.catalog.clone(), self.id);
        let (account, now) = (self.account.clone(), self.started);
        blocking(move || {
            let mut planning = Planning::new(&listing.messages, &account, now);
            catalog.each_known(&id, |row| planning.take(row))?;
            let plan = planning.finish();
            Ok((listing, plan))
        })
        .await
    }

    /// Compares header blocks where the listing alone does not tell for certain what a line means. How many were
    /// recognised.
    async fn compare(&mut self, session: &mut Session, plan: &mut Plan, now: Timestamp) -> Result<u64, Error> {
        if !self.manner.headers {
            return Ok(0);
        }
        let doubt = if plan.reuses_ids { Doubt::All } else { self.manner.doubt };
        let is_due = |kept: &AlreadyKept| wants_deleted(self.account, kept, now).is_some();
        let mut numbers = recognise::doubtful(&plan.known, doubt, is_due);
        let absent = self.absent(plan).await?;
        let sizes = absent.keys().copied().collect();
        numbers.extend(recognise::strangers(&plan.fetch, &sizes));
        let mut numbers: Vec<u32> = numbers.into_iter().collect();
        numbers.sort_unstable();
        let headers = listing::headers(session, numbers, &self.stop, &mut self.manner.headers).await?;
        let (equal, different) = recognise::compare(plan, &headers);
        self.compared.extend(equal);
        self.different = different;
        let recognised = recognise::recognise(&mut plan.fetch, &headers, &absent);
        let count = recognised.len() as u64;
        let sighted = recognised.into_iter().map(|(listed, message)| {
            let sighting = Sighting { account: self.id, listed };
            Event::Sighted(Sighted { message, sighting, by_header: true })
        });
        let events: Vec<Event> = sighted.collect();
        for some in events.chunks(TOLD_AT_ONCE) {
            self.door.tell(some.to_vec()).await?;
        }
        Ok(count)
    }

    /// Has fetched again what is to go, and what neither its header block nor its size tells to be what the archive holds:
    /// the unique-id may stand for new mail by now.
    fn doubt(&mut self, plan: &mut Plan, now: Timestamp) {
        let is_doubtful =
            |kept: &mut AlreadyKept| !self.is_sure(kept) && wants_deleted(self.account, kept, now).is_some();
        let doubtful: Vec<AlreadyKept> = plan.known.extract_if(.., is_doubtful).take(clear::SESSION_MOST).collect();
        for AlreadyKept { number, listed, archived, .. } in doubtful {
            self.again.insert(number, archived.message.id);
            plan.fetch.push((pop3::Retrieve { number, size_hint: None }, listed));
        }
    }

    /// Whether this is, in this session, the message that the archive holds. Unique-id and size have to do where the server
    /// does not let us compare header blocks.
    fn is_sure(&self, kept: &AlreadyKept) -> bool {
        self.compared.contains(&kept.number) || !self.manner.headers && kept.has_its_size
    }

    /// What the account once listed and lists no more, by size, as far as something new has that size.
    async fn absent(&self, plan: &mut Plan) -> Result<HashMap<u64, Vec<Known>>, Error> {
        let wanted: HashSet<u64> = plan.fetch.iter().filter_map(|(_, listed)| listed.listed_bytes).collect();
        let mut absent: HashMap<u64, Vec<Known>> = HashMap::new();
        for row in &plan.absent {
            if let Some(size) = row.listed.listed_bytes.filter(|size| wanted.contains(size)) {
                absent.entry(size).or_default().push(row.clone());
            }
        }
        let (catalog, id) = (self.door.holds.catalog.clone(), self.id);
        blocking(move || {
            for size in catalog.absent_sizes(&id)?.intersection(&wanted) {
                absent.entry(*size).or_default().extend(catalog.absent(&id, *size)?);
            }
            Ok(absent)
        })
        .await
    }

    /// Leaves out what has no name and came in an earlier session of this poll. How many those are.
    fn pass_over(&self, fetch: &mut Vec<(pop3::Retrieve, Listed)>) -> u64 {
        let before = fetch.len();
        fetch.retain(|(retrieve, listed)| retrieve.number > self.manner.behind || !listed.uidl.as_bytes().is_empty());
        (before - fetch.len()) as u64
    }

    /// A message without a name came, and has one.
    pub(super) fn named(&mut self, number: u32) {
        self.named_upto = self.named_upto.max(number);
    }

    /// As much as one session takes; the rest waits for the next.
    fn portion(&mut self, mut fetch: Vec<(pop3::Retrieve, Listed)>) -> Vec<(pop3::Retrieve, Listed)> {
        let mut bytes = 0_u64;
        let within = fetch.iter().take(SESSION_MESSAGES).take_while(|(retrieve, _)| {
            let before = bytes;
            bytes = bytes.saturating_add(retrieve.size_hint.unwrap_or(0));
            before < SESSION_BYTES
        });
        let upto = within.count();
        for (retrieve, listed) in fetch.drain(upto..) {
            self.next = Next::More;
            self.record.defer(retrieve.number, listed, "the next session fetches it");
        }
        fetch
    }

    /// A message came with so many octets.
    pub(super) fn measure(&mut self, number: u32, listed: &Listed, octets: u64) {
        if listed.listed_bytes.is_some_and(|listed| listed != octets) {
            self.odd_sizes.insert(number);
        }
    }

    /// This session has taken its share.
    pub(super) const fn go_on(&mut self) {
        self.next = Next::More;
    }

    /// What became of a message that was fetched, its octets new to the archive or not.
    pub(super) fn came(&mut self, number: u32, kept: &Kept) {
        self.compared.insert(number);
        if self.again.get(&number) == Some(&kept.id) {
            // The same octets from the same line twice: the size that is listed is wrong.
            self.odd_sizes.remove(&number);
        }
        match kept.fate {
            Fate::Kept => self.record.counts.kept += 1,
            _ => self.record.counts.duplicates += 1,
        }
        match self.different.get(&number) {
            Some(taken_for) if *taken_for == kept.id => self.false_alarms += 1,
            Some(_) => self.true_alarms += 1,
            None => {}
        }
    }

    /// The time by which it is told what is old enough to go.
    async fn judged_at(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let (catalog, account, id) = (self.door.holds.catalog.clone(), self.account.clone(), self.id);
        blocking(move || Ok(age::judged_at(&catalog, &account, &id, now)?)).await
    }

    /// Deletes what the policy wants gone and ends the session. Only what is sure to be what the archive holds.
    async fn clear(&mut self, mut session: Session, known: Vec<AlreadyKept>) -> Result<(), Error> {
        let now = self.judged_at(self.door.holds.clock.now()).await?;
        let wanted: Vec<Wanted> = known
            .into_iter()
            .filter(|kept| self.is_sure(kept))
            .filter(|kept| !self.odd_sizes.contains(&kept.number))
            .filter_map(|kept| {
                let reason = wants_deleted(self.account, &kept, now)?;
                let sighting = Sighting { account: self.id, listed: kept.listed };
                let is_decided = kept.is_deleting;
                Some(Wanted { number: kept.number, sighting, archived: *kept.archived, reason, is_decided })
            })
            .collect();
        if wanted.len() > clear::SESSION_MOST && self.next == Next::Nothing {
            self.next = Next::More;
        }
        let stop = self.stop.clone();
        let accepted = in_time(&stop, clear::clear(&mut session, self.door, wanted)).await?;
        match in_time(&stop, async { Ok(session.quit().await?) }).await? {
            Quit::Committed => self.record.counts.deleted = accepted,
            Quit::Refused(reply) => telemetry::quit_refused(&self.account.name, &reply.to_string()),
        }
        Ok(())
    }
}
