//! Files that clamd does not open, or not without being told a key, known by how they begin.

use memchr::memmem;

use super::{Limits, OLE, arj, openpgp, pdf};
use crate::mail::views::Doubt;
use crate::mail::views::carve::cms_kind;

/// Beginnings of what clamd does not unpack.
const UNOPENED: &[(&[u8], &str)] = &[
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (b"LZIP", "lzip"),
    (b"LRZI", "lrzip"),
    (&[0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a], "lzop"),
    (&[0x1f, 0x9d], "compress"),
    (&[0x1f, 0x1e], "pack"),
    (&[0x1f, 0xa0], "compress -H"),
    (b"7kSt\xa0\x31\x83\xd3", "zpaq"),
    (b"zPQ", "zpaq"),
    (b"MSWIM\0\0\0", "WIM"),
    (b"WLPWM\0\0\0", "WIM"),
    (b"SIT!", "StuffIt"),
    (b"StuffIt (c)", "StuffIt"),
    (b"xar!\0\x1c\0\x01encrypted", "XAR"),
    (b"RE~^", "RAR"),
    (b"!<arch>\n", "ar"),
    (b"!<thin>\n", "ar"),
    (&[0xed, 0xab, 0xee, 0xdb], "RPM"),
    (b"hsqs", "squashfs"),
    (b"sqsh", "squashfs"),
    (b"QFI\xfb", "disk image"),
    (b"KDMV", "disk image"),
    (b"# Disk Descriptor", "disk image"),
    (b"conectix", "disk image"),
    (b"vhdxfile", "disk image"),
];
/// The same further inside.
const UNOPENED_AT: &[(usize, &[u8], &str)] = &[
    (7, b"**ACE**", "ACE"),
    (3, b"NTFS    ", "disk image"),
    (3, b"EXFAT   ", "disk image"),
    (54, b"FAT1", "disk image"),
    (82, b"FAT32   ", "disk image"),
    (64, &[0x7f, 0x10, 0xda, 0xbe], "disk image"),
    (16, b"Compressed ROMFS", "cramfs"),
];
/// Beginnings of what nobody reads without a key.
const ENCRYPTED: &[(&[u8], &str)] = &[
    (b"Salted__", "the file"),
    (&[0x03, 0xd9, 0xa2, 0x9a, 0x67, 0xfb, 0x4b, 0xb5], "the password store"),
    (b"LUKS\xba\xbe", "the disk image"),
    (b"age-encryption.org/", "the message"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "the message"),
];

/// Types of S/MIME that need a key or are packed (RFC 5652, RFC 5083, RFC 3274).
const ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const AUTH_ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23];
const COMPRESSED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9];

pub(super) fn sniff(octets: &[u8], limits: &Limits) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = encrypted(octets).map(|what| Doubt::Encrypted { what }).into_iter().collect();
    let mut unopened = |what: &str| doubts.push(Doubt::Unopened { what: format!("{what} files") });
    UNOPENED.iter().filter(|(magic, _)| octets.starts_with(magic)).for_each(|(_, what)| unopened(what));
    let stands = |at: usize, magic: &[u8]| octets.get(at..at + magic.len()) == Some(magic);
    UNOPENED_AT.iter().filter(|(at, magic, _)| stands(*at, magic)).for_each(|(.., what)| unopened(what));
    // The sign of ext2, what state it is in, and what is done about errors.
    if matches!(octets.get(0x438..0x43e), Some([0x53, 0xef, 0..=7, 0, 1..=3, 0])) {
        unopened("disk image");
    }
    let is_jump = matches!(octets, [0xeb, _, 0x90, ..] | [0xe9, ..]);
    if is_jump && stands(510, &[0x55, 0xaa]) && octets.len() > 64 * 512 {
        unopened("disk image");
    }
    if octets.len().checked_sub(DISK_END).is_some_and(|at| stands(at, b"conectix")) {
        unopened("disk image");
    }
    if matches!(octets, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
        unopened("zstd");
    }
    if is_lzma(octets) {
        unopened("LZMA");
    }
    if cms_kind(octets) == Some(COMPRESSED) {
        unopened("compressed S/MIME");
    }
    if openpgp::is_message(octets) {
        unopened("OpenPGP");
    }
    pdf::unopened(octets).into_iter().for_each(&mut unopened);
    if has_rar(octets) && !limits.opens_rar {
        unopened("RAR");
    }
    doubts
}

/// How far from the end of a disk image its last sector begins.
const DISK_END: usize = 512;
const RAR: &[u8] = b"Rar!\x1a\x07";

