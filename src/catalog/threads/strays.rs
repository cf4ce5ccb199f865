use rusqlite::{Connection, params};

use crate::catalog::Error;
use crate::mail::BlobId;

/// A stray reply answers nothing older than this.
const LONGEST_SILENCE_MS: u64 = 90 * 86_400_000;

/// A subject that more messages have than this is everybody's, and ties nothing.
const MOST_OF_A_SUBJECT: u32 = 256;

/// A message with a subject, and whom it is taken to answer by now.
struct Subject {
    date_ms: i64,
    id: BlobId,
    message: i64,
    is_stray: bool,
    after: Option<i64>,
}

/// Each stray reply among the messages of a subject is taken to answer the one before it.
pub(super) fn attach(sql: &Connection, subject: i64) -> Result<(), Error> {
    let count = "SELECT count(*) FROM (SELECT 1 FROM tie WHERE subject = ?1 LIMIT ?2)";
    let mut statement = sql.prepare_cached(count)?;
    let count: u32 = statement.query_row(params![subject, MOST_OF_A_SUBJECT + 1], |row| row.get(0))?;
    if count > MOST_OF_A_SUBJECT {
        return detach(sql, subject);
    }
    let mut messages = of_subject(sql, subject)?;
    messages.sort_unstable_by_key(|message| (message.date_ms, message.id));
    let mut before: Option<&Subject> = None;
    for message in &messages {
        let near = before.filter(|before| message.date_ms.abs_diff(before.date_ms) <= LONGEST_SILENCE_MS);
        let after = near.filter(|_| message.is_stray).map(|before| before.message);
        if after != message.after {
            sql.prepare_cached(
                "UPDATE tie SET after = ?2, mark = fingerprint(message, family, date_ms, ids, subject, stray, ?2)
                 WHERE message = ?1",
            )?
            .execute(params![message.message, after])?;
        }
        before = Some(message);
    }
    Ok(())
}

fn of_subject(sql: &Connection, subject: i64) -> Result<Vec<Subject>, Error> {
    let mut statement = sql.prepare_cached(
        "SELECT tie.date_ms, message.id, tie.message, tie.stray, tie.after
         FROM tie JOIN message ON message.number = tie.message WHERE tie.subject = ?1",
    )?;
    let rows = statement.query_map(params![subject], |row| {
        Ok(Subject {
            date_ms: row.get(0)?,
            id: BlobId::from_bytes(row.get(1)?),
            message: row.get(2)?,
            is_stray: row.get(3)?,
            after: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Said as a range, SQLite finds those few in its index; the others may be a million.
fn detach(sql: &Connection, subject: i64) -> Result<(), Error> {
    sql.prepare_cached(
        "UPDATE tie SET after = NULL, mark = fingerprint(message, family, date_ms, ids, subject, stray, NULL)
         WHERE subject = ?1 AND after >= 0",
    )?
    .execute(params![subject])?;
    Ok(())
}
