//! Messages of OpenPGP (RFC 9580), in armour or not: encrypted, compressed or signed, no scanner reads them. Keys and
//! signatures that stand by themselves are none.

use memchr::memmem;

/// Packets (section 5) that messages are made of.
const PUBLIC_KEY_SESSION: u8 = 1;
const SIGNATURE: u8 = 2;
const SYMMETRIC_SESSION: u8 = 3;
const ONE_PASS_SIGNATURE: u8 = 4;
const COMPRESSED: u8 = 8;
const MARKER: u8 = 10;
const LITERAL: u8 = 11;
const PROTECTED: u8 = 18;
const AEAD: u8 = 20;
const PADDING: u8 = 21;

/// Armour (section 6.2) at the beginning, or from one line to another anywhere.
pub(super) fn has_armour(octets: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN PGP MESSAGE";
    const END: &[u8] = b"-----END PGP MESSAGE";
    // Behind quote marks, markup and blanks, but not within a line, as in a program.
    let begins_line = |at: &usize| {
        let before = octets[..*at].iter().rev().find(|octet| !matches!(octet, b' ' | b'\t' | 0xef | 0xbb | 0xbf));
        before.is_none_or(|octet| matches!(octet, b'\n' | b'\r' | b'>'))
    };
    let Some(begin) = memmem::find_iter(octets, BEGIN).find(begins_line) else { return false };
    let is_first = octets[..begin].iter().all(|octet| !octet.is_ascii() || octet.is_ascii_whitespace());
    is_first || memmem::find_iter(&octets[begin..], END).any(|at| begins_line(&(begin + at)))
}

/// By the first packet that says anything, and by what follows it.
pub(super) fn is_message(octets: &[u8]) -> bool {
    const MOST_SKIPPED: usize = 100;
    let (mut rest, mut has_signature) = (octets, false);
    for _ in 0..MOST_SKIPPED {
        let Some(first) = packet(rest) else { return false };
        match (first.kind, first.next) {
            // Nobody heeds these, nor what is not critical (section 4.3).
            (MARKER | PADDING | 40..=63, Some(next)) => rest = next,
            // Stand alone, or before what they sign.
            (SIGNATURE, Some(next)) if !next.is_empty() => (rest, has_signature) = (next, true),
            _ => return first.begins_message(has_signature),
        }
    }
    false
}

impl Packet<'_> {
    fn begins_message(&self, has_signature: bool) -> bool {
        let version = self.body.first().copied().unwrap_or_default();
        let length = self.body.len();
        let next = self.next.and_then(packet);
        let is_followed = next.as_ref().is_some_and(|next| {
            next.kind < 64 && ![0, SIGNATURE].contains(&next.kind) || next.kind == SIGNATURE && has_signature
        });
        let ends_well = next.is_some() || self.next.is_none_or(<[u8]>::is_empty);
        match self.kind {
            PUBLIC_KEY_SESSION => matches!(version, 2 | 3 | 6) && is_followed,
            SYMMETRIC_SESSION => matches!(version, 4..=6) && is_followed,
            ONE_PASS_SIGNATURE => matches!(version, 3 | 6) && is_followed,
            COMPRESSED => matches!(version, 1..=3) && length > 8 && ends_well,
            PROTECTED => matches!(version, 1 | 2) && length > 20 && ends_well,
            AEAD => version == 1 && length > 20 && ends_well,
            LITERAL => {
                let name = self.body.get(1).map_or(0, |length| usize::from(*length));
                b"btul1".contains(&version) && length >= 6 + name && ends_well
            }
            _ => false,
        }
    }
}

struct Packet<'o> {
    kind: u8,
    body: &'o [u8],
    /// What follows, unless the packet goes on in pieces or to the end.
    next: Option<&'o [u8]>,
}

/// Both formats of section 4.2; `None` where there is none, or not the whole of it.
fn packet(octets: &[u8]) -> Option<Packet<'_>> {
    let (first, rest) = octets.split_first()?;
    let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet));
    let (kind, header, length) = match first {
        0xc0.. => match rest {
            [length @ ..192, ..] => (first & 0x3f, 1, Some(usize::from(*length))),
            [high @ 192..=223, low, ..] => {
                (first & 0x3f, 2, Some(((usize::from(*high) - 192) << 8) + usize::from(*low) + 192))
            }
            [255, ..] => (first & 0x3f, 5, Some(number(rest.get(1..5)?))),
            _ => (first & 0x3f, 1, None),
        },
        0x80.. => match first & 3 {
            3 => (first >> 2 & 15, 0, None),
            size => (first >> 2 & 15, 1 << size, Some(number(rest.get(..1 << size)?))),
        },
        _ => return None,
    };
    let body = rest.get(header..)?;
    Some(match length {
        Some(length) => Packet { kind, body: body.get(..length)?, next: Some(&body[length..]) },
        None => Packet { kind, body, next: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_from_keys_signatures_and_others() {
        let protected = [&[0xd2, 30, 1][..], &[7; 29]].concat();
        let session = [&[0x84, 12, 3][..], &[9; 11]].concat();
        let compressed = [&[0xa3, 2][..], &[5; 20]].concat();
        let literal = [&[0xcb, 11, b'b', 0, 0, 0, 0, 0][..], b"hello"].concat();
        let signed = [&[0x90, 13, 3][..], &[0; 12], &literal].concat();
        let marked = [&[0xca, 3][..], b"PGP", &protected].concat();
        let trailed = [&protected[..], &[0xca, 3], b"PGP"].concat();
        let twice = [&[0x88, 10, 4][..], &[0; 9], &[0x88, 10, 4], &[0; 9], &literal].concat();
        assert!([marked, trailed, twice].iter().all(|message| is_message(message)));
        for message in [[&session[..], &protected].concat(), protected, compressed, literal, signed] {
            assert!(is_message(&message), "{message:x?}");
        }
        let signature = [&[0x88, 10, 4][..], &[0; 9]].concat();
        let key = [&[0x98, 10, 4][..], &[0; 9], &signature].concat();
        for other in [signature, key, session, b"\xff\xd8\xff\xe0".to_vec(), b"\xa3\x02".to_vec(), Vec::new()] {
            assert!(!is_message(&other), "{other:x?}");
        }
    }

    #[test]
    fn armour_is_seen_behind_text_and_quote_marks() {
        let armour = "-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n";
        for text in [
            armour.to_owned(),
            format!("\u{feff}{armour}"),
            format!("Hello,\n\n{armour}"),
            format!("<pre>{armour}</pre>"),
            armour.replace("-----BEGIN", "> -----BEGIN"),
            armour.replace("MESSAGE", "MESSAGE, PART 1/2"),
            armour[..30].to_owned(),
        ] {
            assert!(has_armour(text.as_bytes()), "{text}");
        }
        let program = "a = \"-----BEGIN PGP MESSAGE-----\"\nb = \"-----END PGP MESSAGE-----\"\n";
        for text in
            [program, "The line is -----BEGIN PGP MESSAGE-----, they say.", "-----BEGIN PGP SIGNATURE-----\n-----END"]
        {
            assert!(!has_armour(text.as_bytes()), "{text}");
        }
    }
}
