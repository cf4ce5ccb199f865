//! XML, walked piece by piece: no entities but the five of the language, no memory of what was passed. Also XML whose
//! vocabulary nobody here knows.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::office;
use super::plain::decoded;
use super::reading::{Reading, Trouble, broken};

/// Elements in elements beyond this are no document.
const DEEPEST: usize = 2000;

/// A piece of a document.
pub(super) enum Piece<'p> {
    /// An element begins: its name without prefix.
    Start(&'p str, Attributes<'p>),
    End(&'p str),
    Text(&'p str),
}

/// The attributes of an element, read when asked for.
pub(super) struct Attributes<'p>(Option<&'p BytesStart<'p>>);

impl Attributes<'_> {
    /// By its name without prefix.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let mut attributes = self.0?.attributes();
        let found = attributes.with_checks(false).flatten();
        let mut found = found.filter(|attribute| attribute.key.local_name().as_ref() == name);
        found.next().map(|attribute| match attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0) {
            Ok(value) => value.into_owned(),
            Err(_) => attribute.value.into_owned(),
        })
    }

    /// All values of these attributes.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.value(name).is_some_and(|found| found == value)
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
pub(super) enum Go {
    On,
    /// The rest is of no use.
    Stop,
}

/// Shows a document's pieces in their order. End tags that fit nothing are shown too; missing ones are not made up.
pub(super) fn walk(octets: &[u8], mut see: impl FnMut(Piece<'_>) -> Go) -> Result<(), Trouble> {
    let text = decoded(octets, declared(octets));
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    (config.check_end_names, config.allow_unmatched_ends, config.allow_dangling_amp) = (false, true, true);
    let mut depth = 0_usize;
    loop {
        let go = match reader.read_event().map_err(|error| broken(format!("its XML is broken: {error}")))? {
            Event::Start(element) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(broken("its XML is nested too deeply"));
                }
                see(Piece::Start(element.local_name().as_ref(), Attributes(Some(&element))))
            }
            Event::Empty(element) => {
                match see(Piece::Start(element.local_name().as_ref(), Attributes(Some(&element)))) {
                    Go::On => see(Piece::End(element.local_name().as_ref())),
                    Go::Stop => Go::Stop,
                }
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                see(Piece::End(element.local_name().as_ref()))
            }
            Event::Text(text) => see(Piece::Text(&text.xml10_content())),
            Event::CData(text) => see(Piece::Text(&text.xml10_content())),
            Event::GeneralRef(reference) => {
                entity(&reference).map_or(Go::On, |letter| see(Piece::Text(letter.encode_utf8(&mut [0; 4]))))
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Go::On,
        };
        if go == Go::Stop {
            return Ok(());
        }
    }
}

/// Only what the language itself names: a document's own entities can be bombs.
fn entity(reference: &BytesRef<'_>) -> Option<char> {
    match &*reference.xml10_content() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference.resolve_char_ref().ok().flatten(),
    }
}

/// The charset of `<?xml … encoding="…"?>`.
fn declared(octets: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"encoding=";
    let declaration = octets.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.len().min(200)];
    let declaration = &declaration[..memchr::memchr(b'>', declaration)?];
    let value = &declaration[memchr::memmem::find(declaration, KEY)? + KEY.len()..];
    let (quote, value) = value.split_first()?;
    Some(&value[..memchr::memchr(*quote, value)?])
}

/// A document of its own. Vocabularies of offices are read as theirs; of others every element ends a word.
pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let mut root = None;
    drop(walk(octets, |piece| match piece {
        Piece::Start(name, _) => {
            root = Some(name.to_owned());
            Go::Stop
        }
        Piece::End(_) | Piece::Text(_) => Go::On,
    }));
    match root.as_deref() {
        Some("wordDocument" | "package") => office::ooxml(octets, reading),
        Some("document" | "document-content") => office::odf(octets, reading),
        _ => unknown(octets, reading),
    }
}

fn unknown(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    walk(octets, |piece| {
        match piece {
            Piece::Start(..) | Piece::End(_) => reading.line(),
            Piece::Text(text) if text.trim().is_empty() => reading.blank(),
            Piece::Text(text) => reading.push(text),
        }
        if reading.is_over() { Go::Stop } else { Go::On }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Format, Outcome, ReadLimits};

    fn text(xml: &[u8]) -> (String, Outcome) {
        let extracted = super::super::read(Format::Xml, xml, &ReadLimits::default());
        (extracted.text, extracted.outcome)
    }

    #[test]
    fn words_end_at_elements_and_go_on_over_entities() {
        let (read, outcome) = text(b"<?xml version='1.0'?><a><b>M&#252;ller &amp; S</b><b><![CDATA[<two>]]></b></a>");
        assert_eq!((read.as_str(), outcome), ("M\u{fc}ller & S\n<two>\n", Outcome::Read));
    }

    #[test]
    fn a_charset_may_stand_in_the_declaration() {
        assert_eq!(text(b"<?xml version='1.0' encoding='ISO-8859-2'?><a>\xb1</a>").0, "\u{105}\n");
        let wide: Vec<u8> = "\u{feff}<a>wide</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&wide).0, "wide\n");
    }

    #[test]
    fn entities_of_a_document_are_not_expanded() {
        let bomb = b"<!DOCTYPE a [<!ENTITY b \"boom\"><!ENTITY c \"&b;&b;&b;\">]><a>x&c;y</a>";
        assert_eq!(text(bomb), ("xy\n".to_owned(), Outcome::Read));
    }

    #[test]
    fn deep_nesting_ends_the_reading() {
        let deep = "<a>words".repeat(DEEPEST + 1);
        let (read, outcome) = text(deep.as_bytes());
        assert!(read.starts_with("words\n") && outcome.as_str() == "partial", "{outcome}");
    }
}
