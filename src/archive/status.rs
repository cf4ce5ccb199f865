use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Archive, Error, OwnerTold, ScannerStatus};
use crate::catalog::{Account, Backlog, DocumentState, Gap, LongFailed, PackRow, Purging, Rescan, Stage};
use crate::mail::{Timestamp, Verdict};

/// How the archive and its owner are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Status {
    /// That are here; those that are destroyed are not among them.
    pub messages: u64,
    /// Messages whose octets were destroyed.
    pub destroyed: u64,
    /// Octets of all messages, as they were received.
    pub raw_bytes: u64,
    /// Octets of the packs.
    pub stored_bytes: u64,
    /// How many messages have each verdict.
    pub verdicts: Vec<(Verdict, u64)>,
    pub accounts: Vec<AccountStatus>,
    pub stages: Stages,
    pub scanner: ScannerStatus,
    /// How many attachments there are whose text cannot be searched, or not all of it, by why: `waiting`, `partial`,
    /// `encrypted`, `unsupported`, `failed`, `crashed`.
    pub unread: BTreeMap<String, u64>,
    /// The archive is being scanned again, with other signatures.
    pub rescan: Option<RescanStatus>,
    /// The process that owns the archive, if one is alive.
    pub owner: Option<u32>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AccountStatus {
    pub account: String,
    pub state: AccountState,
    /// Times are RFC 3339, UTC.
    pub last_poll: Option<String>,
    pub last_success: Option<String>,
    pub last_error: Option<String>,
    pub next_poll: Option<String>,
    /// Messages in the last listing.
    pub listed: Option<u64>,
    /// Lines of its listings whose messages are in the archive.
    pub kept: u64,
    pub first_poll: Option<String>,
    /// So many days the server keeps mail, as it says.
    pub expire_days: Option<u32>,
    /// The least time between two logins, as the server says.
    pub login_delay_seconds: Option<u32>,
    /// The end of the time of the server's certificate.
    pub certificate_expires: Option<String>,
    /// The last poll that succeeded; the first of all, where none has.
    #[serde(skip)]
    pub polled_since: Option<Timestamp>,
    #[serde(skip)]
    pub certificate_end: Option<Timestamp>,
    /// Its server tells neither unique-ids nor header blocks.
    #[serde(skip)]
    pub is_nameless: bool,
    /// A day or more from which no session is on record, and which ended less than a day ago.
    #[serde(skip)]
    pub gap: Option<Gap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    Active,
    /// Not polled until it is resumed.
    Paused,
    /// The server refuses it for good: not polled until its settings or its secret change, or somebody asks.
    Resting,
    /// Taken out of the configuration.
    Removed,
}

impl AccountState {
    /// The word in JSON and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Resting => "resting",
            Self::Removed => "removed",
        }
    }

    const fn of(account: &Account) -> Self {
        match (account.removed, account.paused, &account.trouble, account.next_poll) {
            (Some(_), ..) => Self::Removed,
            (_, Some(_), ..) => Self::Paused,
            (_, _, Some(_), None) => Self::Resting,
            _ => Self::Active,
        }
    }
}

/// A message is warned of when it could not be fetched in so many tries, and was listed first so long ago: by then each
/// further try is a day apart.
const LONG_FAILED_ATTEMPTS: u32 = 3;
const LONG_FAILED_DAYS: i64 = 3;

/// A certificate is warned of when it holds for less than this.
const CERTIFICATE_NEAR: Duration = Duration::from_secs(14 * 24 * 3600);

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Stages {
    pub scan: StageStatus,
    pub index: StageStatus,
    /// Of the text of attachments.
    pub extract: StageStatus,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct StageStatus {
    pub waiting: u64,
    /// Of those, failed too often to be tried again unasked.
    pub stuck: u64,
}

/// How far a rescan is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RescanStatus {
    pub why: String,
    /// RFC 3339, UTC.
    pub began: String,
    /// Messages scanned again so far, the newest first.
    pub messages: u64,
    /// Messages there were when it began.
    pub total: u64,
    /// Messages with another verdict than before.
    pub changed: u64,
    /// Of those, infected now.
    pub infected: u64,
}

impl From<Rescan> for RescanStatus {
    fn from(rescan: Rescan) -> Self {
        let Rescan { why, began, messages, total, changed, infected, .. } = rescan;
        Self { why, began: began.to_string(), messages, total, changed, infected }
    }
}

/// Work that waits, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlogs {
    pub scan: Backlog,
    pub index: Backlog,
}

