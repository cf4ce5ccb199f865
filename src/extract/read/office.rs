//! The vocabularies of WordprocessingML, PresentationML, DrawingML and charts (ECMA-376), and of OpenDocument (ISO 26300): which
//! elements hold words, and which end one. Knows nothing about the packages that they come in.

use super::reading::{Reading, Trouble};
use super::xml::{Go, Piece, walk};

/// Whether an element is one of those that nobody reads, and how deep one is in it.
#[derive(Default)]
struct Unread(u32);

impl Unread {
    /// Keeps count; whether this piece is to be passed over.
    fn passes(&mut self, piece: &Piece<'_>, is_unread: impl Fn(&str) -> bool) -> bool {
        match piece {
            Piece::Start(name, _) if self.0 > 0 || is_unread(name) => self.0 += 1,
            Piece::End(_) if self.0 > 0 => {
                self.0 -= 1;
                return true;
            }
            _ => {}
        }
        self.0 > 0
    }
}

/// A part of a text document or a presentation, a drawing or a chart.
pub(super) fn ooxml(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let mut unread = Unread::default();
    let mut takes = false;
    walk(octets, |piece| {
        // What `Fallback` says, `Choice` beside it has said.
        if unread.passes(&piece, |name| name == "Fallback") {
            return Go::On;
        }
        match piece {
            Piece::Start(name, attributes) => {
                takes = is_ooxml_text(name);
                match name {
                    "tab" | "br" | "cr" | "ptab" | "instrText" => reading.blank(),
                    "noBreakHyphen" => reading.push("-"),
                    // Descriptions of pictures.
                    "docPr" | "cNvPr" => {
                        let described = ["title", "descr"].iter().filter_map(|name| attributes.value(name));
                        described.for_each(|text| reading.paragraph(&text));
                    }
                    _ => {}
                }
            }
            Piece::End(name) => {
                takes = false;
                match name {
                    "p" | "tr" | "txBody" | "txbxContent" | "pt" | "text" | "comment" | "footnote" => reading.line(),
                    "tc" | "instrText" | "v" => reading.blank(),
                    _ => {}
                }
            }
            Piece::Text(text) if takes => reading.push(text),
            Piece::Text(_) => {}
        }
        if reading.is_over() { Go::Stop } else { Go::On }
    })
}

/// A master of slides, or a layout: without the places that slides fill.
pub(super) fn master(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let (mut takes, mut is_place) = (false, false);
    walk(octets, |piece| {
        match piece {
            Piece::Start("sp", _) => is_place = false,
            Piece::Start("ph", _) => is_place = true,
            Piece::Start(name, _) => takes = name == "t" && !is_place,
            Piece::End(name) => {
                takes = false;
                if name == "p" {
                    reading.line();
                }
            }
            Piece::Text(text) if takes => reading.push(text),
            Piece::Text(_) => {}
        }
        if reading.is_over() { Go::Stop } else { Go::On }
    })
}

/// What an OpenDocument's styles say on every page: headers and footers.
pub(super) fn master_odf(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let from = memchr::memmem::find(octets, b"<office:master-styles").unwrap_or(octets.len());
    odf(&octets[from..], reading)
}

/// `t`: runs of all vocabularies; `text`: comments of older presentations; `v`: what a chart shows.
fn is_ooxml_text(name: &str) -> bool {
    matches!(name, "t" | "delText" | "instrText" | "text" | "v")
}

/// A part of an OpenDocument, or a flat one.
pub(super) fn odf(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let mut unread = Unread::default();
    let mut paragraphs = 0_u32;
    walk(octets, |piece| {
        if unread.passes(&piece, |name| matches!(name, "binary-data" | "script" | "settings" | "font-face-decls")) {
            return Go::On;
        }
        match piece {
            Piece::Start(name, attributes) => match name {
                "p" | "h" => {
                    paragraphs += 1;
                    reading.line();
                }
                "s" | "tab" | "line-break" => reading.blank(),
                "a" => attributes.value("href").into_iter().for_each(|to| {
                    reading.blank();
                    reading.push(&to);
                    reading.blank();
                }),
                "table" | "page" => attributes.value("name").into_iter().for_each(|name| reading.paragraph(&name)),
                // Properties of the document, titles and descriptions of pictures.
                _ if is_odf_property(name) => paragraphs += 1,
                _ => {}
            },
            Piece::End(name) => {
                if matches!(name, "p" | "h") || is_odf_property(name) {
                    paragraphs = paragraphs.saturating_sub(1);
                    reading.line();
                }
            }
            Piece::Text(text) if paragraphs > 0 => reading.push(text),
            Piece::Text(_) => {}
        }
        if reading.is_over() { Go::Stop } else { Go::On }
    })
}

