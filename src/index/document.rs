use tantivy::TantivyDocument;

use super::schema::Fields;
use crate::mail::message::{Mailbox, Message, Participants};
use crate::mail::{BlobId, Timestamp};

/// What the index holds of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub id: BlobId,
    /// The message's row in the catalog, by which facts and rights reach a search.
    pub number: u64,
    /// When it was written, as it says; when it was kept, if it does not say.
    pub date: Timestamp,
    pub size_bytes: u64,
    pub message_id: Option<String>,
    pub subject: Option<String>,
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub body: String,
    pub filenames: Vec<String>,
    /// What `type:` finds it by; see [`types`].
    pub types: Vec<String>,
    pub has_attachment: bool,
}

impl Document {
    /// What is to be found of a message of `size_bytes` octets that was kept at the time `kept`.
    pub fn of(id: BlobId, number: u64, size_bytes: u64, kept: Timestamp, message: &Message<'_>) -> Self {
        let envelope = &message.envelope;
        Self {
            id,
            number,
            date: envelope.date.unwrap_or(kept),
            size_bytes,
            message_id: envelope.message_id.clone(),
            subject: envelope.subject.clone(),
            from: people(&envelope.from),
            to: people(&envelope.to),
            cc: people(&envelope.cc),
            bcc: people(&envelope.bcc),
            body: message.text(),
            filenames: message.filenames().map(str::to_owned).collect(),
            types: types(message),
            has_attachment: message.has_attachment(),
        }
    }

    /// Of mail that was collected for many: who had it counts as who is named in it, and what a journal report encloses is
    /// found as if it stood alone.
    pub fn of_participants(mut self, participants: &Participants, message: &Message<'_>) -> Self {
        let Participants { senders, recipients, .. } = participants;
        self.from.extend_from_slice(senders);
        self.to.extend_from_slice(recipients);
        if let Some(original) = message.reported(participants) {
            let envelope = &original.envelope;
            self.from.extend(people(&envelope.from));
            self.to.extend(people(&envelope.to));
            self.cc.extend(people(&envelope.cc));
            self.bcc.extend(people(&envelope.bcc));
            self.subject = self.subject.or_else(|| envelope.subject.clone());
        }
        self
    }

    pub(super) fn for_engine(&self, fields: &Fields) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_bytes(fields.id, self.id.as_bytes());
        document.add_u64(fields.number, self.number);
        document.add_i64(fields.date, self.date.as_millis());
        document.add_u64(fields.size_bytes, self.size_bytes);
        document.add_bool(fields.has_attachment, self.has_attachment);
        let message_id = self.message_id.as_slice();
        let subject = self.subject.as_slice();
        for (field, texts) in [
            (fields.message_id, message_id),
            (fields.kind, &self.types),
            (fields.from, &self.from),
            (fields.to, &self.to),
            (fields.cc, &self.cc),
            (fields.bcc, &self.bcc),
            (fields.subject, subject),
            (fields.body, std::slice::from_ref(&self.body)),
            (fields.filename, &self.filenames),
        ] {
            for text in texts {
                document.add_text(field, text);
            }
        }
        document
    }
}

/// The endings by which people know content types whose names say little.
const ENDINGS: [(&str, &str); 16] = [
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/vnd.oasis.opendocument.presentation", "odp"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/x-zip-compressed", "zip"),
    ("image/jpeg", "jpg"),
    ("image/svg+xml", "svg"),
    ("message/rfc822", "eml"),
    ("text/calendar", "ics"),
    ("text/plain", "txt"),
    ("text/vcard", "vcf"),
];

/// For every part: its content type, both halves of that, the usual ending for it, and the ending of its name.
fn types(message: &Message<'_>) -> Vec<String> {
    let parts = message.parts.iter().map(|part| part.content_type.as_str());
    let mut types = Vec::new();
    for content_type in parts.chain(message.enclosed.iter().map(|_| "message/rfc822")) {
        let halves = content_type.split('/');
        let ending = ENDINGS.iter().filter(|(known, _)| *known == content_type).map(|(_, ending)| *ending);
        types.extend([content_type].into_iter().chain(halves).chain(ending).map(str::to_owned));
    }
    types.extend(message.filenames().filter_map(|name| Some(name.rsplit_once('.')?.1.to_lowercase())));
    types.sort_unstable();
    types.dedup();
    types
}

fn people(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(Mailbox::to_string).collect()
}
