//! Mail that is made to exhaust whoever looks into it: where the looking stops, the message is not clean. And which part
//! answers for what.

use super::containers::zip::inspect;
use super::*;
use crate::mail::message::read;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const DEFLATED_64: u16 = 9;
const BZIPPED: u16 = 12;

struct Member {
    data: Vec<u8>,
    method: u16,
    size: u32,
    flags: u16,
}

fn member(method: u16, data: &[u8], size: usize) -> Member {
    Member { data: data.to_vec(), method, size: u32::try_from(size).unwrap(), flags: 0 }
}

fn stored(data: &[u8]) -> Member {
    member(STORED, data, data.len())
}

fn fields(member: &Member) -> Vec<u8> {
    let packed = u32::try_from(member.data.len()).unwrap();
    let numbers = [&member.flags.to_le_bytes()[..], &member.method.to_le_bytes(), &[0; 8]].concat();
    [&numbers[..], &packed.to_le_bytes(), &member.size.to_le_bytes(), &[1, 0, 0, 0]].concat()
}

fn zip(members: &[Member]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = u32::try_from(archive.len()).unwrap().to_le_bytes();
        archive.extend([b"PK\x03\x04\x14\0", &fields(member)[..], b"a", &member.data].concat());
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &fields(member)[..], &[0; 10], &offset, b"a"].concat());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let place = [directory.len(), archive.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes()).concat();
    [&archive[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &place, &[0, 0]].concat()
}

/// Deflate's fixed codes: the head, its last sign 258 times more for each of `times`, the tail.
fn deflated(head: &[u8], times: usize, tail: &[u8]) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let mut put = |code: usize, count: usize| bits.extend((0..count).rev().map(|at| code >> at & 1 == 1));
    let sign = |sign: &u8| match usize::from(*sign) {
        low @ ..144 => (0x30 + low, 8),
        high => (0x100 + high, 9),
    };
    let signs = |signs: &[u8]| signs.iter().map(sign).collect::<Vec<_>>();
    let codes = [signs(head), vec![(0b1100_0101 << 5, 13); times], signs(tail), vec![(0, 7)]].concat();
    codes.into_iter().for_each(|(code, count)| put(code, count));
    bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |octet, bit| octet << 1 | u8::from(*bit))).collect()
}

fn mail(kind: &str, body: &[u8]) -> Vec<u8> {
    [format!("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n").as_bytes(), body].concat()
}

fn is_clean(mail: &[u8]) -> bool {
    let seen = views(mail, &read(mail));
    seen.doubts.is_empty() && seen.views.iter().all(|view| view.doubts.is_empty())
}

#[test]
fn an_archive_that_unpacks_to_far_more_than_the_message_is_not_looked_into() {
    const TIMES: usize = 100_000;
    let bomb = zip(&[member(DEFLATED, &deflated(b"PK\x03\x04", TIMES, b""), 4 + 258 * TIMES)]);
    let found = inspect(&bomb, &Limits::default());
    assert!(matches!(found[..], [Doubt::UnpacksToMore]), "{found:?}");
}

#[test]
fn empty_ends_do_not_hide_what_comes_after_them() {
    let end = zip(&[]);
    let locked = zip(&[Member { flags: 1, ..stored(b"secret") }]);
    for times in [64, 1000, 20_000] {
        assert!(!inspect(&[end.repeat(times), locked.clone()].concat(), &Limits::default()).is_empty(), "{times}");
    }
}

#[test]
fn an_archive_of_many_archives_is_looked_into() {
    let inner = zip(&[stored(b"hello")]);
    let mut members: Vec<Member> = (0..300).map(|_| stored(&inner)).collect();
    assert_eq!(inspect(&zip(&members), &Limits::default()), []);
    members.push(Member { flags: 1, ..stored(b"secret") });
    assert!(!inspect(&zip(&members), &Limits::default()).is_empty());
}

#[test]
fn members_that_overlap_are_not_read_again_and_again() {
    let mut members: Vec<Member> = (0..9000).map(|_| stored(b"")).collect();
    members[0].data = [b"PK\x03\x04", &vec![0; 4 << 20][..]].concat();
    members[0].size = u32::try_from(members[0].data.len()).unwrap();
    let mut archive = zip(&members);
    let directory = memchr::memmem::find(&archive, b"PK\x01\x02").unwrap();
    let first = archive[directory..directory + 47].to_vec();
    archive[directory..].chunks_exact_mut(47).take(9000).for_each(|record| record.copy_from_slice(&first));
    assert!(!inspect(&archive, &Limits::default()).is_empty());
}

#[test]
fn sizes_that_cannot_be_measured_are_told() {
    for method in [DEFLATED_64, BZIPPED] {
        assert!(!inspect(&zip(&[member(method, &[0; 100], 5)]), &Limits::default()).is_empty(), "{method}");
    }
}

