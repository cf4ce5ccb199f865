//! An event becomes facts. The one function that does it serves live and rebuild.

use rusqlite::{Connection, OptionalExtension, params};

use super::Error;
use super::accounts::{account_added, collected, collects, paused, removed, renamed};
use super::work::Stage;
use super::{purge, quarantine, rescan, said};
use crate::mail::event::{Deleting, Event, Kept, Listed, MessageRef, Scanned, Session, Sighting};
use crate::mail::{AccountId, Fate, Occurrence, Timestamp, ViewVerdict};

/// Where a record lies: pack and ordinal.
pub type Place = (u64, u32);

/// `journal` is the index of the event's entry. A Kept event without a place would be a message nobody can read;
/// other events have none.
pub(super) fn apply(
    sql: &Connection,
    occurrence: &Occurrence,
    journal: u64,
    place: Option<Place>,
) -> Result<(), Error> {
    let at = occurrence.at;
    match &occurrence.event {
        Event::Created { archive, version } => created(sql, at, archive, version),
        Event::Started { .. } | Event::Stopped { .. } => Ok(()),
        Event::Verified(verified) => {
            let counts = [verified.messages, verified.packs, verified.bytes];
            checked(sql, at, &verified.scope, counts, &verified.damage)
        }
        Event::Drilled(drilled) => checked(sql, at, "drill", [0; 3], &drilled.differences),
        Event::AccountAdded(added) => account_added(sql, at, added),
        Event::AccountPaused { account } => paused(sql, account, Some(at)),
        Event::AccountResumed { account } => paused(sql, account, None),
        Event::AccountRenamed { account, name } => renamed(sql, account, name),
        Event::AccountRemoved { account } => removed(sql, account, at),
        Event::AccountMultidrop { account, multidrop } => collects(sql, account, *multidrop),
        Event::Kept(kept) => message_kept(sql, at, kept, journal, place),
        Event::Sighted(sighted) => {
            let message = message_number(sql, &sighted.message)?;
            archived(sql, at, &sighted.sighting, Fate::Duplicate, (message, sighted.by_header))?;
            collected(sql, &sighted.sighting.account, message)
        }
        Event::Session(session) => session_ended(sql, at, session),
        Event::Deleting(deleting) => deletion_wanted(sql, at, deleting),
        Event::Scanned(scanned) => message_scanned(sql, scanned),
        Event::Quarantined(quarantined) => quarantine::sealed_off(sql, at, quarantined),
        Event::ReleaseAsked(decision) => quarantine::release_asked(sql, at, decision),
        Event::Released(decision) => quarantine::released(sql, at, decision),
        Event::Purged(purged) => purge::purged(sql, at, purged, journal),
        Event::Viewed(reading) => quarantine::was_read(sql, at, "viewed", reading),
        Event::Exported(reading) => quarantine::was_read(sql, at, "exported", reading),
        Event::Rescanned(rescanned) => rescan::rescanned(sql, at, rescanned),
        Event::Tagged(tagging) => said::tagged(sql, at, tagging),
        Event::Untagged(tagging) => said::untagged(sql, tagging),
        Event::Noted(noted) => said::noted(sql, at, noted),
        Event::SearchSaved(saved) => said::saved(sql, at, saved),
        Event::SearchForgotten(forgotten) => said::forgotten(sql, forgotten),
    }
}

fn created(sql: &Connection, at: Timestamp, archive: &str, version: &str) -> Result<(), Error> {
    set(sql, "id", archive)?;
    set(sql, "created_by", version)?;
    set(sql, "created_ms", &at.as_millis().to_string())
}

fn message_scanned(sql: &Connection, scanned: &Scanned) -> Result<(), Error> {
    let message = message_number(sql, &scanned.message)?;
    sql.prepare_cached("UPDATE message SET verdict = ?2 WHERE number = ?1")?
        .execute(params![message, scanned.verdict.as_str()])?;
    if scanned.verdict.is_final() {
        sql.prepare_cached("DELETE FROM work WHERE stage = 'scan' AND message = ?1")?.execute(params![message])?;
    }
    scanned.views.iter().try_for_each(|view| view_scanned(sql, message, view))
}

