use std::fmt::Write;

use tantivy::schema::{
    FAST, Field, FieldType, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};

use super::tokenizer;
use crate::mail::{query, text};

/// Counts up whenever documents are made in another way; the index is then made anew.
pub const VERSION: u32 = 2;

/// Handles of the fields, in the order of the schema.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) number: Field,
    pub(super) date: Field,
    pub(super) size_bytes: Field,
    pub(super) feature: Field,
    pub(super) language: Field,
    pub(super) sender: Field,
    pub(super) attached: Field,
    pub(super) message_id: Field,
    pub(super) kind: Field,
    pub(super) from: Field,
    pub(super) to: Field,
    pub(super) cc: Field,
    pub(super) bcc: Field,
    pub(super) subject: Field,
    pub(super) filename: Field,
    pub(super) list: Field,
    /// Subject, people, names and lists together: where a word may be in any of them, one look is enough.
    pub(super) head: Field,
    pub(super) body: Field,
    pub(super) attachment: Field,
}

/// Names of the fields that are sorted by.
pub(super) const NUMBER: &str = "number";
pub(super) const DATE: &str = "date";

/// Names of the fields that are counted by.
pub(super) const SENDER: &str = "sender";
pub(super) const ATTACHED: &str = "attached";

pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    // How long a subject or a text is says something about how well a word fits; of names and addresses it does not.
    let people = words(&tokenizer::people_name(), false);
    let names = words(&tokenizer::text_name(), false);
    let text = words(&tokenizer::text_name(), true);
    let fields = Fields {
        id: builder.add_bytes_field("id", INDEXED | STORED),
        number: builder.add_u64_field(NUMBER, FAST),
        date: builder.add_i64_field(DATE, FAST),
        size_bytes: builder.add_u64_field("size_bytes", FAST),
        feature: builder.add_text_field("feature", exact()),
        language: builder.add_text_field("language", exact()),
        sender: builder.add_text_field(SENDER, column()),
        attached: builder.add_text_field(ATTACHED, column()),
        message_id: builder.add_text_field("message_id", exact()),
        kind: builder.add_text_field("type", exact()),
        from: builder.add_text_field("from", people.clone()),
        to: builder.add_text_field("to", people.clone()),
        cc: builder.add_text_field("cc", people.clone()),
        bcc: builder.add_text_field("bcc", people.clone()),
        subject: builder.add_text_field("subject", text.clone()),
        filename: builder.add_text_field("filename", names),
        list: builder.add_text_field("list", people),
        head: builder.add_text_field("head", presence(&tokenizer::text_name())),
        body: builder.add_text_field("body", text.clone()),
        attachment: builder.add_text_field("attachment", text),
    };
    (builder.build(), fields)
}

/// The fields as a Markdown table: what `schemas/index.md` must show.
pub fn table() -> String {
    let (schema, _) = schema();
    let mut table = String::from("| field | type | tokenizer | kept for |\n|---|---|---|---|\n");
    for (_, entry) in schema.fields() {
        let kind = entry.field_type();
        let indexing = match kind {
            FieldType::Str(options) => options.get_indexing_options(),
            _ => None,
        };
        let uses = [
            (entry.is_indexed(), "search"),
            (indexing.is_some_and(|options| options.index_option().has_positions()), "phrases"),
            (entry.is_fast(), "sorting and ranges"),
            (entry.is_stored(), "showing"),
        ];
        let uses: Vec<_> = uses.into_iter().filter(|(is_so, _)| *is_so).map(|(_, name)| name).collect();
        let tokenizer = indexing.map_or("", |options| options.tokenizer());
        let kind = format!("{:?}", kind.value_type()).to_lowercase();
        #[expect(clippy::let_underscore_must_use, reason = "writing to a String does not fail")]
        let _ = writeln!(table, "| `{}` | {kind} | {tokenizer} | {} |", entry.name(), uses.join(", "));
    }
    table
}

impl Fields {
    /// Where a word without a field is looked for.
    pub(super) const fn anywhere(&self) -> [Field; 9] {
        [self.subject, self.body, self.attachment, self.from, self.to, self.cc, self.bcc, self.filename, self.list]
    }

    /// The same with what [`head`](Self::head) stands for as one.
    pub(super) const fn summed_up(&self) -> [Field; 3] {
        [self.head, self.body, self.attachment]
    }

    pub(super) const fn people(&self) -> [Field; 4] {
        [self.from, self.to, self.cc, self.bcc]
    }

    /// Whether addresses are found whole in it.
    pub(super) fn holds_addresses(&self, field: Field) -> bool {
        self.people().contains(&field) || field == self.list
    }

    pub(super) fn holding(&self, field: query::Field) -> Vec<Field> {
        match field {
            query::Field::From => vec![self.from],
            query::Field::To => vec![self.to],
            query::Field::Cc => vec![self.cc],
            query::Field::Bcc => vec![self.bcc],
            query::Field::With => self.people().to_vec(),
            query::Field::Subject => vec![self.subject],
            query::Field::Body => vec![self.body],
            query::Field::Attachment => vec![self.attachment],
            query::Field::Filename => vec![self.filename],
            query::Field::List => vec![self.list],
        }
    }
}

fn words(tokenizer: &str, has_lengths: bool) -> TextOptions {
    let indexing = TextFieldIndexing::default().set_fieldnorms(has_lengths);
    let indexing = indexing.set_tokenizer(tokenizer).set_index_option(IndexRecordOption::WithFreqsAndPositions);
    TextOptions::default().set_indexing_options(indexing)
}

/// Whether a word is there, not where or how often.
fn presence(tokenizer: &str) -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(IndexRecordOption::Basic);
    TextOptions::default().set_indexing_options(indexing.set_fieldnorms(false))
}

/// Not searched, only counted.
fn column() -> TextOptions {
    TextOptions::default().set_fast("raw")
}

/// One token a value, as it stands.
fn exact() -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::Basic);
    TextOptions::default().set_indexing_options(indexing.set_fieldnorms(false))
}

/// Names the versions in the schema itself, so that an index made otherwise has another schema.
pub(super) fn versioned(name: &str) -> String {
    format!("{name}-{VERSION}.{}", text::VERSION)
}
