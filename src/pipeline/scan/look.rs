//! Has the scanner look at every view of one message.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OnceCell, Semaphore};

use super::judge::{self, RAW};
use super::scanner::{Desk, Standing};
use crate::catalog::{Answered, MessageRow};
use crate::mail::event::Scanned;
use crate::mail::message::{self, READ_LIMIT_BYTES};
use crate::mail::views::{Doubt, views_within};
use crate::mail::{BlobId, Verdict, ViewVerdict};
use crate::net::clamd::{Answer, Error as Clamd, Source, Who};
use crate::pipeline::Error;
use crate::pipeline::hands::Hands;
use crate::pipeline::holds::{Holds, location};

/// Octets of messages that are held at a time, in KiB. One that is larger is looked at when nothing else is.
const ROOM_KIB: u32 = 128 * 1024;
/// What a message takes while it is looked at: itself, its parts, further readings of them, and what archives in it unpack to.
const TIMES: u64 = 7;
const KIB_EACH: u64 = 1024;
const CACHED: &str = "cache";

/// Looks at messages, many at a time, until the signatures change.
pub(super) struct Looking {
    holds: Holds,
    desk: Desk,
    who: Arc<Who>,
    pub(super) standing: Arc<Standing>,
    /// Equal parts of several messages are asked about once.
    asked: Mutex<HashMap<BlobId, Arc<OnceCell<Asked>>>>,
    room: Semaphore,
    hands: Hands,
    questions: AtomicU64,
}

/// The scanner's answer on one view, before anybody doubts it.
#[derive(Clone, Debug)]
struct Asked {
    verdict: Verdict,
    detail: Option<String>,
    transport: String,
    duration_ms: u64,
    /// Who answered, where it was not the one that was to be asked.
    other: Option<Arc<Standing>>,
}

/// What came of one message.
#[derive(Debug)]
pub(super) enum Seen {
    Scanned(Scanned),
    /// The scanner gave no answer for this message: why.
    Unanswered(String),
    /// There is no scanner: this says nothing about the message.
    Away(Clamd),
}

/// A view as it goes to the scanner.
struct Shown {
    name: String,
    blob: BlobId,
    octets: Bytes,
    doubts: Vec<Doubt>,
    /// What is known without asking.
    known: Option<Answered>,
}

impl Looking {
    pub(super) fn new(holds: Holds, desk: Desk, (who, standing): (Arc<Who>, Standing)) -> Self {
        let (room, standing) = (Semaphore::new(ROOM_KIB as usize), Arc::new(standing));
        Self {
            holds,
            desk,
            who,
            standing,
            asked: Mutex::default(),
            room,
            hands: Hands::new(),
            questions: AtomicU64::new(0),
        }
    }

    pub(super) async fn message(self: &Arc<Self>, row: &MessageRow) -> Result<Seen, Error> {
        let kib = ((row.size_bytes * TIMES).div_ceil(1024) + KIB_EACH).min(ROOM_KIB.into());
        let _room = self.room.acquire_many(u32::try_from(kib).unwrap_or(ROOM_KIB)).await.map_err(|_| Error::Closing)?;
        let outcome = if row.size_bytes > READ_LIMIT_BYTES as u64 {
            self.large(row).await.map(|view| vec![view])
        } else {
            let (looking, row) = (self.clone(), row.clone());
            let shown = self.hands.done(move || looking.shown(&row)).await?;
            self.all(shown).await
        };
        Ok(match outcome {
            Ok(views) => Seen::Scanned(Scanned { message: row.message, verdict: judge::worst(&views), views }),
            Err(away @ Clamd::Away { .. }) => Seen::Away(away),
            Err(error) => Seen::Unanswered(error.to_string()),
        })
    }

    /// Every view of a message, with what the scanner has said of its octets already.
    fn shown(&self, row: &MessageRow) -> Result<Vec<Shown>, Error> {
        let octets = Bytes::from(self.holds.reader.open(location(row.place))?.octets()?);
        let message = message::read(&octets);
        let seen = views_within(&octets, &message, &self.desk.limits());
        let mut shown = vec![Shown {
            name: RAW.to_owned(),
            blob: row.message.id,
            octets: octets.clone(),
            doubts: seen.doubts,
            known: None,
        }];
        for view in seen.views {
            let blob = BlobId::of(&view.octets);
            let known = match &self.standing.set {
                Some(set) => self.holds.catalog.answered(&blob, set)?,
                None => None,
            };
            let octets = match view.octets {
                Cow::Borrowed(slice) => octets.slice_ref(slice),
                Cow::Owned(octets) => octets.into(),
            };
            shown.push(Shown { name: view.name, blob, octets, doubts: view.doubts, known });
        }
        Ok(shown)
    }

