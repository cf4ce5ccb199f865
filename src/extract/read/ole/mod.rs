//! Compound files ([MS-CFB]): the older Office documents, messages of Outlook, and what newer documents are wrapped in
//! when they are encrypted. Which of them a file is, its streams tell.

mod doc;
mod msg;
mod ppt;
mod xls;

use std::borrow::Cow;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use cfb::CompoundFile;

use super::reading::{Reading, Trouble, broken};

/// A compound file, with a bound on what is read of it.
struct Compound<'o> {
    file: CompoundFile<Cursor<&'o [u8]>>,
}

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    // Formats of the years before, each in a file of its own.
    if octets.starts_with(&[9, 0]) || octets.starts_with(&[9, 2]) || octets.starts_with(&[9, 4]) {
        return xls::sheets(octets, reading);
    }
    let padded = padded(octets);
    let file = CompoundFile::open(Cursor::new(&padded[..]))
        .map_err(|error| broken(format!("its streams are broken: {error}")))?;
    let mut compound = Compound { file };
    if compound.has("/EncryptedPackage") || compound.has("/DRMContent") || compound.has("/\u{9}DRMContent") {
        return Err(Trouble::Encrypted);
    }
    summary(&mut compound, reading);
    if compound.has("/__properties_version1.0") {
        msg::read(&mut compound, Path::new("/"), reading);
    } else if let Some(document) = compound.stream("/WordDocument", reading) {
        doc::read(&mut compound, &document, reading)?;
    } else if let Some(book) =
        ["/Workbook", "/Book", "/WORKBOOK", "/BOOK"].iter().find_map(|name| compound.stream(name, reading))
    {
        xls::sheets(&book, reading)?;
    } else if let Some(document) = compound.stream("/PowerPoint Document", reading) {
        ppt::read(&document, reading)?;
    } else if let Some(package) =
        ["/Package", "/CONTENTS", "/Contents"].iter().find_map(|name| compound.stream(name, reading))
    {
        reading.enclosed(None, "", &package);
    } else if let Some(native) = compound.stream("/\u{1}Ole10Native", reading) {
        packed_file(&native, reading);
    } else {
        return Err(Trouble::Unsupported);
    }
    embedded(&mut compound, reading);
    Ok(())
}

/// With room for every sector that the last block of the table of sectors may name: some programs name more than they
/// wrote, and the library would refuse those files.
fn padded(octets: &[u8]) -> Cow<'_, [u8]> {
    let sector = if octets.get(30) == Some(&12) { 4096 } else { 512 };
    let whole = (octets.len().saturating_sub(sector)).next_multiple_of(sector * sector / 4) + sector;
    let mut padded = Cow::Borrowed(octets);
    if CompoundFile::open(Cursor::new(octets)).is_err() {
        padded.to_mut().resize(whole, 0);
    }
    padded
}

impl Compound<'_> {
    fn has(&self, name: &str) -> bool {
        self.file.exists(name)
    }

    /// A whole stream, as far as the budget reaches.
    fn stream(&mut self, name: impl AsRef<Path>, reading: &mut Reading<'_>) -> Option<Vec<u8>> {
        let stream = self.file.open_stream(name).ok()?;
        Some(reading.unpack(stream))
    }

    /// All streams of this name, wherever they lie but at the root.
    fn deep(&self, name: &str) -> Vec<PathBuf> {
        const MOST: usize = 1000;
        let is_deep = |path: &Path| path.components().count() > 2;
        let entries =
            self.file.walk().filter(|entry| entry.is_stream() && entry.name() == name && is_deep(entry.path()));
        entries.take(MOST).map(|entry| entry.path().to_owned()).collect()
    }
}

/// Files and documents that were put into a document.
fn embedded(compound: &mut Compound<'_>, reading: &mut Reading<'_>) {
    for path in compound.deep("\u{1}Ole10Native") {
        if let Some(native) = compound.stream(path, reading) {
            packed_file(&native, reading);
        }
    }
    for path in ["Package", "CONTENTS"].iter().flat_map(|name| compound.deep(name)).collect::<Vec<_>>() {
        if let Some(package) = compound.stream(path, reading) {
            reading.enclosed(None, "", &package);
        }
    }
    for path in compound.deep("WordDocument") {
        if let Some(document) = compound.stream(&path, reading)
            && let Err(trouble) = doc::read_in(compound, &document, path.parent().unwrap_or(Path::new("/")), reading)
        {
            reading.fall_short(&format!("a document in it: {trouble}"));
        }
    }
    for path in compound.deep("Workbook") {
        if let Some(book) = compound.stream(path, reading)
            && let Err(trouble) = xls::sheets(&book, reading)
        {
            reading.fall_short(&format!("a workbook in it: {trouble}"));
        }
    }
}