impl Archive {
    pub fn status(&self) -> Result<Status, Error> {
        let (messages, raw_bytes) = self.catalog.totals()?;
        let backlogs = self.backlogs()?;
        let documents = self.catalog.document_counts()?;
        let (owner, OwnerTold { scanner, troubles }) = self.owner()?;
        let accounts = self.accounts(owner.is_some())?;
        let mut status = Status {
            messages,
            destroyed: self.catalog.destroyed_count()?,
            raw_bytes,
            stored_bytes: self.catalog.packs()?.iter().map(PackRow::stored_bytes).sum(),
            verdicts: self.catalog.verdict_counts()?,
            accounts,
            stages: Stages {
                scan: backlogs.scan.into(),
                index: backlogs.index.into(),
                extract: extraction(&documents),
            },
            unread: documents.iter().map(|(state, count)| (state.to_string(), *count)).collect(),
            scanner,
            rescan: self
                .catalog
                .rescan()?
                .filter(|rescan| rescan.total > 0 && rescan.below > 0)
                .map(RescanStatus::from),
            owner,
            warnings: Vec::new(),
        };
        status.warnings = self.warnings(&status)?;
        status.warnings.extend(troubles);
        Ok(status)
    }

    /// All that ever were; when they are polled next only if somebody is there to do it.
    fn accounts(&self, is_owned: bool) -> Result<Vec<AccountStatus>, Error> {
        let accounts = self.catalog.accounts()?.into_iter().map(|account| {
            Ok(AccountStatus {
                state: AccountState::of(&account),
                kept: self.catalog.archived_count(&account.id)?,
                is_nameless: self.catalog.is_nameless(&account.id)?,
                gap: self.catalog.gap(&account.id, self.clock.now())?,
                account: account.name,
                last_poll: account.last_poll.map(|at| at.to_string()),
                last_success: account.last_success.map(|at| at.to_string()),
                last_error: account.last_error,
                next_poll: account.next_poll.filter(|_| is_owned).map(|at| at.to_string()),
                listed: account.listed,
                first_poll: account.first_poll.map(|at| at.to_string()),
                expire_days: account.server.expire_days,
                login_delay_seconds: account.server.login_delay_seconds,
                certificate_expires: account.server.certificate_expires.map(|at| at.to_string()),
                polled_since: account.last_success.or(account.first_poll),
                certificate_end: account.server.certificate_expires,
            })
        });
        accounts.collect()
    }

    pub fn backlogs(&self) -> Result<Backlogs, Error> {
        let now = self.clock.now();
        Ok(Backlogs { scan: self.catalog.backlog(Stage::Scan, now)?, index: self.catalog.backlog(Stage::Index, now)? })
    }

    /// What must not be overlooked: the journal is not what was signed, or a check found damage.
    fn alarms(&self) -> Result<Vec<String>, Error> {
        let mut alarms = self.journal_alarm()?;
        if let Some(check) = self.catalog.standing_damage()? {
            let more = match check.damage.len() {
                0 | 1 => String::new(),
                all => format!(", and {} more", all - 1),
            };
            let first = check.damage.first().map_or("damage", String::as_str);
            alarms.push(format!("DAMAGE found {}: {first}{more}; see `poplar verify`", check.at));
        }
        Ok(alarms)
    }

    fn long_failed(&self) -> Result<Vec<LongFailed>, Error> {
        let before = self.clock.now().as_millis() - LONG_FAILED_DAYS * 24 * 3600 * 1000;
        Ok(self.catalog.long_failed(Timestamp::from_millis(before), LONG_FAILED_ATTEMPTS)?)
    }

    fn warnings(&self, status: &Status) -> Result<Vec<String>, Error> {
        let mut warnings = self.alarms()?;
        for account in &status.accounts {
            warnings.extend(account.warnings(self.clock.now()));
        }
        warnings.extend(self.long_failed()?.iter().map(not_fetched));
        warnings.extend(self.catalog.purging()?.iter().filter_map(not_purged));
        warnings.extend(self.left_over()?.iter().map(ToString::to_string));
        if status.scanner.state == "away" {
            let why = status.scanner.message.as_deref().unwrap_or("no reason given");
            warnings.push(format!("nothing is scanned, and all new mail is withheld: {why}"));
        } else if let Some(message) = &status.scanner.message {
            warnings.push(message.clone());
        }
        if status.owner.is_none() {
            let Stages { scan, index, extract: _ } = status.stages;
            warnings.extend(left("scanned, and withheld until then", scan));
            warnings.extend(left("indexed, and not found until then", index));
        }
        for (stage, state) in [(Stage::Scan, status.stages.scan), (Stage::Index, status.stages.index)] {
            if state.stuck > 0 {
                let name = stage.as_str();
                let reasons = self.catalog.work_errors(stage)?;
                let reason = reasons.first().map_or("no reason given", |(reason, _)| reason);
                warnings.push(format!("{} messages are stuck before {name}: {reason}", state.stuck));
            }
        }
        Ok(warnings)
    }
}

