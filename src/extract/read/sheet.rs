//! The tables of a spreadsheet (ECMA-376, part 1, section 18): cells by rows, with the strings that they share.

use super::reading::Reading;
use super::xml::{Go, Piece, walk};
use super::zip::Member;

/// The sheets in their order, each with its name. What cannot be read is told of the whole.
pub(super) fn workbook(members: &[Member<'_>], reading: &mut Reading<'_>) {
    let part = |name: &str| members.iter().find(|member| member.name == name);
    let mut strings = Vec::new();
    if let Some(octets) = part("xl/workbook.xml").and_then(|part| part.unpacked(reading)) {
        names(&octets, reading);
    }
    if let Some(octets) = part("xl/sharedStrings.xml").and_then(|part| part.unpacked(reading)) {
        shared(&octets, &mut strings, reading);
    }
    let is_sheet = |name: &str| {
        ["xl/worksheets/", "xl/chartsheets/", "xl/dialogsheets/"].iter().any(|folder| name.starts_with(folder))
            && name.ends_with(".xml")
    };
    let mut sheets: Vec<_> = members.iter().filter(|member| is_sheet(&member.name)).collect();
    sheets.sort_by_key(|sheet| super::package::number(&sheet.name));
    for sheet in sheets {
        if reading.is_over() || !reading.take_member() {
            return;
        }
        match sheet.unpacked(reading) {
            Some(octets) => cells(&octets, &strings, reading),
            None => reading.fall_short("a sheet is encrypted, or packed in a way that is not known"),
        }
    }
}

fn names(octets: &[u8], reading: &mut Reading<'_>) {
    tell(reading, |reading| {
        walk(octets, |piece| {
            if let Piece::Start("sheet", attributes) = piece {
                attributes.value("name").into_iter().for_each(|name| reading.paragraph(&name));
            }
            Go::On
        })
    });
}

fn tell(reading: &mut Reading<'_>, read: impl FnOnce(&mut Reading<'_>) -> Result<(), super::reading::Trouble>) {
    if let Err(trouble) = read(reading) {
        reading.fall_short(&trouble.to_string());
    }
}

/// Strings with their runs joined. How Japanese is pronounced stands beside it, and is no part of it.
fn shared(octets: &[u8], strings: &mut Vec<String>, reading: &mut Reading<'_>) {
    let (mut takes, mut is_phonetic) = (false, false);
    tell(reading, |_| {
        walk(octets, |piece| {
            match piece {
                Piece::Start("si", _) => strings.push(String::new()),
                Piece::Start("rPh", _) => is_phonetic = true,
                Piece::End("rPh") => is_phonetic = false,
                Piece::Start(name, _) => takes = name == "t" && !is_phonetic,
                Piece::End(_) => takes = false,
                Piece::Text(text) if takes => {
                    if let Some(string) = strings.last_mut() {
                        string.push_str(text);
                    }
                }
                Piece::Text(_) => {}
            }
            Go::On
        })
    });
}

/// What a piece of text in a sheet is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    /// A value, or the number of a shared string.
    Value,
    Inline,
    /// A header or footer, with its codes.
    Margin,
}

fn cells(octets: &[u8], strings: &[String], reading: &mut Reading<'_>) {
    let (mut taken, mut is_shared) = (Taken::Nothing, false);
    // Text comes in pieces wherever an entity stands.
    let mut whole = String::new();
    tell(reading, |reading| {
        walk(octets, |piece| {
            match piece {
                Piece::Start("c", attributes) => {
                    is_shared = attributes.is("t", "s");
                    reading.blank();
                }
                Piece::Start("hyperlink", attributes) => {
                    attributes.value("display").into_iter().for_each(|shown| reading.paragraph(&shown));
                }
                Piece::Start(name, _) => {
                    taken = match name {
                        "v" => Taken::Value,
                        "t" => Taken::Inline,
                        _ if is_margin(name) => Taken::Margin,
                        _ => Taken::Nothing,
                    }
                }
                Piece::Text(text) if taken != Taken::Nothing => whole.push_str(text),
                Piece::Text(_) => {}
                Piece::End(name) => {
                    put(taken, is_shared, &std::mem::take(&mut whole), strings, reading);
                    taken = Taken::Nothing;
                    if name == "row" {
                        reading.line();
                    }
                }
            }
            if reading.is_over() { Go::Stop } else { Go::On }
        })
    });
}

fn put(taken: Taken, is_shared: bool, text: &str, strings: &[String], reading: &mut Reading<'_>) {
    match taken {
        Taken::Nothing => {}
        Taken::Value if is_shared => {
            let string = text.trim().parse::<usize>().ok().and_then(|number| strings.get(number));
            string.into_iter().for_each(|string| reading.push(string));
        }
        Taken::Value | Taken::Inline => reading.push(text),
        Taken::Margin => reading.paragraph(&without_codes(text)),
    }
}

fn is_margin(name: &str) -> bool {
    name.ends_with("Header") || name.ends_with("Footer")
}

/// Codes begin with `&`: places, fonts, page numbers (section 18.3.1.46).
pub(super) fn without_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '&' => match letters.next() {
                Some('&') => plain.push('&'),
                Some('"') => {
                    letters.by_ref().find(|letter| *letter == '"');
                }
                _ => plain.push(' '),
            },
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Outcome, ReadLimits};

    #[test]
    fn cells_stand_in_rows_with_the_strings_they_share() {
        let limits = ReadLimits::default();
        let mut reading = Reading::new(&limits);
        let mut strings = Vec::new();
        shared(
            b"<sst><si><r><t>Inv</t></r><r><t>oice</t></r><rPh><t>x</t></rPh></si><si><t>due</t></si></sst>",
            &mut strings,
            &mut reading,
        );
        cells(
            b"<worksheet><row><c t='s'><v>0</v></c><c><f>1+1</f><v>2</v></c></row><row><c t='inlineStr'><is><t>in</t></is></c>\
              <c t='s'><v>1</v></c><c t='s'><v>99</v></c></row><oddHeader>&amp;L&amp;\"Arial,Bold\"Acme &amp;&amp; Co</oddHeader></worksheet>",
            &strings,
            &mut reading,
        );
        let read = reading.finish(Ok(()));
        assert_eq!((read.text.as_str(), read.outcome), ("Invoice 2\nin due \nAcme & Co\n", Outcome::Read));
    }
}
