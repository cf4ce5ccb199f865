//! PDF (ISO 32000): the text of its pages, and what stands beside them: title, notes, fields, headings, attached files.
//! Who asks for a password gets one try: the empty one.

mod mend;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::content::{Content, Operation};
use pdf_extract::{
    Dictionary, Document, MediaBox, Object, ObjectId, OutputDev, OutputError, PlainTextOutput, Transform, output_doc,
    output_doc_page,
};

use super::reading::{Reading, Trouble, broken};

/// Parents over parents beyond this are no page tree.
const DEEPEST: usize = 200;

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let document = open(octets, reading)?;
    let pages: Vec<_> = document.get_pages().into_iter().collect();
    let mut unread = 0_usize;
    let mut done = 0;
    while done < pages.len() && !reading.is_over() {
        let (text, read) = run(&document, &pages, done, reading);
        let is_blank = text.trim().is_empty();
        push_page(&text, reading);
        // Fonts that the library finds no letters in; perhaps the other way does.
        let lesser =
            pages[done..done + read].iter().filter(|_| is_blank).filter_map(|(page, _)| lesser_text(&document, *page));
        lesser.for_each(|text| push_page(&text, reading));
        done += read;
        if done < pages.len() && !reading.is_over() {
            match lesser_text(&document, pages[done].0) {
                Some(text) => push_page(&text, reading),
                None => unread += 1,
            }
            done += 1;
        }
    }
    if unread > 0 {
        reading.fall_short(&format!("{unread} of {} pages could not be read", pages.len()));
    }
    beside(&document, reading);
    if pages.is_empty() {
        return Err(broken("it has no pages"));
    }
    Ok(())
}

/// Decrypted if it is encrypted; mended if that is what it takes.
fn open(octets: &[u8], reading: &mut Reading<'_>) -> Result<Document, Trouble> {
    let mut document = match Document::load_mem(octets).map_err(|error| trouble(&error)) {
        Ok(document) if !document.get_pages().is_empty() => document,
        Err(Trouble::Encrypted) => return Err(Trouble::Encrypted),
        sound => {
            let mended = mend::mended(octets).and_then(|mended| Document::load_mem(&mended).ok());
            let Some(mended) = mended else { return sound };
            reading.fall_short("its table of objects is broken");
            mended
        }
    };
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(Trouble::Encrypted);
    }
    spell_out(&mut document);
    Ok(document)
}

/// The operators that show a string on the next line (section 9.4.3), which the library does not know, in longer words.
fn spell_out(document: &mut Document) {
    let of_pages: HashSet<_> = document.page_iter().flat_map(|page| document.get_page_contents(page)).collect();
    for (id, object) in &mut document.objects {
        let Object::Stream(stream) = object else { continue };
        let is_form = stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Form");
        if !is_form && !of_pages.contains(id) {
            continue;
        }
        let plain = stream.decompressed_content().unwrap_or_else(|_| stream.content.clone());
        let has_short = [&b")'"[..], b") '", b")\"", b") \"", b">'", b">\""]
            .iter()
            .any(|sign| memchr::memmem::find(&plain, sign).is_some());
        if !has_short {
            continue;
        }
        let Ok(mut content) = Content::decode(&plain) else { continue };
        content.operations = content.operations.into_iter().flat_map(spelled_out).collect();
        if let Ok(longer) = content.encode() {
            stream.set_plain_content(longer);
        }
    }
}

fn spelled_out(mut operation: Operation) -> Vec<Operation> {
    if !matches!(operation.operator.as_str(), "'" | "\"") {
        return vec![operation];
    }
    let shown = operation.operands.pop().into_iter().collect();
    vec![Operation::new("T*", Vec::new()), Operation::new("Tj", shown)]
}

fn trouble(error: &pdf_extract::Error) -> Trouble {
    match error {
        pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword => Trouble::Encrypted,
        other => broken(format!("it is no sound PDF: {other}")),
    }
}

/// The text of pages from one on, up to the first that the library fails on, or panics; and how many those are.
fn run(document: &Document, pages: &[(u32, ObjectId)], from: usize, reading: &mut Reading<'_>) -> (String, usize) {
    if !pages.iter().all(|(_, page)| has_end(document, *page)) {
        return (String::new(), 0);
    }
    let mut text = String::new();
    let mut output = Counted { inner: PlainTextOutput::new(&mut text), pages: 0, reading };
    // All at once where nothing has failed yet: the library looks for the pages anew each time it is asked.
    let ended = catch_unwind(AssertUnwindSafe(|| match from {
        0 => output_doc(document, &mut output).is_ok(),
        from => output_doc_page(document, &mut output, pages[from].0).is_ok(),
    }));
    let read = output.pages;
    // What there is of a page that failed stays in the text.
    drop(ended);
    (text, read)
}

/// What a lesser part of the library makes of a page.
fn lesser_text(document: &Document, number: u32) -> Option<String> {
    let text = catch_unwind(AssertUnwindSafe(|| document.extract_text(&[number]).ok())).ok().flatten();
    text.filter(|text| !text.trim().is_empty())
}

/// Counts the pages that are whole, and ends where there is enough.
struct Counted<'c, 'l, 't> {
    inner: PlainTextOutput<&'t mut String>,
    pages: usize,
    reading: &'c mut Reading<'l>,
}