impl AccountStatus {
    fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.state == AccountState::Removed {
            return warnings;
        }
        let name = &self.account;
        if let Some(error) = self.last_error.as_ref().filter(|_| self.state != AccountState::Paused) {
            let rests = format!(
                ". It is not polled any more before its settings or its password change; `poplar fetch {name}` tries it now"
            );
            let rests = if self.state == AccountState::Resting { &rests } else { "" };
            warnings.push(format!("account {name}: {error}{rests}"));
        }
        if let Some(end) = self.certificate_end.filter(|end| *end < now.after(CERTIFICATE_NEAR)) {
            let word = if end < now { "expired" } else { "expires" };
            warnings.push(format!(
                "account {name}: the certificate of its server {word} {end}; tell whoever runs the server"
            ));
        }
        warnings
    }
}

/// Stuck is what its reader did not survive, or could make nothing of.
fn extraction(documents: &BTreeMap<DocumentState, u64>) -> StageStatus {
    let of = |state: DocumentState| documents.get(&state).copied().unwrap_or(0);
    let stuck = of(DocumentState::Failed) + of(DocumentState::Crashed);
    StageStatus { waiting: of(DocumentState::Waiting) + stuck, stuck }
}

fn not_fetched(failed: &LongFailed) -> String {
    let LongFailed { account, fate, lines } = failed;
    let (messages, them) = if *lines == 1 { ("message", "it") } else { ("messages", "them") };
    format!(
        "account {account}: {lines} {messages} could not be fetched for more than {LONG_FAILED_DAYS} days; \
         `poplar ledger {account} --fate {fate}` names {them}"
    )
}

/// What people think is destroyed.
fn not_purged(noted: &Purging) -> Option<String> {
    let why = noted.error.as_ref()?;
    Some(format!(
        "mail that is destroyed on record is still in pack {}, and the next start tries again: {why}",
        noted.pack
    ))
}

/// Work that nobody does.
fn left(to_be: &str, stage: StageStatus) -> Option<String> {
    let waiting = match stage.waiting - stage.stuck {
        0 => return None,
        1 => "1 message waits".to_owned(),
        more => format!("{more} messages wait"),
    };
    Some(format!("{waiting} to be {to_be}; `poplar run` and `poplar fetch` do it"))
}

impl From<Backlog> for StageStatus {
    fn from(backlog: Backlog) -> Self {
        Self { waiting: backlog.waiting, stuck: backlog.stuck }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::{Catalog, Told};
    use crate::mail::event::{AccountAdded, Listed, Missed, Session, SessionCounts, Uidl};
    use crate::mail::{AccountId, Clock, Event, Fate, Occurrence};
    use crate::store::Reader;

    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn tell(catalog: &Catalog, event: Event) {
        let at = Timestamp::from_millis(DAY_MS);
        let mut told = Told::new(Occurrence { at, event }, b"{}".to_vec(), b"{}".to_vec());
        told.place = Some((1, 0));
        catalog.commit(&[(1, 64, 1)], &[told]).unwrap();
    }

    /// A session in which `uidl` failed, on the first day.
    fn failed(account: AccountId, uidl: &str) -> Event {
        let listed = Listed { uidl: Uidl::new(uidl), ordinal: 0, listed_bytes: Some(9) };
        Event::Session(Session {
            account,
            started: Timestamp::from_millis(DAY_MS),
            counts: SessionCounts::default(),
            missed: vec![Missed { listed, fate: Fate::Failed, reason: "the server said no".to_owned() }],
            gone: Vec::new(),
            absent: Vec::new(),
            error: None,
        })
    }

    #[test]
    fn what_could_not_be_fetched_for_days_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::open(folder.path()).unwrap());
        let account = AccountId::random();
        tell(&catalog, Event::AccountAdded(AccountAdded { account, name: "sales".to_owned(), host: None, user: None }));
        ["a", "b", "a", "b", "a", "b", "c"].into_iter().for_each(|uidl| tell(&catalog, failed(account, uidl)));

        let warned = |at: i64| {
            let clock = Clock::new(move || Timestamp::from_millis(at));
            let reader = Arc::new(Reader::new(&folder.path().join("packs")));
            let warnings = Archive::of(folder.path(), catalog.clone(), reader, clock).status().unwrap().warnings;
            warnings.into_iter().filter(|warning| warning.contains("could not be fetched")).collect::<Vec<_>>()
        };
        assert_eq!(warned(4 * DAY_MS), Vec::<String>::new());
        let sentence = "account sales: 2 messages could not be fetched for more than 3 days; \
                        `poplar ledger sales --fate failed` names them";
        assert_eq!(warned(4 * DAY_MS + 1), [sentence]);
    }
}