#[test]
fn unlisted_members_beyond_those_that_are_shown_are_told() {
    let header = [b"PK\x03\x04\x14\0", &fields(&member(STORED, b"", 0))[..], b"a"].concat();
    let large = [header.repeat(40), vec![b'x'; 1 << 20], zip(&[stored(b"hello")])].concat();
    let mail = mail("application/zip", &large);
    let seen = views(&mail, &read(&mail));
    assert!(seen.doubts.iter().any(|doubt| matches!(doubt, Doubt::TooManyReadings { .. })), "{:?}", seen.doubts);
    let made: usize = seen.views.iter().skip(1).map(|view| view.octets.len()).sum();
    assert!(made <= 4 * mail.len() + (1 << 20));
}

#[test]
fn what_many_parts_unpack_to_is_bounded_together() {
    const TIMES: usize = 12_000;
    let inner = zip(&[stored(&[b'x'; 1 + 258 * TIMES])]);
    let (head, tail) = (&inner[..32], &inner[32 + 258 * TIMES..]);
    let outer = zip(&[member(DEFLATED, &deflated(head, TIMES, tail), inner.len())]);
    let part =
        [b"--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: binary\r\n\r\n", &outer[..], b"\r\n"];
    let parts =
        |times| mail("multipart/mixed; boundary=b", &[part.concat().repeat(times), b"--b--\r\n".to_vec()].concat());
    let seen = parts(2);
    assert!(is_clean(&seen), "{:?}", views(&seen, &read(&seen)).views);
    assert!(!is_clean(&parts(8)));
}

#[test]
fn entities_beyond_those_that_are_looked_at_are_told() {
    let dummy = "--x\r\nContent-Type: message/rfc822\r\n\r\n";
    let hidden = "--x\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n";
    assert!(is_clean(&mail("text/plain", dummy.repeat(3).as_bytes())));
    assert!(!is_clean(&mail("text/plain", (dummy.repeat(20_001) + hidden).as_bytes())));
}

#[test]
fn fields_about_content_are_looked_at_however_many_there_are() {
    let many = |field: &str| {
        let block =
            "--x\r\n".to_owned() + &field.repeat(4000) + "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n";
        mail("text/plain", block.as_bytes())
    };
    let plain = many("Received: b\r\n");
    let seen = views(&plain, &read(&plain));
    assert!(seen.doubts.is_empty() && seen.views.iter().any(|view| *view.octets == *b"hello"), "{:?}", seen.views);
    assert!(!is_clean(&many("Content-Type: text/plain\r\n")));
}

const FILE: &str = "A file of which something is found in the second part, and in the first.";

fn views_of(octets: &[u8]) -> Vec<(String, Vec<u8>)> {
    let views = views(octets, &read(octets)).views;
    views.into_iter().map(|view| (view.name, view.octets.into_owned())).collect()
}

#[test]
fn what_a_part_holds_is_shown_as_its_own_also_where_another_part_is_the_same() {
    let mut mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
    let uuencoded = "begin 644 a\r\n*2&5L;&\\@=&AE<F4`\r\n`\r\nend\r\n";
    for text in ["Hello there\0"[..10].to_owned(), uuencoded.to_owned(), format!("{FILE}\r\n{uuencoded}")] {
        mail.push_str(&format!("--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"));
    }
    mail.push_str("--b--\r\n");
    let views = views_of(mail.as_bytes());
    for part in [2, 3] {
        let own = views.iter().find(|(name, _)| *name == format!("part {part} uuencode 1"));
        assert_eq!(own.map(|(_, octets)| octets.as_slice()), Some(b"Hello ther".as_slice()), "{views:?}");
    }
}

#[test]
fn where_the_readings_are_too_many_no_part_is_beyond_doubt() {
    let file = |n: u32| format!("begin 644 a\r\n#{}\r\n`\r\nend\r\n", three(n));
    let files: String = (0..2500).map(file).collect();
    let mail =
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{files}\r\n--b\r\n\r\nHello\r\n--b--\r\n");
    let seen = views(mail.as_bytes(), &read(mail.as_bytes()));
    let exhausted = |doubts: &[Doubt]| doubts.iter().any(|doubt| matches!(doubt, Doubt::TooManyReadings { .. }));
    assert!(exhausted(&seen.doubts));
    assert!(seen.views.iter().all(|view| exhausted(&view.doubts)));
}

#[test]
fn what_is_wrapped_more_often_than_it_is_unwrapped_is_open_to_doubt() {
    let wrapped = |times: usize| {
        let mut mail = "Content-Type: text/plain\r\n\r\nHello =\r\n".to_owned();
        for _ in 0..times {
            let part = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: quoted-printable";
            let quoted = mail.replace('=', "=3D").replace("--", "=2D=2D");
            mail =
                format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}\r\n\r\n{quoted}\r\n--b--\r\n");
        }
        let views = views(mail.as_bytes(), &read(mail.as_bytes())).views;
        views.into_iter().flat_map(|view| view.doubts).any(|doubt| matches!(doubt, Doubt::TooDeep { .. }))
    };
    assert!(!wrapped(2));
    assert!(wrapped(9));
}

/// Three octets, uuencoded.
fn three(n: u32) -> String {
    let digit = |shift: u32| char::from(b' ' + u8::try_from(n >> shift & 63).unwrap());
    [18, 12, 6, 0].map(digit).iter().collect::<String>().replace(' ', "`")
}
