use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{Catalog, Error};
use crate::mail::event::{MessageRef, Uidl};
use crate::mail::{BlobId, BlobIdPrefix, Fate, Nonce, Timestamp, Verdict, ViewVerdict};

/// A message as the catalog knows it.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// In the order of keeping; the index calls it by this number.
    pub number: u64,
    pub message: MessageRef,
    pub size_bytes: u64,
    pub kept: Timestamp,
    /// Pack and ordinal.
    pub place: (u64, u32),
    /// The index of its entry in the journal.
    pub journal: u64,
    pub verdict: Verdict,
    pub indexed: Option<Timestamp>,
    pub summary: Summary,
    /// Since when its octets are destroyed.
    pub purged: Option<Timestamp>,
}

/// What lists show of a message, read from its octets when it was indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub date: Option<Timestamp>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    pub attachments: Vec<Attachment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// The number `show --part` takes.
    pub part: u32,
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub content_type: String,
    pub size_bytes: u64,
}

/// One place where a message was met.
#[derive(Clone, Debug)]
pub struct MetAt {
    pub account: String,
    pub uidl: Uidl,
    pub fate: Fate,
    pub at: Timestamp,
    pub deleting: Option<Timestamp>,
    pub gone: Option<Timestamp>,
}

pub type VerdictRow = ViewVerdict;

impl MessageRow {
    pub(super) const COLUMNS: &'static str = "message.number, message.id, message.nonce, message.size_bytes, \
        message.kept_ms, message.pack, message.ordinal, message.journal, message.verdict, message.indexed_ms, message.date_ms, \
        message.from_line, message.to_line, message.subject, message.attachments, message.purged_ms";
    pub(super) const WIDTH: usize = 16;

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let attachments: String = row.get(14)?;
        Ok(Self {
            number: row.get(0)?,
            message: MessageRef { id: BlobId::from_bytes(row.get(1)?), nonce: Nonce::from_bytes(row.get(2)?) },
            size_bytes: row.get(3)?,
            kept: Timestamp::from_millis(row.get(4)?),
            place: (row.get(5)?, row.get(6)?),
            journal: row.get(7)?,
            verdict: word(row, 8)?,
            indexed: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
            summary: Summary {
                date: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
                from: row.get(11)?,
                to: row.get(12)?,
                subject: row.get(13)?,
                attachments: serde_json::from_str(&attachments).map_err(|error| unreadable(14, error))?,
            },
            purged: row.get::<_, Option<i64>>(15)?.map(Timestamp::from_millis),
        })
    }
}

