//! The headers that say how to take a message apart, read so leniently that it shows where readers may differ.

use super::doubt::Doubt;

/// One header field; the value still folded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'o> {
    /// Up to the colon, blanks before it included.
    pub(super) name: &'o [u8],
    pub(super) value: &'o [u8],
}

impl Field<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        let plain = self.name.trim_ascii_end().iter().filter(|octet| **octet != 0);
        plain.copied().map(|octet| octet.to_ascii_lowercase()).eq(name.bytes())
    }

    fn is_structural(&self) -> bool {
        [CONTENT_TYPE, ENCODING].iter().any(|name| self.is(&name.to_ascii_lowercase()))
    }

    fn lower(&self) -> String {
        let value = String::from_utf8_lossy(self.value).to_lowercase();
        value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    }
}

const CONTENT_TYPE: &str = "Content-Type";
const ENCODING: &str = "Content-Transfer-Encoding";

/// Where a header line's name ends, if it is one: printable signs without a blank, then perhaps blanks, then a colon.
pub(super) fn name_length(line: &[u8]) -> Option<usize> {
    const LONGEST: usize = 128;
    let colon = memchr::memchr(b':', &line[..line.len().min(LONGEST)])?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|octet| *octet > b' ' && *octet != 0x7f || *octet == 0);
    is_name.then_some(colon)
}

/// How a body may be transfer-encoded by its headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) base64: bool,
    pub(super) quoted: bool,
    pub(super) uuencode: bool,
    /// Declared once, in one of the words of RFC 2045 and nothing else.
    pub(super) is_sure: bool,
}

/// What the headers of one part say of it.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) is_multipart: bool,
    pub(super) is_message: bool,
    pub(super) coding: Coding,
    pub(super) boundaries: Vec<String>,
    pub(super) doubts: Vec<Doubt>,
}

impl Declared {
    /// Whether other parts lie in it.
    pub(super) const fn is_container(&self) -> bool {
        self.is_multipart || self.is_message
    }

    pub(super) fn of(fields: &[Field<'_>]) -> Self {
        let mut declared = Self::default();
        let types: Vec<String> = fields.iter().filter(|field| field.is("content-type")).map(Field::lower).collect();
        let codings: Vec<String> =
            fields.iter().filter(|field| field.is("content-transfer-encoding")).map(Field::lower).collect();
        declared.read_types(&types);
        declared.read_codings(&codings);
        for field in fields.iter().filter(|field| field.is_structural()) {
            declared.read_signs(field);
        }
        declared
    }

    fn doubt(&mut self, name: &'static str, why: &'static str) {
        let doubt = Doubt::Header { name, why };
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn read_types(&mut self, types: &[String]) {
        if types.iter().any(|value| *value != types[0]) {
            self.doubt(CONTENT_TYPE, "it stands more than once");
        }
        for value in types {
            let kind = value.split([';', ' ', ',']).next().unwrap_or_default();
            self.is_message |= kind.starts_with("message/");
            match kind {
                "message/partial" => self.doubts.push(Doubt::Fragment),
                "message/external-body" => self.doubts.push(Doubt::External),
                _ => {}
            }
            if kind.contains("multipart") {
                self.is_multipart = true;
                self.read_boundaries(value);
            } else if value.contains("multipart/") {
                self.is_multipart = true;
                self.doubt(CONTENT_TYPE, "multipart does not stand first");
            }
        }
    }

    fn read_boundaries(&mut self, value: &str) {
        let found = boundaries(value);
        if found.is_empty() {
            self.doubt(CONTENT_TYPE, "no boundary");
        }
        for boundary in &found {
            if let Some(why) = boundary.oddity() {
                self.doubt(CONTENT_TYPE, why);
            }
        }
        if found.iter().any(|boundary| boundary.text != found[0].text) {
            self.doubt(CONTENT_TYPE, "more than one boundary");
        }
        self.boundaries.extend(found.into_iter().map(|boundary| boundary.text));
    }

    fn read_codings(&mut self, values: &[String]) {
        if values.iter().any(|value| *value != values[0]) {
            self.doubt(ENCODING, "it stands more than once");
        }
        let coding = &mut self.coding;
        coding.is_sure = values.len() <= 1;
        for value in values {
            coding.base64 |= value.contains("base64");
            coding.uuencode |= value.contains("uu");
            coding.quoted |= value.contains("quoted") || value.contains("printable");
            let is_rule = matches!(value.as_str(), "7bit" | "8bit" | "binary" | "base64" | "quoted-printable");
            coding.is_sure &= is_rule;
            let is_harmless = is_rule || HARMLESS.contains(&value.trim_end_matches([';', '.', ' ']));
            if !is_harmless {
                self.doubt(ENCODING, "it is not a word that all readers know");
                return;
            }
        }
    }

    /// Signs that make readers disagree about what a header is.
    fn read_signs(&mut self, field: &Field<'_>) {
        let name = if field.is("content-type") { CONTENT_TYPE } else { ENCODING };
        if field.name.last().is_some_and(u8::is_ascii_whitespace) {
            self.doubt(name, "a blank before the colon");
        }
        if memchr::memchr(0, field.name).is_some() || memchr::memchr(0, field.value).is_some() {
            self.doubt(name, "a NUL in it");
        }
        if memchr::memmem::find(field.value, b"=?").is_some() && self.is_multipart {
            self.doubt(name, "encoded words in it");
        }
        if has_blank_line(field.value) {
            self.doubt(name, "a line of nothing but blanks in it");
        }
    }
}

/// Words for what is no encoding that mail programs have written for decades, and what all readers decode.
const HARMLESS: [&str; 14] = [
    "7-bit",
    "8-bit",
    "7bits",
    "8bits",
    "7 bit",
    "8 bit",
    "none",
    "utf-8",
    "us-ascii",
    "iso-8859-1",
    "x-uuencode",
    "uuencode",
    "x-uue",
    "quoted-printable",
];

fn has_blank_line(value: &[u8]) -> bool {
    let mut lines = super::lines::lines(value).skip(1).peekable();
    let mut is_found = false;
    while let Some(line) = lines.next() {
        is_found |= line.is_blank() && lines.peek().is_some();
    }
    is_found
}

#[derive(Debug)]
struct Boundary {
    text: String,
    /// As `*`, `*0` or `*0*` (RFC 2231).
    is_extended: bool,
    is_closed: bool,
    is_quoted: bool,
    /// What stands between the value and the next `;`.
    tail: String,
}

impl Boundary {
    fn oddity(&self) -> Option<&'static str> {
        const LONGEST: usize = 200;
        let text = &self.text;
        let has = |signs: &[char]| text.contains(signs);
        let oddities = [
            (self.is_extended, "its boundary is encoded or in pieces"),
            (text.trim().is_empty(), "its boundary is empty"),
            (!self.is_closed, "the quotes of its boundary are not closed"),
            (!self.tail.is_empty(), "something follows its boundary"),
            (text.trim_end() != text, "its boundary ends in a blank"),
            (text.len() > LONGEST, "its boundary is very long"),
            (has(&['\\', '"', '\0', '\u{fffd}']) || !text.is_ascii(), "its boundary has signs that are forbidden"),
            (!self.is_quoted && has(&['(', ')', ',', '\'', ' ']), "its boundary needs quotes and has none"),
        ];
        oddities.iter().find(|(is_so, _)| *is_so).map(|(_, why)| *why)
    }
}

/// Every value that some reader may take for the boundary, in the order they stand. The value is in lower case.
fn boundaries(value: &str) -> Vec<Boundary> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("boundary") {
        let after = &rest[at + "boundary".len()..];
        rest = after;
        let starred = after.trim_start_matches(|sign: char| sign == '*' || sign.is_ascii_digit());
        let Some(text) = starred.trim_start().strip_prefix('=') else { continue };
        let (mut boundary, left) = boundary(text.trim_start());
        boundary.is_extended = starred.len() < after.len();
        found.push(boundary);
        rest = left;
    }
    found
}

