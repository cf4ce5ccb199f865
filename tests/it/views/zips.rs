//! Archives as hostile hands make them: each is flagged, and what programs make is not.

use poplar::mail::Verdict;
use poplar::mail::views::zip::inspect;
use poplar::mail::views::{Doubt, Limits};
use proptest::prelude::*;

/// One member, as it stands before its data and in the directory.
#[derive(Clone, Debug)]
struct Member {
    name: &'static str,
    data: Vec<u8>,
    flags: u16,
    method: u16,
    /// Said in both places, unless `None`.
    size: Option<u32>,
    is_listed: bool,
}

fn stored(name: &'static str, data: &[u8]) -> Member {
    Member { name, data: data.to_vec(), flags: 0, method: 0, size: None, is_listed: true }
}

/// Deflate's stored block: what it inflates to is `data`.
fn deflated(name: &'static str, data: &[u8]) -> Member {
    let length = u16::try_from(data.len()).unwrap();
    let block = [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), data].concat();
    Member { data: block, method: 8, size: Some(length.into()), ..stored(name, data) }
}

fn fields(member: &Member) -> Vec<u8> {
    let packed = u32::try_from(member.data.len()).unwrap();
    let size = member.size.unwrap_or(packed);
    let name = u16::try_from(member.name.len()).unwrap();
    let mut fields = [&member.flags.to_le_bytes()[..], &member.method.to_le_bytes(), &[0; 8]].concat();
    [packed, size].iter().for_each(|value| fields.extend(value.to_le_bytes()));
    fields.extend(name.to_le_bytes());
    fields.extend([0, 0]);
    fields
}

fn zip(members: &[Member]) -> Vec<u8> {
    zip_behind(0, members)
}

/// `before`: octets that the offsets count and the archive lacks.
fn zip_behind(before: u32, members: &[Member]) -> Vec<u8> {
    let (mut archive, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    for member in members {
        let offset = before + u32::try_from(archive.len()).unwrap();
        archive.extend([b"PK\x03\x04\x14\0", &fields(member)[..], member.name.as_bytes(), &member.data].concat());
        if member.is_listed {
            count += 1;
            let rest = [&[0; 10][..], &offset.to_le_bytes(), member.name.as_bytes()].concat();
            directory.extend([b"PK\x01\x02\x14\0\x14\0", &fields(member)[..], &rest].concat());
        }
    }
    let (size, offset) = (u32::try_from(directory.len()).unwrap(), before + u32::try_from(archive.len()).unwrap());
    let counts = [count.to_le_bytes(), count.to_le_bytes()].concat();
    [&archive[..], &directory, b"PK\x05\x06\0\0\0\0", &counts, &size.to_le_bytes(), &offset.to_le_bytes(), &[0, 0]]
        .concat()
}

fn doubts(octets: &[u8]) -> Vec<Doubt> {
    inspect(octets, &Limits::default())
}

#[test]
fn archives_as_programs_make_them_leave_no_doubt() {
    let inner = zip(&[stored("a.txt", b"hello")]);
    for (name, archive) in [
        ("empty", zip(&[])),
        ("stored", inner.clone()),
        ("deflated", zip(&[deflated("a.txt", b"hello"), stored("b/", b"")])),
        ("behind a program", [&b"MZ program"[..], &inner].concat()),
        ("a program whose offsets count it", [&b"MZ program"[..], &zip_behind(10, &[stored("a", b"b")])].concat()),
        ("nested", zip(&[stored("a.zip", &inner), deflated("b.zip", &inner)])),
        ("side by side in a tar", [&inner[..], &[0; 300], &inner].concat()),
        ("no archive", b"Archives end in PK\x05\x06 and more".to_vec()),
    ] {
        assert_eq!(doubts(&archive), [], "{name}");
    }
}

#[test]
fn encrypted_members_are_encrypted() {
    for member in [
        Member { flags: 1, ..stored("a", b"b") },
        Member { flags: 0x41, ..stored("a", b"b") },
        Member { method: 99, ..stored("a", b"b") },
    ] {
        let inner = zip(&[stored("a", b"b"), member]);
        for archive in [zip(&[deflated("inner.zip", &inner)]), inner] {
            assert!(
                doubts(&archive).iter().any(|doubt| doubt.verdict() == Verdict::Encrypted),
                "{:?}",
                doubts(&archive)
            );
        }
    }
}

#[test]
fn what_the_scanner_would_not_see_whole_is_partial() {
    let large = Member { size: Some((256 << 20) + 1), method: 8, ..stored("large", b"\x03\0") };
    let nested = (0..18).fold(zip(&[]), |inner, _| zip(&[stored("a.zip", &inner)]));
    let plain = zip(&[stored("a", b"hello"), stored("b", b"world")]);
    let renamed = {
        let mut octets = plain.clone();
        octets[30] = b'x';
        octets
    };
    let many = vec![stored("a", b""); 10_001];
    let sized = Member { size: Some(255 << 20), method: 8, ..stored("a", b"\x03\0") };
    for (name, archive) in [
        ("member too large", zip(std::slice::from_ref(&large))),
        ("too large inside", zip(&[deflated("a.zip", &zip(&[large]))])),
        ("too much together", zip(&vec![sized; 4])),
        ("too many", zip(&many)),
        ("too deep", nested),
        ("longer than it says", zip(&[Member { size: Some(10), ..deflated("a.zip", &plain) }])),
        ("unknown method", zip(&[Member { method: 93, ..stored("a", b"b") }])),
        ("two names", renamed),
        ("not listed", zip(&[stored("a", b"b"), Member { is_listed: false, ..stored("b", b"c") }])),
        ("not listed, first", zip(&[Member { is_listed: false, ..stored("b", b"c") }, stored("a", b"b")])),
        ("no directory", plain[..70].to_vec()),
        ("end missing", plain[..plain.len() - 22].to_vec()),
        ("beginning missing", plain[40..].to_vec()),
        ("two sizes", zip(&[Member { size: Some(1), ..stored("a", b"bcd") }])),
    ] {
        let found = doubts(&archive);
        assert!(found.iter().any(|doubt| doubt.verdict() == Verdict::Partial), "{name}: {found:?}");
        assert!(found.iter().all(|doubt| !doubt.to_string().is_empty()));
    }
}

proptest! {
    #[test]
    fn any_octets_are_inspected(octets in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..300, value in any::<u8>()) {
        doubts(&octets);
        let mut archive = zip(&[stored("a", b"hello"), deflated("b.zip", &zip(&[stored("c", &octets)]))]);
        let at = at % archive.len();
        archive[at] = value;
        doubts(&archive);
    }

    #[test]
    fn made_archives_leave_no_doubt(data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
        // None begins as a file that is itself open to doubt.
        let members: Vec<Member> = data.iter().map(|data| deflated("a", &[b".", &data[..]].concat())).collect();
        prop_assert_eq!(doubts(&zip(&members)), vec![]);
    }
}
