use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::views::{EDITION, Limits};
use crate::mail::{BlobId, SignatureFamilies};
use crate::net::clamd::{Error, Pool, Version, Who};
use crate::telemetry;

/// The scanner as the outside sees it: what became of it.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: Arc<Mutex<ScannerState>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerState {
    /// Not asked yet.
    Starting,
    Ready {
        engine: String,
        signatures: String,
    },
    /// Messages are archived all the same, and wait for it.
    Away {
        why: String,
    },
}

impl Scanner {
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(ScannerState::Starting)) }
    }

    pub fn state(&self) -> ScannerState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is(&self, state: ScannerState) -> ScannerState {
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of the scanner from elsewhere than its socket.
pub trait Engine: Send + Sync {
    /// What to call the signatures where clamd does not number them.
    fn signatures(&self) -> String;
    /// What tells the signatures and settings of the clamd that names itself so from any others; `None` where nobody knows.
    fn signature_set(&self, version: &Version) -> Option<String>;
    /// Whether it is expected not to answer yet.
    fn is_starting(&self) -> bool;
    /// How much it takes.
    fn limits(&self) -> Limits;
}

/// Which scanner answers, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) engine: String,
    pub(super) signatures: String,
    /// SHA-256, in hex, of all that its verdicts depend on: signatures and settings, engine, what its names are taken for,
    /// and how messages are taken apart for it. Without it nothing is remembered, and nothing scanned again by itself.
    pub(super) set: Option<String>,
}

/// The clamds, and what else is known of them.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) pool: Pool,
    pub(super) families: Arc<SignatureFamilies>,
    scanner: Scanner,
    engine: Arc<dyn Engine>,
}

impl Desk {
    pub(super) fn new(pool: Pool, families: SignatureFamilies, scanner: Scanner, engine: Arc<dyn Engine>) -> Self {
        Self { pool, families: Arc::new(families), scanner, engine }
    }

    /// Asks who answers now. `None` while nobody does.
    pub(super) async fn standing(&self) -> Option<(Arc<Who>, Standing)> {
        match self.pool.version_now().await {
            Ok(who) => {
                let standing = self.of(&who);
                let Standing { engine, signatures, .. } = standing.clone();
                let ready = ScannerState::Ready { engine, signatures };
                if self.scanner.is(ready.clone()) != ready {
                    telemetry::scanner_ready(&standing.engine, &standing.signatures);
                }
                Some((who, standing))
            }
            Err(error) => {
                self.went_away(&error);
                None
            }
        }
    }

    pub(super) fn of(&self, who: &Who) -> Standing {
        let version = &who.version;
        Standing {
            engine: version.engine.clone(),
            signatures: version.signatures.clone().unwrap_or_else(|| self.engine.signatures()),
            set: self.engine.signature_set(version).map(|signatures| self.set(version, &signatures)),
        }
    }

    fn set(&self, version: &Version, signatures: &str) -> String {
        let mut all = format!("{}\n{signatures}\n{EDITION}\n", version.engine);
        for (beginning, verdict) in self.families.iter() {
            #[expect(clippy::let_underscore_must_use, reason = "writing to a String does not fail")]
            let _ = writeln!(all, "{beginning}\t{verdict}");
        }
        BlobId::of(all.as_bytes()).to_string()
    }

    pub(super) fn limits(&self) -> Limits {
        self.engine.limits()
    }

    /// Whether this is the clamd that is asked as long as it answers. Another one stands in for it: what it has may be older.
    pub(super) fn is_preferred(&self, who: &Who) -> bool {
        self.pool.health().first().is_none_or(|first| first.address == who.address)
    }

    pub(super) fn went_away(&self, error: &Error) {
        if self.engine.is_starting() {
            self.scanner.is(ScannerState::Starting);
        } else if !matches!(self.scanner.is(ScannerState::Away { why: error.to_string() }), ScannerState::Away { .. }) {
            telemetry::scanner_away(error);
        }
    }
}
