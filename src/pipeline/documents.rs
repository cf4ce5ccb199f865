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

/// The documents of a message, and the parts that are encrypted mail.
pub(super) fn documents(message: &Message<'_>) -> Vec<DocumentPart> {
    let encrypted: Vec<u32> = message.encrypted_parts().map(|part| part.number).collect();
    let of = |part: &Part<'_>| {
        let is_encrypted = encrypted.contains(&part.number);
        if !is_encrypted && !is_document(part) {
            return None;
        }
        Some(DocumentPart { part: part.number, content: BlobId::of(&part.octets()), is_encrypted })
    };
    message.parts.iter().filter_map(of).take(MOST).collect()
}

/// Text that says it is text is read by the index stage itself, and what is signed counts as the message's own.
fn is_document(part: &Part<'_>) -> bool {
    if !part.is_attachment {
        return false;
    }
    let octets = part.octets();
    let start = &octets[..octets.len().min(START_BYTES)];
    match format_of(&part.content_type, part.filename.as_deref(), start) {
        None | Some(Format::Signed) => false,
        Some(Format::Text | Format::Html) => !part.is_text(),
        Some(_) => true,
    }
}
