//! Files inside octets, whatever the octets are said to be.

use super::transfer::{base64, binhex, uuencode, yenc};
use crate::mail::message::Part;

/// Every file that is found, with how it was packed. `is_declared_uuencode`: needs no begin line.
pub(super) fn files(octets: &[u8], is_declared_uuencode: bool) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut put = |kind: &'static str, files: Vec<Vec<u8>>| all.extend(files.into_iter().map(|file| (kind, file)));
    put("uuencode", uuencode::files(octets, is_declared_uuencode));
    put("yenc", yenc::files(octets));
    put("binhex", binhex::forks(octets));
    put("base64", base64::runs(octets));
    all
}

pub(super) fn text_of(part: &Part<'_>) -> Option<String> { None }
pub(super) fn utf16(octets: &[u8]) -> Option<String> { None }
