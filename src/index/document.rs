use std::borrow::Cow;
use std::collections::BTreeSet;

use tantivy::TantivyDocument;

use super::schema::Fields;
use super::tokenizer;
use crate::mail::message::{Mailbox, Message, Participants};
use crate::mail::query::Feature;
use crate::mail::{BlobId, Timestamp, language};

/// What stands behind the last dot of a longer one is no ending.
const LONGEST_ENDING: usize = 8;

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
    /// What is shown when it is opened.
    pub body: String,
    /// The text inside what is attached.
    pub attachments: Vec<String>,
    pub filenames: Vec<String>,
    pub lists: Vec<String>,
    /// What `type:` finds it by; see [`types`].
    pub types: Vec<String>,
    /// The endings of what is attached, for counting.
    pub kinds: Vec<String>,
    /// Codes as `mail::language` has them.
    pub languages: Vec<&'static str>,
    pub features: BTreeSet<Feature>,
}

impl Document {
    /// What is to be found of a message of `size_bytes` octets that was kept at the time `kept`.
    pub fn of(id: BlobId, number: u64, size_bytes: u64, kept: Timestamp, message: &Message<'_>) -> Self {
        let envelope = &message.envelope;
        let mut body = message.body();
        body.push_str(&message.signed_text());
        let mut features = message.protection();
        features.extend(message.has_attachment().then_some(Feature::Attachment));
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
            languages: language::of(&body).into_iter().collect(),
            body,
            attachments: message.attached_texts().map(Cow::into_owned).collect(),
            filenames: message.filenames().map(str::to_owned).collect(),
            lists: envelope.lists.clone(),
            types: types(message),
            kinds: kinds(message),
            features,
        }
    }

    /// With what was read in one of its attachments elsewhere.
    pub fn with_extracted(mut self, text: String, is_encrypted: bool) -> Self {
        self.attachments.push(text);
        self.features.extend(is_encrypted.then_some(Feature::Encryption));
        self
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
        for feature in &self.features {
            document.add_text(fields.feature, feature.as_str());
        }
        for language in &self.languages {
            document.add_text(fields.language, language);
        }
        if let Some(sender) = self.from.first() {
            document.add_text(fields.sender, sender_of(sender));
        }
        let (message_id, subject) = (self.message_id.as_slice(), self.subject.as_slice());
        let people = [
            (fields.from, &self.from[..]),
            (fields.to, &self.to),
            (fields.cc, &self.cc),
            (fields.bcc, &self.bcc),
            (fields.list, &self.lists),
        ];
        let texts = [(fields.subject, subject), (fields.filename, &self.filenames)];
        let others = [
            (fields.message_id, message_id),
            (fields.kind, &self.types),
            (fields.attached, &self.kinds),
            (fields.body, std::slice::from_ref(&self.body)),
            (fields.attachment, &self.attachments),
        ];
        for (field, values) in texts.iter().chain(&others) {
            for value in *values {
                document.add_text(*field, value);
            }
        }
        for (field, values) in people {
            for value in values {
                let tokens = tokenizer::people_tokens(value);
                document.add_pre_tokenized_text(field, tokens.clone());
                document.add_pre_tokenized_text(fields.head, tokens);
            }
        }
        for value in texts.iter().flat_map(|(_, values)| *values) {
            document.add_text(fields.head, value);
        }
        document
    }
}

/// The address, in lower case; of who has none the name.
fn sender_of(person: &str) -> String {
    let address = person.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(address, _)| address);
    address.unwrap_or(person).to_lowercase()
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

/// For every attachment the ending of its name, or the usual one of its content type.
fn kinds(message: &Message<'_>) -> Vec<String> {
    let kind = |content_type: &str, name: Option<&str>| {
        let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_lowercase());
        let usual = || ENDINGS.iter().find(|(known, _)| *known == content_type).map(|(_, ending)| (*ending).to_owned());
        let ending = ending.filter(|ending| ending.len() <= LONGEST_ENDING && !ending.is_empty()).or_else(usual);
        ending.unwrap_or_else(|| content_type.rsplit('/').next().unwrap_or(content_type).to_owned())
    };
    let parts = message.parts.iter().filter(|part| part.is_attachment);
    let parts = parts.map(|part| kind(&part.content_type, part.filename.as_deref()));
    let enclosed = message.enclosed.iter().filter(|enclosed| enclosed.is_attachment).map(|_| "eml".to_owned());
    let mut kinds: Vec<String> = parts.chain(enclosed).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn people(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(Mailbox::to_string).collect()
}
