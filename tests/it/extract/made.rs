//! Documents made for a test: archives, packages, PDFs. Knows nothing about what is claimed of them.

use std::io::Write;

/// What an octet string deflates to.
pub(super) fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(octets).unwrap();
    packed.finish().unwrap()
}

/// An archive of deflated members.
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let packed: Vec<_> = members.iter().map(|(name, octets)| (*name, deflated(octets), octets.len())).collect();
    archive(&packed)
}

/// An archive in which the same octets lie several times.
pub(super) fn zip_of_copies(count: usize, octets: &[u8]) -> Vec<u8> {
    archive(&vec![("copy.bin", deflated(octets), octets.len()); count])
}

/// Of members with their name, what they are packed to, and how long they are.
fn archive(members: &[(&str, Vec<u8>, usize)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, packed, length) in members {
        let offset = u32::try_from(archive.len()).unwrap();
        let number = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
        let sizes = [number(packed.len()), number(*length)].concat();
        let common = [&[8, 0, 0, 0, 0, 0][..], &[0; 4], &sizes, &number(name.len())[..2], &[0, 0]].concat();
        archive.extend([b"PK\x03\x04\x14\0\0\0", &common[..], name.as_bytes(), packed].concat());
        let places = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0\x14\0\0\0", &common[..], &places, name.as_bytes()].concat());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let (size, offset) = (u32::try_from(directory.len()).unwrap(), u32::try_from(archive.len()).unwrap());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size.to_le_bytes(), &offset.to_le_bytes(), &[0, 0]].concat();
    [archive, directory, end].concat()
}

/// A text document with this body.
pub(super) fn docx(body: &str) -> Vec<u8> {
    let document = format!("<?xml version=\"1.0\"?>{body}");
    zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", document.as_bytes())])
}

/// A PDF of these objects, the first of them the root, with a sound table.
pub(super) fn pdf(objects: &[&str]) -> Vec<u8> {
    let (mut whole, mut table) = (b"%PDF-1.4\n".to_vec(), String::new());
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", whole.len()));
        whole.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).into_bytes());
    }
    let (size, at) = (objects.len() + 1, whole.len());
    let tail = format!(
        "xref\n0 {size}\n0000000000 65535 f \n{table}trailer <</Size {size}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n"
    );
    [&whole[..], tail.as_bytes()].concat()
}

/// A page that shows a text.
pub(super) fn page(content: &str) -> Vec<u8> {
    let stream = format!("<</Length {}>>\nstream\n{content}\nendstream", content.len());
    pdf(&[
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        &stream,
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ])
}