fn encrypted(octets: &[u8]) -> Option<&'static str> {
    if cms_kind(octets).is_some_and(|kind| [ENVELOPED, ENCRYPTED_DATA, AUTH_ENVELOPED].contains(&kind)) {
        return Some("the S/MIME message");
    }
    if octets.starts_with(RAR) && is_rar_encrypted(&octets[RAR.len()..]) {
        return Some("the RAR archive");
    }
    if arj::is_encrypted(octets) {
        return Some("the ARJ archive");
    }
    if octets.starts_with(OLE) && has_wide(octets, "EncryptedPackage") {
        return Some("the Office document");
    }
    // OpenDocument 1.3, part 2, section 3.4.1
    let begin = octets.trim_ascii_start();
    if begin.starts_with(b"<") && memmem::find(octets, b"manifest:encryption-data").is_some() {
        return Some("the document");
    }
    if openpgp::has_armour(octets) {
        return Some("the message");
    }
    ENCRYPTED.iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, what)| *what)
}

/// An archive may stand behind a program that unpacks it, or behind anything else: by its sign and its first header.
fn has_rar(octets: &[u8]) -> bool {
    memmem::find_iter(octets, RAR).any(|at| match &octets[at + RAR.len()..] {
        // A checksum of two octets, the archive's header.
        [0, _, _, kind, ..] => *kind == RAR_ARCHIVE,
        // A checksum of four octets, a length, the archive's header or encryption's.
        [1, 0, _, _, _, _, rest @ ..] => {
            let lengths = rest.iter().take_while(|octet| **octet & 0x80 != 0).count();
            rest.get(lengths + 1).is_some_and(|kind| matches!(kind, 1 | 4))
        }
        _ => false,
    })
}

const RAR_ARCHIVE: u8 = 0x73;

fn has_wide(octets: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memmem::find(octets, &wide).is_some()
}

/// Version 4: flags of the archive's and the first file's header. Version 5: the type of the first header.
fn is_rar_encrypted(rest: &[u8]) -> bool {
    const FILE: u8 = 0x74;
    const ENCRYPTION: u8 = 4;
    match rest {
        [0, headers @ ..] => {
            let flags = |at: usize| {
                headers.get(at + 3).zip(headers.get(at + 4)).map_or(0, |(low, high)| u16::from_le_bytes([*low, *high]))
            };
            let next = headers.get(5).map_or(0, |length| usize::from(*length));
            headers.get(2) == Some(&RAR_ARCHIVE) && flags(0) & 0x80 != 0
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

/// The old format has no signature: its properties, a dictionary whose size is a power of two or half as much again, a
/// sane length, and the NUL that all of its data begins with.
fn is_lzma(octets: &[u8]) -> bool {
    const LARGEST: u64 = 1 << 38;
    const MOST_PROPERTIES: u8 = 9 * 5 * 5;
    let Some(header) = octets.get(..14) else { return false };
    let dictionary = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
    let length = header[5..13].iter().rev().fold(0_u64, |length, octet| length << 8 | u64::from(*octet));
    let is_usual = dictionary.is_power_of_two() || dictionary % 3 == 0 && (dictionary / 3).is_power_of_two();
    header[0] < MOST_PROPERTIES
        && header[13] == 0
        && dictionary >= 1 << 12
        && (is_usual || dictionary == u32::MAX)
        && (length == u64::MAX || length > 0 && length < LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_flagged(octets: &[u8]) -> bool {
        !sniff(octets, &Limits { opens_rar: true, ..Limits::default() }).is_empty()
    }

    #[test]
    fn an_archive_behind_something_else_is_known() {
        let rar4 = [b"\xff\xd8 picture", RAR, b"\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0"].concat();
        assert_eq!(sniff(&rar4, &Limits::default()).len(), 1);
        assert!(sniff(b"It begins with Rar!\x1a\x07\0 and more", &Limits::default()).is_empty());
    }

    #[test]
    fn encrypted_and_unopened_files_are_known_by_their_beginnings() {
        let ole = [OLE, &[0; 64], b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"].concat();
        let rar4 = [RAR, b"\0\xcf\x90\x73\x80\0\x0d\0\0\0\0\0\0\0"].concat();
        let rar5 = [RAR, b"\x01\0\0\0\0\0\x21\x04\0\0"].concat();
        let enveloped = [&[0x30, 0x80, 6, 0x81, 9], ENVELOPED].concat();
        let disk = [&[0x55; 4096][..], b"conectix", &[0; 504]].concat();
        let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0";
        for file in [
            &ole[..],
            &rar4,
            &rar5,
            &enveloped,
            &disk,
            lzma,
            b"\x01\0\0\xc0\0\x07\0\0\0\0\0\0\0\0",
            b"!<arch>\nx",
            b"Salted__1",
            b"\r\n-----BEGIN PGP MESSAGE-----\r\n",
            b"\x28\xb5\x2f\xfd",
        ] {
            assert!(is_flagged(file), "{file:?}");
        }
        for file in [OLE, b"", b"]]]]]]]]]]]]]]]", b"Hello", &[RAR, b"\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0"].concat()] {
            assert!(!is_flagged(file), "{file:?}");
        }
    }
}