/// A file with its name ([MS-OLEDS], section 2.3.6): a length, a number, label and path, two numbers, a path, the file.
fn packed_file(native: &[u8], reading: &mut Reading<'_>) {
    let text = |from: usize| {
        let rest = native.get(from..)?;
        let end = memchr::memchr(0, rest)?;
        Some((&rest[..end], from + end + 1))
    };
    let file = || {
        let (label, next) = text(6)?;
        let (_, numbers) = text(next)?;
        let command = numbers + 8 + u32_at(native, numbers + 4)?;
        let length = u32_at(native, command)?;
        let rest = native.get(command + 4..)?;
        Some((label, &rest[..length.min(rest.len())]))
    };
    if let Some((label, octets)) = file() {
        reading.enclosed(Some(&super::plain::decoded(label, None)), "", octets);
    }
}

/// Title, subject, author and so on ([MS-OLEPS], section 3.1).
fn summary(compound: &mut Compound<'_>, reading: &mut Reading<'_>) {
    for name in ["/\u{5}SummaryInformation", "/\u{5}DocumentSummaryInformation"] {
        if let Some(stream) = compound.stream(name, reading) {
            properties(&stream, reading);
        }
    }
}

fn properties(stream: &[u8], reading: &mut Reading<'_>) {
    const STRING: usize = 0x1e;
    const WIDE_STRING: usize = 0x1f;
    const MOST: usize = 200;
    let Some(set) = u32_at(stream, 44).and_then(|offset| stream.get(offset..)) else { return };
    let count = u32_at(set, 4).unwrap_or_default().min(MOST);
    for property in 0..count {
        let (Some(id), Some(at)) = (u32_at(set, 8 + property * 8), u32_at(set, 12 + property * 8)) else { return };
        // The template's name and the program's are nobody's words.
        if matches!(id, 7 | 18) {
            continue;
        }
        let Some((kind, length)) = u32_at(set, at).zip(u32_at(set, at.saturating_add(4))) else { continue };
        let octets = |length: usize| set.get(at + 8..).map(|rest| &rest[..length.min(rest.len())]);
        let text = match kind {
            STRING => octets(length).map(|octets| super::plain::decoded(octets, None)),
            WIDE_STRING => octets(length.saturating_mul(2)).map(wide),
            _ => None,
        };
        text.into_iter().for_each(|text| reading.paragraph(text.trim_matches('\0')));
    }
}

fn wide(octets: &[u8]) -> String {
    encoding_rs::UTF_16LE.decode_without_bom_handling(octets).0.into_owned()
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

/// What stands for something else in the text of Word and PowerPoint becomes a blank or a line's end.
fn plain_letters(text: &str, reading: &mut Reading<'_>) {
    let mut word = String::new();
    for letter in text.chars() {
        match letter {
            '\r' | '\u{b}' | '\u{c}' | '\n' => {
                reading.push(&std::mem::take(&mut word));
                reading.line();
            }
            '\u{7}' | '\t' | '\u{13}' | '\u{14}' | '\u{15}' => {
                reading.push(&std::mem::take(&mut word));
                reading.blank();
            }
            '\u{1e}' => word.push('-'),
            letter if letter < ' ' || letter == '\u{1f}' || letter == '\u{ad}' => {}
            letter => word.push(letter),
        }
    }
    reading.push(&word);
    reading.line();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::ReadLimits;

    #[test]
    fn signs_of_cells_and_fields_end_words() {
        let limits = ReadLimits::default();
        let mut reading = Reading::new(&limits);
        plain_letters("one\u{7}two\u{1}\rHYPERLINK\u{14}opt\u{1f}ional well\u{1e}known", &mut reading);
        assert_eq!(reading.finish(Ok(())).text, "one two\nHYPERLINK optional well-known\n");
    }
}
