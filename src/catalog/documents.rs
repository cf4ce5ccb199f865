//! Attachments with text in them: which messages have them, and what was read in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::messages::{MessageRow, word};
use super::{Catalog, Error};
use crate::mail::{BlobId, Timestamp};

/// How far the text of a document is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentState {
    /// Nobody has looked yet.
    Waiting,
    Read,
    /// Some of it only.
    Partial,
    Encrypted,
    /// Text may be in it, but in no form that is known.
    Unsupported,
    /// It is not what it says it is, or broken.
    Failed,
    /// Whoever read it did not survive, more than once.
    Crashed,
}

/// A part of a message that is a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentPart {
    pub part: u32,
    /// SHA-256 of the part's octets.
    pub content: BlobId,
    /// Encrypted mail: nobody needs to look.
    pub is_encrypted: bool,
}

/// What was read in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    pub content: BlobId,
    pub state: DocumentState,
    /// Why it is not read.
    pub detail: Option<String>,
    pub text: String,
}

/// A document of a message, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub part: u32,
    pub state: DocumentState,
    pub extraction: Option<Extraction>,
}

/// Messages of which not all can be searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsearchable {
    /// With a document that waits, or that was not read, or not all of it.
    pub unextracted: u64,
    /// With something encrypted.
    pub encrypted: u64,
}

/// How strongly texts are compressed: they are read far more often than they are written.
const LEVEL: i32 = 3;
/// No text is longer: the extractor's own limit is below.
const LONGEST_TEXT_BYTES: usize = 64 << 20;

impl DocumentState {
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Read, Self::Partial, Self::Encrypted, Self::Unsupported, Self::Failed, Self::Crashed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Read => "read",
            Self::Partial => "partial",
            Self::Encrypted => "encrypted",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
        }
    }
}

impl fmt::Display for DocumentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DocumentState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