fn deletion_wanted(sql: &Connection, at: Timestamp, deleting: &Deleting) -> Result<(), Error> {
    let account = account_number(sql, &deleting.sighting.account)?;
    let Listed { uidl, ordinal, listed_bytes } = &deleting.sighting.listed;
    sql.prepare_cached(
        "UPDATE sighting SET deleting_ms = ?5, delete_reason = ?6
         WHERE account = ?1 AND uidl = ?2 AND ordinal = ?3 AND listed_bytes = ?4 AND gone_ms IS NULL",
    )?
    .execute(params![
        account,
        uidl.as_bytes(),
        ordinal,
        size_or_none(*listed_bytes),
        at.as_millis(),
        deleting.reason
    ])?;
    Ok(())
}

fn message_kept(sql: &Connection, at: Timestamp, kept: &Kept, journal: u64, place: Option<Place>) -> Result<(), Error> {
    let (pack, ordinal) = place.ok_or_else(|| Error::Unreadable("a kept message without a place".to_owned()))?;
    sql.prepare_cached(
        "INSERT INTO message (id, nonce, header, size_bytes, kept_ms, pack, ordinal, journal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        kept.message.id.as_bytes(),
        kept.message.nonce.as_bytes(),
        kept.header.as_bytes(),
        kept.size_bytes,
        at.as_millis(),
        pack,
        ordinal,
        journal
    ])?;
    let message = sql.last_insert_rowid();
    for stage in Stage::ALL {
        // At once, whatever clock that was.
        sql.prepare_cached("INSERT INTO work (stage, message, due_ms) VALUES (?1, ?2, 0)")?
            .execute(params![stage.as_str(), message])?;
    }
    archived(sql, at, &kept.sighting, Fate::Kept, (message, false))
}

fn checked(
    sql: &Connection,
    at: Timestamp,
    kind: &str,
    [messages, packs, bytes]: [u64; 3],
    damage: &[String],
) -> Result<(), Error> {
    let damage = serde_json::to_string(damage).map_err(|error| Error::Unreadable(error.to_string()))?;
    sql.execute(
        "INSERT INTO verified (at_ms, kind, messages, packs, bytes, damage) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![at.as_millis(), kind, messages, packs, bytes, damage],
    )?;
    Ok(())
}

