//! The message inside an S/MIME signature (RFC 5652): readable without a key, but cut into pieces.

use memchr::memmem;

/// id-signedData, as DER.
const SIGNED: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// id-data
const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// How far from the beginning the types stand.
const HEAD: usize = 64;
const FAR: usize = 512;

/// The content that was signed, its pieces joined; none where the signature stands beside what it signs.
pub(in crate::mail) fn content(octets: &[u8]) -> Vec<Vec<u8>> {
    let signed = || {
        let head = &octets[..octets.len().min(HEAD)];
        let at = memmem::find(head, SIGNED)?;
        let near = octets.get(at..)?;
        let data = at + memmem::find(&near[..near.len().min(FAR)], DATA)? + DATA.len();
        Some(joined(octets.get(data..)?))
    };
    let found = (octets.first() == Some(&0x30)).then(signed).flatten();
    found.into_iter().filter(|content| !content.is_empty()).collect()
}

/// All octet strings up to something else, in whatever constructed values (tags `[0]` and OCTET STRING) they stand.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    const EXPLICIT: u8 = 0xa0;
    const CONSTRUCTED: u8 = 0x24;
    const STRING: u8 = 4;
    let mut content = Vec::new();
    while let Some((tag, length, body)) = header(rest) {
        rest = match tag {
            EXPLICIT | CONSTRUCTED => body,
            STRING => {
                let length = length.min(body.len());
                content.extend_from_slice(&body[..length]);
                &body[length..]
            }
            _ => break,
        };
    }
    content
}

/// Tag, length (0 if it is indefinite), and what follows.
fn header(octets: &[u8]) -> Option<(u8, usize, &[u8])> {
    let [tag, first, rest @ ..] = octets else { return None };
    if *first < 0x80 {
        return Some((*tag, usize::from(*first), rest));
    }
    let count = usize::from(first & 0x7f);
    let digits = rest.get(..count).filter(|_| count <= 4)?;
    let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
    Some((*tag, length, &rest[count..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_signed_content_are_joined() {
        let head = [&[0x30, 0x80][..], SIGNED, &[0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0, 0x30, 0x80], DATA].concat();
        let body = [&[0xa0, 0x80, 0x24, 0x80, 4, 2][..], b"he", &[4, 0x81, 3], b"llo", &[0, 0, 0, 0]].concat();
        assert_eq!(content(&[head.clone(), body].concat()), [b"hello"]);
        assert!(content(&[head, vec![0xa0, 0x82, 1, 0]].concat()).is_empty());
    }
}
