//! Files that clamd does not open, or not without being told a key, known by how they begin.

use memchr::memmem;

use super::{Limits, OLE};
use crate::mail::views::Doubt;

/// Beginnings of what clamd does not unpack.
const UNOPENED: [(&[u8], &str); 9] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (b"LZIP", "lzip"),
    (&[0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a], "lzop"),
    (&[0x1f, 0x9d, 0x90], "compress"),
    (b"MSWIM\0\0\0", "WIM"),
    (b"SIT!", "StuffIt"),
    (b"StuffIt (c)", "StuffIt"),
    (b"xar!\0\x1c\0\x01encrypted", "XAR"),
];

/// Contents of S/MIME that need a key or are packed (RFC 5652, RFC 5083, RFC 3274), as DER.
const ENVELOPED: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
const ENCRYPTED_DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const AUTH_ENVELOPED: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23];
const COMPRESSED: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9];

pub(super) fn sniff(octets: &[u8], limits: &Limits) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = encrypted(octets).map(|what| Doubt::Encrypted { what }).into_iter().collect();
    let mut unopened = |what: &str| doubts.push(Doubt::Unopened { what: format!("{what} files") });
    for (_, what) in UNOPENED.iter().filter(|(magic, _)| octets.starts_with(magic)) {
        unopened(what);
    }
    if is_lzma(octets) {
        unopened("LZMA");
    }
    if octets.get(7..14) == Some(b"**ACE**") {
        unopened("ACE");
    }
    if is_smime(octets, COMPRESSED) {
        unopened("compressed S/MIME");
    }
    if octets.starts_with(RAR) && !limits.opens_rar {
        unopened("RAR");
    }
    doubts
}

const RAR: &[u8] = b"Rar!\x1a\x07";

fn encrypted(octets: &[u8]) -> Option<&'static str> {
    if [ENVELOPED, ENCRYPTED_DATA, AUTH_ENVELOPED].iter().any(|kind| is_smime(octets, kind)) {
        return Some("the S/MIME message");
    }
    if octets.starts_with(RAR) && is_rar_encrypted(&octets[RAR.len()..]) {
        return Some("the RAR archive");
    }
    if octets.starts_with(OLE) && has_wide(octets, "EncryptedPackage") {
        return Some("the Office document");
    }
    let begin = octets.trim_ascii_start();
    let is_armoured = begin.starts_with(b"-----BEGIN PGP MESSAGE-----");
    let is_age = begin.starts_with(b"age-encryption.org/") || begin.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
    (is_armoured || is_age).then_some("the message")
}

fn is_smime(octets: &[u8], kind: &[u8]) -> bool {
    const HEAD: usize = 32;
    octets.first() == Some(&0x30) && memmem::find(&octets[..octets.len().min(HEAD)], kind).is_some()
}

fn has_wide(octets: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memmem::find(octets, &wide).is_some()
}

/// Version 4: flags of the archive's and the first file's header. Version 5: the type of the first header.
fn is_rar_encrypted(rest: &[u8]) -> bool {
    const ARCHIVE: u8 = 0x73;
    const FILE: u8 = 0x74;
    const ENCRYPTION: u8 = 4;
    match rest {
        [0, headers @ ..] => {
            let flags = |at: usize| {
                headers.get(at + 3).zip(headers.get(at + 4)).map_or(0, |(low, high)| u16::from_le_bytes([*low, *high]))
            };
            let next = headers.get(5).map_or(0, |length| usize::from(*length));
            headers.get(2) == Some(&ARCHIVE) && flags(0) & 0x80 != 0
                || headers.get(next + 2) == Some(&FILE) && flags(next) & 4 != 0
        }
        [1, 0, headers @ ..] => {
            // A checksum of four octets, a length, the type.
            let lengths = headers.iter().skip(4).take_while(|octet| **octet & 0x80 != 0).count();
            headers.get(4 + lengths + 1) == Some(&ENCRYPTION)
        }
        _ => false,
    }
}

/// The old format has no signature: its properties, a dictionary whose size is a power of two, a sane length.
fn is_lzma(octets: &[u8]) -> bool {
    const LARGEST: u64 = 1 << 40;
    let Some(header) = octets.get(..13) else { return false };
    let dictionary = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
    let length = header[5..].iter().rev().fold(0_u64, |length, octet| length << 8 | u64::from(*octet));
    header[0] == 0x5d
        && dictionary.is_power_of_two()
        && dictionary >= 1 << 12
        && (length == u64::MAX || length < LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_flagged(octets: &[u8]) -> bool {
        !sniff(octets, &Limits { opens_rar: true, ..Limits::default() }).is_empty()
    }

    #[test]
    fn encrypted_and_unopened_files_are_known_by_their_beginnings() {
        let ole = [OLE, &[0; 64], b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"].concat();
        let rar4 = [RAR, b"\0\xcf\x90\x73\x80\0\x0d\0\0\0\0\0\0\0"].concat();
        let rar5 = [RAR, b"\x01\0\0\0\0\0\x21\x04\0\0"].concat();
        let enveloped = [&[0x30, 0x80], ENVELOPED].concat();
        let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0";
        for file in
            [&ole[..], &rar4, &rar5, &enveloped, lzma, b"\r\n-----BEGIN PGP MESSAGE-----\r\n", b"\x28\xb5\x2f\xfd"]
        {
            assert!(is_flagged(file), "{file:?}");
        }
        for file in [OLE, b"", b"]]]]]]]]]]]]]]]", b"Hello", &[RAR, b"\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0"].concat()] {
            assert!(!is_flagged(file), "{file:?}");
        }
    }
}
