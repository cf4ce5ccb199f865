//! Documents that are an archive of parts: Office Open XML (ECMA-376), OpenDocument (ISO 26300), EPUB. Parts are known by
//! their names, not by the relations between them, so that a broken package is read too.

use super::reading::{Reading, Trouble};
use super::zip::Member;
use super::{html, office, sheet};

type Read = fn(&[u8], &mut Reading<'_>) -> Result<(), Trouble>;

/// Reads the parts in a reader's order. Whether it is such a document at all.
pub(super) fn read(members: &[Member<'_>], reading: &mut Reading<'_>) -> Result<bool, Trouble> {
    let Some(kind) = kind(members, reading)? else { return Ok(false) };
    let part = |member| -> Option<(Part, u64, &Member<'_>)> {
        let member: &Member<'_> = member;
        Some((kind(&member.name)?, number(&member.name), member))
    };
    let mut parts: Vec<_> = members.iter().filter_map(part).collect();
    parts.sort_by_key(|(part, number, _)| (part.rank, *number));
    for (part, _, member) in parts {
        if reading.is_over() || !reading.take_member() {
            break;
        }
        part.take(member, reading);
    }
    Ok(true)
}

/// Which part of a document a member is.
type Kind = fn(&str) -> Option<Part>;

/// By the names of its members. The tables of a workbook are read at once: they need each other.
fn kind(members: &[Member<'_>], reading: &mut Reading<'_>) -> Result<Option<Kind>, Trouble> {
    let has = |test: &dyn Fn(&str) -> bool| members.iter().any(|member| test(&member.name));
    if has(&|name| name == "[Content_Types].xml" || name == "word/document.xml") {
        if has(&|name| name.starts_with("xl/")) {
            sheet::workbook(members, reading);
        }
        return Ok(Some(ooxml));
    }
    if has(&|name| name == "META-INF/container.xml") {
        return Ok(Some(epub));
    }
    if !has(&|name| name == "content.xml") {
        return Ok(None);
    }
    let manifest = members.iter().find(|member| member.name == "META-INF/manifest.xml");
    let manifest = manifest.and_then(|manifest| manifest.unpacked(reading));
    match manifest.is_some_and(|xml| memchr::memmem::find(&xml, b"encryption-data").is_some()) {
        true => Err(Trouble::Encrypted),
        false => Ok(Some(odf)),
    }
}

/// A part that holds words: when it comes, and how it is read. Without a reader it is a document of its own.
struct Part {
    rank: u8,
    read: Option<Read>,
}

impl Part {
    fn take(&self, member: &Member<'_>, reading: &mut Reading<'_>) {
        let Some(octets) = member.unpacked(reading) else {
            return reading.fall_short("a part of it is encrypted, or packed in a way that is not known");
        };
        let short = member.name.rsplit('/').next().unwrap_or_default();
        match self.read {
            Some(read) => {
                if let Err(trouble) = read(&octets, reading) {
                    reading.fall_short(&format!("{short}: {trouble}"));
                }
                reading.line();
            }
            None => reading.enclosed(Some(short), "", &octets),
        }
    }
}

const fn part(rank: u8, read: Read) -> Option<Part> {
    Some(Part { rank, read: Some(read) })
}

/// The number in a part's name: `slide10.xml` comes behind `slide9.xml`.
pub(super) fn number(name: &str) -> u64 {
    let digits = name.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_digit).take(18);
    digits.collect::<String>().parse().unwrap_or_default()
}

fn ooxml(name: &str) -> Option<Part> {
    const STYLES: [&str; 12] = [
        "/styles",
        "/settings",
        "/fontTable",
        "/webSettings",
        "/theme/",
        "/numbering",
        "/people",
        "/stylesWithEffects",
        "/commentsExtended",
        "/commentsIds",
        "/glossary/",
        "/customizations",
    ];
    let (folder, rest) = name.split_once('/')?;
    if rest.contains("embeddings/") || rest.starts_with("afchunk") || is_foreign(rest) {
        return Some(Part { rank: 8, read: None });
    }
    if name.ends_with(".rels") {
        return part(9, office::links);
    }
    if !name.ends_with(".xml") || STYLES.iter().any(|style| name.contains(style)) {
        return None;
    }
    match folder {
        "docProps" => part(7, office::properties),
        "word" => part(if rest.starts_with("document") { 0 } else { text_rank(rest) }, office::ooxml),
        "ppt" if rest.starts_with("slides/") => part(0, office::ooxml),
        "ppt" if rest.starts_with("notesSlides/") => part(1, office::ooxml),
        // What stands there stands on every slide; most of it only says where to click.
        "ppt" if rest.starts_with("slideMasters/") || rest.starts_with("slideLayouts/") => part(6, office::master),
        "ppt" if ["comments/", "charts/", "diagrams/data", "drawings/"].iter().any(|at| rest.starts_with(at)) => {
            part(5, office::ooxml)
        }
        "xl" if rest.starts_with("comments") || rest.starts_with("threadedComments/") => part(2, office::ooxml),
        "xl" if ["charts/", "diagrams/data", "drawings/"].iter().any(|at| rest.starts_with(at)) => {
            part(3, office::ooxml)
        }
        _ => None,
    }
}

fn text_rank(rest: &str) -> u8 {
    ["header", "footer", "footnotes", "endnotes", "comments"]
        .iter()
        .position(|kind| rest.starts_with(kind))
        .map_or(6, |rank| rank as u8 + 1)
}

/// Alternative chunks, in whatever format.
fn is_foreign(rest: &str) -> bool {
    [".mht", ".html", ".htm", ".rtf", ".txt"].iter().any(|ending| rest.ends_with(ending))
}

fn odf(name: &str) -> Option<Part> {
    match name.rsplit('/').next()? {
        "content.xml" => part(if name == "content.xml" { 0 } else { 1 }, office::odf),
        "styles.xml" => part(2, office::master_odf),
        "meta.xml" => part(3, office::odf),
        // Documents in it of other makers.
        _ if name.starts_with("Object") && !name.contains('/') => Some(Part { rank: 4, read: None }),
        _ => None,
    }
}

fn epub(name: &str) -> Option<Part> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "opf" => part(1, super::xml::read),
        "html" | "htm" | "xhtml" => part(0, html::read),
        "xml" if !name.starts_with("META-INF/") => part(0, html::read),
        _ => None,
    }
}
