//! What the next session with an account would do, found out without doing it.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{AlreadyKept, Planning, wants_deleted};
use super::{AccessTokens, Error, age, listing, login};
use crate::catalog::{self, Catalog, Known};
use crate::config::{Account, AfterArchive, DeleteWhen};
use crate::mail::event::Listed;
use crate::mail::{BlobId, Fate, Timestamp};
use crate::net::pop3::{self, Deadlines, Session};

/// What the next session would do with each line of the server's listing that it would do anything with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Forecast {
    pub account: String,
    /// Messages in the server's listing.
    pub listed: u64,
    /// Of those, in the archive already.
    pub known: u64,
    pub fetch: Vec<Step>,
    /// Octets that the server claims for them.
    pub fetch_bytes: u64,
    pub delete: Vec<Step>,
    /// Deletions that the policy wants once something has happened.
    pub delete_later: Vec<Step>,
    /// Listed and not to be fetched now.
    pub leave: Vec<Step>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    /// The unique-id; octets outside printable ASCII, and `%`, as `%XX`.
    pub uidl: String,
    pub listed_bytes: Option<u64>,
    /// The message's id, if it is in the archive.
    #[schemars(with = "Option<String>")]
    pub id: Option<BlobId>,
    pub why: String,
}

/// Logs in, lists, and ends the session again. Nothing is fetched, marked or put on record.
pub async fn forecast(catalog: Option<&Catalog>, account: &Account, now: Timestamp) -> Result<Forecast, Error> {
    let known = known(catalog, account)?;
    let (endpoint, login) = login::way_in(account, &AccessTokens::default()).await?;
    let mut session = Session::open(&endpoint, &login, &Deadlines::within(account.timeout)).await?;
    let listing = listing::look(&mut session).await?;
    session.quit().await?;
    let mut planning = Planning::new(&listing.messages, account, now);
    known.iter().cloned().for_each(|row| planning.take(row));
    let mut plan = planning.finish();
    plan.fetch.append(&mut plan.unread);
    let waits = plan.still_missed.len();
    let mut forecast = Forecast {
        account: account.name.clone(),
        listed: listing.messages.len() as u64,
        known: plan.known.len() as u64,
        fetch_bytes: plan.fetch.iter().filter_map(|(_, listed)| listed.listed_bytes).sum(),
        fetch: plan.fetch.iter().map(|(_, listed)| Step::of(listed, why_fetched(listed, &known))).collect(),
        delete: Vec::new(),
        delete_later: Vec::new(),
        leave: plan.missed.iter().map(|missed| Step::of(&missed.listed, missed.reason.clone())).collect(),
    };
    if waits > 0 {
        forecast.leave.extend(known.iter().filter(|row| row.archived.is_none()).filter_map(left).take(waits));
    }
    let judged_at = judged_at(catalog, account, now)?;
    for kept in &plan.known {
        if kept.archived.is_destroyed {
            let why = "destroyed here; it stays at the server".to_owned();
            forecast.leave.push(Step { id: Some(kept.archived.message.id), ..Step::of(&kept.listed, why) });
            continue;
        }
        if let Some(why) = wants_deleted(account, kept, judged_at) {
            forecast.delete.push(Step { id: Some(kept.archived.message.id), ..Step::of(&kept.listed, why) });
        } else if let Some(why) = later(account, kept) {
            forecast.delete_later.push(Step { id: Some(kept.archived.message.id), ..Step::of(&kept.listed, why) });
        }
    }
    Ok(forecast)
}

/// What the ledger says of an account's listings: nothing where there is no archive, or where it does not know the account.
fn known(catalog: Option<&Catalog>, account: &Account) -> Result<Vec<Known>, catalog::Error> {
    let Some(catalog) = catalog else { return Ok(Vec::new()) };
    catalog.account(&account.name)?.map_or_else(|| Ok(Vec::new()), |known| catalog.known(&known.id))
}

fn judged_at(catalog: Option<&Catalog>, account: &Account, now: Timestamp) -> Result<Timestamp, catalog::Error> {
    let Some(catalog) = catalog else { return Ok(now) };
    let Some(known) = catalog.account(&account.name)? else { return Ok(now) };
    age::judged_at(catalog, account, &known.id, now)
}

/// What the next session would fetch of a listing, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Messages that would be fetched for the first time, or again because they did not come.
    pub new: usize,
    /// Not in the archive, and larger than `max_message_bytes`.
    pub oversize: usize,
}

impl Outlook {
    pub fn of(
        catalog: Option<&Catalog>,
        account: &Account,
        listing: &[pop3::Listed],
        now: Timestamp,
    ) -> Result<Self, catalog::Error> {
        let mut planning = Planning::new(listing, account, now);
        known(catalog, account)?.into_iter().for_each(|row| planning.take(row));
        let plan = planning.finish();
        let missed = plan.missed.iter().map(|missed| missed.fate).chain(plan.still_missed);
        Ok(Self { new: plan.fetch.len(), oversize: missed.filter(|fate| *fate == Fate::Oversize).count() })
    }
}

impl Step {
    fn of(listed: &Listed, why: String) -> Self {
        Self { uidl: listed.uidl.to_string(), listed_bytes: listed.listed_bytes, id: None, why }
    }
}

fn why_fetched(listed: &Listed, known: &[Known]) -> String {
    let rows = || known.iter().filter(|row| (&row.listed.uidl, row.listed.ordinal) == (&listed.uidl, listed.ordinal));
    if let Some(tried) = rows().find(|row| row.archived.is_none() && row.attempts > 0) {
        return format!("again, it {} {} times", tried.fate, tried.attempts);
    }
    if rows().any(|row| row.archived.is_some()) {
        return "its unique-id stood for a message of another size, or for one of which only the header was seen"
            .to_owned();
    }
    "new; not fetched if its size and header are those of mail that the server lists no more".to_owned()
}

fn left(row: &Known) -> Option<Step> {
    (row.attempts > 0 || row.fate == Fate::Oversize)
        .then(|| Step::of(&row.listed, format!("{}; it is tried again later", row.fate)))
}

/// What a deletion still waits for.
fn later(account: &Account, kept: &AlreadyKept) -> Option<String> {
    let stage = match account.delete_when {
        DeleteWhen::Indexed if !kept.archived.is_indexed => "it is indexed",
        DeleteWhen::Scanned | DeleteWhen::Indexed if !kept.archived.verdict.is_final() => "it is scanned",
        _ => "",
    };
    match account.after_archive {
        AfterArchive::Keep => None,
        AfterArchive::Delete => Some(format!("once {stage}")),
        AfterArchive::DeleteAfter(wait) if stage.is_empty() => Some(format!("after {}", kept.since.after(wait))),
        AfterArchive::DeleteAfter(wait) => Some(format!("after {}, once {stage}", kept.since.after(wait))),
    }
}
