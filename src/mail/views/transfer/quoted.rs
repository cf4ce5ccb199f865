//! Quoted-printable (RFC 2045, section 6.7) in all the ways decoders forgive.

use crate::mail::views::lines::is_blank;

/// What becomes of `=` where no two hexadecimal digits follow.
#[derive(Clone, Copy)]
enum Broken {
    Keep,
    Drop,
    DropThree,
}

/// Whether there is something to decode.
pub(in crate::mail::views) fn is_likely(body: &[u8]) -> bool {
    let (mut escapes, mut soft) = (0_usize, 0_usize);
    for at in memchr::memchr_iter(b'=', body) {
        match &body[at + 1..] {
            rest if line_end(rest).is_some() => soft += 1,
            [high, low, ..] if hex(*high).is_some() && hex(*low).is_some() => escapes += 1,
            _ => {}
        }
    }
    soft > 0 || escapes * 20 > body.len()
}

/// Whether all decoders agree on a body.
pub(in crate::mail::views) fn is_plain(body: &[u8]) -> bool {
    memchr::memchr_iter(b'=', body).all(|at| match &body[at + 1..] {
        [b'\n', ..] | [b'\r', b'\n', ..] | [] => true,
        [high, low, ..] => hex(*high).is_some() && hex(*low).is_some(),
        _ => false,
    })
}

/// Every reading of a body, some perhaps the same; the likeliest first.
pub(in crate::mail::views) fn readings(body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let is_plain = is_plain(body);
    let others = [Broken::Drop, Broken::DropThree].into_iter().filter(move |_| !is_plain);
    let forgiven = [Broken::Keep].into_iter().chain(others).map(|broken| decode(body, broken));
    forgiven.chain((!is_plain).then_some(body).map(doubled))
}

fn decode(body: &[u8], broken: Broken) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(length) = line_end(rest) {
            rest = &rest[length..];
            continue;
        }
        match (rest, broken) {
            ([high, low, after @ ..], broken) => match (hex(*high), hex(*low), broken) {
                (Some(high), Some(low), _) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                (_, _, Broken::Keep) => out.push(b'='),
                (_, _, Broken::Drop) => {}
                (_, _, Broken::DropThree) => rest = after,
            },
            (_, Broken::Keep) if !rest.is_empty() => out.push(b'='),
            _ => {}
        }
    }
    out.extend_from_slice(rest);
    out
}

/// As Python's `quopri` does: `==` is `=`, and what follows `=` CR is not there, up to the next LF.
fn doubled(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        rest = match rest {
            [b'\r' | b'\n', ..] => &rest[memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)..],
            [high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.extend(hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low));
                after
            }
            [] => rest,
            _ => {
                out.push(b'=');
                rest.strip_prefix(b"=").unwrap_or(rest)
            }
        };
    }
    out.extend_from_slice(rest);
    out
}

/// How long the blanks and the line end are that follow a soft line break.
fn line_end(rest: &[u8]) -> Option<usize> {
    const MOST_BLANKS: usize = 200;
    let blanks = rest.iter().take(MOST_BLANKS).take_while(|octet| is_blank(**octet)).count();
    match &rest[blanks..] {
        [b'\r', b'\r', b'\n', ..] => Some(blanks + 3),
        [b'\r', b'\n', ..] => Some(blanks + 2),
        [b'\r' | b'\n', ..] => Some(blanks + 1),
        _ => None,
    }
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_reading_of_odd_escapes_is_among_them() {
        let has = |body: &str, expected: &str| {
            assert!(readings(body.as_bytes()).any(|reading| reading == expected.as_bytes()), "{body:?}");
        };
        has("a=3db=  \t\r\nc", "a=bc");
        has("a=ZZb", "a=ZZb");
        has("a=ZZb", "aZZb");
        has("a=ZZb", "ab");
        has("a=\rb=\nc=", "abc");
        has("a==b=3D", "a=b=");
        has("a=\rjunk\nb==c", "ab=c");
    }

    proptest! {
        #[test]
        fn any_octets_are_read(text in "[=0-9A-Fz \r\n]{0,100}") {
            readings(text.as_bytes()).for_each(drop);
            is_likely(text.as_bytes());
        }
    }
}
