//! Files inside octets, whatever the octets are said to be. Knows nothing about messages.

mod pkcs7;
mod text;
mod wrappers;

use super::transfer::{base64, binhex, uuencode, yenc};

pub(in crate::mail) use pkcs7::content as signed_content;
pub(super) use text::{hidden_text, utf16};

/// Every file that is found, with how it was packed.
pub(super) struct Files {
    pub(super) found: Vec<(&'static str, Vec<u8>)>,
    /// There is more than was unpacked.
    pub(super) is_cut: bool,
}

/// `is_declared_uuencode`: needs no begin line.
pub(super) fn files(octets: &[u8], is_declared_uuencode: bool) -> Files {
    let mut all = Vec::new();
    let forks = binhex::forks(octets);
    let (tnef, tnef_is_cut) = wrappers::tnef(octets);
    let (apple, apple_is_cut) = wrappers::apple_single(octets);
    let mut put = |kind: &'static str, files: Vec<Vec<u8>>| all.extend(files.into_iter().map(|file| (kind, file)));
    put("uuencode", uuencode::files(octets, is_declared_uuencode));
    put("yenc", yenc::files(octets));
    put("binhex", forks.found);
    put("base64", base64::runs(octets));
    put("data-uri", text::data_uris(octets));
    put("hex", text::hexadecimal(octets));
    put("ole", wrappers::ole1(octets));
    put("tnef", tnef);
    put("macintosh", apple);
    put("signed", pkcs7::content(octets));
    Files { found: all, is_cut: forks.is_cut || tnef_is_cut || apple_is_cut }
}