impl Catalog {
    pub fn message(&self, id: &BlobId) -> Result<Option<MessageRow>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&format!("SELECT {} FROM message WHERE id = ?1", MessageRow::COLUMNS))?;
        Ok(statement.query_row(params![id.as_bytes()], MessageRow::from_row).optional()?)
    }

    /// The messages whose ids begin with the prefix: the first two are enough to tell whether it is unique.
    pub fn with_prefix(&self, prefix: &BlobIdPrefix) -> Result<Vec<MessageRow>, Error> {
        let (low, high) = prefix.range();
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {} FROM message WHERE id BETWEEN ?1 AND ?2 LIMIT 2",
            MessageRow::COLUMNS
        ))?;
        let rows = statement.query_map(params![low.as_bytes(), high.as_bytes()], MessageRow::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The messages with these numbers, in the order asked for; those that are not there are left out.
    pub fn numbered(&self, numbers: &[u64]) -> Result<Vec<MessageRow>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&format!("SELECT {} FROM message WHERE number = ?1", MessageRow::COLUMNS))?;
        let mut messages = Vec::with_capacity(numbers.len());
        for number in numbers {
            messages.extend(statement.query_row(params![number], MessageRow::from_row).optional()?);
        }
        Ok(messages)
    }

    /// Where a message was met, first meeting first.
    pub fn met_at(&self, number: u64) -> Result<Vec<MetAt>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT account.name, uidl, fate, fate_ms, deleting_ms, gone_ms
             FROM sighting JOIN account ON account.number = sighting.account
             WHERE message = ?1 ORDER BY sighting.number",
        )?;
        let rows = statement.query_map(params![number], |row| {
            Ok(MetAt {
                account: row.get(0)?,
                uidl: Uidl::new(row.get::<_, Vec<u8>>(1)?),
                fate: word(row, 2)?,
                at: Timestamp::from_millis(row.get(3)?),
                deleting: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
                gone: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last word on each view of a message.
    pub fn verdicts(&self, number: u64) -> Result<Vec<VerdictRow>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT view, blob, size_bytes, verdict, detail, engine, signatures, transport, scanned_ms, duration_ms
             FROM verdict WHERE number IN (SELECT max(number) FROM verdict WHERE message = ?1 GROUP BY view)
             ORDER BY number",
        )?;
        let rows = statement.query_map(params![number], |row| {
            Ok(ViewVerdict {
                view: row.get(0)?,
                blob: BlobId::from_bytes(row.get(1)?),
                size_bytes: row.get(2)?,
                verdict: word(row, 3)?,
                detail: row.get(4)?,
                engine: row.get(5)?,
                signatures: row.get(6)?,
                transport: row.get(7)?,
                scanned: Timestamp::from_millis(row.get(8)?),
                duration_ms: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of the messages with any of these verdicts, ascending.
    pub fn numbers_with_verdict(&self, verdicts: &[Verdict]) -> Result<Vec<u64>, Error> {
        let places = vec!["?"; verdicts.len()].join(", ");
        self.numbers(
            &format!("SELECT number FROM message WHERE verdict IN ({places}) ORDER BY number"),
            params_from_iter(verdicts.iter().map(|verdict| verdict.as_str())),
        )
    }

    /// Numbers of the messages met at an account, ascending; account names are compared without case.
    pub fn numbers_of_account(&self, name: &str) -> Result<Vec<u64>, Error> {
        self.numbers(
            "SELECT DISTINCT message FROM sighting JOIN account ON account.number = sighting.account
             WHERE lower(account.name) = lower(?1) AND message IS NOT NULL ORDER BY message",
            params![name],
        )
    }

    /// Numbers of the messages that are destroyed and may still be in the index.
    pub fn numbers_destroyed_but_indexed(&self) -> Result<Vec<u64>, Error> {
        self.numbers(
            // Of an index of few entries: left to itself, SQLite walks through all messages, as those are in order.
            "SELECT number FROM message INDEXED BY message_purged WHERE purged_ms IS NOT NULL
                 AND EXISTS (SELECT 1 FROM work WHERE stage = 'index' AND work.message = number)",
            params![],
        )
    }

    fn numbers(&self, query: &str, parameters: impl rusqlite::Params) -> Result<Vec<u64>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(query)?;
        let rows = statement.query_map(parameters, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages have been indexed.
    pub fn indexed_count(&self) -> Result<u64, Error> {
        let connection = self.connection();
        // Counted by what is missing: that is an index of few entries.
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT count(*) FROM message) - (SELECT count(*) FROM message WHERE indexed_ms IS NULL)",
        )?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Messages, and the sum of their octets, without those that are destroyed.
    pub fn totals(&self) -> Result<(u64, u64), Error> {
        let connection = self.connection();
        // Each sum over an index of its own.
        let mut statement = connection.prepare_cached(
            "WITH met AS (SELECT count(*) AS messages, coalesce(sum(size_bytes), 0) AS bytes FROM message),
                  gone AS (SELECT count(*) AS messages, coalesce(sum(size_bytes), 0) AS bytes FROM message
                           WHERE purged_ms IS NOT NULL)
             SELECT met.messages - gone.messages, met.bytes - gone.bytes FROM met, gone",
        )?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// How many messages have each verdict, those that none has left out, and messages that are destroyed.
    pub fn verdict_counts(&self) -> Result<Vec<(Verdict, u64)>, Error> {
        let connection = self.connection();
        // The clean ones are those that are left: they stand in no index.
        let mut statement = connection.prepare_cached(
            "WITH gone AS (SELECT verdict, count(*) AS messages FROM message WHERE purged_ms IS NOT NULL GROUP BY verdict),
                  met AS (SELECT verdict, count(*) AS messages FROM message WHERE verdict <> 'clean' GROUP BY verdict),
                  clean AS (SELECT 'clean' AS verdict, (SELECT count(*) FROM message)
                                - (SELECT coalesce(sum(messages), 0) FROM met) AS messages),
                  known AS (SELECT verdict, messages
                                - coalesce((SELECT messages FROM gone WHERE gone.verdict = every.verdict), 0) AS messages
                            FROM (SELECT * FROM clean UNION ALL SELECT * FROM met) AS every)
             SELECT verdict, messages FROM known WHERE messages > 0",
        )?;
        let rows = statement.query_map([], |row| Ok((word(row, 0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A word of SQL that is a value of ours.
pub(super) fn word<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| unreadable(column, format!("unknown word {text:?}")))
}

fn unreadable(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
}