impl OutputDev for Counted<'_, '_, '_> {
    fn begin_page(
        &mut self,
        number: u32,
        media: &MediaBox,
        art: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        if self.reading.is_late() {
            return Err(std::fmt::Error.into());
        }
        self.inner.begin_page(number, media, art)
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.pages += 1;
        self.inner.end_page()
    }

    fn output_character(
        &mut self,
        transform: &Transform,
        width: f64,
        spacing: f64,
        size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.inner.output_character(transform, width, spacing, size, text)
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.inner.begin_word()
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        self.inner.end_word()
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        self.inner.end_line()
    }
}

/// Whether a page's parents end somewhere: the library follows them for ever.
fn has_end(document: &Document, page: ObjectId) -> bool {
    let mut at = Some(page);
    for _ in 0..DEEPEST {
        let Some(id) = at else { return true };
        let parent = document.get_dictionary(id).and_then(|node| node.get(b"Parent")).and_then(Object::as_reference);
        at = parent.ok();
    }
    false
}

fn push_page(text: &str, reading: &mut Reading<'_>) {
    reading.paragraph(text);
    // Words divided at the end of a line are found whole, too.
    for joined in joined(text) {
        reading.paragraph(&joined);
    }
}

/// The words that a hyphen at the end of a line divides.
fn joined(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let halves = lines.windows(2).filter_map(|pair| {
        let first = pair[0].strip_suffix(['-', '\u{ad}', '\u{2010}'])?;
        let first = first.rsplit(|letter: char| !letter.is_alphanumeric()).next()?;
        let second = pair[1].split(|letter: char| !letter.is_alphanumeric()).next()?;
        let is_divided = !first.is_empty() && second.starts_with(char::is_lowercase);
        is_divided.then(|| format!("{first}{second}"))
    });
    halves.collect()
}

/// What stands beside the pages.
fn beside(document: &Document, reading: &mut Reading<'_>) {
    let info = document.trailer.get(b"Info").ok().and_then(|info| dictionary(document, info));
    for key in [&b"Title"[..], b"Subject", b"Author", b"Keywords"] {
        info.and_then(|info| text(document, info, key)).into_iter().for_each(|text| reading.paragraph(&text));
    }
    let mut files = Vec::new();
    for object in document.objects.values() {
        if reading.is_over() {
            return;
        }
        match object {
            Object::Dictionary(dictionary) => entry(document, dictionary, reading, &mut files),
            Object::Array(items) => {
                items
                    .iter()
                    .filter_map(|item| item.as_dict().ok())
                    .for_each(|item| entry(document, item, reading, &mut files));
            }
            _ => {}
        }
    }
    let mut seen = HashSet::new();
    for (name, file) in files {
        if seen.insert(file) && !reading.is_over() {
            attached(document, name.as_deref(), file, reading);
        }
    }
}

/// Notes, fields of forms, headings; files are noted for later.
fn entry(
    document: &Document,
    dictionary: &Dictionary,
    reading: &mut Reading<'_>,
    files: &mut Vec<(Option<String>, ObjectId)>,
) {
    let is_note = dictionary.has(b"Subtype") && dictionary.has(b"Rect");
    let is_field = dictionary.has(b"FT");
    let is_heading = dictionary.has(b"Title") && dictionary.has(b"Parent");
    let keys: &[&[u8]] = match () {
        () if is_field => &[b"T", b"TU", b"V", b"Contents"],
        () if is_note => &[b"Contents", b"T"],
        () if is_heading => &[b"Title"],
        () => &[],
    };
    for key in keys {
        text(document, dictionary, key).into_iter().for_each(|text| reading.paragraph(&text));
    }
    if let Ok(Object::Dictionary(action)) = dictionary.get(b"A") {
        text(document, action, b"URI").into_iter().for_each(|text| reading.paragraph(&text));
    }
    if let Ok(embedded) = dictionary.get(b"EF")
        && let Some(embedded) = self::dictionary(document, embedded)
        && let Some(file) =
            [&b"UF"[..], b"F"].iter().find_map(|key| embedded.get(key).and_then(Object::as_reference).ok())
    {
        let name = text(document, dictionary, b"UF").or_else(|| text(document, dictionary, b"F"));
        files.push((name, file));
    }
}

fn attached(document: &Document, name: Option<&str>, file: ObjectId, reading: &mut Reading<'_>) {
    let Ok(stream) = document.get_object(file).and_then(Object::as_stream) else { return };
    let content = stream.decompressed_content().unwrap_or_else(|_| stream.content.clone());
    // Counted against the budget, though it is unpacked by now.
    let content = reading.unpack(&content[..]);
    reading.enclosed(name, "", &content);
}

fn dictionary<'d>(document: &'d Document, object: &'d Object) -> Option<&'d Dictionary> {
    document.dereference(object).ok()?.1.as_dict().ok()
}

/// A string of a dictionary: UTF-16 with a mark, UTF-8 with one, or PDFDocEncoding, which is close to Latin 1.
fn text(document: &Document, dictionary: &Dictionary, key: &[u8]) -> Option<String> {
    let octets = document.dereference(dictionary.get(key).ok()?).ok()?.1.as_str().ok()?;
    let text = match octets {
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0xef, 0xbb, 0xbf, ..] => super::plain::decoded(octets, None),
        _ => encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_divided_at_the_end_of_a_line_are_joined() {
        assert_eq!(joined("the agree-\n\nment of 2024-\n05 was well-\nKnown"), ["agreement"]);
    }
}
