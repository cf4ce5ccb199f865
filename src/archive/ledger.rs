use schemars::JsonSchema;
use serde::Serialize;

use super::{Archive, Error};
use crate::catalog::{Line, SessionRow};
use crate::mail::event::SessionCounts;
use crate::mail::{BlobId, Fate};

/// What became of everything that an account ever listed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LedgerShown {
    pub account: String,
    /// In the order of their first listing.
    pub lines: Vec<LineShown>,
    /// The last sessions, the latest first.
    pub sessions: Vec<SessionShown>,
}

/// One line of a listing. Times are RFC 3339, UTC.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LineShown {
    /// The unique-id; octets outside printable ASCII, and `%`, as `%XX`.
    pub uidl: String,
    /// Counts equal unique-ids of one listing.
    pub ordinal: u32,
    /// The size that the server claimed.
    pub listed_bytes: Option<u64>,
    pub fate: Fate,
    /// When it was listed first.
    pub seen: String,
    /// When it got its fate.
    pub at: String,
    pub reason: Option<String>,
    /// How often it could not be fetched.
    pub attempts: u32,
    /// The message's id, if it is in the archive.
    #[schemars(with = "Option<String>")]
    pub id: Option<BlobId>,
    /// When a DELE was last decided on.
    pub deleting: Option<String>,
    pub delete_reason: Option<String>,
    /// When a later listing lacked it.
    pub gone: Option<String>,
}

/// One session with the server: `listed` = `known` + `kept` + `duplicates` + `oversize` + `failed` + `deferred`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SessionShown {
    pub started: String,
    pub ended: String,
    #[serde(flatten)]
    pub counts: SessionCounts,
    /// Whether every listed message has a fate.
    pub adds_up: bool,
    pub error: Option<String>,
}

/// Sessions shown.
const SESSIONS: u32 = 20;

impl Archive {
    /// The ledger of the account with this name.
    pub fn ledger(&self, account: &str) -> Result<LedgerShown, Error> {
        let known = self.catalog.account(account)?.ok_or_else(|| Error::NoAccount(account.to_owned()))?;
        let mut lines = Vec::new();
        self.catalog.lines(&known.id, &mut |line| lines.push(LineShown::from(line)))?;
        let sessions = self.catalog.sessions(&known.id, SESSIONS)?.into_iter().map(SessionShown::from).collect();
        Ok(LedgerShown { account: known.name, lines, sessions })
    }
}

impl From<Line> for LineShown {
    fn from(line: Line) -> Self {
        let (deleting, delete_reason) = line.deleting.unzip();
        Self {
            uidl: line.listed.uidl.to_string(),
            ordinal: line.listed.ordinal,
            listed_bytes: line.listed.listed_bytes,
            fate: line.fate,
            seen: line.seen.to_string(),
            at: line.fate_at.to_string(),
            reason: line.reason,
            attempts: line.attempts,
            id: line.message,
            deleting: deleting.map(|at| at.to_string()),
            delete_reason,
            gone: line.gone.map(|at| at.to_string()),
        }
    }
}

impl From<SessionRow> for SessionShown {
    fn from(session: SessionRow) -> Self {
        Self {
            started: session.started.to_string(),
            ended: session.ended.to_string(),
            counts: session.counts,
            adds_up: session.error.is_some() || session.counts.add_up(),
            error: session.error,
        }
    }
}
