//! Headers that break the rules and were meant to be read: eight-bit text without a charset, characters torn in two
//! by the border of encoded words (RFC 2047, section 5 forbids both), and charsets the parser does not know.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::Encoding;

use super::charset;

/// Larger headers are left as they are.
const LONGEST_BYTES: usize = 64 << 10;

/// Larger encoded words are taken for text; 75 is what the RFC allows.
const LONGEST_WORD_BYTES: usize = 1024;

/// What stands for octets that could not be read.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Whether reading gave less than was written.
pub(super) fn is_torn(text: &str) -> bool {
    text.contains(REPLACEMENT)
}

/// The header's value on one line, in UTF-8 and with every run of encoded words as one; `None` if nothing is to be
/// gained. `likely` is the charset of the rest of the message.
pub(super) fn mended(raw: &[u8], likely: Option<&str>) -> Option<Vec<u8>> {
    if raw.len() > LONGEST_BYTES {
        return None;
    }
    let text = match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => charset::decode(likely.filter(|name| !is_utf8(name)), raw, false),
    };
    let text = text.replace(['\r', '\n'], " ");
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at(at);
        mended.push_str(before);
        rest = match run(word) {
            Some((decoded, after)) => {
                mended.push_str("=?utf-8?B?");
                STANDARD.encode_string(decoded, &mut mended);
                mended.push_str("?=");
                after
            }
            None => {
                mended.push_str("=?");
                &word[2..]
            }
        };
    }
    mended.push_str(rest);
    Some(mended.into_bytes())
}

fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8")
}

/// The text of the encoded words of one charset at the start, and what follows them.
fn run(text: &str) -> Option<(String, &str)> {
    let (charset, mut octets, mut rest) = encoded_word(text)?;
    while let Some((next_charset, next, after)) = encoded_word(rest.trim_start()) {
        if !next_charset.eq_ignore_ascii_case(charset) {
            break;
        }
        octets.extend(next);
        rest = after;
    }
    let charset = charset.to_ascii_lowercase();
    if charset.starts_with("iso-2022-jp") {
        octets = without_empty_shifts(&octets);
    }
    Some((charset::decode(Some(&charset), &octets, false).into_owned(), rest))
}

/// Every word of Japanese ends in ASCII, and the next begins by leaving it: with nothing between, decoders see an
/// error (WHATWG Encoding, section 12.2.1).
fn without_empty_shifts(octets: &[u8]) -> Vec<u8> {
    const THERE_AND_BACK: &[u8] = b"\x1b(B\x1b$B";
    let mut kept = Vec::with_capacity(octets.len());
    let mut start = 0;
    for at in memchr::memmem::find_iter(octets, THERE_AND_BACK) {
        kept.extend_from_slice(&octets[start..at]);
        start = at + THERE_AND_BACK.len();
    }
    kept.extend_from_slice(&octets[start..]);
    kept
}

/// `=?charset*language?Q?octets?=`: charset, octets, and what follows.
fn encoded_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let window = &text[..text.floor_char_boundary(LONGEST_WORD_BYTES)];
    let (charset, content) = window.strip_prefix("=?")?.split_once('?')?;
    let (encoding, content) = content.split_once('?')?;
    let (content, after) = content.split_once("?=")?;
    let octets = match encoding {
        "B" | "b" => Encoding::Base64.decode(content.as_bytes()).into_owned(),
        "Q" | "q" => Encoding::QuotedPrintable.decode(content.replace('_', "=20").as_bytes()).into_owned(),
        _ => return None,
    };
    let charset = charset.split('*').next().unwrap_or(charset);
    Some((charset, octets, &text[window.len() - after.len()..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &[u8], likely: Option<&str>) -> String {
        let mended = mended(raw, likely).unwrap();
        let value = mail_parser::HeaderForm::Text.parse(&mended);
        value.value().as_text().unwrap().to_owned()
    }

    #[test]
    fn eight_bit_text_is_in_the_charset_of_the_message() {
        assert_eq!(read(b" \xf0\xd2\xc9\xd7\xc5\xd4\r\n", Some("koi8-r")), "Привет");
        assert_eq!(read(b" caf\xe9", Some("utf-8")), "café");
        assert_eq!(read(b" caf\xe9", None), "café");
    }

    #[test]
    fn characters_torn_between_encoded_words_are_put_together() {
        assert_eq!(read(b" a =?UTF-8?B?ww==?=\r\n =?utf-8?B?vA==?= b", None), "a ü b");
        assert_eq!(read(b" =?utf-8?Q?=C3?= =?utf-8?Q?=BC_b?= =?iso-8859-1?Q?=FC?=", None), "ü bü");
    }

    #[test]
    fn japanese_words_are_joined_without_a_seam() {
        assert_eq!(read(b" =?iso-2022-jp?B?GyRCOzMbKEI=?=\r\n =?iso-2022-jp?B?GyRCRUQbKEI=?=", None), "山田");
    }

    #[test]
    fn korean_of_the_nineties_is_read() {
        assert_eq!(read(b" =?iso-2022-kr?B?GyQpQw5IOEBHDw==?=", None), "회의");
    }

    proptest! {
        #[test]
        fn any_value_is_mended(raw in "(=\\?|\\?=|\\?|utf-8|B|Q|=C3|w7w=| |\\PC){0,40}", octet in any::<u8>()) {
            let mut raw = raw.into_bytes();
            raw.push(octet);
            prop_assert!(String::from_utf8(mended(&raw, None).unwrap()).is_ok());
        }
    }
}
