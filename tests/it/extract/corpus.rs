//! Documents that another program's developers collected, each in a mail, with words that must be found in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use poplar::extract::Extractor;
use poplar::mail::message;

use super::extractor;
use crate::support::corpora::unpacked;
use crate::support::poplar::files_below;

/// Rows that cannot be met, and why. One that is met must not be listed.
const NOT_MET: [(&str, &str); 2] = [
    ("0031-testHTMLBadScript.html.eml", "the word stands in a script, which nobody reads"),
    ("0332-testExtraSpaces.pdf.eml", "its letters stand so far apart that blanks are seen between them"),
];

struct Row {
    file: String,
    format: String,
    words: Vec<String>,
}

/// Everything that is read of a mail's attachments, with how it ended.
fn read(extractor: &Extractor, mail: &[u8]) -> (String, String) {
    let (mut text, mut outcomes) = (String::new(), Vec::new());
    for part in message::read(mail).parts.iter().filter(|part| part.is_attachment) {
        let extracted = extractor.extract(&part.octets(), &part.content_type, part.filename.as_deref());
        text.push_str(&extracted.text);
        outcomes.push(extracted.outcome.to_string());
    }
    (text.to_lowercase(), outcomes.join(" / "))
}

fn rows(folder: &Path) -> Vec<Row> {
    let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let words = fields[4].split_whitespace().map(str::to_lowercase).collect();
        Row { file: fields[0].to_owned(), format: fields[1].to_owned(), words }
    };
    table.lines().skip(1).map(row).collect()
}

#[test]
fn the_words_of_collected_documents_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let Some(corpus) = unpacked("mixed-mail.tar.zst", "*att-tika/*", folder.path()) else { return };
    let table = files_below(&corpus).into_iter().find(|path| path.ends_with("att-tika/expected.tsv")).unwrap();
    let folder = table.parent().unwrap().to_owned();
    let extractor = extractor();
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<String, [u32; 3]>::new());
    for row in rows(&folder) {
        let (text, outcome) = read(&extractor, &fs::read(folder.join(&row.file)).unwrap());
        let missing: Vec<_> = row.words.iter().filter(|word| !text.contains(*word)).collect();
        let listed = NOT_MET.iter().find(|(file, _)| *file == row.file);
        match (missing.is_empty(), listed) {
            (false, None) => {
                wrong.push(format!("{}: {missing:?} not found, {outcome}, {} bytes", row.file, text.len()))
            }
            (true, Some((_, why))) => wrong.push(format!("{} is met, though listed: {why}", row.file)),
            _ => {}
        }
        let count = counts.entry(row.format).or_default();
        count[0] += 1;
        count[1] += u32::from(!text.trim().is_empty());
        count[2] += u32::from(outcome.starts_with("read"));
    }
    // How far the formats come that have no words listed: `cargo nextest run --no-capture` shows it.
    for (format, [all, with_text, whole]) in counts {
        eprintln!("{format}: {all} documents, {with_text} with text, {whole} read to the end");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
