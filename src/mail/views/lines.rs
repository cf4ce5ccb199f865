use std::ops::Range;

use memchr::memchr2;

/// A line as the most lenient reader sees it: CRLF, LF, a bare CR and CR CR LF all end one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'o> {
    pub(super) start: usize,
    /// Without its end.
    pub(super) text: &'o [u8],
    /// Where the next one begins.
    pub(super) next: usize,
}

impl<'o> Line<'o> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.iter().all(|octet| is_blank(*octet))
    }

    /// Without blanks at either end.
    pub(super) fn trimmed(&self) -> &'o [u8] {
        self.text[self.range_trimmed_in_line()].as_ref()
    }

    /// Where [`Self::trimmed`] stands in the source.
    pub(super) fn range(&self) -> Range<usize> {
        let range = self.range_trimmed_in_line();
        self.start + range.start..self.start + range.end
    }

    fn range_trimmed_in_line(&self) -> Range<usize> {
        let start = self.text.iter().position(|octet| !is_blank(*octet)).unwrap_or(self.text.len());
        let end = self.text.iter().rposition(|octet| !is_blank(*octet)).map_or(start, |last| last + 1);
        start..end
    }
}

pub(super) const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | 0x0b | 0x0c | 0)
}

pub(super) fn lines(octets: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= octets.len() {
            return None;
        }
        let end = memchr2(b'\r', b'\n', &octets[start..]).map_or(octets.len(), |at| start + at);
        let ending = &octets[end..];
        let length =
            [&b"\r\r\n"[..], b"\r\n"].iter().find(|sign| ending.starts_with(sign)).map_or(1, |sign| sign.len());
        let line = Line { start, text: &octets[start..end], next: (end + length).min(octets.len()) };
        start = line.next.max(end + 1);
        Some(line)
    })
}

/// Every run of at least `shortest` octets that all are of a kind, each as long as it goes. Looks at few of the octets where
/// there is none: a run has one of every `shortest`th.
pub(super) fn long_runs(
    octets: &[u8],
    shortest: usize,
    is_kind: impl Fn(u8) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(probed) = octets.get(from..from + shortest) {
            let begin = probed.iter().rposition(|octet| !is_kind(*octet)).map_or(from, |last| from + last + 1);
            if begin == from {
                let rest = &octets[from + shortest..];
                let length = rest.iter().position(|octet| !is_kind(*octet)).unwrap_or(rest.len());
                from += shortest + length;
                return Some(begin..from);
            }
            from = begin;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_line_ends_end_a_line() {
        let texts: Vec<&[u8]> = lines(b"a\r\nb\nc\rd\r\r\n\r\r\re").map(|line| line.text).collect();
        assert_eq!(texts, [&b"a"[..], b"b", b"c", b"d", b"", b"", b"", b"e"]);
    }

    proptest! {
        #[test]
        fn long_runs_are_those_that_a_look_at_every_octet_finds(text in "[a.]{0,60}", shortest in 1..6_usize) {
            let mut at = 0;
            let mut expected = Vec::new();
            for run in text.split('.') {
                if run.len() >= shortest {
                    expected.push(at..at + run.len());
                }
                at += run.len() + 1;
            }
            prop_assert_eq!(long_runs(text.as_bytes(), shortest, |octet| octet == b'a').collect::<Vec<_>>(), expected);
        }
    }
}
