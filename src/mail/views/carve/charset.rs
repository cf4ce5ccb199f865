//! Text in charsets that hide octets from whoever does not read them.

use crate::mail::message::Part;
use crate::mail::views::Doubt;

/// The text of a part; the doubt where nobody here reads its charset.
pub(in crate::mail::views) fn hidden_text(part: &Part<'_>) -> Result<Option<String>, Doubt> {
    const HIDING: [&str; 6] = ["utf7", "utf16", "ucs2", "iso2022", "hz", "unicode"];
    const WIDE: [&str; 6] = ["utf32", "ucs4", "csucs4", "iso10646ucs4", "iso106461", "106461"];
    const UTF_7: [&str; 4] = ["utf7", "u7", "unicode11utf7", "csunicode11utf7"];
    let Some(name) = part.charset.as_deref() else { return Ok(utf16(&part.octets())) };
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|sign| sign.to_ascii_lowercase()).collect();
    if UTF_7.contains(&plain.as_str()) {
        return Ok(part.text_in("utf-7"));
    }
    if WIDE.iter().any(|start| plain.starts_with(start)) {
        return Ok(Some(utf32(&part.octets())));
    }
    if is_unread(&plain) {
        return Err(Doubt::Charset(name.to_owned()));
    }
    let is_hiding = HIDING.iter().any(|part| plain.contains(part));
    // The usual names of what has others.
    let usual = plain.strip_prefix("cs").unwrap_or(&plain).replace("iso2022", "iso-2022-");
    let usual = if usual.starts_with("iso-2022-") { usual.as_str() } else { name };
    Ok(if is_hiding { part.text_in(usual) } else { utf16(&part.octets()) })
}

/// Four octets a sign, in the order that leaves more of them what they can be.
fn utf32(octets: &[u8]) -> String {
    let read = |read: fn([u8; 4]) -> u32| -> String {
        let units = octets.as_chunks().0.iter().map(|unit| read(*unit));
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let broken = |text: &String| text.matches(char::REPLACEMENT_CHARACTER).count();
    let text = [read(u32::from_be_bytes), read(u32::from_le_bytes)].into_iter().min_by_key(broken).unwrap_or_default();
    text.trim_start_matches('\u{feff}').to_owned()
}

/// Whether letters of a text look like others: EBCDIC in all its countries, and what no library here reads. `plain`:
/// letters and digits of the name.
fn is_unread(plain: &str) -> bool {
    const OTHERS: [&str; 5] = ["ebcdic", "wchart", "unicodeescape", "osf", "iso2022cn"];
    const EBCDIC: [u32; 56] = [
        37, 273, 274, 275, 277, 278, 280, 281, 284, 285, 290, 297, 420, 423, 424, 500, 833, 838, 870, 871, 875, 880,
        905, 918, 924, 930, 931, 933, 935, 937, 939, 1025, 1026, 1047, 1112, 1122, 1123, 1130, 1132, 1137, 1153, 1154,
        1155, 1156, 1157, 1158, 1160, 1164, 1165, 1166, 1364, 1371, 1388, 1390, 1399, 4971,
    ];
    if OTHERS.iter().any(|other| plain.contains(other)) {
        return true;
    }
    let number = plain.trim_start_matches(|sign: char| sign.is_ascii_alphabetic());
    let is_ibm = ["", "ibm", "cp", "csibm", "ccsid", "xibm"].contains(&&plain[..plain.len() - number.len()]);
    is_ibm && number.parse().is_ok_and(|number| EBCDIC.contains(&number) || (1140..=1149).contains(&number))
}

/// Text of two octets a sign, by its mark or by every other octet being NUL.
pub(in crate::mail::views) fn utf16(octets: &[u8]) -> Option<String> {
    const SAMPLE: usize = 512;
    let sample = &octets[..octets.len().min(SAMPLE)];
    let nuls = |from: usize| sample.iter().skip(from).step_by(2).filter(|octet| **octet == 0).count();
    let most = sample.len() * 2 / 5;
    let (is_marked_little, is_marked_big) = (octets.starts_with(&[0xff, 0xfe]), octets.starts_with(&[0xfe, 0xff]));
    let is_little = is_marked_little || nuls(1) >= most && nuls(0) * 10 <= most;
    let is_big = is_marked_big || nuls(0) >= most && nuls(1) * 10 <= most;
    if sample.len() < 64 || is_little == is_big {
        return None;
    }
    let read = if is_little { u16::from_le_bytes } else { u16::from_be_bytes };
    let units = octets
        .chunks_exact(2)
        .map(|pair| read([pair[0], pair[1]]))
        .skip(usize::from(is_marked_little || is_marked_big));
    Some(
        char::decode_utf16(units)
            .map(|sign| sign.unwrap_or(char::REPLACEMENT_CHARACTER))
            .filter(|sign| *sign != '\0')
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_text_is_read_with_and_without_a_mark() {
        let text = "What is wide is read all the same. ".repeat(3);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(utf16(&wide), Some(text.clone()));
        assert_eq!(utf16(&[&[0xfe, 0xff], &wide[..]].concat()), Some(text));
        assert_eq!(utf16(b"plain text"), None);
    }

    #[test]
    fn four_octets_a_sign_are_read_in_either_order() {
        let text = "Wide and wider";
        let wide = |octets: fn(u32) -> [u8; 4]| text.chars().flat_map(|sign| octets(sign.into())).collect::<Vec<_>>();
        assert_eq!(utf32(&wide(u32::to_be_bytes)), text);
        assert_eq!(utf32(&[&[0xff, 0xfe, 0, 0], &wide(u32::to_le_bytes)[..]].concat()), text);
    }

    #[test]
    fn charsets_that_nobody_here_reads_are_known_by_all_their_names() {
        for name in ["ibm037", "cp1140", "037", "ibm01140", "ebcdiccpus", "csibm500", "iso2022cn"] {
            assert!(is_unread(name), "{name}");
        }
        for name in
            ["cp437", "ibm850", "cp1252", "utf8", "usascii", "iso88591", "koi8r", "windows1252", "gb2312", "xunknown"]
        {
            assert!(!is_unread(name), "{name}");
        }
    }
}
