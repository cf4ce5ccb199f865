//! Files inside text between `begin 644 name` and `end`: uuencode and its cousin xxencode. And lines of a file that look
//! like it, whatever stands around them.

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

/// `begin`, a mode as C and Python read it, perhaps a name; upper case, more blanks and quote marks before it are forgiven.
fn is_begin(line: &Line<'_>) -> bool {
    let text = line.text.trim_ascii_start();
    let text = text.strip_prefix(b">").unwrap_or(text).trim_ascii_start();
    if text.len() < 7 || !text[..5].eq_ignore_ascii_case(b"begin") {
        return false;
    }
    let rest = text[5..].trim_ascii_start();
    let mode = rest.strip_prefix(b"+").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
    let mode = mode.strip_prefix(b"0o").unwrap_or(mode);
    let digits = mode.iter().take_while(|octet| (b'0'..=b'7').contains(octet)).count();
    rest.len() < text.len() - 5 && digits > 0 && mode.get(digits).is_none_or(u8::is_ascii_whitespace)
}

/// The files that lines make which are as long as they state, in order, and all of them together: some readers need
/// neither a begin line nor lines behind each other. Nothing where no line is full.
pub(in crate::mail::views) fn loose(octets: &[u8]) -> Vec<Vec<u8>> {
    /// Shorter lines are taken behind others alone.
    const SHORTEST_LINE: usize = 20;
    const FULL_LINE: usize = 45;
    let (mut all, mut ends) = (Vec::new(), vec![0]);
    let mut is_behind = false;
    for line in lines(octets) {
        let marks = line.text.iter().take_while(|octet| matches!(octet, b'>' | b' ' | b'\t')).count();
        // A length may look like such marks.
        let found = [0, marks].iter().find_map(|skipped| stated(&line.text[*skipped..]));
        // All but the last line of a file are full, so its first is, if there are several.
        let found = found.filter(|(data, length)| {
            *length == FULL_LINE || !all.is_empty() && (is_behind || data.len() >= SHORTEST_LINE)
        });
        is_behind = found.is_some();
        if let Some((data, length)) = found {
            decode(data, length, uu, &mut all);
            ends.extend((length < FULL_LINE).then_some(all.len()));
        }
    }
    ends.extend((ends.last() != Some(&all.len())).then_some(all.len()));
    let mut files: Vec<Vec<u8>> = ends.windows(2).map(|ends| all[ends[0]..ends[1]].to_vec()).collect();
    if files.len() > 1 {
        files.push(all);
    }
    files
}

/// The data of a line and how many octets it says that is, if it is as long as that: with one sign more for a checksum, or
/// without blanks at its end.
fn stated(text: &[u8]) -> Option<(&[u8], usize)> {
    let (first, data) = text.split_first()?;
    let length = usize::from(uu(*first));
    let signs = length.div_ceil(3) * 4;
    let is_uu = |octet: &u8| (b' '..=b'`').contains(octet);
    // Some leave out what only fills up, or cut off blanks.
    let least = if signs > 40 { signs - 3 } else { (length * 4).div_ceil(3) };
    let is_as_long = (least..=signs + 1).contains(&data.len());
    (is_uu(first) && length > 0 && is_as_long && data.iter().all(is_uu))
        .then(|| (&data[..data.len().min(signs)], length))
}

/// Files longer than this lack the NULs that blanks at the ends of their lines stood for, where these were cut off.
const MOST_PADDED_BYTES: usize = 1 << 20;

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
    // The blanks that were cut off. They may be any number, but of what is nearly all NULs none need be kept to be recognized.
    let padding = stated.saturating_sub(out.len() - begin);
    if out.len() + padding <= MOST_PADDED_BYTES || padding < 4 {
        out.resize(begin + stated, 0);
    }
    out.truncate(begin + stated);
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
        for mode in ["6", "64", "+644", "-644", "0o644", "0100644"] {
            let text = format!("begin {mode} a\n%:&5L;&\\\n`\nend\n");
            assert_eq!(files(text.as_bytes(), false), [b"hello"], "{mode}");
        }
        assert!(files(b"we begin 644 times\nbegin at once\n", false).is_empty());
        assert_eq!(files(b"%:&5L;&\\\n", true), [b"hello"]);
    }

    #[test]
    fn lines_of_a_file_are_found_whatever_stands_around_them() {
        let line = "M5V%I=\"!F;W(@:70L('=A:70@9F]R(&ET+\"!W86ET(&9O<B!I=\"P@=V%I=\"!F;W(@";
        let line = &line[..61];
        for text in [
            format!("begin nonsense\n{line}\n#:70*\n"),
            format!("> {line}\n> #:70*\n"),
            format!("{line}\nHere is a sentence.\n{line}\n#:70*\n"),
            format!("section 1\n\n  {line}\r\n  #:70*\r\n"),
        ] {
            let found = loose(text.as_bytes()).pop().unwrap_or_default();
            assert!(found.starts_with(b"Wait for it, wait") && found.ends_with(b"it\n"), "{text}: {found:?}");
        }
        for text in ["THESE WORDS ARE IN UPPER CASE, BUT THEY ARE NO FILE AT ALL\n", "$1\n$2\n$3\n", ""] {
            assert!(loose(text.repeat(9).as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn few_octets_do_not_become_many() {
        let lines = format!("begin 644 a\n{}", "Z\n".repeat(1 << 20));
        let length: usize = files(lines.as_bytes(), false).iter().map(Vec::len).sum();
        assert!(length < 3 * lines.len(), "{length}");
    }

    #[test]
    fn xxencode_is_known() {
        let found = files(b"begin 644 a\n3O4JgP4w+\n+\nend\n", false);
        assert!(found.iter().any(|file| file == b"hello"), "{found:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(begin 644 a\n|end\n|[ -~]{0,9}\n){0,20}") {
            loose(text.as_bytes());
            files(text.as_bytes(), true);
        }
    }
}