impl Catalog {
    /// What was read in octets; `None` if nobody has looked.
    pub fn extraction(&self, content: &BlobId) -> Result<Option<Extraction>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT content, state, detail, text FROM extraction WHERE content = ?1")?;
        let row = statement.query_row(params![content.as_bytes()], |row| extraction(row, 0)).optional()?;
        row.map(unpacked).transpose()
    }

    /// The documents of a message, by part.
    pub fn documents(&self, message: u64) -> Result<Vec<Document>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT part, document.state, extraction.content, extraction.state, detail, text
             FROM document LEFT JOIN extraction ON extraction.content = document.content
             WHERE message = ?1 ORDER BY part",
        )?;
        let rows = statement.query_map(params![message], |row| {
            let is_known = row.get::<_, Option<[u8; 32]>>(2)?.is_some();
            Ok((row.get(0)?, word(row, 1)?, if is_known { Some(extraction(row, 2)?) } else { None }))
        })?;
        let mut documents = Vec::new();
        for row in rows {
            let (part, state, packed) = row?;
            documents.push(Document { part, state, extraction: packed.map(unpacked).transpose()? });
        }
        Ok(documents)
    }

    /// The next messages with documents that wait, the oldest first, and which parts those are.
    pub fn documents_waiting(&self, limit: u32) -> Result<Vec<(MessageRow, Vec<DocumentPart>)>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {}, part, content FROM document JOIN message ON message.number = document.message
             WHERE state = 'waiting' ORDER BY document.message LIMIT ?1",
            MessageRow::COLUMNS
        ))?;
        let rows = statement.query_map(params![limit], |row| {
            let content = BlobId::from_bytes(row.get(MessageRow::WIDTH + 1)?);
            Ok((
                MessageRow::from_row(row)?,
                DocumentPart { part: row.get(MessageRow::WIDTH)?, content, is_encrypted: false },
            ))
        })?;
        let mut waiting: Vec<(MessageRow, Vec<DocumentPart>)> = Vec::new();
        for row in rows {
            let (message, part) = row?;
            match waiting.last_mut() {
                Some((last, parts)) if last.number == message.number => parts.push(part),
                _ => waiting.push((message, vec![part])),
            }
        }
        Ok(waiting)
    }

    /// Documents have been looked into by the extractor of this version. Messages in which there is more to be found now are
    /// to be indexed again.
    pub fn extracted(&self, version: u32, extractions: &[Extraction], now: Timestamp) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Extraction { content, state, detail, text } in extractions {
            let packed =
                zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(|error| Error::Unreadable(error.to_string()))?;
            sql.prepare_cached(
                "INSERT OR REPLACE INTO extraction (content, version, state, detail, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![content.as_bytes(), version, state.as_str(), detail, packed])?;
            let changes_index = !text.is_empty() || *state == DocumentState::Encrypted;
            let messages = changed(&sql, content, *state)?;
            for message in messages.into_iter().filter(|_| changes_index) {
                index_again(&sql, message, now)?;
            }
        }
        Ok(sql.commit()?)
    }

    /// What an older extractor did not manage is due for this one.
    pub fn extractor_is(&self, version: u32) -> Result<(), Error> {
        self.connection().execute(
            "UPDATE document SET state = 'waiting' WHERE content IN
                 (SELECT content FROM extraction WHERE version < ?1 AND extraction.state NOT IN ('read', 'encrypted'))",
            params![version],
        )?;
        Ok(())
    }

    /// What could not be read of these messages, or of all where none is named, is due again. Gives which messages those
    /// are.
    pub fn retry_documents(&self, messages: &[u64]) -> Result<BTreeSet<u64>, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "UPDATE document SET state = 'waiting'
             WHERE state IN ('failed', 'crashed') AND (?1 IS NULL OR message = ?1) RETURNING message",
        )?;
        let named: Vec<Option<u64>> =
            if messages.is_empty() { vec![None] } else { messages.iter().copied().map(Some).collect() };
        let mut retried = BTreeSet::new();
        for message in named {
            for row in statement.query_map(params![message], |row| row.get(0))? {
                retried.insert(row?);
            }
        }
        Ok(retried)
    }

    /// Messages of which not all can be searched, as far as they have been indexed.
    pub fn unsearchable(&self) -> Result<Unsearchable, Error> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT count(DISTINCT message) FROM document
                     WHERE state IN ('waiting', 'partial', 'unsupported', 'failed', 'crashed')),
                    (SELECT count(DISTINCT message) FROM document WHERE state = 'encrypted')",
        )?;
        Ok(statement.query_row([], |row| Ok(Unsearchable { unextracted: row.get(0)?, encrypted: row.get(1)? }))?)
    }

    /// How many documents there are in each state, those that are read left out.
    pub fn document_counts(&self) -> Result<BTreeMap<DocumentState, u64>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT state, count(*) FROM document WHERE state <> 'read' GROUP BY state")?;
        let rows = statement.query_map([], |row| Ok((word(row, 0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A message's documents are these.
pub(super) fn note(sql: &Connection, message: u64, documents: &[DocumentPart]) -> Result<(), Error> {
    sql.prepare_cached("DELETE FROM document WHERE message = ?1")?.execute(params![message])?;
    for DocumentPart { part, content, is_encrypted } in documents {
        sql.prepare_cached(
            "INSERT INTO document (message, part, content, state) VALUES (?1, ?2, ?3,
                 iif(?4, 'encrypted', coalesce((SELECT state FROM extraction WHERE content = ?3), 'waiting')))",
        )?
        .execute(params![message, part, content.as_bytes(), is_encrypted])?;
    }
    Ok(())
}

/// What was read in a message goes, but for what stands in another, too.
pub(super) fn forget(sql: &Connection, message: i64) -> Result<(), Error> {
    sql.prepare_cached(
        "DELETE FROM extraction WHERE content IN (SELECT content FROM document WHERE message = ?1)
             AND NOT EXISTS (SELECT 1 FROM document WHERE document.content = extraction.content AND message <> ?1)",
    )?
    .execute(params![message])?;
    sql.prepare_cached("DELETE FROM document WHERE message = ?1")?.execute(params![message])?;
    Ok(())
}

/// The documents with these octets are in this state now. The messages that have them.
fn changed(sql: &Connection, content: &BlobId, state: DocumentState) -> Result<Vec<u64>, Error> {
    let mut statement = sql
        .prepare_cached("UPDATE document SET state = ?2 WHERE content = ?1 AND state = 'waiting' RETURNING message")?;
    let rows = statement.query_map(params![content.as_bytes(), state.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn index_again(sql: &Connection, message: u64, now: Timestamp) -> Result<(), Error> {
    sql.prepare_cached("UPDATE message SET indexed_ms = NULL WHERE number = ?1 AND purged_ms IS NULL")?
        .execute(params![message])?;
    sql.prepare_cached(
        "INSERT OR REPLACE INTO work (stage, message, due_ms)
         SELECT 'index', number, ?2 FROM message WHERE number = ?1 AND purged_ms IS NULL",
    )?
    .execute(params![message, now.as_millis()])?;
    Ok(())
}

/// With its text still compressed.
struct Packed {
    content: BlobId,
    state: DocumentState,
    detail: Option<String>,
    text: Vec<u8>,
}

fn extraction(row: &Row<'_>, first: usize) -> rusqlite::Result<Packed> {
    Ok(Packed {
        content: BlobId::from_bytes(row.get(first)?),
        state: word(row, first + 1)?,
        detail: row.get(first + 2)?,
        text: row.get(first + 3)?,
    })
}

fn unpacked(packed: Packed) -> Result<Extraction, Error> {
    let Packed { content, state, detail, text } = packed;
    let unreadable = |error: &dyn fmt::Display| Error::Unreadable(format!("the text of document {content}: {error}"));
    let octets = zstd::bulk::decompress(&text, LONGEST_TEXT_BYTES).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(octets).map_err(|error| unreadable(&error))?;
    Ok(Extraction { content, state, detail, text })
}
