//! Attachments with text in them: which messages have them, and what was read in them.
//! Knows nothing about formats, or who reads them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
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
    /// Not all that is known of its text went into the index, or it stands for parts that were not looked at.
    pub is_cut: bool,
    /// What was known of its text when the message was indexed; `None` if nothing was.
    pub known: Option<ExtractionNumber>,
}

/// Which of all extractions ever: another one of the same octets has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractionNumber(u64);

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
const LONGEST_TEXT_BYTES: u64 = 64 << 20;

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
    /// What was read in octets, and when; `None` if nobody has looked.
    pub fn extraction(&self, content: &BlobId) -> Result<Option<(ExtractionNumber, Extraction)>, Error> {
        let packed = {
            let connection = self.connection();
            let mut statement = connection
                .prepare_cached("SELECT content, state, detail, text, number FROM extraction WHERE content = ?1")?;
            let row = |row: &Row<'_>| Ok((ExtractionNumber(row.get(4)?), packed(row, 0)?));
            statement.query_row(params![content.as_bytes()], row).optional()?
        };
        packed.map(|(number, packed)| Ok((number, packed.unpacked(LONGEST_TEXT_BYTES)?))).transpose()
    }

    /// The documents of a message, by part; of each text at most so many octets.
    pub fn documents(&self, message: u64, longest_text: u64) -> Result<Vec<Document>, Error> {
        let rows = {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT part, document.state, extraction.content, extraction.state, detail, text
                 FROM document LEFT JOIN extraction ON extraction.content = document.content
                 WHERE message = ?1 ORDER BY part",
            )?;
            let rows = statement.query_map(params![message], |row| {
                let is_known = row.get::<_, Option<[u8; 32]>>(2)?.is_some();
                Ok((row.get(0)?, word(row, 1)?, if is_known { Some(packed(row, 2)?) } else { None }))
            })?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        let mut documents = Vec::new();
        for (part, state, packed) in rows {
            let extraction = packed.map(|packed| packed.unpacked(longest_text)).transpose()?;
            documents.push(Document { part, state, extraction });
        }
        Ok(documents)
    }

    /// The documents of a message, by part, without their texts.
    pub fn document_states(&self, message: u64) -> Result<Vec<(u32, DocumentState)>, Error> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT part, state FROM document WHERE message = ?1 ORDER BY part")?;
        let rows = statement.query_map(params![message], |row| Ok((row.get(0)?, word(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
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
            Ok((MessageRow::from_row(row)?, DocumentPart::new(row.get(MessageRow::WIDTH)?, content)))
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
    /// to be indexed again. What nobody has any more, nothing is noted of.
    pub fn extracted(&self, version: u32, extractions: &[Extraction], now: Timestamp) -> Result<(), Error> {
        let pack = |extraction: &Extraction| zstd::bulk::compress(extraction.text.as_bytes(), LEVEL);
        let packed: Result<Vec<Vec<u8>>, _> = extractions.iter().map(pack).collect();
        let packed = packed.map_err(|error| Error::Unreadable(error.to_string()))?;
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (Extraction { content, state, detail, text }, packed) in extractions.iter().zip(packed) {
            sql.prepare_cached(
                "INSERT OR REPLACE INTO extraction (content, version, state, detail, text)
                 SELECT ?1, ?2, ?3, ?4, ?5
                 WHERE EXISTS (SELECT 1 FROM document WHERE content = ?1)",
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

    /// The documents of this message that wait could not be had: whatever is in them, it was not looked at.
    pub fn documents_lost(&self, message: u64) -> Result<(), Error> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("UPDATE document SET state = 'failed' WHERE message = ?1 AND state = 'waiting'")?;
        statement.execute(params![message])?;
        Ok(())
    }

    /// What an older extractor did not manage is due for this one.
    pub fn extractor_is(&self, version: u32) -> Result<(), Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let older = "SELECT content FROM extraction WHERE version < ?1 AND state NOT IN ('read', 'encrypted')";
        sql.execute(&format!("UPDATE document SET state = 'waiting' WHERE content IN ({older})"), params![version])?;
        sql.execute(&format!("DELETE FROM extraction WHERE content IN ({older})"), params![version])?;
        Ok(sql.commit()?)
    }

    /// What could not be read of these messages, or of all where none is named, is due again, wherever the same octets stand.
    /// Gives which messages have them.
    pub fn retry_documents(&self, messages: &[u64]) -> Result<BTreeSet<u64>, Error> {
        let mut connection = self.connection();
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let named: Vec<Option<u64>> =
            if messages.is_empty() { vec![None] } else { messages.iter().copied().map(Some).collect() };
        let mut retried = BTreeSet::new();
        for message in named {
            let mut statement = sql.prepare_cached(
                "UPDATE document SET state = 'waiting' WHERE state IN ('failed', 'crashed') AND content IN
                     (SELECT content FROM document WHERE state IN ('failed', 'crashed') AND (?1 IS NULL OR message = ?1))
                 RETURNING message",
            )?;
            for row in statement.query_map(params![message], |row| row.get(0))? {
                retried.insert(row?);
            }
        }
        // Else it would count as known as soon as one of the messages is indexed again.
        sql.execute(
            "DELETE FROM extraction WHERE state IN ('failed', 'crashed')
                 AND content IN (SELECT content FROM document WHERE state = 'waiting')",
            [],
        )?;
        sql.commit()?;
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

impl DocumentPart {
    /// Of which nothing is known.
    pub const fn new(part: u32, content: BlobId) -> Self {
        Self { part, content, is_encrypted: false, is_cut: false, known: None }
    }
}

/// A message's documents are these. Whether nothing more is known of them than when it was indexed.
pub(in crate::catalog) fn note(sql: &Connection, message: u64, documents: &[DocumentPart]) -> Result<bool, Error> {
    let mut is_current = true;
    sql.prepare_cached("DELETE FROM document WHERE message = ?1")?.execute(params![message])?;
    for DocumentPart { part, content, is_encrypted, is_cut, known: indexed } in documents {
        let known = sql
            .prepare_cached("SELECT number, state FROM extraction WHERE content = ?1")?
            .query_row(params![content.as_bytes()], |row| Ok((ExtractionNumber(row.get(0)?), word(row, 1)?)))
            .optional()?;
        let state = match known {
            _ if *is_encrypted => DocumentState::Encrypted,
            _ if *is_cut => DocumentState::Partial,
            Some((_, state)) => state,
            None => DocumentState::Waiting,
        };
        is_current &= *is_encrypted || known.map(|(number, _)| number) == *indexed;
        sql.prepare_cached("INSERT INTO document (message, part, content, state) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![message, part, content.as_bytes(), state.as_str()])?;
    }
    Ok(is_current)
}

/// What was read in a message goes, but for what stands in another, too.
pub(in crate::catalog) fn forget(sql: &Connection, message: i64) -> Result<(), Error> {
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

fn packed(row: &Row<'_>, first: usize) -> rusqlite::Result<Packed> {
    Ok(Packed {
        content: BlobId::from_bytes(row.get(first)?),
        state: word(row, first + 1)?,
        detail: row.get(first + 2)?,
        text: row.get(first + 3)?,
    })
}

impl Packed {
    /// With at most so many octets of the text.
    fn unpacked(self, longest: u64) -> Result<Extraction, Error> {
        let Self { content, state, detail, text } = self;
        let unreadable =
            |error: &dyn fmt::Display| Error::Unreadable(format!("the text of document {content}: {error}"));
        let mut octets = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(text.as_slice()).map_err(|error| unreadable(&error))?;
        decoder.take(longest).read_to_end(&mut octets).map_err(|error| unreadable(&error))?;
        let text = match String::from_utf8(octets) {
            Ok(text) => text,
            // The last letter may be cut through.
            Err(error) if error.utf8_error().error_len().is_none() => {
                let whole = error.utf8_error().valid_up_to();
                String::from_utf8_lossy(&error.as_bytes()[..whole]).into_owned()
            }
            Err(error) => return Err(unreadable(&error)),
        };
        Ok(Extraction { content, state, detail, text })
    }
}
