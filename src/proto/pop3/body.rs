use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::line::Ending;

static CRLF_DOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

/// Undoes dot-stuffing (RFC 1939 section 3) and finds the end of a message. Every other octet is passed on as it came:
/// NUL, bare CR, bare LF, 8-bit, lines of any length.
///
/// The first dot of a line is dropped only if a second one follows. That is the same on servers that stuff, and loses
/// nothing on servers that do not. A line begins after CR LF only, so that a message holding `LF . LF` neither ends
/// early nor passes its rest off as the next reply.
#[derive(Debug)]
pub(super) struct Body {
    place: Place,
    ending: Ending,
    octets: u64,
    lone_dots: u64,
}

pub(super) enum Piece<'i> {
    Text(&'i [u8]),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Text,
    AfterCr,
}

impl Body {
    pub(super) const fn new(ending: Ending) -> Self {
        Self { place: Place::LineStart, ending, octets: 0, lone_dots: 0 }
    }

    /// Octets given out so far.
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Lines that began with one dot: the server does not stuff.
    pub(super) const fn lone_dots(&self) -> u64 {
        self.lone_dots
    }

    /// The next piece from the front of `input`. `None`: the rest (at most `.CR`) decides only with what follows it.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        if self.place == Place::LineStart {
            match lead(input, self.ending) {
                Lead::Undecided => return None,
                Lead::End(length) => {
                    *input = &input[length..];
                    return Some(Piece::End);
                }
                Lead::Stuffed => *input = &input[1..],
                Lead::LoneDot => self.lone_dots += 1,
                Lead::Text => {}
            }
        }
        if input.is_empty() {
            return None;
        }
        let (text, rest) = input.split_at(self.text_length(input));
        *input = rest;
        self.place = self.place_after(text);
        self.octets += text.len() as u64;
        Some(Piece::Text(text))
    }

    /// Up to the line that begins with a dot, or all of it.
    fn text_length(&self, input: &[u8]) -> usize {
        match self.ending {
            Ending::CrLf if self.place == Place::AfterCr && input.starts_with(b"\n") => 1,
            Ending::CrLf => CRLF_DOT.find(input).map_or(input.len(), |at| at + 2),
            Ending::Lf => memmem::find(input, b"\n.").map_or(input.len(), |at| at + 1),
        }
    }

    fn place_after(&self, text: &[u8]) -> Place {
        match self.ending {
            Ending::CrLf if text.ends_with(b"\r\n") => Place::LineStart,
            Ending::CrLf if text == b"\n" && self.place == Place::AfterCr => Place::LineStart,
            Ending::CrLf if text.ends_with(b"\r") => Place::AfterCr,
            Ending::Lf if text.ends_with(b"\n") => Place::LineStart,
            _ => Place::Text,
        }
    }
}

enum Lead {
    Undecided,
    End(usize),
    Stuffed,
    LoneDot,
    Text,
}

fn lead(input: &[u8], ending: Ending) -> Lead {
    match (input, ending) {
        ([] | [b'.'], _) | ([b'.', b'\r'], Ending::CrLf) => Lead::Undecided,
        ([b'.', b'\r', b'\n', ..], Ending::CrLf) => Lead::End(3),
        ([b'.', b'\n', ..], Ending::Lf) => Lead::End(2),
        ([b'.', b'.', ..], _) => Lead::Stuffed,
        ([b'.', ..], _) => Lead::LoneDot,
        _ => Lead::Text,
    }
}

/// The server's half: appends `octets` dot-stuffed, with the final CR LF a message must have on the wire and the
/// closing dot.
pub fn stuff(octets: &[u8], wire: &mut Vec<u8>) {
    let mut rest = octets;
    while !rest.is_empty() {
        if rest.starts_with(b".") {
            wire.push(b'.');
        }
        let length = CRLF_DOT.find(rest).map_or(rest.len(), |at| at + 2);
        wire.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    if !octets.is_empty() && !octets.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out when `wire` arrives in pieces of the given sizes, over and over; and what is left behind the end.
    fn unstuff(wire: &[u8], cuts: &[usize]) -> (Vec<u8>, bool, usize) {
        let (mut body, mut out, mut taken) = (Body::new(Ending::CrLf), Vec::new(), 0);
        let mut arrived = 0;
        for cut in cuts.iter().cycle() {
            arrived = wire.len().min(arrived + cut);
            let mut input = &wire[taken..arrived];
            while let Some(piece) = body.next(&mut input) {
                match piece {
                    Piece::Text(text) => out.extend_from_slice(text),
                    Piece::End => return (out, true, wire.len() - arrived + input.len()),
                }
            }
            taken = arrived - input.len();
            if arrived == wire.len() {
                break;
            }
        }
        (out, false, 0)
    }

    /// Mail made of what matters here, so that dots meet line ends often.
    fn mail() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b".".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r\n.".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn unstuffing_undoes_stuffing_however_it_is_cut(mail in mail(), cuts in prop::collection::vec(1usize..9, 1..6)) {
            let mut wire = Vec::new();
            stuff(&mail, &mut wire);
            wire.extend_from_slice(b"+OK");
            let mut expected = mail.clone();
            if !mail.is_empty() && !mail.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(unstuff(&wire, &cuts), (expected, true, 3));
        }

        #[test]
        fn what_a_server_does_not_stuff_is_kept_as_it_came(line in "[.]?[a-z\n\r\0]{1,5}[a-z]") {
            let wire = [line.as_bytes(), b"\r\n.\r\n"].concat();
            prop_assume!(!line.contains("\r\n"));
            let (out, ended, _) = unstuff(&wire, &[1]);
            prop_assert!(ended);
            prop_assert_eq!(out, [line.as_bytes(), b"\r\n"].concat());
        }
    }
}
