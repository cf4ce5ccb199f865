//! The message inside an S/MIME signature (RFC 5652): readable without a key, but cut into pieces.

/// id-signedData and id-digestedData, which hold their content in the same place.
const KINDS: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 5]];
const OBJECT_IDENTIFIER: u8 = 6;
const SEQUENCE: u8 = 0x30;
const EXPLICIT: u8 = 0xa0;

/// The content that was signed, its pieces joined, of whatever type it says it is; none where the signature stands beside
/// what it signs.
pub(in crate::mail) fn content(octets: &[u8]) -> Vec<Vec<u8>> {
    let signed = || {
        let is_known = KINDS.contains(&kind(octets)?);
        let rest = skipped(entered(octets, SEQUENCE)?).filter(|_| is_known)?;
        let data = entered(entered(rest, EXPLICIT)?, SEQUENCE)?;
        // The version, and the digest's algorithms or its one.
        let encapsulated = entered(skipped(skipped(data)?)?, SEQUENCE)?;
        Some(joined(skipped(encapsulated)?))
    };
    signed().into_iter().filter(|content| !content.is_empty()).collect()
}

/// Of what type a message is (section 3): an object identifier, as DER has it.
pub(in crate::mail::views) fn kind(octets: &[u8]) -> Option<&[u8]> {
    let Header { tag, length, body } = header(entered(octets, SEQUENCE)?)?;
    body.get(..length?).filter(|_| tag == OBJECT_IDENTIFIER)
}

/// What stands in a value of that tag.
fn entered(octets: &[u8], expected: u8) -> Option<&[u8]> {
    header(octets).filter(|header| header.tag == expected).map(|header| header.body)
}

/// What follows a value.
fn skipped(octets: &[u8]) -> Option<&[u8]> {
    const END: u8 = 0;
    let mut open = 0_usize;
    let mut rest = octets;
    loop {
        let Header { tag, length, body } = header(rest)?;
        rest = body.get(length.unwrap_or(0)..)?;
        match length {
            None => open += 1,
            Some(0) if tag == END && open > 0 => open -= 1,
            Some(_) => {}
        }
        if open == 0 {
            return Some(rest);
        }
    }
}

/// All octet strings up to something else, in whatever constructed values (tags `[0]` and OCTET STRING) they stand.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    const END: u8 = 0;
    const CONSTRUCTED: u8 = 0x24;
    const STRING: u8 = 4;
    let mut content = Vec::new();
    while let Some(Header { tag, length, body }) = header(rest) {
        rest = match tag {
            EXPLICIT | CONSTRUCTED => body,
            STRING => {
                let length = length.unwrap_or(0).min(body.len());
                content.extend_from_slice(&body[..length]);
                &body[length..]
            }
            // Of a piece that was itself in pieces.
            END if length == Some(0) => body,
            _ => break,
        };
    }
    content
}

struct Header<'o> {
    tag: u8,
    /// `None` if it is indefinite.
    length: Option<usize>,
    /// What follows.
    body: &'o [u8],
}

fn header(octets: &[u8]) -> Option<Header<'_>> {
    let [tag, first, rest @ ..] = octets else { return None };
    if *first < 0x80 {
        return Some(Header { tag: *tag, length: Some(usize::from(*first)), body: rest });
    }
    let count = usize::from(first & 0x7f);
    let digits = rest.get(..count)?;
    let length = digits
        .iter()
        .try_fold(0_usize, |length, digit| length.checked_mul(256).map(|length| length | usize::from(*digit)))?;
    Some(Header { tag: *tag, length: (count > 0).then_some(length), body: &rest[count..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_signed_content_are_joined() {
        const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
        let algorithms = [&[0x31, 0x80][..], &[0x30, 4, 6, 2, 0x2a, 3].repeat(200), &[0, 0]].concat();
        let head = [
            &[0x30, 0x80, 6, 0x82, 0, 9][..],
            KINDS[0],
            &[0xa0, 0x80, 0x30, 0x80, 2, 1, 1],
            &algorithms,
            &[0x30, 0x80],
            DATA,
        ]
        .concat();
        let body =
            [&[0xa0, 0x80, 0x24, 0x80, 4, 2][..], b"he", &[4, 0x86, 0, 0, 0, 0, 0, 3], b"llo", &[0, 0, 0, 0]].concat();
        assert_eq!(content(&[head.clone(), body].concat()), [b"hello"]);
        let nested =
            [&[0xa0, 0x80, 0x24, 0x80, 0x24, 0x80, 4, 2][..], b"he", &[0, 0, 4, 3], b"llo", &[0; 4], &[0x30]].concat();
        assert_eq!(content(&[head.clone(), nested].concat()), [b"hello"]);
        assert!(content(&[head, vec![0xa0, 0x82, 1, 0]].concat()).is_empty());
    }
}
