//! Pauses, resumes, renames and removes an account on record, here or in the process that owns the archive.
//! Knows nothing about the configuration file; that is edited by whoever asks.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fetch::Context;
use super::owner::{Options, Owner, Stages};
use super::requests::{self, Ask};
use crate::archive::{AccountState, AccountStatus};
use crate::catalog::{self, Catalog, Gap};
use crate::config::{self, Account, AfterArchive, Config, TlsMode};
use crate::mail::event::AccountAdded;
use crate::mail::{AccountId, Clock, Event, Timestamp};
use crate::net::tls::Identity;

/// What is to become of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// It is not polled until it is resumed.
    Pause,
    /// It is polled again, at once.
    Resume,
    /// It keeps its mail and its ledger.
    Rename { to: String },
    /// It is out of the configuration; its mail and its ledger stay.
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub account: String,
    #[serde(flatten)]
    pub act: Act,
    /// Host and user, of an account that is in the configuration: it may not be on record yet.
    pub configured: Option<(String, String)>,
}

impl Job {
    pub fn new(config: &Config, account: &str, act: Act) -> Self {
        let found = config.accounts.iter().find(|known| known.name == account);
        let configured = found.map(|known| (known.host.clone(), known.user.clone()));
        Self { account: account.to_owned(), act, configured }
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// What the account is called now.
    pub account: String,
    /// False where it was so already.
    pub changed: bool,
}

/// Why an account cannot be changed so. Nothing here gets better by trying again, but for a session that does not end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no account is called {name:?}; there are {}", .known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("an account is called {0:?} already, now or formerly; its mail is under that name. Choose another")]
    Taken(String),
    #[error("the new name {0}")]
    BadName(String),
    #[error("a session of account {0} is under way and does not end; try again in a minute")]
    Busy(String),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl Error {
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Catalog(error) => error.is_transient(),
            Self::Unknown { .. } | Self::Taken(_) | Self::BadName(_) => false,
        }
    }
}

/// Says no to what cannot be done, before anything is done.
pub fn check(config: &Config, job: &Job) -> Result<(), Error> {
    let catalog = Catalog::beside(&config.data_dir)?;
    let accounts = catalog.as_ref().map(Catalog::accounts).transpose()?.unwrap_or_default();
    let configured = || config.accounts.iter().map(|account| &account.name);
    let is_known =
        |name: &str| accounts.iter().any(|known| known.name == name) || configured().any(|known| known == name);
    if !is_known(&job.account) {
        let mut known: Vec<String> = configured().chain(accounts.iter().map(|known| &known.name)).cloned().collect();
        known.sort_unstable();
        known.dedup();
        return Err(Error::Unknown { name: job.account.clone(), known });
    }
    let Act::Rename { to } = &job.act else { return Ok(()) };
    config::check_name(to).map_err(Error::BadName)?;
    let is_taken = |name: &String| name.to_lowercase() == to.to_lowercase() && *name != job.account;
    if *to == job.account || accounts.iter().map(|known| &known.name).chain(configured()).any(is_taken) {
        return Err(Error::Taken(to.clone()));
    }
    Ok(())
}

/// Does it in this process if nobody owns the archive; else its owner does.
pub async fn change(config: &Config, job: Job, clock: Clock, stop: watch::Receiver<bool>) -> anyhow::Result<Outcome> {
    check(config, &job)?;
    let options = Options { stages: Stages::KeepOnly, allow_freshclam: false };
    let ask = Ask::Account(job.clone());
    let work = async |owner: &Owner| Ok(Context::of(owner).change_account(&job).await?);
    requests::own_or_ask(config, &options, &clock, &ask, &stop, work).await
}

impl Context {
    pub(super) async fn change_account(&self, job: &Job) -> Result<Outcome, Error> {
        let known = self.door.holds.catalog.account(&job.account)?;
        // Whoever is renamed must not be in a session that goes by the old name.
        let _turn = match &job.act {
            Act::Rename { .. } => {
                Some(self.roster.call(&job.account).await.ok_or_else(|| Error::Busy(job.account.clone()))?)
            }
            _ => None,
        };
        let id = known.as_ref().map_or_else(AccountId::random, |known| known.id);
        let events = events(job, id, known.as_ref());
        let rests = job.act == Act::Resume && known.is_some_and(|known| known.trouble.is_some());
        let changed = !events.is_empty() || rests;
        let holds = self.door.holds.clone();
        let act = job.act.clone();
        let told = tokio::task::spawn_blocking(move || {
            holds.tell(events)?;
            match act {
                Act::Pause => holds.catalog.next_poll(&id, None),
                // Should it come back, nothing is held against it.
                Act::Remove => holds.catalog.note_schedule(&id, None, None),
                Act::Resume => holds.catalog.note_schedule(&id, None, Some(holds.clock.now())),
                Act::Rename { .. } => Ok(()),
            }
        });
        if let Ok(told) = told.await {
            told?;
        }
        let account = match &job.act {
            Act::Rename { to } => {
                self.roster.renamed(&job.account, to);
                to.clone()
            }
            _ => job.account.clone(),
        };
        self.roster.tell();
        Ok(Outcome { account, changed })
    }
}

/// What is new about the account; of one that is not on record, first that it is there.
fn events(job: &Job, account: AccountId, known: Option<&catalog::Account>) -> Vec<Event> {
    let mut events = Vec::new();
    let (is_paused, is_removed) =
        known.map_or((false, false), |known| (known.paused.is_some(), known.removed.is_some()));
    let event = match &job.act {
        Act::Pause if !is_paused => Event::AccountPaused { account },
        Act::Resume if is_paused => Event::AccountResumed { account },
        Act::Remove if !is_removed => Event::AccountRemoved { account },
        Act::Rename { to } => Event::AccountRenamed { account, name: to.clone() },
        Act::Pause | Act::Resume | Act::Remove => return events,
    };
    if known.is_none() {
        let (host, user) = job.configured.clone().unzip();
        events.push(Event::AccountAdded(AccountAdded { account, name: job.account.clone(), host, user }));
    }
    events.push(event);
    events
}