fn boundary(text: &str) -> (Boundary, &str) {
    let (value, is_quoted, is_closed, after) = match text.strip_prefix('"') {
        None => {
            let end = text.find(';').unwrap_or(text.len());
            (text[..end].trim_end(), false, true, &text[end..])
        }
        Some(quoted) => match quoted.find('"') {
            Some(end) => (&quoted[..end], true, true, &quoted[end + 1..]),
            None => (quoted, true, false, ""),
        },
    };
    let end = after.find(';').unwrap_or(after.len());
    let tail = after[..end].trim().to_owned();
    (Boundary { text: value.to_owned(), is_extended: false, is_closed, is_quoted, tail }, &after[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubts(headers: &[(&str, &str)]) -> usize {
        let fields: Vec<_> =
            headers.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() }).collect();
        Declared::of(&fields).doubts.len()
    }

    #[test]
    fn plain_headers_leave_no_doubt() {
        for value in [
            " text/plain; charset=utf-8",
            " multipart/mixed;\r\n\tboundary=\"----=_Next(Part)_0\"",
            " multipart/mixed; boundary==_x/y?z",
            " multipart/related; boundary=\"a b\"; type=\"text/html\"",
        ] {
            assert_eq!(doubts(&[("Content-Type", value), ("Content-Transfer-Encoding", " 7bit")]), 0, "{value}");
        }
    }

    #[test]
    fn what_readers_differ_on_is_doubtful() {
        for value in [
            " multipart/mixed",
            " multipart/mixed; boundary=\"\"",
            " multipart/mixed; boundary=a; boundary=b",
            " multipart/mixed; boundary=\"a\"b",
            " multipart/mixed; boundary=\"a\\b\"",
            " multipart/mixed; boundary=\"a",
            " multipart/mixed; boundary=a (b)",
            " multipart/mixed; boundary='a'",
            " multipart/mixed; boundary*0=a; boundary*1=b",
            " multipart/mixed; boundary=\"=?utf-8?Q?a?=\"",
            " message/partial; number=1",
        ] {
            assert_ne!(doubts(&[("Content-Type", value)]), 0, "{value}");
        }
        assert_ne!(doubts(&[("Content-Type ", " multipart/mixed; boundary=a")]), 0);
        assert_ne!(doubts(&[("Content-Transfer-Encoding", " base64"), ("content-transfer-encoding", " 7bit")]), 0);
        assert_ne!(doubts(&[("Content-Transfer-Encoding", " base64 (a)")]), 0);
    }
}
