//! Archives out of which programs take what clamd by itself does not.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use poplar::mail::eicar;
use sevenz_rust2::{ArchiveEntry, ArchiveWriter, EncoderMethod};

use super::{Mails, mixed, part};

fn attached(octets: &[u8]) -> Vec<u8> {
    mixed(&[super::TEXT, &part("base64", &(STANDARD.encode(octets) + "\r\n"))]).into_bytes()
}

fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(octets: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn tar(octets: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(octets.len() as u64);
    builder.append_data(&mut header, "a", octets).unwrap();
    builder.into_inner().unwrap()
}

fn seven_zip(octets: &[u8], method: EncoderMethod) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    writer.set_content_methods(vec![method.into()]);
    writer.push_archive_entry(ArchiveEntry::new_file("a"), Some(octets)).unwrap();
    writer.finish().unwrap().into_inner()
}

/// One deflated member; `is_long`: with its sizes in 64 bits.
pub(super) fn zip(octets: &[u8], is_long: bool) -> Vec<u8> {
    let data = deflated(octets);
    let mut checksum = flate2::Crc::new();
    checksum.update(octets);
    let sizes = [data.len(), octets.len()];
    let short = |size: usize| if is_long { u32::MAX } else { u32::try_from(size).unwrap() }.to_le_bytes();
    let [packed, size] = sizes.map(|size| (size as u64).to_le_bytes());
    let extra = if is_long { [&[1, 0, 16, 0][..], &size, &packed].concat() } else { Vec::new() };
    let lengths = [1_u16.to_le_bytes(), u16::try_from(extra.len()).unwrap().to_le_bytes()].concat();
    let version = if is_long { 45 } else { 20 };
    let numbers = [&[0, 0, 8, 0, 0, 0, 0, 0][..], &checksum.sum().to_le_bytes()].concat();
    let fields = [&[version, 0][..], &numbers, &short(sizes[0]), &short(sizes[1]), &lengths].concat();
    let local = [b"PK\x03\x04", &fields[..], b"a", &extra, &data].concat();
    let directory = [b"PK\x01\x02\x14\0", &fields[..], &[0; 14], b"a", &extra].concat();
    let place = [directory.len(), local.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes()).concat();
    [&local[..], &directory, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &place, &[0, 0]].concat()
}

pub(super) fn all() -> Mails {
    [readable(&eicar()), named(unread())].concat()
}

/// Such that programs take the file out of.
pub(super) fn readable(file: &[u8]) -> Mails {
    named([hidden(file), inside(file)].concat())
}

fn named(files: Files) -> Mails {
    files.into_iter().map(|(name, octets)| (format!("archive: {name}"), attached(&octets))).collect()
}

type Files = Vec<(&'static str, Vec<u8>)>;

/// Where clamd does not look.
fn hidden(file: &[u8]) -> Files {
    let plain = b"Nothing to see here, move along.";
    let halves = file.split_at(30);
    let zipped = zip(file, false);
    vec![
        ("long sizes", zip(file, true)),
        ("second of two", [zip(plain, false), zipped.clone()].concat()),
        ("first of two", [zipped.clone(), zip(plain, false)].concat()),
        ("behind a gzip file", [gzip(plain), zipped.clone()].concat()),
        ("behind a tar archive", [tar(plain), zipped.clone()].concat()),
        ("behind music", [&b"ID3\x04\0\0\0\0\0\0"[..], &[0; 300], &zipped].concat()),
        ("behind a database", [&b"SQLite format 3\0"[..], &[0; 300], &zipped].concat()),
        ("second gzip stream", [gzip(plain), gzip(file)].concat()),
        ("two gzip streams", [gzip(halves.0), gzip(halves.1)].concat()),
        ("two bzip2 streams", [bzip2(halves.0), bzip2(halves.1)].concat()),
        ("second bzip2 stream", [bzip2(b""), bzip2(file)].concat()),
        ("second of two tars", gzip(&[tar(plain), tar(&gzip(file))].concat())),
    ]
}

/// What would be found by itself, in what clamd opens.
fn inside(file: &[u8]) -> Files {
    let coded = STANDARD.encode(file) + "\r\n";
    let odd = format!("X-One: 1\r\n{}", mixed(&[&part("base64", &coded.replace('l', "l!"))]));
    let quoted: String = file.iter().map(|octet| format!("={octet:02X}")).collect();
    let quoted = mixed(&[&part("quoted-printable", &quoted)]);
    vec![
        ("odd mail in zip", zip(odd.as_bytes(), false)),
        ("mail in tar in gzip", gzip(&tar(quoted.as_bytes()))),
        ("long sizes in zip", zip(&zip(file, true), false)),
        ("second of two in gzip", gzip(&[zip(b"Nothing here.", false), zip(file, false)].concat())),
    ]
}

/// What clamd does not open, in what it does, and by itself.
fn unread() -> Files {
    let lzip = [b"LZIP\x01\x0c", &[0; 40][..]].concat();
    let sealed = b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n".to_vec();
    vec![
        ("7z with bzip2", seven_zip(&eicar(), EncoderMethod::BZIP2)),
        ("lzip in zip", zip(&lzip, false)),
        ("lzip in zip in gzip", gzip(&zip(&lzip, false))),
        ("lzip in tar in bzip2", bzip2(&tar(&lzip))),
        ("lzip in 7z", seven_zip(&lzip, EncoderMethod::LZMA2)),
        ("encrypted text in zip", zip(&sealed, false)),
    ]
}
