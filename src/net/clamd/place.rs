//! One clamd: its open sessions, whether it is left alone for now, and who it said it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, RwLock};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::greet::greet;
use super::link::Link;
use super::{Address, Error, Settings, Transport, Version, Who};

/// What a scan takes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// One place in the window.
    Small,
    /// A whole session: others would wait for it, or be thrown out with it when it is too large for clamd.
    Large,
}

pub(super) struct Place {
    pub(super) address: Address,
    /// Held shared by each scan; by a suspect alone.
    pub(super) gate: RwLock<()>,
    settings: Settings,
    opening: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    links: Vec<Arc<Link>>,
    breaker: Breaker,
    /// The transport for small loads, where it is known.
    transport: Option<Transport>,
    who: Option<Arc<Who>>,
}

/// A right to ask. What was known of clamd before the question is asked.
pub(super) struct Lease {
    pub(super) link: Arc<Link>,
    pub(super) slots: OwnedSemaphorePermit,
    pub(super) who: Arc<Who>,
}

enum Choice {
    Use(Arc<Link>),
    /// Another session is wanted; until there is one, this may do.
    Open(Option<Arc<Link>>),
}

impl Place {
    pub(super) fn new(address: Address, settings: Settings) -> Self {
        let transport = matches!(address, Address::Tcp(_)).then_some(Transport::Instream);
        let state = State { links: Vec::new(), breaker: Breaker::default(), transport, who: None };
        let opening = tokio::sync::Mutex::new(());
        Self { address, gate: RwLock::new(()), settings, opening, state: Mutex::new(state) }
    }

    /// How long it is still left alone, and why.
    pub(super) fn rest(&self) -> Option<(Duration, Error)> {
        self.state().breaker.rest(Instant::now())
    }

    pub(super) fn who(&self) -> Option<Arc<Who>> {
        self.state().who.clone()
    }

    /// Why it did not answer when it was last asked.
    pub(super) fn why_away(&self) -> Option<Error> {
        self.state().breaker.why().cloned()
    }

    /// A session with room in its window; opens one where that is needed. Someone patient waits for another's trial.
    pub(super) async fn lease(&self, load: Load, is_patient: bool) -> Result<Lease, Error> {
        let count = if load == Load::Small { 1 } else { self.settings.window };
        loop {
            let link = self.link(load, is_patient).await?;
            let Some(slots) = link.slots(count).await else { continue };
            if let Some(who) = self.who() {
                return Ok(Lease { link, slots, who });
            }
        }
    }

    /// Asks who it is now. Where its signatures have changed, new sessions test it again.
    pub(super) async fn version_now(&self) -> Result<Arc<Who>, Error> {
        let link = self.link(Load::Small, true).await?;
        let asked = link.version(self.settings.hello).await;
        let version = asked.inspect_err(|error| self.failed(&link, error))?;
        let mut state = self.state();
        if state.who.as_ref().is_some_and(|who| who.version != version) {
            state.links.clear();
        }
        Ok(state.is(&self.address, version))
    }

    pub(super) fn succeeded(&self) {
        self.state().breaker.succeeded();
    }

    pub(super) fn failed(&self, link: &Link, error: &Error) {
        if link.is_news() {
            self.refused(error.clone());
        }
    }

    async fn link(&self, load: Load, is_patient: bool) -> Result<Arc<Link>, Error> {
        if let Choice::Use(link) = self.choose(load) {
            return Ok(link);
        }
        let _opening = if is_patient || self.state().breaker.is_closed() {
            self.opening.lock().await
        } else {
            self.opening.try_lock().map_err(|_another| Error::Over)?
        };
        // Another may have opened a session meanwhile, or have found that there is none to be had.
        match self.choose(load) {
            Choice::Use(link) => Ok(link),
            Choice::Open(meanwhile) => {
                let opened = match self.rest() {
                    Some((_, why)) => Err(why),
                    None => self.open(load).await,
                };
                opened.or_else(|error| meanwhile.ok_or(error))
            }
        }
    }

    fn choose(&self, load: Load) -> Choice {
        let mut state = self.state();
        state.links.retain(|link| link.is_of_use(self.settings.idle));
        let transport = match load {
            Load::Small => state.transport,
            Load::Large => Some(Transport::Instream),
        };
        let fitting = || state.links.iter().filter(|link| Some(link.transport) == transport);
        let wanted = if load == Load::Small { 1 } else { self.settings.window };
        match fitting().max_by_key(|link| link.free_slots()) {
            None => Choice::Open(None),
            Some(best) if best.free_slots() >= wanted || fitting().count() >= self.settings.connections => {
                Choice::Use(Arc::clone(best))
            }
            Some(best) => Choice::Open(Some(Arc::clone(best))),
        }
    }

    async fn open(&self, load: Load) -> Result<Arc<Link>, Error> {
        let transport = self.state().transport;
        let greeted = match (load, transport) {
            (Load::Small, None | Some(Transport::Fildes)) => match self.greet(Transport::Fildes).await {
                Err(error) if may_take_streams(&error) => self.greet(Transport::Instream).await.map_err(|_| error),
                greeted => greeted,
            },
            _ => self.greet(Transport::Instream).await,
        };
        let (link, version) = greeted.inspect_err(|error| self.refused(error.clone()))?;
        let link = Arc::new(link);
        let mut state = self.state();
        if load == Load::Small {
            state.transport = Some(link.transport);
        }
        state.is(&self.address, version);
        state.links.push(Arc::clone(&link));
        state.breaker.succeeded();
        Ok(link)
    }

    async fn greet(&self, transport: Transport) -> Result<(Link, Version), Error> {
        let Settings { window, deadlines, hello, .. } = &self.settings;
        greet(&self.address, transport, *window, (deadlines, *hello)).await
    }

    fn refused(&self, error: Error) {
        self.state().breaker.failed(error, Instant::now(), self.settings.rest);
    }

    /// Each change is whole before anything can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is(&mut self, address: &Address, version: Version) -> Arc<Who> {
        match &self.who {
            Some(who) if who.version == version => Arc::clone(who),
            _ => Arc::clone(self.who.insert(Arc::new(Who { address: address.clone(), version }))),
        }
    }
}

/// Whether the scanner may only be unable to take descriptors. One that does not answer at all is not asked twice.
const fn may_take_streams(error: &Error) -> bool {
    !matches!(error, Error::Connect { .. } | Error::Unreachable { .. } | Error::Silent(_))
}
