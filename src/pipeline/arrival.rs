//! Messages on their way from the server to the disk, within one session.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::keep::{Answer, Share};
use super::plan::BY_OCTETS_HASH;
use super::stopping::overdue;
use super::visit::Visit;
use super::{Error, Shortage};
use crate::mail::Fate;
use crate::mail::event::{Listed, Sighting, Uidl};
use crate::net::pop3::{self, Listing, Retrieved, Session};
use crate::store::Incoming;
use crate::telemetry;

/// After so long nothing more is asked for: deletions are committed, and the next session goes on.
const SESSION_TIME: Duration = Duration::from_secs(30 * 60);

pub(super) struct Retrieval<'v, 'a> {
    visit: &'v mut Visit<'a>,
    /// Asked for and not durable yet, by their numbers in this session.
    missing: HashMap<u32, Listed>,
    /// The one that is coming just now: its number, and what it may hold in memory.
    current: Option<(u32, Incoming, Share)>,
    answers: VecDeque<(u32, Answer)>,
    /// How many of this session got which name, where the server gives none.
    named: HashMap<Uidl, u32>,
    /// Lines on which the server forgot dot-stuffing.
    lone_dots: u64,
    began: Instant,
}

#[derive(Clone, Copy)]
enum Settle {
    Ready,
    All,
}

impl<'v, 'a> Retrieval<'v, 'a> {
    pub(super) fn new(visit: &'v mut Visit<'a>) -> Self {
        Self {
            visit,
            missing: HashMap::new(),
            current: None,
            answers: VecDeque::new(),
            named: HashMap::new(),
            lone_dots: 0,
            began: Instant::now(),
        }
    }

    /// Takes in what it can; what kept it from taking in all, if that was the disk's want of room.
    pub(super) async fn run(
        mut self,
        session: &mut Session,
        fetch: Vec<(pop3::Retrieve, Listed)>,
        listing: &mut Listing,
    ) -> Result<Option<Shortage>, Error> {
        self.visit.progress.want(fetch.len() as u64);
        let wanted: Vec<pop3::Retrieve> = fetch.iter().map(|(retrieve, _)| *retrieve).collect();
        self.missing.extend(fetch.into_iter().map(|(retrieve, listed)| (retrieve.number, listed)));
        session.retrieve(wanted, self.visit.account.max_message_bytes);

        let outcome = self.drain(session, listing).await;
        if self.lone_dots > 0 {
            telemetry::dots_unstuffed(&self.visit.account.name, self.lone_dots);
        }
        // What is queued will be durable whatever became of the session.
        let kept = self.settle(Settle::All).await;
        let why = match (&outcome, &kept) {
            (Err(error), _) | (_, Err(error)) => format!("the session ended before its turn: {error}"),
            (Ok(Some(shortage)), _) => shortage.to_string(),
            _ if self.began.elapsed() > SESSION_TIME => "the next session fetches it".to_owned(),
            _ => "the program was stopping".to_owned(),
        };
        // Only the server can make a message suspect; trouble with the disk here says nothing of it.
        if let (Some((number, _, _)), Err(Error::Pop3(_))) = (self.current.take(), &outcome) {
            self.missed(number, Fate::Interrupted, why.replace("before its turn", "while it came"));
        }
        let mut rest: Vec<(u32, Listed)> = self.missing.drain().collect();
        rest.sort_unstable_by_key(|(number, _)| *number);
        for (number, listed) in rest {
            self.visit.record.defer(number, listed, &why);
        }
        outcome.and_then(|shortage| kept.map(|()| shortage))
    }

