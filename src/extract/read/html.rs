//! Web pages: what is shown, and what they say of themselves in their head.

use super::plain::decoded;
use super::reading::{Reading, Trouble};
use crate::mail::message::{html_charset, html_to_text};

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let html = decoded(octets, html_charset(octets));
    reading.push(&html_to_text(&html));
    reading.line();
    unseen(&html, reading);
    Ok(())
}

/// Descriptions of the page and of its pictures: attributes, so that they are no text.
fn unseen(html: &str, reading: &mut Reading<'_>) {
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        let attribute = match () {
            () if name.eq_ignore_ascii_case("meta") && tells(tag) => "content",
            () if name.eq_ignore_ascii_case("img") => "alt",
            () => continue,
        };
        if let Some(value) = value(tag, attribute) {
            reading.paragraph(&html_to_text(value));
        }
    }
}

fn tells(meta: &str) -> bool {
    let name = value(meta, "name").or_else(|| value(meta, "property")).unwrap_or_default().to_ascii_lowercase();
    ["description", "keywords", "author", "title", "subject"].iter().any(|known| name.ends_with(known))
}

/// The value of an attribute, with its entities; attributes stand behind white space.
fn value<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let octets = tag.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'=', octets.get(from..)?) {
        let equals = from + found;
        from = equals + 1;
        let before = tag.get(..equals)?.trim_end();
        let rest = tag.get(from..)?.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let value = match quote {
            Some(quote) => rest[1..].split(quote).next()?,
            None => rest.split_ascii_whitespace().next()?,
        };
        let start = before.rfind(|letter: char| letter.is_ascii_whitespace()).map_or(0, |at| at + 1);
        if before[start..].eq_ignore_ascii_case(name) {
            return Some(value);
        }
        // Behind the value: an equals sign in it begins nothing.
        from = tag.len() - rest.len() + value.len() + quote.map_or(0, |_| 2);
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::extract::{Format, ReadLimits};

    #[test]
    fn what_is_shown_and_what_describes_it_is_read() {
        let html = b"<html><head><meta charset=iso-8859-1><meta name=\"Description\" content='All about a=b &amp; c'>\
            <title>Gr\xfc\xdfe</title></head><body>in<b>voice</b><img src=x.png?alt=no alt=\"a chart\"></body>";
        let text = super::super::read(Format::Html, html, &ReadLimits::default()).text;
        assert_eq!(text, "Grüße\ninvoice\nAll about a=b & c\na chart\n");
    }
}
