//! What the scanner said last of octets that many messages have, and how far the archive was scanned again.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::messages::{MessageRow, word};
use super::{Catalog, Error};
use crate::mail::event::Rescanned;
use crate::mail::{BlobId, Timestamp, Verdict};

/// The scanner's answer on the octets of a part. A cache: losing it costs a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub blob: BlobId,
    pub verdict: Verdict,
    /// The signature's name.
    pub detail: Option<String>,
}

/// The rescan that is under way, newest message first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescan {
    pub why: String,
    /// What tells the signatures it is done with from others.
    pub signature_set: String,
    pub began: Timestamp,
    /// Every message with a lower number is still to be scanned; 0 when it has ended.
    pub below: u64,
    /// Messages there were when it began.
    pub total: u64,
    pub messages: u64,
    /// Octets that the scanner was asked about; equal ones were not asked about twice.
    pub parts: u64,
    pub changed: u64,
    pub infected: u64,
}

impl Catalog {
    /// The answer on these octets, if it was given with just these signatures.
    pub fn answered(&self, blob: &BlobId, signature_set: &str) -> Result<Option<Answered>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT verdict, detail FROM answer WHERE blob = ?1 AND signature_set = ?2
                 AND mark = fingerprint(blob, signature_set, verdict, detail)",
        )?;
        let answer = statement.query_row(params![blob.as_bytes(), signature_set], |row| {
            Ok(Answered { blob: *blob, verdict: word(row, 0)?, detail: row.get(1)? })
        });
        Ok(answer.optional()?)
    }

    /// Keeps answers that were given with these signatures; older ones on the same octets go.
    pub fn keep_answers(&self, answers: &[Answered], signature_set: &str) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Answered { blob, verdict, detail } in answers {
            sql.prepare_cached(
                "INSERT OR REPLACE INTO answer (blob, signature_set, verdict, detail, mark)
                 VALUES (?1, ?2, ?3, ?4, fingerprint(?1, ?2, ?3, ?4))",
            )?
            .execute(params![blob.as_bytes(), signature_set, verdict.as_str(), detail])?;
        }
        Ok(sql.commit()?)
    }

    /// A message was scanned again, and nothing is different.
    pub fn scanned_as_before(&self, message: u64) -> Result<(), Error> {
        self.connection()
            .prepare_cached("DELETE FROM work WHERE stage = 'scan' AND message = ?1")?
            .execute(params![message])?;
        Ok(())
    }

    /// Makes messages due for the scan stage again, whatever was found in them. Gives how many are due now of them.
    pub fn scan_again(&self, messages: &[u64], now: Timestamp) -> Result<u64, Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut due = 0;
        for message in messages {
            due += sql
                .prepare_cached(
                    "INSERT INTO work (stage, message, due_ms)
                     SELECT 'scan', number, ?2 FROM message WHERE number = ?1 AND purged_ms IS NULL
                     ON CONFLICT (stage, message) DO UPDATE SET due_ms = ?2, attempts = 0, stuck = 0",
                )?
                .execute(params![message, now.as_millis()])? as u64;
        }
        sql.commit()?;
        Ok(due)
    }

    /// Which signatures the archive was scanned with as a whole, last time.
    pub fn rescanned_with(&self) -> Result<Option<String>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT signature_set FROM rescanned WHERE signature_set <> '' ORDER BY number DESC LIMIT 1",
        )?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }

    /// The last rescan with other signatures: under way, or ended.
    pub fn rescan(&self) -> Result<Option<Rescan>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT why, signature_set, began_ms, below, total, messages, parts, changed, infected FROM rescan",
        )?;
        let rescan = statement.query_row([], |row| {
            Ok(Rescan {
                why: row.get(0)?,
                signature_set: row.get(1)?,
                began: Timestamp::from_millis(row.get(2)?),
                below: row.get(3)?,
                total: row.get(4)?,
                messages: row.get(5)?,
                parts: row.get(6)?,
                changed: row.get(7)?,
                infected: row.get(8)?,
            })
        });
        Ok(rescan.optional()?)
    }

    /// Begins a rescan of all there is, in the place of one that is under way; or notes how far it came.
    pub fn note_rescan(&self, rescan: &Rescan) -> Result<(), Error> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO rescan
                     (one, why, signature_set, began_ms, below, total, messages, parts, changed, infected)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                rescan.why,
                rescan.signature_set,
                rescan.began.as_millis(),
                rescan.below,
                rescan.total,
                rescan.messages,
                rescan.parts,
                rescan.changed,
                rescan.infected
            ])?;
        Ok(())
    }

    /// The number that follows the last message's.
    pub fn next_number(&self) -> Result<u64, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT coalesce(max(number) + 1, 1) FROM message")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The number that follows that of the last message with a last word on it; and how many messages have one.
    pub fn scanned_upto(&self) -> Result<(u64, u64), Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT coalesce(max(number) + 1, 1) FROM message
                     WHERE purged_ms IS NULL AND verdict NOT IN ('pending', 'error')),
                    (SELECT count(*) FROM message) - (SELECT count(*) FROM message WHERE purged_ms IS NOT NULL)
                        - (SELECT count(*) FROM message WHERE verdict IN ('pending', 'error'))",
        )?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?)
    }

    /// The next messages of a rescan, newest first: those with a last word on them. The others are due anyway.
    pub fn to_rescan(&self, below: u64, limit: u32) -> Result<Vec<MessageRow>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {} FROM message WHERE number < ?1 AND purged_ms IS NULL AND verdict NOT IN ('pending', 'error')
             ORDER BY number DESC LIMIT ?2",
            MessageRow::COLUMNS
        ))?;
        let rows = statement.query_map(params![below, limit], MessageRow::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A rescan came to its end.
pub(super) fn rescanned(sql: &Connection, at: Timestamp, rescanned: &Rescanned) -> Result<(), Error> {
    let Rescanned { why, signature_set, began, messages, parts, changed, infected } = rescanned;
    sql.prepare_cached(
        "INSERT INTO rescanned (why, signature_set, began_ms, ended_ms, messages, parts, changed, infected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        why,
        signature_set,
        began.as_millis(),
        at.as_millis(),
        messages,
        parts,
        changed,
        infected
    ])?;
    sql.execute("UPDATE rescan SET below = 0 WHERE signature_set = ?1", params![signature_set])?;
    Ok(())
}