    /// All views at the same time; the first that gets no answer ends it.
    async fn all(&self, shown: Vec<Shown>) -> Result<Vec<ViewVerdict>, Clamd> {
        let mut views: Vec<Option<ViewVerdict>> = shown.iter().map(|_| None).collect();
        let numbered = shown.into_iter().enumerate();
        let mut asking: FuturesUnordered<_> =
            numbered.map(|(at, view)| async move { (at, self.view(view).await) }).collect();
        while let Some((at, view)) = asking.next().await {
            views[at] = Some(view?);
        }
        Ok(views.into_iter().flatten().collect())
    }

    async fn view(&self, shown: Shown) -> Result<ViewVerdict, Clamd> {
        let Shown { name, blob, octets, doubts, known } = shown;
        let size_bytes = octets.len() as u64;
        let asked = match known {
            Some(Answered { verdict, detail, .. }) => {
                Asked { verdict, detail, transport: CACHED.to_owned(), duration_ms: 0, other: None }
            }
            None if name == RAW => self.ask(octets.into()).await?,
            None => {
                let cell = self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(blob).or_default().clone();
                cell.get_or_try_init(|| self.ask(octets.into())).await?.clone()
            }
        };
        let mut view = self.said(name, (blob, size_bytes), asked);
        judge::doubted(&mut view, &doubts);
        Ok(view)
    }

    /// A message too large to be taken apart goes to the scanner as it came, frame by frame; its parts are not looked
    /// into, so it is never clean.
    async fn large(&self, row: &MessageRow) -> Result<ViewVerdict, Clamd> {
        let (reader, place) = (self.holds.reader.clone(), location(row.place));
        let source = Source::stream(row.size_bytes, move || {
            let mut pieces = reader.open(place).map_err(std::io::Error::other)?.pieces();
            Ok(Box::new(move || match pieces.next_piece() {
                Ok(piece) => Ok(piece.map(Bytes::copy_from_slice)),
                Err(error) => Err(std::io::Error::other(error)),
            }))
        });
        let asked = self.ask(source).await?;
        let mut view = self.said(RAW.to_owned(), (row.message.id, row.size_bytes), asked);
        judge::doubted(&mut view, &[Doubt::Structure(message::Problem::TooLarge)]);
        Ok(view)
    }

    async fn ask(&self, source: Source) -> Result<Asked, Clamd> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let scan = self.desk.pool.scan(source).await?;
        let (verdict, detail) = match scan.answer {
            Answer::Ok => (Verdict::Clean, None),
            Answer::Found(signature) => (self.desk.families.verdict(&signature), Some(signature)),
            Answer::TooLarge => (Verdict::Partial, Some("larger than the scanner takes".to_owned())),
            Answer::Error(why) => (Verdict::Error, Some(why)),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let other = (scan.who != self.who).then(|| Arc::new(self.desk.of(&scan.who)));
        Ok(Asked { verdict, detail, transport: scan.transport.to_string(), duration_ms, other })
    }

    fn said(&self, view: String, (blob, size_bytes): (BlobId, u64), asked: Asked) -> ViewVerdict {
        let Asked { verdict, detail, transport, duration_ms, other } = asked;
        let Standing { engine, signatures, .. } = (*other.unwrap_or_else(|| Arc::clone(&self.standing))).clone();
        let scanned = self.holds.clock.now();
        ViewVerdict { view, blob, size_bytes, verdict, detail, engine, signatures, transport, scanned, duration_ms }
    }

    /// How often the scanner was asked so far.
    pub(super) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    /// Every answer on a part that was given since the last call, but for failures and those by other signatures: to be
    /// kept where the signatures are still the same.
    pub(super) fn answers(&self) -> Vec<Answered> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = asked.drain().filter_map(|(blob, cell)| {
            let Asked { verdict, detail, other, .. } = cell.get()?.clone();
            (verdict != Verdict::Error && other.is_none()).then_some(Answered { blob, verdict, detail })
        });
        answers.collect()
    }
}
