//! HTML into the text a reader sees. One pass, linear in time whatever the input; not a sanitiser.

use memchr::{memchr, memchr2, memmem};

/// Tags inside a word: all others end one, so that table cells and list items do not run together.
const INLINE: [&str; 32] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "nobr", "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var",
    "wbr",
];

/// Tags whose content nobody reads.
const UNREAD: [&str; 2] = ["script", "style"];

/// An entity is at most this long, `&` and `;` included.
const LONGEST_ENTITY: usize = 34;

/// The text of an HTML document: no tags, comments, scripts or styles; entities decoded; white space as one space,
/// or as one line break where a block begins or ends.
pub(super) fn to_text(html: &str) -> String {
    let mut reader = Reader { html, at: 0, text: String::with_capacity(html.len() / 2), gap: Gap::None };
    let mut ends = Ends::default();
    while let Some(found) = memchr2(b'<', b'&', &html.as_bytes()[reader.at..]) {
        reader.words(reader.at + found);
        if html.as_bytes()[reader.at] == b'&' {
            reader.entity();
        } else {
            reader.markup(&mut ends);
        }
    }
    reader.words(html.len());
    reader.text
}

/// The charset a document's first 2 KiB declare in a `meta` tag.
pub(super) fn declared_charset(octets: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"charset=";
    let start = &octets[..octets.len().min(2048)];
    let at = start.windows(KEY.len()).position(|window| window.eq_ignore_ascii_case(KEY))? + KEY.len();
    let value = start[at..].trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end = value.iter().position(|octet| !octet.is_ascii_alphanumeric() && !b"-_:.".contains(octet));
    Some(&value[..end?]).filter(|name| !name.is_empty())
}

/// What stands between the last word and the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

/// Ends known to be missing from here on, so that nothing is searched for twice.
#[derive(Default)]
struct Ends {
    has_no_tag_end: bool,
    has_no_comment_end: bool,
}

struct Reader<'h> {
    html: &'h str,
    at: usize,
    text: String,
    gap: Gap,
}

impl Reader<'_> {
    /// Takes plain text up to `end`.
    fn words(&mut self, end: usize) {
        let html = self.html;
        let mut rest = &html[self.at..end];
        self.at = end;
        while let Some(at) = rest.find(|letter: char| letter.is_ascii_whitespace()) {
            self.push(&rest[..at]);
            self.separate(Gap::Space);
            rest = &rest[at + 1..];
        }
        self.push(rest);
    }

    fn push(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.gap, Gap::None) {
            _ if self.text.is_empty() => {}
            Gap::None => {}
            Gap::Space => self.text.push(' '),
            Gap::Line => self.text.push('\n'),
        }
        self.text.push_str(word);
    }

    fn separate(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn entity(&mut self) {
        let rest = &self.html.as_bytes()[self.at..];
        let end = memchr(b';', &rest[..rest.len().min(LONGEST_ENTITY)]).map_or(1, |end| end + 1);
        let mut decoded = String::new();
        // The slice ends behind an ASCII octet, so it is one of characters.
        mail_parser::add_html_token(&mut decoded, &rest[..end], false);
        self.at += end;
        if decoded.chars().all(char::is_whitespace) {
            self.separate(Gap::Space);
        } else {
            self.push(&decoded);
        }
    }

    /// Takes what begins with `<`: a tag, a comment, or the character itself.
    fn markup(&mut self, ends: &mut Ends) {
        let rest = &self.html[self.at..];
        if rest.starts_with("<!--") {
            match find_end(rest, "-->", &mut ends.has_no_comment_end) {
                Some(end) => self.at += end,
                None => self.literal(),
            }
            return;
        }
        let is_tag = rest[1..].starts_with(|letter: char| letter.is_ascii_alphabetic() || "/!?".contains(letter));
        match if is_tag { find_end(rest, ">", &mut ends.has_no_tag_end) } else { None } {
            Some(end) => self.tag(end),
            None => self.literal(),
        }
    }

    fn literal(&mut self) {
        self.push("<");
        self.at += 1;
    }

    fn tag(&mut self, length: usize) {
        let tag = &self.html[self.at + 1..self.at + length - 1];
        self.at += length;
        let is_end = tag.starts_with('/');
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let end = tag.find(|letter: char| letter.is_ascii_whitespace() || letter == '/').unwrap_or(tag.len());
        let is = |names: &[&'static str]| names.iter().copied().find(|name| tag[..end].eq_ignore_ascii_case(name));
        if let Some(name) = is(&UNREAD) {
            if !is_end {
                self.at += unread_length(&self.html[self.at..], name);
            }
        } else if is(&["td", "th"]).is_some() {
            self.separate(Gap::Space);
        } else if is(&INLINE).is_none() {
            self.separate(Gap::Line);
        }
    }
}

fn find_end(rest: &str, end: &str, is_missing: &mut bool) -> Option<usize> {
    if *is_missing {
        return None;
    }
    let found = memmem::find(rest.as_bytes(), end.as_bytes()).map(|at| at + end.len());
    *is_missing = found.is_none();
    found
}

/// How far it is to `</name`, or to the end.
fn unread_length(rest: &str, name: &str) -> usize {
    let octets = rest.as_bytes();
    let is_end = |at: &usize| {
        octets[at + 1..]
            .strip_prefix(b"/")
            .is_some_and(|tag| tag.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())))
    };
    memchr::memchr_iter(b'<', octets).find(is_end).unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_end_at_blocks_and_not_at_inline_tags() {
        assert_eq!(to_text("<table><tr><td>one</td><td>two</td></tr><tr><td>three"), "one two\nthree");
        assert_eq!(to_text("<div>in</div><div>v<b>oi</b>ce<br>due</div>"), "in\nvoice\ndue");
        assert_eq!(to_text("a  b\r\n c"), "a b c");
    }

    #[test]
    fn nobody_reads_scripts_styles_and_comments() {
        assert_eq!(to_text("a<style>.x{}</style>b<SCRIPT src=x>if (a<b) {}</SCRIPT >c<!-- d > e -->f"), "abcf");
        assert_eq!(to_text("a<style>never ends"), "a");
        assert_eq!(to_text("a<script"), "a<script");
    }

    #[test]
    fn entities_become_characters() {
        assert_eq!(to_text("M&uuml;ller&nbsp;&amp;&#32;S&#xf6;hne &copy &; 1 < 2"), "Müller & Söhne &copy &; 1 < 2");
    }

    #[test]
    fn a_charset_may_stand_in_the_document() {
        assert_eq!(declared_charset(b"<meta charset=\"Shift_JIS\">"), Some(&b"Shift_JIS"[..]));
        assert_eq!(declared_charset(b"<meta content='text/html; CHARSET=koi8-r'>"), Some(&b"koi8-r"[..]));
        assert_eq!(declared_charset(b"<p>none"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(html in "(<|>|&|;|-|!|/|<!--|-->|<style>|</style|\\PC|<p>|ü){0,60}") {
            to_text(&html);
        }

        #[test]
        fn text_without_markup_stays(text in "[a-zü]{1,9}( [a-z]{1,9}){0,9}") {
            prop_assert_eq!(to_text(&text), text);
        }
    }
}
