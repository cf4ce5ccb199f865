//! Files inside text between `begin 644 name` and `end`: uuencode and its cousin xxencode.

use crate::mail::views::lines::{Line, lines};

/// Every file, in each reading of its lines: by the length they state, and by the length they have. Begin lines may be
/// odd, lines may be blank, the end may be missing. `is_declared`: a header says so, so no begin line is needed.
pub(in crate::mail::views) fn files(octets: &[u8], is_declared: bool) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut file = is_declared.then(File::default);
    if !is_declared
        && memchr::memmem::find(octets, b"egin").is_none()
        && memchr::memmem::find(octets, b"EGIN").is_none()
    {
        return files;
    }
    for line in lines(octets) {
        if is_begin(&line) {
            files.extend(file.take().into_iter().flat_map(File::readings));
            file = Some(File::default());
        } else if let Some(open) = &mut file
            && !open.line(line.text)
        {
            files.extend(file.take().into_iter().flat_map(File::readings));
        }
    }
    files.extend(file.into_iter().flat_map(File::readings));
    files
}

/// `begin`, a mode of octal digits, perhaps a name; upper case, more blanks and quote marks before it are forgiven.
fn is_begin(line: &Line<'_>) -> bool {
    let text = line.text.trim_ascii_start();
    let text = text.strip_prefix(b">").unwrap_or(text).trim_ascii_start();
    if text.len() < 8 || !text[..5].eq_ignore_ascii_case(b"begin") {
        return false;
    }
    let rest = text[5..].trim_ascii_start();
    let digits = rest.iter().take_while(|octet| (b'0'..=b'7').contains(octet)).count();
    rest.len() < text.len() - 5 && digits >= 3 && rest.get(digits).is_none_or(u8::is_ascii_whitespace)
}

#[derive(Default)]
struct File {
    by_statement: Vec<u8>,
    by_length: Vec<u8>,
    xx: Vec<u8>,
    has_lower_case: bool,
}

impl File {
    /// Takes a line; `false` if it is none of the file's.
    fn line(&mut self, text: &[u8]) -> bool {
        let trimmed = text.trim_ascii();
        if trimmed.eq_ignore_ascii_case(b"end") {
            return false;
        }
        let Some((statement, data)) = text.split_first() else { return true };
        if !text.iter().all(|octet| (b' '..0x7f).contains(octet)) || trimmed.is_empty() {
            return trimmed.is_empty();
        }
        self.has_lower_case |= text.iter().any(u8::is_ascii_lowercase);
        decode(data, usize::from(uu(*statement)), uu, &mut self.by_statement);
        decode(data, usize::MAX, uu, &mut self.by_length);
        decode(data, usize::from(xx(*statement)), xx, &mut self.xx);
        true
    }

    fn readings(self) -> Vec<Vec<u8>> {
        let Self { by_statement, by_length, xx, has_lower_case } = self;
        let mut readings = vec![by_statement];
        if readings[0] != by_length && !by_length.starts_with(&readings[0]) {
            readings.push(by_length);
        }
        if has_lower_case {
            readings.push(xx);
        }
        readings.retain(|reading| !reading.is_empty());
        readings
    }
}

/// Appends the octets of a line, at most as many as it states. Missing signs at the end stand for zeros, as blanks
/// that were cut off.
fn decode(data: &[u8], stated: usize, value: fn(u8) -> u8, out: &mut Vec<u8>) {
    let begin = out.len();
    for group in data.chunks(4) {
        let bits = (0..4).fold(0_u32, |bits, at| bits << 6 | u32::from(group.get(at).map_or(0, |octet| value(*octet))));
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    if stated == usize::MAX {
        return;
    }
    // The blanks that were cut off.
    out.resize(begin + stated, 0);
}

const fn uu(octet: u8) -> u8 {
    octet.wrapping_sub(b' ') & 63
}

const fn xx(octet: u8) -> u8 {
    match octet {
        b'+' => 0,
        b'-' => 1,
        b'0'..=b'9' => octet - b'0' + 2,
        b'A'..=b'Z' => octet - b'A' + 12,
        b'a'..=b'z' => octet - b'a' + 38,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_found_however_they_begin_and_end() {
        for text in [
            "begin 644 a\r\n%:&5L;&\\\r\n`\r\nend\r\n",
            "x\n  BEGIN  0644\n%:&5L;&\\\n",
            "begin 644 b\n#86)C\n`\nend\n\nbegin 644 a\n%:&5L;&\\\n",
            "> begin 600 a b\n\n%:&5L;&\\\nend",
        ] {
            let found = files(text.as_bytes(), false);
            assert!(found.iter().any(|file| file == b"hello"), "{text:?}: {found:?}");
        }
        assert!(files(b"we begin 644 times\nbegin at once\n", false).is_empty());
        assert_eq!(files(b"%:&5L;&\\\n", true), [b"hello"]);
    }

    #[test]
    fn xxencode_is_known() {
        let found = files(b"begin 644 a\n3O4JgP4w+\n+\nend\n", false);
        assert!(found.iter().any(|file| file == b"hello"), "{found:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(begin 644 a\n|end\n|[ -~]{0,9}\n){0,20}") {
            let length: usize = files(text.as_bytes(), true).iter().map(Vec::len).sum();
            prop_assert!(length <= text.len() * 100 + 100);
        }
    }
}
