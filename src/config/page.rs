use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, Origin};

/// The file being read: where each value stands, and what is wrong so far.
pub(super) struct Page<'d> {
    file: PathBuf,
    text: &'d str,
    pub(super) faults: Vec<Fault>,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl<'d> Page<'d> {
    pub(super) const fn new(file: PathBuf, text: &'d str) -> Self {
        Self { file, text, faults: Vec::new(), origins: BTreeMap::new() }
    }

    pub(super) fn fault(&mut self, at: usize, sentence: String) {
        self.faults.push(Fault { file: self.file.clone(), line: line_of(self.text.as_bytes(), at), sentence });
    }

    /// The keys of one table, with the path of their origins and the title that faults call it by.
    pub(super) fn section<'p>(&'p mut self, table: Place<'d>, path: &str, title: String) -> Section<'p, 'd> {
        Section { page: self, table, path: path.to_owned(), title, asked: Vec::new() }
    }
}

/// The line, counted from 1, that the octet stands on.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|octet| **octet == b'\n').count()
}

/// A table and where its heading stands; no table where the file has none.
#[derive(Clone)]
pub(super) struct Place<'d> {
    pub(super) table: Option<&'d DeTable<'d>>,
    pub(super) span: Range<usize>,
}

/// Reads the keys of one table. Every key it is asked for is a known one; [`Section::finish`] refuses the rest.
pub(super) struct Section<'p, 'd> {
    page: &'p mut Page<'d>,
    table: Place<'d>,
    path: String,
    title: String,
    asked: Vec<&'static str>,
}

impl<'d> Section<'_, 'd> {
    /// The value of a key that may be left out. What `read` has against it becomes a fault that begins with the key's
    /// name, and the key counts as left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'d>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let at = value.span().start;
        let line = line_of(self.page.text.as_bytes(), at);
        self.page.origins.insert(format!("{}{key}", self.path), Origin::File { line });
        read(value.get_ref()).map_err(|sentence| self.fault(at, &format!("{key} {sentence}"))).ok()
    }

    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&DeValue<'d>) -> Result<T, String>,
    ) -> Option<T> {
        if self.value(key).is_none() {
            self.fault(self.table.span.start, &format!("{key} is missing; write {example}"));
        }
        self.optional(key, read)
    }

    /// The keys of a table inside this one, where it is there.
    pub(super) fn nested(&mut self, key: &'static str) -> Option<Section<'_, 'd>> {
        self.value(key)?;
        self.optional(key, |_| Ok(()));
        let table = self.table(key);
        table.table?;
        let (path, title) = (format!("{}{key}.", self.path), self.title.clone());
        Some(Section { page: &mut *self.page, table, path, title, asked: Vec::new() })
    }

    /// Whether the file sets the key to something: `false` and an empty list are nothing.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| match value.get_ref() {
            DeValue::Boolean(flag) => *flag,
            DeValue::Array(items) => !items.is_empty(),
            _ => true,
        })
    }

    /// A table inside this one.
    pub(super) fn table(&mut self, key: &'static str) -> Place<'d> {
        let Some(value) = self.value(key) else { return Place { table: None, span: 0..0 } };
        match value.get_ref() {
            DeValue::Table(table) => Place { table: Some(table), span: value.span() },
            other => {
                let sentence = format!("must be a table, written [{key}], not {}", kind(other));
                self.fault(value.span().start, &format!("{key} {sentence}"));
                Place { table: None, span: value.span() }
            }
        }
    }

    /// The tables of a list, each under its own `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Place<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(value.span().start, &format!("{key} takes two brackets: write [[{key}]]"));
            return Vec::new();
        };
        let mut places = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => places.push(Place { table: Some(table), span: item.span() }),
                other => {
                    let sentence = format!("{key} must be tables, each under [[{key}]], not {}", kind(other));
                    self.fault(item.span().start, &sentence);
                }
            }
        }
        places
    }

    /// A fault at the key, or at the table's heading where the key is left out.
    pub(super) fn fault_at(&mut self, key: &'static str, sentence: &str) {
        let at = self.value(key).map_or(self.table.span.start, |value| value.span().start);
        self.fault(at, sentence);
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table.table else { return };
        for key in table.keys().filter(|key| !self.asked.contains(&key.get_ref().as_ref())) {
            let place = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
            let hint = hint(key.get_ref(), &self.asked, self.path.is_empty());
            self.page.fault(key.span().start, format!("unknown key {:?}{place}; {hint}", key.get_ref()));
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.table?.get(key)
    }

    fn fault(&mut self, at: usize, sentence: &str) {
        let title = if self.title.is_empty() { String::new() } else { format!("{}: ", self.title) };
        self.page.fault(at, format!("{title}{sentence}"));
    }
}

fn hint(key: &str, known: &[&str], top: bool) -> String {
    if !top && key == "data_dir" {
        return "it belongs at the top of the file, before the first [table]".to_owned();
    }
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}

/// The known word that somebody who wrote `word` most likely meant.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase();
    known
        .map(|near| (strsim::jaro_winkler(&word, near), near))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, near)| near)
}

/// What a value is, with its article, for sentences.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