fn set(sql: &Connection, key: &str, value: &str) -> Result<(), Error> {
    sql.execute("INSERT INTO archive (key, value) VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}

/// In the `reason` of an archived line whose octets were not fetched from this place.
pub(super) const BY_HEADER: &str = "told by its size and header, not fetched again";

/// If the line stood for another message until now, that one is gone: its unique-id was given to new mail.
fn archived(
    sql: &Connection,
    at: Timestamp,
    met: &Sighting,
    fate: Fate,
    (message, by_header): (i64, bool),
) -> Result<(), Error> {
    let account = account_number(sql, &met.account)?;
    let Listed { uidl, ordinal, listed_bytes } = &met.listed;
    sql.prepare_cached(
        "UPDATE sighting SET gone_ms = ?6 WHERE account = ?1 AND uidl = ?2 AND ordinal = ?3 AND listed_bytes = ?4
             AND gone_ms IS NULL AND message <> ?5",
    )?
    .execute(params![account, uidl.as_bytes(), ordinal, size_or_none(*listed_bytes), message, at.as_millis()])?;
    sight(sql, at, account, &met.listed, (fate, Some(message), by_header.then_some(BY_HEADER)))
}

/// A fate for one line of a listing. What is archived stays so, whatever a later session says of it, but for octets that
/// prove what only the header told; what failed stays so while it only waits for its next try, which is reckoned from the
/// time and number of the failures.
fn sight(
    sql: &Connection,
    at: Timestamp,
    account: i64,
    listed: &Listed,
    (fate, message, reason): (Fate, Option<i64>, Option<&str>),
) -> Result<(), Error> {
    sql.prepare_cached(
        "INSERT INTO sighting (account, uidl, ordinal, listed_bytes, fate, message, seen_ms, fate_ms, reason, attempts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?5 IN ('failed', 'interrupted'))
         ON CONFLICT (account, uidl, ordinal, listed_bytes) WHERE gone_ms IS NULL DO UPDATE
         SET fate = excluded.fate, message = excluded.message, reason = excluded.reason,
             fate_ms = iif(message IS NULL, excluded.fate_ms, fate_ms), attempts = attempts + excluded.attempts
         WHERE message IS NULL AND NOT (fate IN ('failed', 'interrupted') AND excluded.fate = 'deferred')
             OR message = excluded.message AND reason IS NOT NULL AND excluded.reason IS NULL",
    )?
    .execute(params![
        account,
        listed.uidl.as_bytes(),
        listed.ordinal,
        size_or_none(listed.listed_bytes),
        fate.as_str(),
        message,
        at.as_millis(),
        reason
    ])?;
    Ok(())
}

fn session_ended(sql: &Connection, at: Timestamp, session: &Session) -> Result<(), Error> {
    let account = account_number(sql, &session.account)?;
    for missed in &session.missed {
        sight(sql, at, account, &missed.listed, (missed.fate, None, Some(&missed.reason)))?;
    }
    for Listed { uidl, ordinal, listed_bytes } in session.gone.iter().chain(&session.absent) {
        sql.prepare_cached(
            "UPDATE sighting SET gone_ms = ?5
             WHERE account = ?1 AND uidl = ?2 AND ordinal = ?3 AND listed_bytes = ?4 AND gone_ms IS NULL",
        )?
        .execute(params![account, uidl.as_bytes(), ordinal, size_or_none(*listed_bytes), at.as_millis()])?;
    }
    let counts = serde_json::to_string(&session.counts).map_err(|error| Error::Unreadable(error.to_string()))?;
    sql.execute(
        "INSERT INTO session (account, started_ms, ended_ms, counts, error) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![account, session.started.as_millis(), at.as_millis(), counts, session.error],
    )?;
    sql.execute(
        "UPDATE account SET last_poll_ms = ?2, last_error = ?3, listed = coalesce(?4, listed),
             last_success_ms = iif(?3 IS NULL, ?2, last_success_ms), failures = iif(?3 IS NULL, 0, failures + 1)
         WHERE number = ?1",
        params![
            account,
            at.as_millis(),
            session.error,
            (session.error.is_none() || session.counts.listed > 0).then_some(session.counts.listed)
        ],
    )?;
    Ok(())
}

fn view_scanned(sql: &Connection, message: i64, view: &ViewVerdict) -> Result<(), Error> {
    sql.prepare_cached(
        "INSERT INTO verdict (message, view, blob, size_bytes, verdict, detail, engine, signatures, transport,
                              scanned_ms, duration_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        message,
        view.view,
        view.blob.as_bytes(),
        view.size_bytes,
        view.verdict.as_str(),
        view.detail,
        view.engine,
        view.signatures,
        view.transport,
        view.scanned.as_millis(),
        view.duration_ms
    ])?;
    Ok(())
}

pub(super) fn account_number(sql: &Connection, account: &AccountId) -> Result<i64, Error> {
    sql.prepare_cached("SELECT number FROM account WHERE id = ?1")?
        .query_row(params![account.as_bytes()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::NoAccount(account.to_string()))
}

pub(super) fn message_number(sql: &Connection, message: &MessageRef) -> Result<i64, Error> {
    sql.prepare_cached("SELECT number FROM message WHERE id = ?1")?
        .query_row(params![message.id.as_bytes()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::Unreadable(format!("an event about message {}, which is not there", message.id)))
}

pub(super) fn size_or_none(listed_bytes: Option<u64>) -> i64 {
    listed_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(-1)
}
