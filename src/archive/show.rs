use schemars::JsonSchema;
use serde::Serialize;

use super::quarantine::{Judge, ReadingShown, Sealed, Standing};
use super::said::NoteShown;
use super::threads::ThreadShown;
use super::{Archive, Error};
use crate::catalog::{Destroyed, MessageRow, MetAt, VerdictRow};
use crate::mail::message::{self, Envelope, Mailbox, Message, Part, READ_LIMIT_BYTES};
use crate::mail::{BlobId, Verdict};
use crate::store::Blob;

/// Who asks: ordinary readers get clean parts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Ordinary,
    /// `--quarantined`: everything, on one's own risk.
    Quarantined,
}

/// Everything the archive knows of a message, but for its octets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// SHA-256 of the message's octets, in hex.
    #[schemars(with = "String")]
    pub id: BlobId,
    pub size_bytes: u64,
    /// When it was kept: RFC 3339, UTC.
    pub kept: String,
    pub verdict: Verdict,
    /// What people go by, decoded.
    pub envelope: EnvelopeShown,
    /// As the message has them, unfolded, in their order.
    pub headers: Vec<Header>,
    pub parts: Vec<PartShown>,
    /// The messages inside it, in their order; their parts are among `parts`.
    pub enclosed: Vec<EnvelopeShown>,
    /// Whom it was for by the envelope it came in, where an account collects the mail of many.
    pub recipients: Vec<String>,
    /// Where it was met.
    pub sightings: Vec<Met>,
    /// The last word of the scanner on each view.
    pub scans: Vec<ViewShown>,
    /// The index of its entry in the journal.
    pub journal: u64,
    /// What could not be read of it.
    pub problems: Vec<String>,
    /// Why its octets are not here any more: then nothing is known that only they told.
    pub destroyed: Option<DestroyedShown>,
    /// The thread it is part of; of one that is not indexed yet, or destroyed, itself alone.
    pub thread: ThreadShown,
    /// What people put on it, by name.
    pub tags: Vec<String>,
    /// What people wrote about it, the first one first.
    pub notes: Vec<NoteShown>,
    /// Who read it, or took something out of it, the first one first.
    pub readings: Vec<ReadingShown>,
}

