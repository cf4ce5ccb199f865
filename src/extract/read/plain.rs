//! Plain text in whatever charset.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

use super::reading::{Reading, Trouble};

/// Octets that the charset is guessed from.
const SAMPLE: usize = 64 << 10;

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    reading.push(&decoded(octets, None));
    Ok(())
}

/// Text by its byte order mark, else UTF-8 if it is, else in the charset that was declared, else in the likeliest.
pub(super) fn decoded(octets: &[u8], declared: Option<&[u8]>) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(octets) {
        return encoding.decode_without_bom_handling(&octets[mark..]).0.into_owned();
    }
    if let Some(wide) = wide_text(octets) {
        return wide;
    }
    let declared = declared.and_then(Encoding::for_label);
    match std::str::from_utf8(whole_letters(octets)) {
        Ok(text) if declared.is_none_or(|declared| declared == UTF_8) => text.to_owned(),
        _ => declared.unwrap_or_else(|| guess(octets)).decode_without_bom_handling(octets).0.into_owned(),
    }
}

/// Without the beginning of a letter in UTF-8 that a cut left at the end, so that the rest still is UTF-8.
fn whole_letters(octets: &[u8]) -> &[u8] {
    match std::str::from_utf8(octets) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => &octets[..error.valid_up_to()],
        _ => octets,
    }
}

fn guess(octets: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&octets[..octets.len().min(SAMPLE)], octets.len() <= SAMPLE);
    detector.guess(None, Utf8Detection::Allow)
}

/// Text of two octets a sign without a mark, known by every other octet being NUL.
pub(in crate::extract) fn wide_text(octets: &[u8]) -> Option<String> {
    const SAMPLE: usize = 512;
    let sample = &octets[..octets.len().min(SAMPLE)];
    let is_marked = sample.starts_with(&[0xff, 0xfe]) || sample.starts_with(&[0xfe, 0xff]);
    let nuls = |from: usize| sample.iter().skip(from).step_by(2).filter(|octet| **octet == 0).count();
    let (low, high) = (nuls(1), nuls(0));
    let most = sample.len() * 2 / 5;
    if sample.len() < 2 || !is_marked && (low < most.max(1) || high > 0) && (high < most.max(1) || low > 0) {
        return None;
    }
    let is_little = if is_marked { sample[0] == 0xff } else { low > high };
    let encoding = if is_little { encoding_rs::UTF_16LE } else { encoding_rs::UTF_16BE };
    let text = encoding.decode_without_bom_handling(&octets[if is_marked { 2 } else { 0 }..]).0;
    // Binary data with many small numbers looks alike.
    let odd = text.chars().take(SAMPLE / 2).filter(|sign| sign.is_control() && !sign.is_whitespace()).count();
    (odd * 50 <= sample.len() / 2).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_are_told_by_marks_by_declaration_and_by_likelihood() {
        assert_eq!(decoded(b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe", None), "Größe");
        assert_eq!(decoded(b"\xff\xfeG\0r\0\xf6\0", None), "Grö");
        assert_eq!(decoded(b"\0w\0o\0r\0d\0s", None), "words");
        assert_eq!(decoded(b"Gr\xf6\xdfe", Some(b"iso-8859-1")), "Größe");
        assert_eq!(decoded("Größe".as_bytes(), None), "Größe");
        assert_eq!(decoded(&"Größe€".as_bytes()[..9], None), "Größe");
        let russian = encoding_rs::WINDOWS_1251.encode("Отчёт о поставке оборудования за прошлый год").0;
        assert_eq!(decoded(&russian, None), "Отчёт о поставке оборудования за прошлый год");
        let japanese = encoding_rs::SHIFT_JIS.encode("請求書を送付いたします。よろしくお願いします。").0;
        assert_eq!(decoded(&japanese, None), "請求書を送付いたします。よろしくお願いします。");
    }

    #[test]
    fn small_numbers_are_no_wide_text() {
        assert_eq!(wide_text(&[1, 0, 2, 0, 3, 0, 4, 0]), None);
        assert_eq!(wide_text(b"words"), None);
    }
}
