use std::sync::atomic::AtomicBool;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

impl Bench {
    fn packed(&self, pack: u64) -> Packed {
        Packed::from(self.committed.iter().find(|extent| extent.pack == pack).unwrap())
    }

    pub(super) fn append(&mut self, records: &[(RecordKind, Vec<u8>)]) -> Vec<Durable> {
        let arrived: Vec<Received> = records.iter().map(|(_, octets)| received(self.folder.path(), octets)).collect();
        let appends: Vec<Append<'_>> = records
            .iter()
            .zip(&arrived)
            .map(|((kind, octets), arrived)| match kind {
                RecordKind::Message => Append::Message(arrived),
                _ => Append::Private(octets),
            })
            .collect();
        let (durable, extents) = self.writer.append(&appends, NOW).unwrap();
        for extent in extents {
            self.committed.retain(|known| known.pack != extent.pack);
            self.committed.push(extent);
        }
        durable
    }

    fn seal(&self, packed: &Packed) -> Result<Sealed, Error> {
        self.seal_with(packed, &|_| true, &|_| None)
    }

    pub(super) fn seal_with(
        &self,
        packed: &Packed,
        wanted: &dyn Fn(&Stored) -> bool,
        known_part: &dyn Fn(&BlobId) -> Option<Location>,
    ) -> Result<Sealed, Error> {
        let folder = self.packs();
        seal(&Sealing { folder: &folder, level: 3, wanted, known_part, stopped: &AtomicBool::new(false) }, packed)
    }

    /// Seals the pack and takes the open one away.
    pub(super) fn sealed(&mut self, pack: u64) -> Sealed {
        self.writer.close_pack();
        let sealed = self.seal(&self.packed(pack)).unwrap();
        remove_open(&self.packs(), pack).unwrap();
        self.committed.retain(|extent| extent.pack != pack);
        sealed
    }

    /// Octets and problems of a walk, by ordinal; and how it ended.
    pub(super) fn walk(&self, packed: &Packed) -> (Vec<(Stored, bool)>, Result<(), Error>) {
        let mut met = Vec::new();
        let ended = Reader::new(&self.packs()).walk(*packed, &mut |record| {
            assert_eq!(record.intact, record.problem.is_none());
            met.push((record.stored, record.intact));
        });
        met.sort_by_key(|(stored, _)| stored.location);
        (met, ended)
    }

