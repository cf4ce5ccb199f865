//! A POP3 server with one maildrop that misbehaves on order, and remembers what it was told and what it deleted. Knows
//! nothing of the program that speaks to it.

mod fault;
mod session;

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poplar::mail::BlobId;

use super::poplar::{Account, until};
pub(crate) use fault::{Fault, refuse};

/// A message at the server. Its octets end with CR LF, as a message must on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) uid: Vec<u8>,
    pub(crate) octets: Arc<[u8]>,
}

impl Mail {
    pub(crate) fn new(uid: impl AsRef<[u8]>, octets: impl Into<Arc<[u8]>>) -> Self {
        Self { uid: uid.as_ref().to_vec(), octets: octets.into() }
    }

    pub(crate) fn id(&self) -> BlobId {
        BlobId::of(&self.octets)
    }
}

/// Serves on a free port of 127.0.0.1, one thread a session, until the test is over.
pub(crate) struct Maildrop {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    capabilities: Vec<&'static str>,
    faults: Vec<Fault>,
    next_session: Vec<Fault>,
    heard: Vec<Vec<String>>,
    handed_out: Vec<BlobId>,
    deleted: Vec<Mail>,
    sent_octets: usize,
    has_stalled: bool,
    is_closed: bool,
}

impl Drop for Maildrop {
    fn drop(&mut self) {
        self.state().is_closed = true;
        // Its thread waits for a session, and looks then.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Maildrop {
    /// Offers UIDL, TOP and PIPELINING.
    pub(crate) fn new(mails: Vec<Mail>) -> Self {
        Self::offering(&["UIDL", "TOP", "USER", "RESP-CODES", "PIPELINING"], mails)
    }

    /// `capabilities`: the lines of CAPA, which is refused when there are none.
    pub(crate) fn offering(capabilities: &[&'static str], mails: Vec<Mail>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { mails, capabilities: capabilities.to_vec(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.lock().unwrap_or_else(PoisonError::into_inner).is_closed {
                    break;
                }
                let state = served.clone();
                // A client that leaves early is no concern of the next.
                std::thread::spawn(move || drop(session::serve(stream.unwrap(), &state)));
            }
        });
        Self { port, state }
    }

    /// The way in, without TLS.
    pub(crate) fn account(&self) -> Account {
        Account::plain(self.port, "tester")
    }

    /// In every session from the next on, until [`Self::behave`].
    pub(crate) fn misbehave(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// In the next session only.
    pub(crate) fn misbehave_once(&self, fault: Fault) {
        self.state().next_session.push(fault);
    }

    pub(crate) fn behave(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.next_session.clear();
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Mail>)) {
        change(&mut self.state().mails);
    }

    /// What is there now.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
    }

    /// All that a QUIT deleted.
    pub(crate) fn deleted(&self) -> Vec<Mail> {
        self.state().deleted.clone()
    }

    /// What each session was told, in words, since [`Self::forget`].
    pub(crate) fn heard(&self) -> Vec<Vec<String>> {
        self.state().heard.clone()
    }

    /// How often it was told a command that begins so, since [`Self::forget`].
    pub(crate) fn times(&self, command: &str) -> usize {
        self.heard().concat().iter().filter(|heard| heard.starts_with(command)).count()
    }

    /// Every message that was sent whole and as it is, as often as it was.
    pub(crate) fn handed_out(&self) -> Vec<BlobId> {
        self.state().handed_out.clone()
    }

    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.heard.clear();
        state.has_stalled = false;
    }

    /// The octets of the last session that ended.
    pub(crate) fn sent_octets(&self) -> usize {
        self.state().sent_octets
    }

    pub(crate) fn wait_until_it_stalls(&self) {
        until("the session never came so far", || self.state().has_stalled.then_some(()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
