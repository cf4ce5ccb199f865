//! Which parts of a message are documents, whose text is read in the extractor's worker.

use super::Error;
use super::holds::{Holds, location};
use crate::catalog::{DocumentPart, MessageRow};
use crate::extract::{Format, format_of};
use crate::mail::BlobId;
use crate::mail::message::{Message, Part, READ_LIMIT_BYTES};

/// Of a message too large to be taken apart, this much is read.
const PREFIX_BYTES: usize = 8 << 20;

/// So many octets say what a file is.
const START_BYTES: usize = 4 << 10;

/// What PGP encrypts, written so that mail can carry it (RFC 9580 section 6.2).
const ARMOURED: &[u8] = b"-----BEGIN PGP MESSAGE-----";

/// More documents than this in one message are not looked into.
const MOST: usize = 256;

/// The octets that are taken apart for index and extraction: all of them, or the first.
pub(super) fn octets(holds: &Holds, row: &MessageRow) -> Result<Vec<u8>, Error> {
    let blob = holds.reader.open(location(row.place))?;
    Ok(match row.size_bytes > READ_LIMIT_BYTES as u64 {
        true => blob.prefix(PREFIX_BYTES)?,
        false => blob.octets()?,
    })
}

/// The documents of a message, and the parts that are encrypted mail. The message stands among them itself, as part 0, where
/// not all of it was looked at.
pub(super) fn documents(row: &MessageRow, message: &Message<'_>) -> Vec<DocumentPart> {
    let encrypted: Vec<u32> = message.encrypted_parts().map(|part| part.number).collect();
    let mut documents = Vec::new();
    let mut is_cut = row.size_bytes > READ_LIMIT_BYTES as u64;
    for part in &message.parts {
        let is_encrypted = encrypted.contains(&part.number);
        if !is_encrypted && !part.is_attachment {
            continue;
        }
        let octets = part.octets();
        let is_encrypted = is_encrypted || octets.trim_ascii_start().starts_with(ARMOURED);
        if !is_encrypted && !is_document(part, &octets) {
            continue;
        }
        if documents.len() == MOST {
            is_cut = true;
            break;
        }
        documents.push(DocumentPart { is_encrypted, ..DocumentPart::new(part.number, BlobId::of(&octets)) });
    }
    documents.extend(is_cut.then(|| DocumentPart { is_cut, ..DocumentPart::new(0, row.message.id) }));
    documents
}

/// Text that says it is text is read by the index stage itself.
fn is_document(part: &Part<'_>, octets: &[u8]) -> bool {
    let start = &octets[..octets.len().min(START_BYTES)];
    match format_of(&part.content_type, part.filename.as_deref(), start) {
        None => false,
        Some(Format::Text | Format::Html) => !part.is_text(),
        Some(_) => true,
    }
}
