use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::quarantine::Judge;
use crate::archive::threads::ThreadShown;
use crate::archive::{Archive, Error, Message, Met};
use crate::catalog::Attachment;
use crate::mail::query::{self, Field, Query, Snippet};
use crate::mail::{BlobId, Verdict};

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hit {
    /// SHA-256 of the message's octets, in hex.
    #[schemars(with = "String")]
    pub id: BlobId,
    /// When it was sent, or kept if it does not say: RFC 3339, UTC.
    pub date: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    /// Where it was met.
    pub accounts: Vec<String>,
    /// Each time it was met, however often: it is kept, and shown, once.
    pub sightings: Vec<Met>,
    pub size_bytes: u64,
    pub verdict: Verdict,
    /// What people put on it, by name.
    pub tags: Vec<String>,
    pub thread: ThreadShown,
    pub attachments: Vec<Attachment>,
    /// The fields in which the words looked for stand: `subject`, `body`, `attachment` …
    pub found_in: Vec<String>,
    /// Some of the text around what was found, as plain text. From clean parts only: empty until they were scanned.
    pub snippet: String,
    /// Where in `snippet` the words looked for stand: beginnings and ends, in octets.
    pub highlights: Vec<(usize, usize)>,
    /// The attachment that the snippet is from, by its part's number; `null` for the text of the message itself.
    pub snippet_part: Option<u32>,
}

const SNIPPET_CHARS: usize = 160;

impl Archive {
    pub(super) fn hit(
        &self,
        row: Message,
        thread: ThreadShown,
        query: &Query,
        found_in: &[Field],
    ) -> Result<Hit, Error> {
        let (Snippet { text, highlights }, snippet_part) = self.snippet(&row, query)?;
        let sightings: Vec<Met> = self.catalog.met_at(row.number)?.into_iter().map(Met::from).collect();
        let mut accounts: Vec<String> = sightings.iter().map(|met| met.account.clone()).collect();
        accounts.sort();
        accounts.dedup();
        Ok(Hit {
            id: row.message.id,
            date: row.summary.date.unwrap_or(row.kept).to_string(),
            from: row.summary.from,
            to: row.summary.to,
            subject: row.summary.subject,
            accounts,
            sightings,
            size_bytes: row.size_bytes,
            verdict: row.verdict,
            tags: self.catalog.tags_of(row.number)?,
            thread,
            attachments: row.summary.attachments,
            found_in: found_in.iter().map(|field| field.as_str().to_owned()).collect(),
            snippet: text,
            highlights: highlights.into_iter().map(|range| (range.start, range.end)).collect(),
            snippet_part,
        })
    }

    /// From the parts that are handed out to everybody: those that were found clean, or released. From the text of the
    /// message, unless only an attachment has what is looked for.
    fn snippet(&self, row: &Message, query: &Query) -> Result<(Snippet, Option<u32>), Error> {
        let texts = self.texts(row)?;
        let verdicts = self.catalog.verdicts(row.number)?;
        let judge = Judge::new(self, row, &verdicts)?;
        let mut body = String::new();
        for part in texts.0.iter().filter(|part| !part.is_attachment) {
            if !judge.standing(part.part, part.content)?.is_withheld() {
                body.push_str(&part.text);
                body.push('\n');
            }
        }
        let of_body = query::snippet(&body, query, Field::Body, SNIPPET_CHARS);
        if !of_body.highlights.is_empty() {
            return Ok((of_body, None));
        }
        for part in texts.0.iter().filter(|part| part.is_attachment) {
            let of_part = query::snippet(&part.text, query, Field::Attachment, SNIPPET_CHARS);
            if !of_part.highlights.is_empty() && !judge.standing(part.part, part.content)?.is_withheld() {
                return Ok((of_part, Some(part.part)));
            }
        }
        Ok((of_body, None))
    }
}