    async fn drain(&mut self, session: &mut Session, listing: &mut Listing) -> Result<Option<Shortage>, Error> {
        let mut stopping = false;
        let mut shortage = None;
        let mut overdue = std::pin::pin!(overdue(self.visit.stop.clone()));
        loop {
            if !stopping {
                shortage = self.visit.door.room.shortage();
                let late = self.began.elapsed() > SESSION_TIME;
                stopping = late || shortage.is_some() || *self.visit.stop.borrow();
                if stopping && !session.stop_retrieving().is_empty() && late {
                    self.visit.go_on();
                }
            }
            let told = tokio::select! {
                told = session.next() => told?,
                () = &mut overdue => return Err(Error::Closing),
            };
            match told {
                None => return Ok(shortage),
                Some(Retrieved::Begin { number }) => {
                    let hint = self.missing.get(&number).and_then(|listed| listed.listed_bytes);
                    let share = self.visit.door.keeper.budget.share(hint).await?;
                    let incoming = Incoming::new(&self.visit.door.holds.spool(), share.bytes());
                    self.current = Some((number, incoming, share));
                }
                Some(Retrieved::Chunk(octets)) => {
                    if let Some((_, incoming, _)) = &mut self.current {
                        incoming.write(octets)?;
                    }
                }
                Some(Retrieved::End { number, octets, lone_dots }) => {
                    self.lone_dots += lone_dots;
                    self.visit.progress.did(octets);
                    self.visit.record.counts.bytes += octets;
                    self.visit.door.room.took(octets);
                    self.arrived(number, listing).await?;
                }
                Some(Retrieved::TooLarge { number, octets }) => {
                    self.current = None;
                    let reason = format!("{octets} octets came, more than max_message_bytes; it stays on the server");
                    self.missed(number, Fate::Oversize, reason);
                }
                Some(Retrieved::Refused { number, reply }) => {
                    // Trouble of the whole server: the next session tries again, without counting it as a failure.
                    let expired = reply.text.contains("AccessTokenExpired");
                    let temporary = expired || reply.code == Some(pop3::Code::SysTemp);
                    let fate = if temporary { Fate::Deferred } else { Fate::Failed };
                    self.missed(number, fate, format!("the server refused it: {reply}"));
                    if expired {
                        self.visit.token_expired().await;
                    }
                    if temporary {
                        session.stop_retrieving();
                    }
                }
            }
        }
    }

    async fn arrived(&mut self, number: u32, listing: &mut Listing) -> Result<(), Error> {
        let Some((_, incoming, share)) = self.current.take() else { return Ok(()) };
        let message = incoming.finish();
        let Some(listed) = self.missing.get_mut(&number) else { return Ok(()) };
        if listed.uidl.as_bytes().is_empty() {
            listed.uidl = Uidl::new(format!("{BY_OCTETS_HASH}{}", message.id()));
            // Until now it was one of many without a name.
            let equal = self.named.entry(listed.uidl.clone()).or_default();
            listed.ordinal = *equal;
            *equal += 1;
            listing.name(number, listed.uidl.as_bytes());
            self.visit.named(number);
        }
        self.visit.measure(number, listed, message.size_bytes());
        let sighting = Sighting { account: self.visit.id, listed: listed.clone() };
        let answer = self.visit.door.keeper.keep(message, sighting, share).await?;
        self.answers.push_back((number, answer));
        self.settle(Settle::Ready).await
    }

    fn missed(&mut self, number: u32, fate: Fate, reason: String) {
        self.visit.progress.did(0);
        if let Some(listed) = self.missing.remove(&number) {
            self.visit.record.miss(listed, fate, reason);
        }
    }

    /// Takes the answers of the keeping stage, in the order of the messages. The first that is an error is returned,
    /// after all have been looked at.
    async fn settle(&mut self, which: Settle) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some((number, mut answer)) = self.answers.pop_front() {
            let kept = match which {
                Settle::All => answer.await.unwrap_or(Err(Error::Closing)),
                Settle::Ready => match answer.try_recv() {
                    Ok(kept) => kept,
                    Err(tokio::sync::oneshot::error::TryRecvError::Empty) => {
                        self.answers.push_front((number, answer));
                        break;
                    }
                    Err(tokio::sync::oneshot::error::TryRecvError::Closed) => Err(Error::Closing),
                },
            };
            match kept {
                Ok(kept) => {
                    self.missing.remove(&number);
                    self.visit.came(number, &kept);
                }
                // This message alone; the others of its batch were kept.
                Err(error @ Error::Refused(_)) => self.missed(number, Fate::Failed, error.to_string()),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}
