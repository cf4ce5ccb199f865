//! Archives of any files. Those that are one document in pieces go to `package`.

use flate2::bufread::MultiGzDecoder;

use super::package;
use super::reading::{Reading, Trouble, broken};
use super::zip::{Member, members};
use crate::extract::OLE;

pub(super) fn zipped(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    // Encrypted Office documents are compound files, whatever their names end in.
    if octets.starts_with(OLE) {
        return super::ole::read(octets, reading);
    }
    let (members, is_cut) = members(octets);
    if members.is_empty() && is_cut {
        return Err(broken("it is no archive"));
    }
    if is_cut {
        reading.fall_short("the archive is cut off, or too large");
    }
    if package::read(&members, reading)? {
        return Ok(());
    }
    let files = members.iter().filter(|member| !member.is_folder());
    let (locked, open): (Vec<_>, Vec<_>) = files.partition(|member| member.is_encrypted);
    for member in open {
        if reading.is_over() {
            break;
        }
        file(member, reading);
    }
    for member in &locked {
        reading.paragraph(&member.name);
        reading.fall_short("a file in it is encrypted");
    }
    if !locked.is_empty() && locked.len() == members.iter().filter(|member| !member.is_folder()).count() {
        return Err(Trouble::Encrypted);
    }
    Ok(())
}

fn file(member: &Member<'_>, reading: &mut Reading<'_>) {
    let short = member.name.rsplit('/').next().unwrap_or(&member.name);
    if let Some((folder, _)) = member.name.rsplit_once('/') {
        reading.paragraph(folder);
    }
    match member.unpacked(reading) {
        Some(octets) => reading.enclosed(Some(short), "", &octets),
        None => {
            reading.paragraph(short);
            reading.fall_short("a file in it is packed in a way that is not known");
        }
    }
}

/// One file that was packed (RFC 1952), or several one behind the other.
pub(super) fn gzipped(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let name = gzip_name(octets);
    let plain = reading.unpack(MultiGzDecoder::new(octets));
    if plain.is_empty() && octets.len() > 64 {
        return Err(broken("it does not unpack"));
    }
    reading.enclosed(name.as_deref(), "", &plain);
    Ok(())
}

/// The name that the first header may give.
fn gzip_name(octets: &[u8]) -> Option<String> {
    const NAMED: u8 = 8;
    const EXTRA: u8 = 4;
    let flags = *octets.get(3)?;
    if flags & NAMED == 0 {
        return None;
    }
    let extra =
        if flags & EXTRA == 0 { 0 } else { 2 + usize::from(u16::from_le_bytes([*octets.get(10)?, *octets.get(11)?])) };
    let name = octets.get(10 + extra..)?;
    let name = &name[..memchr::memchr(0, name)?];
    Some(encoding_rs::mem::decode_latin1(name).into_owned()).filter(|name| !name.is_empty())
}

/// POSIX archives of tapes (ustar), and those of GNU.
pub(super) fn tarred(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    const BLOCK: usize = 512;
    let mut rest = octets;
    let mut long_name = None;
    while let Some((header, behind)) = rest.split_first_chunk::<BLOCK>() {
        if header.iter().all(|octet| *octet == 0) || reading.is_over() {
            return Ok(());
        }
        let Some(size) = octal(&header[124..136]) else { return Err(broken("a header in the archive is broken")) };
        let data = &behind[..size.min(behind.len())];
        if data.len() < size {
            reading.fall_short("the archive is cut off");
        }
        match header[156] {
            b'L' => long_name = Some(text(data)),
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(|| text(&header[..100]));
                reading.enclosed(Some(&name), "", data);
            }
            _ => long_name = None,
        }
        let next = size.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        rest = behind.get(next..).unwrap_or_default();
    }
    Ok(())
}

fn text(octets: &[u8]) -> String {
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    String::from_utf8_lossy(&octets[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    usize::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::extract::{Format, Outcome, ReadLimits};

    fn tar(name: &str, data: &[u8]) -> Vec<u8> {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        let mut whole = [&header[..], data].concat();
        whole.resize(whole.len().next_multiple_of(512) + 1024, 0);
        whole
    }

    #[test]
    fn names_and_words_of_a_packed_tape_are_read() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&tar("folder/report.txt", b"words inside")).unwrap();
        let packed = packed.finish().unwrap();
        let read = super::super::read(Format::Gzip, &packed, &ReadLimits::default());
        assert_eq!((read.text.as_str(), read.outcome), ("folder/report.txt\nwords inside\n", Outcome::Read));
        let cut = super::super::read(Format::Gzip, &packed[..packed.len() - 20], &ReadLimits::default());
        assert_eq!(cut.outcome.as_str(), "partial");
    }

    #[test]
    fn a_size_that_lies_does_no_harm() {
        let mut lying = tar("a.txt", b"words");
        lying[124..135].copy_from_slice(b"77777777777");
        let read = super::super::read(Format::Tar, &lying, &ReadLimits::default());
        assert_eq!(read.outcome.as_str(), "partial");
    }
}
