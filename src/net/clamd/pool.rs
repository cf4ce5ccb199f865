//! Scans for many tasks at once, over several sessions and with one clamd after another; decides what is asked again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

use super::error::Blame;
use super::greet::wrap;
use super::link::Ask;
use super::place::{Lease, Load, Place};
use super::suspects::Suspects;
use super::{Address, Error, Health, Scan, Settings, Source, Who};

/// Longer messages take a session of their own.
const LARGE_BYTES: u64 = 1 << 20;

/// How often a scan is asked for again because another message ended its session.
const DISTURBED: u32 = 32;

/// Between two looks whether a clamd has come back.
const LOOK: Duration = Duration::from_millis(100);

/// One or several clamds. A clone is the same pool.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    places: Vec<Place>,
    settings: Settings,
    suspects: Suspects,
}

/// Why one attempt gave no answer.
enum Failed {
    /// No clamd was to be had.
    Unasked(Error),
    /// clamd had the message, or a part of it.
    Asked(Error),
}

/// What happened to one message so far.
struct History {
    is_alone: bool,
    disturbed: u32,
    tries: u32,
    deaths: u32,
    patience_ends: Option<Instant>,
}

enum Gate<'p> {
    Shared { _guard: RwLockReadGuard<'p, ()> },
    Alone { _guard: RwLockWriteGuard<'p, ()> },
}

impl Pool {
    /// Connects only when something is asked. The first address that works is preferred.
    pub fn new(addresses: Vec<Address>, settings: Settings) -> Self {
        let places = addresses.into_iter().map(|address| Place::new(address, settings.clone())).collect();
        Self { inner: Arc::new(Inner { places, settings, suspects: Suspects::default() }) }
    }

    /// Has one message, or a part of one, scanned.
    ///
    /// An answer is clamd's own, and `Answer::Ok` was said for these octets in the exact words. What clamd had when it
    /// died is asked about again alone, so it is known which message it dies of: that one, and no other, is
    /// [`Error::Deadly`]. Waits for a clamd that died to come back, `Settings::comeback` at most; one that was away
    /// before is an [`Error::Away`] at once. May be dropped at any time.
    pub async fn scan(&self, source: impl Into<Source>) -> Result<Scan, Error> {
        let (source, inner) = (source.into(), &*self.inner);
        let mut history = History::new(inner.suspects.deaths(&source));
        loop {
            let failed = match inner.attempt(&source, history.is_alone).await {
                Ok(scan) => {
                    if history.is_alone {
                        inner.suspects.remove(&source);
                    }
                    return Ok(scan);
                }
                Err(failed) => failed,
            };
            match failed {
                Failed::Unasked(error) => history.wait_or(error, inner.settings.comeback).await?,
                Failed::Asked(error) => {
                    if error.blame() == Blame::Suspect {
                        inner.suspects.add(&source);
                    }
                    history.again_or(error)?;
                }
            }
        }
    }

    /// Who answers now, by VERSION asked at this moment. What is scanned from now on carries it, until it is asked again.
    pub async fn version_now(&self) -> Result<Arc<Who>, Error> {
        let mut reasons = Vec::new();
        for place in &self.inner.places {
            if let Some((retry, why)) = place.rest() {
                reasons.push((retry, why));
                continue;
            }
            match place.version_now().await {
                Ok(who) => return Ok(who),
                Err(error) => reasons.push((place.rest().map_or(LOOK, |(retry, _)| retry), error)),
            }
        }
        Err(away(&reasons))
    }

    /// Who answers now at one address: whether a scan that was answered there was made with the signatures it carries.
    pub async fn version_at(&self, address: &Address) -> Result<Arc<Who>, Error> {
        match self.inner.places.iter().find(|place| place.address == *address) {
            Some(place) => place.version_now().await,
            None => Err(away(&[])),
        }
    }

    /// What is known of each clamd, in the order of preference. Asks nobody.
    pub fn health(&self) -> Vec<Health> {
        let health = |place: &Place| Health {
            address: place.address.clone(),
            who: place.who(),
            away: place.why_away().map(|error| error.to_string()),
        };
        self.inner.places.iter().map(health).collect()
    }
}

impl Inner {
    async fn attempt(&self, source: &Source, is_alone: bool) -> Result<Scan, Failed> {
        let is_patient = self.places.len() == 1;
        let mut reasons = Vec::new();
        for place in &self.places {
            if let Some((retry, why)) = place.rest() {
                reasons.push((retry, why));
                continue;
            }
            let _gate = place.enter(is_alone).await;
            match place.lease(self.load(source), is_patient).await {
                Ok(lease) => return place.scan(lease, source).await.map_err(Failed::Asked),
                Err(error) => reasons.push((place.rest().map_or(LOOK, |(retry, _)| retry), error)),
            }
        }
        Err(Failed::Unasked(away(&reasons)))
    }

    fn load(&self, source: &Source) -> Load {
        match source {
            Source::Octets(octets) if octets.len() as u64 <= LARGE_BYTES => Load::Small,
            _ => Load::Large,
        }
    }
}

impl Place {
    async fn enter(&self, is_alone: bool) -> Gate<'_> {
        if is_alone {
            Gate::Alone { _guard: self.gate.write().await }
        } else {
            Gate::Shared { _guard: self.gate.read().await }
        }
    }

    async fn scan(&self, lease: Lease, source: &Source) -> Result<Scan, Error> {
        let Lease { link, slots, who } = lease;
        let transport = link.transport;
        let ask = match source {
            Source::Octets(octets) => wrap(octets.clone(), transport).await?,
            Source::Stream(stream) => Ask::Stream(stream.clone()),
        };
        match link.scan(ask, Some(slots)).await {
            Ok(answer) => {
                self.succeeded();
                Ok(Scan { answer, who, transport })
            }
            Err(error) => {
                if matches!(error.blame(), Blame::Once | Blame::Suspect) {
                    self.failed(&link, &error);
                }
                Err(error)
            }
        }
    }
}

impl History {
    const fn new(deaths: u32) -> Self {
        Self { is_alone: deaths > 0, disturbed: 0, tries: 0, deaths, patience_ends: None }
    }

    /// Only what a clamd had when it died waits for one to come back: who asks later would ask about it among others.
    async fn wait_or(&mut self, error: Error, comeback: Duration) -> Result<(), Error> {
        let now = Instant::now();
        let ends = *self.patience_ends.get_or_insert(now + comeback);
        let retry = if let Error::Away { retry, .. } = error { retry.max(LOOK) } else { LOOK };
        if self.deaths == 0 || now + retry > ends {
            return Err(error);
        }
        tokio::time::sleep(retry).await;
        Ok(())
    }

    fn again_or(&mut self, error: Error) -> Result<(), Error> {
        self.patience_ends = None;
        match error.blame() {
            Blame::Final => return Err(error),
            Blame::Another => self.disturbed += 1,
            Blame::Once => self.tries += 1,
            Blame::Suspect => self.deaths += 1,
        }
        if self.deaths >= 2 && self.is_alone {
            return Err(Error::Deadly(Box::new(error)));
        }
        self.is_alone |= self.deaths > 0;
        if self.tries >= 2 || self.disturbed >= DISTURBED { Err(error) } else { Ok(()) }
    }
}

fn away(reasons: &[(Duration, Error)]) -> Error {
    let why: Vec<String> = reasons.iter().map(|(_, error)| error.to_string()).collect();
    let why = if why.is_empty() { "no clamd is set; set scan.clamd".to_owned() } else { why.join("; ") };
    Error::Away { why, retry: reasons.iter().map(|(retry, _)| *retry).min().unwrap_or_default() }
}