    pub(super) fn file(&self, name: &str) -> std::path::PathBuf {
        self.packs().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.packs()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Base64 in lines, as mail programs have it.
pub(super) fn lines(octets: &[u8], line: usize, ending: &str) -> Vec<u8> {
    let text = STANDARD.encode(octets);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(line).collect();
    [&lines.join(ending.as_bytes())[..], ending.as_bytes()].concat()
}

pub(super) fn mail(number: usize, attachment: &[u8]) -> Vec<u8> {
    let head = format!("Subject: {number}\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    [head.as_bytes(), &lines(attachment, 76, "\r\n"), b"\r\n--end--\r\n"].concat()
}

pub(super) fn message(octets: &[u8]) -> (RecordKind, Vec<u8>) {
    (RecordKind::Message, octets.to_vec())
}

#[test]
fn a_sealed_pack_gives_every_record_where_it_was() {
    let mut bench = Bench::new();
    let attachment = noise(200_000, 7);
    let mut records: Vec<_> = (0..200).map(|n| message(&noise(n * 17, n as u64))).collect();
    records.extend((0..200).map(|n| (RecordKind::Private, format!("{{\"n\":{n}}}").into_bytes())));
    records.extend([message(&noise(3_333_333, 1)), message(b""), message(&mail(1, &attachment))]);
    let kept = bench.append(&records);
    let reader = Reader::new(&bench.packs());
    reader.open(kept[5].location()).unwrap();
    let sealed = bench.sealed(1);
    assert_eq!((sealed.messages, sealed.recipes, sealed.dropped, sealed.parts.len()), (203, 1, 0, 1));
    assert_eq!(sealed.records, 404);
    assert_eq!(sealed.bytes, fs::metadata(bench.file("00000001.pack")).unwrap().len());
    assert_eq!(sealed.raw_bytes, records.iter().map(|(_, octets)| octets.len() as u64).sum::<u64>());
    assert_eq!(read_sealed(&bench.packs(), 1).unwrap(), sealed);
    for (durable, (_, octets)) in kept.iter().zip(&records) {
        assert_eq!(reader.open(durable.location()).unwrap().octets().unwrap(), *octets);
    }
    assert_eq!(reader.open(sealed.parts[0].location).unwrap().octets().unwrap(), attachment);
    let prefix = reader.open(kept[402].location()).unwrap().prefix(100_000).unwrap();
    assert_eq!(prefix, records[402].1[..100_000]);
    assert!(matches!(reader.open(Location { pack: 1, ordinal: 404 }), Err(Error::NoRecord(_))));
    reader.prove(kept[402].location(), kept[402].id()).unwrap();
    assert_eq!(bench.names(), ["00000001.pack"]);
}

#[test]
fn the_list_of_a_pack_is_the_same_before_and_after_sealing() {
    let mut bench = Bench::new();
    let records: Vec<_> = (0..900)
        .map(|n| if n % 3 == 0 { message(&noise(4000, n)) } else { (RecordKind::Private, noise(3000, n)) })
        .chain([(RecordKind::Private, noise(2 << 20, 1))])
        .collect();
    bench.append(&records);
    let list = |packed: &Packed| {
        let mut listed = Vec::new();
        let list = &mut |stored: &Stored, octets: Option<&[u8]>| listed.push((*stored, octets.map(<[u8]>::to_vec)));
        Reader::new(&bench.packs()).list(packed, list).unwrap();
        listed
    };
    let open = list(&bench.packed(1));
    bench.seal(&bench.packed(1)).unwrap();
    assert_eq!(list(&Packed::Sealed(1)), open);
    for ((stored, shown), (kind, octets)) in open.iter().zip(&records) {
        assert_eq!(stored.kind, *kind);
        assert_eq!(shown.as_ref(), (*kind == RecordKind::Private).then_some(octets));
    }
}

#[test]
fn an_attachment_is_stored_once_within_a_pack_and_across_packs() {
    let mut bench = Bench::new();
    let attachment = noise(400_000, 3);
    let first: Vec<_> = (0..5).map(|n| message(&mail(n, &attachment))).collect();
    let mut kept = bench.append(&first);
    let sealed = bench.sealed(1);
    assert_eq!((sealed.parts.len(), sealed.recipes), (1, 5));
    assert!(sealed.bytes < 410_000, "{}", sealed.bytes);

    let second: Vec<_> = (5..9).map(|n| message(&mail(n, &attachment))).collect();
    kept.extend(bench.append(&second));
    let known = |id: &BlobId| sealed.parts.iter().find(|part| part.id == *id).map(|part| part.location);
    bench.writer.close_pack();
    let next = bench.seal_with(&bench.packed(2), &|_| true, &known).unwrap();
    assert_eq!((next.parts.len(), next.recipes), (0, 4));
    assert!(next.bytes < 3000, "{}", next.bytes);
    for (durable, (_, octets)) in kept.iter().zip(first.iter().chain(&second)) {
        assert_eq!(bench.octets(durable), *octets);
    }
    let mut used = Vec::new();
    let reader = Reader::new(&bench.packs());
    reader.parts_used(&Packed::Sealed(2), &mut |_, parts| used.extend_from_slice(parts)).unwrap();
    assert_eq!(used, [sealed.parts[0].location; 4]);
}

#[test]
fn a_part_that_cannot_be_read_is_not_referred_to() {
    let mut bench = Bench::new();
    let attachment = noise(50_000, 3);
    bench.append(&[message(&mail(1, &attachment))]);
    let part = bench.sealed(1).parts[0];
    flip(&bench.file("00000001.pack"), 20_000, 1);
    let kept = bench.append(&[message(&mail(2, &attachment))]);
    bench.writer.close_pack();
    for wrong in [part.location, Location { pack: 1, ordinal: 0 }, Location { pack: 9, ordinal: 0 }] {
        let sealed = bench.seal_with(&bench.packed(2), &|_| true, &|_| Some(wrong)).unwrap();
        assert_eq!(sealed.parts.len(), 1);
        assert_eq!(bench.octets(&kept[0]), mail(2, &attachment));
    }
}

#[test]
fn compaction_drops_what_is_not_wanted_and_moves_nothing_else() {
    let mut bench = Bench::new();
    let (shared, alone, elsewhere) = (noise(9000, 1), noise(9000, 2), noise(9000, 3));
    let records = [
        message(&mail(0, &alone)),
        message(&mail(1, &shared)),
        (RecordKind::Private, b"{}".to_vec()),
        message(&mail(3, &shared)),
        message(&mail(4, &elsewhere)),
    ];
    let kept = bench.append(&records);
    let reader = Reader::new(&bench.packs());
    let sealed = bench.sealed(1);
    let stays = [false, true, true, false, false];
    reader.open(kept[0].location()).unwrap();
    let wanted = |stored: &Stored| match stored.kind {
        RecordKind::Part => stored.id == BlobId::of(&elsewhere),
        _ => stays[stored.location.ordinal as usize],
    };
    for _ in 0..2 {
        let compacted = bench.seal_with(&Packed::Sealed(1), &wanted, &|_| None).unwrap();
        assert_eq!((compacted.messages, compacted.records, compacted.dropped), (1, sealed.records, 4));
        let parts: Vec<BlobId> = compacted.parts.iter().map(|part| part.id).collect();
        assert_eq!(parts, [BlobId::of(&shared), BlobId::of(&elsewhere)]);
        assert!(compacted.parts.iter().all(|part| sealed.parts.contains(part)));
        for ((durable, (_, octets)), stays) in kept.iter().zip(&records).zip(stays) {
            match reader.open(durable.location()) {
                Ok(blob) => assert!(stays && blob.octets().unwrap() == *octets),
                Err(error) => assert!(!stays && matches!(error, Error::NoRecord(_)), "{error}"),
            }
        }
    }
    bench.walk(&Packed::Sealed(1)).1.unwrap();
}

#[test]
fn sealing_leaves_out_what_lies_behind_the_extent() {
    let mut bench = Bench::new();
    let kept = bench.append(&[message(b"counts")]);
    let packed = bench.packed(1);
    bench.append(&[message(b"does not count")]);
    bench.writer.close_pack();
    let sealed = bench.seal(&packed).unwrap();
    assert_eq!((sealed.messages, sealed.records), (1, 1));
    assert_eq!(bench.octets(&kept[0]), b"counts");
}

#[test]
fn a_damaged_pack_is_not_sealed() {
    let mut bench = Bench::new();
    bench.append(&[message(b"one"), message(b"two")]);
    let path = bench.file("00000001.open");
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    flip(&path, length - 1, 0);
    assert!(matches!(bench.seal(&bench.packed(1)), Err(Error::Damaged { .. })));
    assert_eq!(bench.names(), ["00000001.open"]);
    let extent = Extent { pack: 1, bytes: 64, records: 2 };
    assert!(matches!(bench.seal(&Packed::Open(extent)), Err(Error::Damaged { .. })));
}

#[test]
fn a_message_longer_than_a_pack_is_sealed_piece_by_piece() {
    let mut bench = Bench::new();
    let long = noise(66 << 20, 4);
    let kept = bench.keep(&[&long, b"next"]);
    bench.sealed(1);
    assert!(bench.octets(&kept[0]) == long);
    assert_eq!(bench.octets(&kept[1]), b"next");
}

#[test]
fn a_start_keeps_sealed_packs_and_sweeps_what_sealing_left() {
    let mut bench = Bench::new();
    let first = bench.append(&[message(b"first")]);
    bench.writer.close_pack();
    let second = bench.append(&[message(b"second")]);
    bench.seal(&bench.packed(1)).unwrap();
    fs::copy(bench.file("00000001.pack"), bench.file("00000007.pack")).unwrap();
    fs::write(bench.file("00000002.pack.tmp"), b"cut off").unwrap();

    // The catalog does not know of the sealing yet.
    bench.writer = Writer::open(&bench.packs(), ARCHIVE, &bench.committed[..1], &[]).unwrap();
    assert_eq!(bench.names(), ["00000001.open", "00000001.pack", "00000002.open", "00000007.pack"]);
    assert_eq!(bench.writer.current(), None, "a pack that may be sealed does not grow");

    bench.writer = Writer::open(&bench.packs(), ARCHIVE, &bench.committed, &[1]).unwrap();
    assert_eq!(bench.names(), ["00000001.pack", "00000002.open", "00000007.pack"]);
    assert_eq!(bench.writer.current(), Some(2));
    bench.writer.close_pack();
    let third = bench.append(&[message(b"third")]);
    assert_eq!(third[0].location().pack, 8, "no number is used twice");
    for (durable, octets) in [(first, &b"first"[..]), (second, b"second"), (third, b"third")] {
        assert_eq!(bench.octets(&durable[0]), octets);
    }
    assert_eq!(
        packs(&bench.packs()).unwrap().iter().map(|files| (files.pack, files.open, files.sealed)).collect::<Vec<_>>(),
        [(1, false, true), (2, true, false), (7, false, true), (8, true, false)]
    );
}

#[test]
fn an_open_pack_stays_while_the_sealed_one_is_damaged_or_foreign() {
    let mut bench = Bench::new();
    bench.append(&[message(b"first")]);
    bench.seal(&bench.packed(1)).unwrap();
    flip(&bench.file("00000001.pack"), 130, 3);
    assert!(matches!(remove_open(&bench.packs(), 1), Err(Error::Damaged { .. })));
    bench.writer = Writer::open(&bench.packs(), ARCHIVE, &[], &[1]).unwrap();
    assert_eq!(bench.names(), ["00000001.open", "00000001.pack"]);
    fs::remove_file(bench.file("00000001.pack")).unwrap();
    assert!(matches!(remove_open(&bench.packs(), 1), Err(Error::Missing { .. })));
    bench.seal(&bench.packed(1)).unwrap();
    fs::remove_file(bench.file("00000001.open")).unwrap();
    assert!(matches!(Writer::open(&bench.packs(), [6; 16], &[], &[]), Err(Error::Foreign(_))));
    assert_eq!(bench.names(), ["00000001.pack"]);
}

#[test]
fn the_whole_of_an_open_pack_ends_where_a_record_does() {
    let mut bench = Bench::new();
    bench.append(&[message(b"one"), message(b"two")]);
    let whole = bench.committed[0];
    assert_eq!(whole_extent(&bench.packs(), 1, None).unwrap(), whole);
    bench.append(&[message(&noise(2 << 20, 6))]);
    let longer = bench.committed[0];
    assert_eq!(whole_extent(&bench.packs(), 1, None).unwrap(), longer);
    for cut in [longer.bytes - 1, whole.bytes + 1_200_000, whole.bytes + 20, whole.bytes] {
        let file = fs::OpenOptions::new().write(true).open(bench.file("00000001.open")).unwrap();
        file.set_len(cut).unwrap();
        assert_eq!(whole_extent(&bench.packs(), 1, None).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_walk_goes_on_behind_a_damaged_block() {
    let mut bench = Bench::new();
    let records: Vec<_> = (0..6).map(|n| message(&noise(500_000, n))).collect();
    let kept = bench.append(&records);
    let sealed = bench.sealed(1);
    flip(&bench.file("00000001.pack"), 1_300_000, 3);
    let (met, ended) = bench.walk(&Packed::Sealed(1));
    assert!(ended.is_err());
    let bad: Vec<u32> = met.iter().filter(|(_, intact)| !intact).map(|(stored, _)| stored.location.ordinal).collect();
    assert_eq!(met.len(), 6);
    assert_eq!(bad, [2, 3]);
    assert_eq!(bench.octets(&kept[5]), records[5].1);
    // Without its trailer the table is found from the front.
    let end = usize::try_from(sealed.bytes).unwrap();
    flip(&bench.file("00000001.pack"), end - 1, 3);
    assert_eq!(bench.octets(&kept[5]), records[5].1);
    assert!(matches!(read_sealed(&bench.packs(), 1), Err(Error::Damaged { .. })));
    assert_eq!(bench.walk(&Packed::Sealed(1)).0, met);
}

pub(super) fn flip(path: &Path, at: usize, bit: u8) {
    let mut octets = fs::read(path).unwrap();
    octets[at] ^= 1 << bit;
    fs::write(path, octets).unwrap();
}

#[test]
fn a_pack_that_nothing_is_left_of_is_whole_and_keeps_its_ordinals() {
    let mut bench = Bench::new();
    let kept = bench.append(&[message(b"one"), message(&mail(1, &noise(200_000, 7)))]);
    bench.sealed(1);
    let empty = bench.seal_with(&Packed::Sealed(1), &|_| false, &|_| None).unwrap();
    assert_eq!((empty.messages, empty.parts.len(), empty.records, empty.dropped), (0, 0, 3, 3));
    check_sealed(&bench.packs(), 1).unwrap();
    let reader = Reader::new(&bench.packs());
    assert!(matches!(reader.open(kept[0].location()), Err(Error::NoRecord(_))));
    let (met, ended) = bench.walk(&Packed::Sealed(1));
    assert_eq!(met, []);
    ended.unwrap();
}