fn is_odf_property(name: &str) -> bool {
    matches!(
        name,
        "title"
            | "subject"
            | "description"
            | "keyword"
            | "desc"
            | "creator"
            | "initial-creator"
            | "user-defined"
            | "footer-decl"
            | "header-decl"
    )
}

/// Properties of a package (`docProps`): every element is one.
pub(super) fn properties(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    const READ: [&str; 14] = [
        "title",
        "subject",
        "creator",
        "keywords",
        "description",
        "lastModifiedBy",
        "category",
        "Company",
        "Manager",
        "lpwstr",
        "lpstr",
        "bstr",
        "contentStatus",
        "HyperlinkBase",
    ];
    let mut takes = false;
    walk(octets, |piece| {
        match piece {
            Piece::Start(name, attributes) => {
                takes = READ.contains(&name);
                if name == "property" {
                    attributes.value("name").into_iter().for_each(|name| reading.paragraph(&name));
                }
            }
            Piece::End(_) => {
                takes = false;
                reading.line();
            }
            Piece::Text(text) if takes => reading.push(text),
            Piece::Text(_) => {}
        }
        Go::On
    })
}

/// Where a part's links lead that lead outside.
pub(super) fn links(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    walk(octets, |piece| {
        if let Piece::Start("Relationship", attributes) = piece
            && attributes.is("TargetMode", "External")
            && let Some(target) = attributes.value("Target")
        {
            reading.paragraph(&target);
        }
        Go::On
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::ReadLimits;

    fn text(xml: &str, read: fn(&[u8], &mut Reading<'_>) -> Result<(), Trouble>) -> String {
        let limits = ReadLimits::default();
        let mut reading = Reading::new(&limits);
        let ended = read(xml.as_bytes(), &mut reading);
        reading.finish(ended).text
    }

    #[test]
    fn runs_make_one_word_and_paragraphs_and_cells_end_one() {
        let xml = "<w:document><w:p><w:r><w:t>Inv</w:t></w:r><w:r><w:t>oice</w:t></w:r><w:r><w:tab/><w:t>due</w:t></w:r></w:p>\
                   <w:tr><w:tc><w:p><w:r><w:t>one</w:t></w:r></w:p></w:tc><w:tc><w:p><w:t>two</w:t></w:p></w:tc></w:tr></w:document>";
        assert_eq!(text(xml, ooxml), "Invoice due\none\ntwo\n");
    }

    #[test]
    fn an_alternative_is_read_once_and_names_of_styles_never() {
        let xml = "<w:p><mc:AlternateContent><mc:Choice><w:t>box</w:t></mc:Choice><mc:Fallback><w:p><w:t>box</w:t></w:p>\
                   </mc:Fallback></mc:AlternateContent><w:style>Heading</w:style></w:p>";
        assert_eq!(text(xml, ooxml), "box\n");
    }

    #[test]
    fn spans_make_one_word_and_blanks_of_opendocument_are_blanks() {
        let xml = "<office:text><text:p>Inv<text:span>oice</text:span><text:s text:c='3'/>due<text:tab/>now</text:p>\
                   <text:h>Next</text:h><style:name>no</style:name></office:text>";
        assert_eq!(text(xml, odf), "Invoice due now\nNext\n");
    }

    #[test]
    fn links_that_lead_outside_are_read() {
        let xml = "<Relationships><Relationship Target='mailto:x@example.org' TargetMode='External'/>\
                   <Relationship Target='styles.xml'/></Relationships>";
        assert_eq!(text(xml, links), "mailto:x@example.org\n");
    }
}
