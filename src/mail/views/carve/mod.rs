//! Files inside octets, whatever the octets are said to be. Knows nothing about messages.

mod charset;
mod escapes;
mod pkcs7;
mod rtf;
mod text;
mod wrappers;

use super::transfer::{base64, binhex, uuencode, yenc};

pub(super) use charset::{hidden_text, utf16};
pub(in crate::mail) use pkcs7::content as signed_content;
pub(super) use pkcs7::kind as cms_kind;

/// Gives every file that is found, with how it was packed: those of one kind at a time, as each may be as long as all.
/// Whether there is more than was unpacked.
pub(super) fn files(octets: &[u8], take: &mut dyn FnMut(&'static str, Vec<u8>)) -> bool {
    let mut put = |kind: &'static str, files: Vec<Vec<u8>>| files.into_iter().for_each(|file| take(kind, file));
    put("uuencode", uuencode::files(octets, false));
    put("uuencode", uuencode::loose(octets));
    put("yenc", yenc::files(octets));
    put("base64", base64::runs(octets));
    put("data-uri", text::data_uris(octets));
    put("base64", base64::pieces(octets));
    put("hex", text::hexadecimal(octets));
    put("escapes", escapes::escaped(octets));
    put("numbers", escapes::numbers(octets));
    put("references", escapes::dereferenced(octets).into_iter().collect());
    put("unfolded", escapes::unfolded(octets).into_iter().collect());
    put("ole", wrappers::ole1(octets));
    put("macintosh", wrappers::mac_binary(octets));
    put("signed", pkcs7::content(octets));
    let forks = binhex::forks(octets);
    put("binhex", forks.found);
    let (binary, binary_is_cut) = rtf::binary(octets);
    put("rtf", binary);
    let (objects, objects_are_cut) = rtf::objects(octets);
    put("rtf", objects);
    let (packed, packed_is_cut) = rtf::unpacked(octets);
    put("rtf", packed);
    let (tnef, tnef_is_cut) = wrappers::tnef(octets);
    put("tnef", tnef);
    let (apple, apple_is_cut) = wrappers::apple_single(octets);
    put("macintosh", apple);
    [forks.is_cut, binary_is_cut, objects_are_cut, packed_is_cut, tnef_is_cut, apple_is_cut].contains(&true)
}

/// Files whose pieces lie in several parts.
pub(super) fn across(octets: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let blocks = yenc::files(octets);
    let joined = blocks.into_iter().skip(1).map(|file| ("yenc", file));
    uuencode::loose(octets).into_iter().map(|file| ("uuencode", file)).chain(joined).collect()
}
