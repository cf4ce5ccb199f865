//! What parent and worker say to each other over pipes: one frame each way for a document. Knows nothing about time:
//! whoever reads has the deadline.
//!
//! A request is `kind u8, type length u16, name length u16, octets length u64`, then those three; an answer
//! `kind u8, why length u16, text length u64`, then those two. All numbers are little-endian.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::{Extracted, Outcome};

pub(super) const REQUEST_HEAD: usize = 13;
pub(super) const ANSWER_HEAD: usize = 11;
/// Longer explanations are cut.
pub(super) const LONGEST_WHY: usize = 1000;

/// What the worker is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Read = 1,
    /// To try what it must not be able to do.
    Probe = 2,
}

/// Something the worker tried that it must not be able to do, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub what: String,
    /// `None`: it could do it.
    pub refused: Option<String>,
}

pub(super) struct Request {
    pub(super) ask: Ask,
    pub(super) content_type: String,
    pub(super) filename: Option<String>,
    pub(super) octets: Vec<u8>,
}

/// The head of a request and what stands between it and the octets. Type and name are cut where they are too long.
pub(super) fn request(ask: Ask, content_type: &str, filename: Option<&str>, octets: u64) -> Vec<u8> {
    let content_type = cut(content_type, usize::from(u16::MAX)).as_bytes();
    let filename = cut(filename.unwrap_or_default(), usize::from(u16::MAX)).as_bytes();
    let short = |octets: &[u8]| u16::try_from(octets.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&[ask as u8][..], &short(content_type), &short(filename), &octets.to_le_bytes(), content_type, filename].concat()
}

/// `None` at the end, between two requests. The length is the parent's, which is trusted.
pub(super) fn read_request(input: &mut impl Read) -> io::Result<Option<Request>> {
    let mut head = [0; REQUEST_HEAD];
    if input.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut head[1..])?;
    let ask = if head[0] == Ask::Probe as u8 { Ask::Probe } else { Ask::Read };
    let kind = take(input, u16::from_le_bytes([head[1], head[2]]).into())?;
    let name = take(input, u16::from_le_bytes([head[3], head[4]]).into())?;
    let octets = take(input, u64::from_le_bytes(eight(&head[5..])))?;
    let filename = Some(String::from_utf8_lossy(&name).into_owned()).filter(|name| !name.is_empty());
    Ok(Some(Request { ask, content_type: String::from_utf8_lossy(&kind).into_owned(), filename, octets }))
}

fn take(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    match input.take(length).read_to_end(&mut octets)? as u64 == length {
        true => Ok(octets),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn eight(octets: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&octets[..8]);
    eight
}

pub(super) fn write_answer(output: &mut impl Write, extracted: &Extracted) -> io::Result<()> {
    let why = cut(extracted.outcome.why().unwrap_or_default(), LONGEST_WHY);
    let why_length = u16::try_from(why.len()).map_err(io::Error::other)?;
    output.write_all(&[kind(&extracted.outcome)])?;
    output.write_all(&why_length.to_le_bytes())?;
    output.write_all(&(extracted.text.len() as u64).to_le_bytes())?;
    output.write_all(why.as_bytes())?;
    output.write_all(extracted.text.as_bytes())?;
    output.flush()
}

const fn kind(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Read => 1,
        Outcome::Partial(_) => 2,
        Outcome::Encrypted => 3,
        Outcome::Unsupported => 4,
        // The worker cannot say of itself that it died.
        Outcome::Failed(_) | Outcome::Crashed(_) | Outcome::Unavailable(_) => 5,
    }
}

/// The head of an answer: how much follows. The worker is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerHead {
    kind: u8,
    pub(super) why_bytes: usize,
    pub(super) text_bytes: usize,
}

impl AnswerHead {
    /// `None` where it is no answer, or would be longer than is allowed.
    pub(super) fn read(head: &[u8; ANSWER_HEAD], most_text: u64) -> Option<Self> {
        let why_bytes = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let text_bytes = u64::from_le_bytes(eight(&head[3..]));
        let is_sound = (1..=5).contains(&head[0]) && why_bytes <= LONGEST_WHY && text_bytes <= most_text;
        let text_bytes = usize::try_from(text_bytes).ok()?;
        is_sound.then_some(Self { kind: head[0], why_bytes, text_bytes })
    }

    /// What follows a head, as it says.
    pub(super) fn fill(self, mut body: Vec<u8>) -> Extracted {
        let text = body.split_off(self.why_bytes.min(body.len()));
        let why = String::from_utf8_lossy(&body).into_owned();
        let text = String::from_utf8(text).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned());
        let outcome = match self.kind {
            1 => Outcome::Read,
            2 => Outcome::Partial(why),
            3 => Outcome::Encrypted,
            4 => Outcome::Unsupported,
            _ => Outcome::Failed(why),
        };
        Extracted { text, outcome }
    }
}

/// The beginning of a text, of whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answered(extracted: &Extracted, most_text: u64) -> Option<Extracted> {
        let mut octets = Vec::new();
        write_answer(&mut octets, extracted).unwrap();
        let (head, body) = octets.split_first_chunk().unwrap();
        Some(AnswerHead::read(head, most_text)?.fill(body.to_vec()))
    }

    #[test]
    fn an_answer_arrives_as_it_was_given() {
        for outcome in
            [Outcome::Read, Outcome::Partial("é".repeat(400)), Outcome::Encrypted, Outcome::Failed("x".to_owned())]
        {
            let extracted = Extracted { text: "Rechnung".to_owned(), outcome };
            assert_eq!(answered(&extracted, 8), Some(extracted.clone()));
            assert_eq!(answered(&extracted, 7), None, "longer than is allowed");
        }
        let long = Extracted::nothing(Outcome::Failed("é".repeat(LONGEST_WHY)));
        assert_eq!(answered(&long, 0), Some(Extracted::nothing(Outcome::Failed("é".repeat(LONGEST_WHY / 2)))));
    }

    #[test]
    fn a_request_arrives_as_it_was_sent_and_a_cut_one_is_an_error() {
        let sent = [&request(Ask::Read, "text/plain", Some("a.txt"), 3)[..], b"abc"].concat();
        let read = read_request(&mut &sent[..]).unwrap().unwrap();
        assert_eq!((read.content_type.as_str(), read.filename.as_deref()), ("text/plain", Some("a.txt")));
        assert_eq!((read.ask, read.octets.as_slice()), (Ask::Read, &b"abc"[..]));
        assert!(read_request(&mut &b""[..]).unwrap().is_none());
        for end in 1..sent.len() {
            assert!(read_request(&mut &sent[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_refused_or_read(head in any::<[u8; ANSWER_HEAD]>(), body in prop::collection::vec(any::<u8>(), 0..99)) {
            if let Some(head) = AnswerHead::read(&head, 1 << 20) {
                prop_assert!(head.text_bytes <= 1 << 20 && head.why_bytes <= LONGEST_WHY);
                head.fill(body);
            }
        }
    }
}
