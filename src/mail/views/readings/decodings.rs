//! What bodies can be decoded to, one reading at a time.

use crate::mail::message::{Encoding, Part};
use crate::mail::views::fields::Coding;
use crate::mail::views::transfer::{base64, quoted, uuencode};

/// Readings of a part's body other than the one that the rules give.
pub(super) fn part_readings(part: &Part<'_>) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let body: &[u8] = part.raw();
    let coding = match part.encoding() {
        Encoding::Base64 if base64::is_plain(body) => None,
        Encoding::Base64 => Some(Coding { base64: true, uuencode: true, ..Coding::default() }),
        Encoding::QuotedPrintable if quoted::is_plain(body) && !base64::is_likely(body) => None,
        Encoding::QuotedPrintable => Some(Coding { quoted: true, ..Coding::default() }),
        Encoding::None => Some(Coding::default()),
    };
    let undecoded = coding.filter(|coding| coding.base64).map(|_| ("undecoded", body.to_vec()));
    coding.into_iter().flat_map(|coding| decodings(body, coding)).chain(undecoded)
}

/// What a body can be decoded to, by its headers or by its looks.
pub(super) fn decodings(body: &[u8], coding: Coding) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let is_base64 = coding.base64 || base64::is_likely(body);
    let is_quoted = coding.quoted || quoted::is_likely(body);
    let base64 = is_base64.then_some(body).into_iter().flat_map(move |body| base64::readings(body, coding.base64));
    let uuencode = coding.uuencode.then_some(body).into_iter().flat_map(|body| uuencode::files(body, true));
    let quoted = is_quoted.then_some(body).into_iter().flat_map(quoted::readings);
    let quoted = quoted.take(if coding.quoted { usize::MAX } else { 1 });
    let base64 = base64.map(|octets| ("base64", octets));
    let uuencode = uuencode.map(|octets| ("uuencode", octets));
    base64.chain(uuencode).chain(quoted.map(|octets| ("quoted-printable", octets)))
}
