//! The texts of messages that snippets are cut from, kept in memory for a while.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::archive::{Archive, Error, Message};
use crate::catalog::DocumentState;
use crate::mail::BlobId;
use crate::mail::message::{self, READ_LIMIT_BYTES};

/// The readable texts of one message, in the order of its parts; and how far its documents were read then.
#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) Vec<PartText>, Vec<(u32, DocumentState)>);

#[derive(Debug)]
pub(super) struct PartText {
    pub(super) part: u32,
    pub(super) is_attachment: bool,
    /// SHA-256 of the part's octets, by which its standing is looked up: that may change at any time.
    pub(super) content: BlobId,
    pub(super) text: String,
}

/// What is kept of one text: a snippet shows no more.
const LONGEST_TEXT_BYTES: usize = 256 << 10;
/// What is kept of all.
const MOST_BYTES: usize = 16 << 20;

/// The texts that were asked for last.
#[derive(Debug)]
pub(in crate::archive) struct Recent(Mutex<Held>);

#[derive(Debug)]
struct Held {
    texts: LruCache<u64, Arc<Texts>>,
    bytes: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(Held { texts: LruCache::unbounded(), bytes: 0 }))
    }
}

impl Texts {
    fn size_bytes(&self) -> usize {
        self.0.iter().map(|part| part.text.len() + size_of::<PartText>()).sum()
    }
}

impl Recent {
    fn of(&self, number: u64) -> Option<Arc<Texts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts.get(&number).cloned()
    }

    fn put(&self, number: u64, texts: Arc<Texts>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += texts.size_bytes();
        if let Some((_, former)) = held.texts.push(number, texts) {
            held.bytes -= former.size_bytes();
        }
        while held.bytes > MOST_BYTES {
            let Some((_, oldest)) = held.texts.pop_lru() else { break };
            held.bytes -= oldest.size_bytes();
        }
    }

    fn forget(&self, number: u64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = held.texts.pop(&number) {
            held.bytes -= former.size_bytes();
        }
    }
}

impl Archive {
    /// The texts of a message and of what is attached to it, as far as they are known. Who may see which is not asked here.
    pub(super) fn texts(&self, row: &Message) -> Result<Arc<Texts>, Error> {
        if row.size_bytes > READ_LIMIT_BYTES as u64 || row.purged.is_some() {
            return Ok(Arc::default());
        }
        let states = self.catalog.document_states(row.number)?;
        if let Some(known) = self.recent.of(row.number).filter(|known| known.1 == states) {
            return Ok(known);
        }
        let documents = self.catalog.documents(row.number, LONGEST_TEXT_BYTES as u64)?;
        let octets = self.blob(row)?.octets()?;
        let message = message::read(&octets);
        let mut texts = Vec::new();
        for part in &message.parts {
            let extracted = documents.iter().find(|document| document.part == part.number);
            let extracted = extracted.and_then(|document| document.extraction.as_ref());
            let text = match extracted {
                Some(extraction) => Some(extraction.text.as_str().into()),
                None => part.readable(),
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let content = BlobId::of(&part.octets());
                let text = text[..text.floor_char_boundary(LONGEST_TEXT_BYTES)].to_owned();
                texts.push(PartText { part: part.number, is_attachment: part.is_attachment, content, text });
            }
        }
        let texts = Arc::new(Texts(texts, states));
        self.recent.put(row.number, texts.clone());
        Ok(texts)
    }

    /// Of messages that are destroyed, nothing stays in memory.
    pub(super) fn forget_texts(&self, row: &Message) {
        self.recent.forget(row.number);
    }
}
