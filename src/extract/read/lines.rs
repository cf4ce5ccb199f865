//! Calendars (RFC 5545) and address cards (RFC 6350, and the older 2.1): folded lines of names and values.

use std::borrow::Cow;

use super::plain::decoded;
use super::reading::{Reading, Trouble};

/// Properties whose values are no words: numbers, pictures, keys, rules.
const WORDLESS: [&str; 18] = [
    "PHOTO",
    "LOGO",
    "SOUND",
    "KEY",
    "UID",
    "DTSTAMP",
    "REV",
    "PRODID",
    "VERSION",
    "BEGIN",
    "END",
    "RRULE",
    "TZID",
    "TZOFFSETFROM",
    "TZOFFSETTO",
    "SEQUENCE",
    "X-MS-OLK-FORCEINSPECTOROPEN",
    "TRIGGER",
];

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let text = decoded(octets, None);
    let mut lines = Unfolded { rest: &text };
    while let Some(line) = lines.next() {
        property(&line, reading);
        if reading.is_over() {
            break;
        }
    }
    Ok(())
}

/// Whole lines: those that begin with a blank go on the one before, and so do soft breaks of quoted-printable.
struct Unfolded<'t> {
    rest: &'t str,
}

impl<'t> Unfolded<'t> {
    fn next(&mut self) -> Option<Cow<'t, str>> {
        let mut line = Cow::Borrowed(self.physical()?);
        let is_quoted = line.to_ascii_uppercase().contains("QUOTED-PRINTABLE");
        loop {
            if is_quoted && line.ends_with('=') {
                let line = line.to_mut();
                line.pop();
                line.push_str(self.physical()?);
            } else if self.rest.starts_with([' ', '\t']) {
                self.rest = &self.rest[1..];
                line.to_mut().push_str(self.physical()?);
            } else {
                return Some(line);
            }
        }
    }

    fn physical(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

fn property(line: &str, reading: &mut Reading<'_>) {
    let Some(colon) = colon(line) else { return };
    let (head, value) = (&line[..colon], &line[colon + 1..]);
    let mut parameters = head.split(';');
    let name = parameters.next().unwrap_or_default();
    // Cards group properties: `item1.URL`.
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    if WORDLESS.contains(&name.as_str()) {
        return;
    }
    let upper = head.to_ascii_uppercase();
    let value = match upper.contains("QUOTED-PRINTABLE") {
        true => Cow::Owned(unquoted(value, charset(&upper))),
        false if upper.contains("ENCODING=B") => return,
        false => Cow::Borrowed(value),
    };
    for parameter in parameters {
        if let Some((key, name)) = parameter.split_once('=')
            && key.eq_ignore_ascii_case("CN")
        {
            reading.paragraph(name.trim_matches('"'));
        }
    }
    reading.paragraph(&unescaped(&value));
}

/// The one that ends the name; parameters may be quoted.
fn colon(line: &str) -> Option<usize> {
    let mut is_quoted = false;
    line.bytes().position(|octet| {
        is_quoted ^= octet == b'"';
        octet == b':' && !is_quoted
    })
}

fn charset(upper: &str) -> Option<&str> {
    let value = upper.split_once("CHARSET=")?.1;
    value.split([';', ':']).next()
}

fn unquoted(value: &str, charset: Option<&str>) -> String {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((octet, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *octet == b'=');
        let escaped = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(escaped.unwrap_or(*octet));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    decoded(&octets, charset.map(str::as_bytes))
}

/// RFC 5545, section 3.3.11. The fields of names and addresses, apart by semicolons, become words.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            ';' => text.push(' '),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::extract::{Format, ReadLimits};

    fn text(lines: &str) -> String {
        super::super::read(Format::Ics, lines.as_bytes(), &ReadLimits::default()).text
    }

    #[test]
    fn folded_lines_are_whole_and_escapes_are_what_they_mean() {
        let ics = "BEGIN:VCALENDAR\r\nSUMMARY;LANGUAGE=de:Quartals\r\n abschluss\\, Teil 2\\nRaum 5\r\nUID:a1\r\n\
                   ATTENDEE;CN=\"Ada: Lovelace\";RSVP=TRUE:mailto:ada@example.org\r\nEND:VCALENDAR";
        assert_eq!(text(ics), "Quartalsabschluss, Teil 2\nRaum 5\nAda: Lovelace\nmailto:ada@example.org\n");
    }

    #[test]
    fn cards_of_old_telephones_are_read() {
        let vcf = "BEGIN:VCARD\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCl=\nler;J=F6rg\nPHOTO;ENCODING=BASE64:\n AAAA\n\
                   item1.TEL:+49 30 1\nEND:VCARD\n";
        assert_eq!(text(vcf), "Müller Jörg\n+49 30 1\n");
    }
}