/// A person's word that a message be destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DestroyedShown {
    /// RFC 3339, UTC.
    pub at: String,
    pub by: String,
    pub reason: String,
    /// The index of its entry in the journal.
    pub journal: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EnvelopeShown {
    /// RFC 3339, UTC.
    pub date: Option<String>,
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PartShown {
    /// The number `show --part` takes.
    pub part: u32,
    #[serde(rename = "type")]
    pub content_type: String,
    pub name: Option<String>,
    pub size_bytes: u64,
    pub attachment: bool,
    /// SHA-256 of its octets, in hex.
    #[schemars(with = "String")]
    pub hash: BlobId,
    pub verdict: Verdict,
    /// The signature's name, or why it is not clean.
    pub detail: Option<String>,
    /// Whether ordinary readers do not get it. What was released they get, whatever the verdict.
    pub withheld: bool,
    /// By what `poplar quarantine` knows it, where it is sealed off.
    pub sealed: Option<Sealed>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Met {
    pub account: String,
    /// The unique-id in the server's listing; `file:` and a path for imported mail.
    pub uidl: String,
    pub fate: String,
    pub at: String,
    /// When a DELE was last decided on.
    pub deleting: Option<String>,
    /// When a listing showed it gone after that.
    pub gone: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ViewShown {
    pub view: String,
    pub verdict: Verdict,
    pub detail: Option<String>,
    pub engine: String,
    pub signatures: String,
    pub at: String,
}

/// A text part, or what stands in the place of one, or of any other part, that is withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartText {
    Text(String),
    Withheld(Stub),
}

/// What is said of a part that is not handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    pub part: u32,
    pub name: Option<String>,
    pub size_bytes: u64,
    pub hash: BlobId,
    pub verdict: Verdict,
    pub detail: Option<String>,
    pub sealed: Option<Sealed>,
}

impl Archive {
    pub fn show(&self, row: &MessageRow) -> Result<Shown, Error> {
        if let Some(destroyed) = self.catalog.destroyed(row.number)? {
            return self.tombstone(row, destroyed);
        }
        let octets = self.readable_octets(row)?;
        let message = message::read(&octets);
        let verdicts = self.catalog.verdicts(row.number)?;
        let judge = Judge::new(self, row, &verdicts)?;
        let shown = |part: &Part<'_>| Ok(PartShown::of(part, judge.part(part)?));
        Ok(Shown {
            id: row.message.id,
            size_bytes: row.size_bytes,
            kept: row.kept.to_string(),
            verdict: row.verdict,
            envelope: EnvelopeShown::of(&message.envelope),
            headers: headers(message::header_block(&octets)),
            parts: message.parts.iter().map(shown).collect::<Result<_, Error>>()?,
            enclosed: message.enclosed.iter().map(|enclosed| EnvelopeShown::of(&enclosed.envelope)).collect(),
            recipients: match self.catalog.is_collected(row.number)? {
                true => message::participants(&octets, &message).recipients,
                false => Vec::new(),
            },
            sightings: self.catalog.met_at(row.number)?.into_iter().map(Met::from).collect(),
            scans: verdicts.iter().map(ViewShown::of).collect(),
            journal: row.journal,
            problems: message.problems.iter().map(ToString::to_string).collect(),
            thread: self.thread(row)?,
            tags: self.catalog.tags_of(row.number)?,
            notes: self.notes(row)?,
            readings: self.readings(row)?,
            destroyed: None,
        })
    }

    /// What stays of a message that was destroyed.
    fn tombstone(&self, row: &MessageRow, destroyed: Destroyed) -> Result<Shown, Error> {
        let Destroyed { at, by, reason, journal } = destroyed;
        Ok(Shown {
            id: row.message.id,
            size_bytes: row.size_bytes,
            kept: row.kept.to_string(),
            verdict: row.verdict,
            envelope: EnvelopeShown::default(),
            headers: Vec::new(),
            parts: Vec::new(),
            enclosed: Vec::new(),
            recipients: Vec::new(),
            sightings: self.catalog.met_at(row.number)?.into_iter().map(Met::from).collect(),
            scans: self.catalog.verdicts(row.number)?.iter().map(ViewShown::of).collect(),
            journal: row.journal,
            problems: Vec::new(),
            thread: ThreadShown::alone(row.message.id),
            tags: Vec::new(),
            notes: Vec::new(),
            readings: self.readings(row)?,
            destroyed: Some(DestroyedShown { at: at.to_string(), by, reason, journal }),
        })
    }

    /// The exact octets. Always handed out: whoever asks for them by name wants the evidence. Where they hold something
    /// back from others ([`Self::holds_back`]), that is to be on record first.
    pub fn raw(&self, row: &MessageRow) -> Result<Blob, Error> {
        self.blob(row)
    }

    /// The header block, as it stands.
    pub fn header_block(&self, row: &MessageRow) -> Result<Vec<u8>, Error> {
        let octets = self.readable_octets(row)?;
        Ok(message::header_block(&octets).to_vec())
    }

    /// The decoded octets of one part, if it may be handed out.
    pub fn part(&self, row: &MessageRow, number: u32, access: Access) -> Result<Vec<u8>, Error> {
        let octets = self.readable_octets(row)?;
        let message = message::read(&octets);
        let id = row.message.id.short();
        let part = message.part(number).ok_or_else(|| Error::NoPart {
            id: id.clone(),
            part: number,
            parts: message.parts.len(),
        })?;
        let verdicts = self.catalog.verdicts(row.number)?;
        let standing = Judge::new(self, row, &verdicts)?.part(part)?;
        if access == Access::Ordinary && standing.is_withheld() {
            let Standing { verdict, detail, .. } = standing;
            return Err(Error::Withheld { id, part: number, verdict, detail });
        }
        Ok(part.octets().into_owned())
    }

    /// The text a person reads, part by part; of what may not be handed out, that it is there.
    pub fn text(&self, row: &MessageRow, access: Access) -> Result<Vec<PartText>, Error> {
        let octets = self.readable_octets(row)?;
        let message: Message<'_> = message::read(&octets);
        let verdicts = self.catalog.verdicts(row.number)?;
        let judge = Judge::new(self, row, &verdicts)?;
        let mut texts = Vec::new();
        for part in &message.parts {
            let standing = judge.part(part)?;
            if access == Access::Ordinary && standing.is_withheld() {
                texts.push(PartText::Withheld(Stub::of(part, standing)));
            } else if let Some(text) = part.readable() {
                texts.push(PartText::Text(text.into_owned()));
            }
        }
        Ok(texts)
    }

    /// All octets, or of a message too large to be taken apart the first.
    fn readable_octets(&self, row: &MessageRow) -> Result<Vec<u8>, Error> {
        let blob = self.blob(row)?;
        let large = row.size_bytes > READ_LIMIT_BYTES as u64;
        Ok(if large { blob.prefix(READ_LIMIT_BYTES / 8)? } else { blob.octets()? })
    }
}

impl Stub {
    fn of(part: &Part<'_>, standing: Standing) -> Self {
        Self {
            part: part.number,
            name: part.filename.clone(),
            size_bytes: part.size_bytes(),
            hash: standing.blob,
            verdict: standing.verdict,
            detail: standing.detail,
            sealed: standing.sealed,
        }
    }
}

impl EnvelopeShown {
    fn of(envelope: &Envelope) -> Self {
        let people = |mailboxes: &[Mailbox]| mailboxes.iter().map(ToString::to_string).collect();
        Self {
            date: envelope.date.map(|date| date.to_string()),
            from: people(&envelope.from),
            to: people(&envelope.to),
            cc: people(&envelope.cc),
            subject: envelope.subject.clone(),
        }
    }
}

impl PartShown {
    fn of(part: &Part<'_>, standing: Standing) -> Self {
        Self {
            part: part.number,
            content_type: part.content_type.clone(),
            name: part.filename.clone(),
            size_bytes: part.size_bytes(),
            attachment: part.is_attachment,
            hash: standing.blob,
            verdict: standing.verdict,
            withheld: standing.is_withheld(),
            detail: standing.detail,
            sealed: standing.sealed,
        }
    }
}

impl From<MetAt> for Met {
    fn from(met: MetAt) -> Self {
        Self {
            account: met.account,
            uidl: met.uidl.to_string(),
            fate: met.fate.to_string(),
            at: met.at.to_string(),
            deleting: met.deleting.map(|at| at.to_string()),
            gone: met.gone.map(|at| at.to_string()),
        }
    }
}

impl ViewShown {
    fn of(view: &VerdictRow) -> Self {
        Self {
            view: view.view.clone(),
            verdict: view.verdict,
            detail: view.detail.clone(),
            engine: view.engine.clone(),
            signatures: view.signatures.clone(),
            at: view.scanned.to_string(),
        }
    }
}

/// The fields of a header block, unfolded (RFC 5322 section 2.2.3). Lines that are no field are left out.
fn headers(block: &[u8]) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for line in String::from_utf8_lossy(block).lines() {
        let line = line.trim_end_matches('\r');
        match (line.starts_with([' ', '\t']), line.split_once(':'), headers.last_mut()) {
            (true, _, Some(header)) => header.value.push_str(line),
            (false, Some((name, value)), _) => {
                headers.push(Header { name: name.trim_end().to_owned(), value: value.trim_start().to_owned() });
            }
            _ => {}
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_unfolded_and_keep_their_order() {
        let block = b"From: a@b\r\nX-Long: one\r\n two\r\nno field\r\nfrom: again\r\r\n\r\n";
        let shown: Vec<(String, String)> =
            headers(block).into_iter().map(|header| (header.name, header.value)).collect();
        let expected = [("From", "a@b"), ("X-Long", "one two"), ("from", "again")];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
