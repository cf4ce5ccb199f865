//! Streams of PDF documents that clamd does not decode: files can be attached to a document as such (ISO 32000-2, section 7.11.4).

use memchr::memmem;

/// Signs that are looked at around another.
const NEAR: usize = 1024;
/// Streams that are looked at; where there are more, the rest may be anything.
const MOST: usize = 1000;

pub(super) fn unopened(octets: &[u8]) -> Option<&'static str> {
    let head = &octets[..octets.len().min(NEAR)];
    memmem::find(head, b"%PDF")?;
    let octets = named_plainly(octets);
    if has_predicted_file(&octets) {
        return Some("PDF predictor");
    }
    has_remote_filter(&octets).then_some("indirect PDF filter")
}

/// How a stream is coded may be said in another object, where clamd does not look.
fn has_remote_filter(octets: &[u8]) -> bool {
    [&b"/Filter"[..], b"/DecodeParms"].into_iter().any(|key| {
        memmem::find_iter(octets, key).any(|at| {
            let blank = |octet: &&u8| octet.is_ascii_whitespace() || **octet == b'[';
            let value = &octets[at + key.len()..];
            let value = &value[value.iter().take(NEAR).take_while(blank).count()..];
            value.first().is_some_and(u8::is_ascii_digit)
        })
    })
}

/// A stream that is written as differences from what it predicts (ISO 32000-2, section 7.4.4.4), which clamd does not undo:
/// no picture and nothing of the document's own structure, so perhaps a file.
fn has_predicted_file(octets: &[u8]) -> bool {
    memmem::find_iter(octets, b"/Predictor").enumerate().any(|(number, at)| {
        let before = &octets[at.saturating_sub(NEAR)..at];
        let before = &before[memmem::rfind(before, b"obj").unwrap_or(0)..];
        let behind = &octets[at..octets.len().min(at + NEAR)];
        let behind = &behind[..memmem::find(behind, b"stream").unwrap_or(behind.len())];
        let is_none = behind.strip_prefix(b"/Predictor").is_some_and(|value| {
            let value = value.trim_ascii_start();
            value.starts_with(b"1") && !value.get(1).is_some_and(u8::is_ascii_digit)
        });
        let is_usual = |word: &[u8]| [before, behind].iter().any(|half| memmem::find(half, word).is_some());
        // Of documents themselves: their structure, pictures, profiles of colours, fonts.
        let usual = [&b"/XRef"[..], b"/ObjStm", b"/Width", b"/Image", b"/N ", b"/Length1", b"/FontFile"];
        number == MOST || is_usual(b"/EmbeddedFile") || !is_none && !usual.into_iter().any(is_usual)
    })
}

/// With each `#41` in names as what it stands for (ISO 32000-2, section 7.3.5).
fn named_plainly(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'#', rest) {
        out.extend_from_slice(&rest[..at]);
        let digit = |at: usize| rest.get(at).and_then(|octet| char::from(*octet).to_digit(16));
        let value = digit(at + 1).zip(digit(at + 2)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        out.push(value.unwrap_or(b'#'));
        rest = &rest[at + if value.is_some() { 3 } else { 1 }..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicted_file_is_told_from_pictures() {
        let pdf = |dictionary: &str| format!("%PDF-1.5\n5 0 obj<<{dictionary}/DecodeParms<</Predictor 12>>>>stream\n");
        for dictionary in ["/Type/EmbeddedFile", "/Type/EmbeddedFile/Width 9", ""] {
            let named = pdf(dictionary).replace("/Pred", "/Pre#64");
            assert_eq!(unopened(named.as_bytes()), Some("PDF predictor"), "{dictionary}");
        }
        for dictionary in ["/Type/XRef", "/Type/ObjStm", "/Subtype/Image"] {
            assert_eq!(unopened(pdf(dictionary).as_bytes()), None, "{dictionary}");
        }
    }

    #[test]
    fn a_filter_that_is_named_elsewhere_is_told() {
        for filter in ["/Filter 6 0 R", "/Filter [ 6 0 R ]", "/Filter/FlateDecode/DecodeParms 7 0 R"] {
            let pdf = format!("%PDF-1.5\n5 0 obj<</Length 9{filter}>>stream\n");
            assert_eq!(unopened(pdf.as_bytes()), Some("indirect PDF filter"), "{filter}");
        }
        assert_eq!(unopened(b"%PDF-1.5\n5 0 obj<</Filter[/FlateDecode]/DecodeParms[null]>>stream\n"), None);
    }
}