/// An account as `account list` prints it: what is configured, and how it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Listed {
    pub account: String,
    pub state: AccountState,
    /// Server and user as the configuration has them; none of an account that is only in the archive.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// Times are RFC 3339, UTC.
    pub last_poll: Option<String>,
    pub last_success: Option<String>,
    pub last_error: Option<String>,
    pub next_poll: Option<String>,
    /// Lines of its listings whose messages are in the archive.
    pub kept: u64,
}

impl Listed {
    /// At least one of the two has to be there.
    pub fn of(configured: Option<&Account>, known: Option<&AccountStatus>) -> Self {
        let name = configured.map(|account| &account.name).or(known.map(|known| &known.account));
        let text = |read: fn(&AccountStatus) -> &Option<String>| known.and_then(|known| read(known).clone());
        Self {
            account: name.cloned().unwrap_or_default(),
            state: known.map_or(AccountState::Active, |known| known.state),
            host: configured.map(|account| account.host.clone()),
            port: configured.map(|account| account.port),
            user: configured.map(|account| account.user.clone()),
            last_poll: text(|known| &known.last_poll),
            last_success: text(|known| &known.last_success),
            last_error: text(|known| &known.last_error),
            next_poll: text(|known| &known.next_poll),
            kept: known.map_or(0, |known| known.kept),
        }
    }
}

/// What `status` warns of by the configuration: accounts that no poll succeeds with, and servers that do not keep mail for
/// as long as the settings believe.
pub fn warnings(config: &Config, known: &[AccountStatus], now: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    for account in &config.accounts {
        let Some(known) = known.iter().find(|known| known.account == account.name) else { continue };
        if known.state == AccountState::Paused {
            continue;
        }
        warnings.extend(in_the_open(account));
        warnings.extend(own_certificate(account, now));
        warnings.extend(all_mail_each_time(account, known));
        warnings.extend(overdue(config, known, now));
        warnings.extend(expiring(account, known));
        warnings.extend(jumped(account, known, now));
    }
    warnings
}

fn in_the_open(account: &Account) -> Option<String> {
    (account.tls == TlsMode::None).then(|| {
        let name = &account.name;
        format!("account {name}: its mail, and perhaps its password, can be read on the way (tls = \"none\")")
    })
}

/// Ours, as the server's (`archive::Status`): two weeks before its end.
fn own_certificate(account: &Account, now: Timestamp) -> Option<String> {
    const NEAR: Duration = Duration::from_secs(14 * 24 * 3600);
    let (certificate, key) = account.client_cert.clone().zip(account.client_key.clone())?;
    // One that cannot be read is an error of the next poll.
    let facts = Identity { certificate: certificate.clone(), key }.facts().ok().flatten()?;
    let (name, end) = (&account.name, facts.not_after);
    let word = if end < now { "expired" } else { "expires" };
    (end < now.after(NEAR))
        .then(|| format!("account {name}: its client_cert {} {word} {end}; put a new one there", certificate.display()))
}

/// Without unique-ids and header blocks nothing but its octets tells a message from another.
fn all_mail_each_time(account: &Account, known: &AccountStatus) -> Option<String> {
    let name = &account.name;
    (known.is_nameless && account.after_archive != AfterArchive::Delete).then(|| {
        format!(
            "account {name}: its server has neither UIDL nor TOP, so each poll fetches all its mail again; set \
             after_archive = \"delete\", or a longer poll_every"
        )
    })
}

fn overdue(config: &Config, known: &AccountStatus, now: Timestamp) -> Option<String> {
    let since =
        known.polled_since.filter(|since| config.polling.alarm_after.is_some_and(|limit| since.after(limit) < now))?;
    let name = &known.account;
    Some(match &known.last_success {
        Some(_) => format!("ALARM: account {name}: no poll has succeeded since {since}; is `poplar run` at work?"),
        None => format!("ALARM: account {name}: no poll has succeeded since the first, {since}"),
    })
}

/// The clock may have been set forward, or nobody was there; either way, what has become old meanwhile stays for a day.
fn jumped(account: &Account, known: &AccountStatus, now: Timestamp) -> Option<String> {
    let gap = known.gap.filter(|gap| gap.to < now)?;
    let (name, Gap { from, to }) = (&account.name, gap);
    matches!(account.after_archive, AfterArchive::DeleteAfter(_)).then(|| {
        format!(
            "account {name}: nothing is on record from {from} to {to}. If the clock was set forward, set it back: mail that \
             grew older than delete_after in that time stays on the server until {}",
            to.after(Gap::LENGTH)
        )
    })
}

/// EXPIRE of RFC 2449, section 6.7.
fn expiring(account: &Account, known: &AccountStatus) -> Option<String> {
    let (name, days) = (&account.name, known.expire_days?);
    let kept = Duration::from_secs(u64::from(days) * 24 * 3600);
    match account.after_archive {
        _ if days == 0 => Some(format!(
            "account {name}: the server deletes mail once it was fetched (EXPIRE 0), whatever after_archive says"
        )),
        AfterArchive::DeleteAfter(after) if after > kept => Some(format!(
            "account {name}: the server keeps mail for {days} days only (EXPIRE), less than delete_after says"
        )),
        _ if account.poll_every >= kept => Some(format!(
            "account {name}: the server keeps mail for {days} days only (EXPIRE), and poll_every is longer; mail may be lost"
        )),
        _ => None,
    }
}
