use std::fs;

use super::sealing::{flip, mail, message};
use super::*;

const PACK: &str = "00000001.open";

/// Batches of small messages with a long one between them, each a frame of its own, but the long one several.
fn bench() -> (Bench, Vec<Durable>, Vec<Extent>) {
    let mut bench = Bench::new();
    let long = noise(2_500_000, 9);
    let batches: [&[&[u8]]; 5] = [&[b"zero", b"one"], &[b"two", b"three"], &[&long], &[b"five"], &[b"six", b"seven"]];
    let (mut kept, mut extents) = (Vec::new(), Vec::new());
    for batch in batches {
        kept.extend(bench.keep(batch));
        extents.push(bench.committed[0]);
    }
    (bench, kept, extents)
}

/// The ordinals that a walk finds intact, those it says are not, and how it ended.
fn walked(bench: &Bench) -> (Vec<u32>, Vec<u32>, String) {
    let (mut intact, mut bad) = (Vec::new(), Vec::new());
    let ended = Reader::new(&bench.packs()).walk(&bench.committed[0], &mut |record| {
        let ordinals = if record.intact { &mut intact } else { &mut bad };
        ordinals.push(record.stored.location.ordinal);
    });
    (intact, bad, ended.unwrap_err().to_string())
}

fn flip_at(bench: &Bench, at: u64) {
    flip(&bench.packs().join(PACK), usize::try_from(at).unwrap(), 2);
}

#[test]
fn behind_a_damaged_frame_everything_is_read() {
    let (bench, kept, extents) = bench();
    let header = extents[0].bytes;
    for at in [header + 2, header + 40, extents[1].bytes - 1] {
        flip_at(&bench, at);
        let (intact, bad, problem) = walked(&bench);
        assert_eq!((&intact[..], &bad[..]), (&[0, 1, 4, 5, 6, 7][..], &[][..]), "byte {at}: {problem}");
        assert!(problem.contains(&format!("damaged at byte {header}: ")), "{problem}");
        assert!(problem.ends_with("records 2 to 3 cannot be read"), "{problem}");
        for ordinal in [0, 1, 4, 5, 6, 7] {
            bench.octets(&kept[ordinal]);
        }
        for lost in &kept[2..4] {
            let error = Reader::new(&bench.packs()).open(lost.location()).unwrap_err();
            assert!(matches!(error, Error::Damaged { offset, .. } if offset == header), "{error}");
        }
        flip_at(&bench, at);
    }
}

#[test]
fn of_a_long_record_whose_continuation_is_damaged_only_that_is_lost() {
    let (bench, kept, extents) = bench();
    for at in [(1 << 20) + 100, (1 << 20) + 200_000] {
        flip_at(&bench, extents[1].bytes + at);
        let (intact, bad, problem) = walked(&bench);
        assert_eq!((&intact[..], &bad[..]), (&[0, 1, 2, 3, 5, 6, 7][..], &[4][..]), "byte {at}: {problem}");
        assert_eq!(bench.octets(&kept[7]), b"seven");
        flip_at(&bench, extents[1].bytes + at);
    }
    // Of its beginning: its continuations mean nothing.
    flip_at(&bench, extents[1].bytes + 3);
    let (intact, bad, problem) = walked(&bench);
    assert_eq!((&intact[..], &bad[..]), (&[0, 1, 2, 3, 5, 6, 7][..], &[][..]), "{problem}");
    assert!(problem.ends_with("record 4 cannot be read"), "{problem}");
}

#[test]
fn each_damaged_stretch_is_named() {
    let (bench, _, extents) = bench();
    flip_at(&bench, 64);
    flip_at(&bench, extents[2].bytes + 60);
    flip_at(&bench, extents[4].bytes - 1);
    let (intact, _, problem) = walked(&bench);
    assert_eq!(intact, [2, 3, 4]);
    for lost in ["records 0 to 1 cannot", "record 5 cannot", "records 6 to 7 cannot"] {
        assert!(problem.contains(lost), "{problem}");
    }
}

#[test]
fn what_was_signed_counts_whatever_is_damaged_in_it() {
    let (bench, _, extents) = bench();
    let (signed, all) = (extents[3], extents[4]);
    flip_at(&bench, extents[0].bytes + 60);
    assert_eq!(whole_extent(&bench.packs(), 1, Some(&signed)).unwrap(), all);
    assert_eq!(whole_extent(&bench.packs(), 1, None).unwrap(), extents[0]);
    // Beyond, a torn end and damage look alike.
    flip_at(&bench, all.bytes - 1);
    assert_eq!(whole_extent(&bench.packs(), 1, Some(&signed)).unwrap(), signed);
    let file = fs::OpenOptions::new().write(true).open(bench.packs().join(PACK)).unwrap();
    file.set_len(signed.bytes - 1).unwrap();
    assert_eq!(whole_extent(&bench.packs(), 1, Some(&signed)).unwrap(), signed);
}

/// Of mail that holds a frame of a pack.
#[test]
fn a_frame_in_the_octets_of_a_message_is_none() {
    let (other, ..) = bench();
    let mut frame = fs::read(other.packs().join(PACK)).unwrap();
    frame.drain(..64);
    frame.truncate(300);
    let mut bench = Bench::new();
    bench.keep(&[&[&noise(3000, 1)[..], &frame].concat()]);
    bench.keep(&[b"one"]);
    flip_at(&bench, 70);
    assert_eq!(walked(&bench).0, [1]);
}

/// 2,000 records are three frames of a table; one more lies behind the first that is damaged.
#[test]
fn of_a_damaged_table_the_other_frames_are_read() {
    let mut bench = Bench::new();
    let records: Vec<_> = (0..2000).map(|n| message(format!("number {n}").as_bytes())).collect();
    let kept = bench.append(&records);
    let sealed = bench.sealed(1);
    let path = bench.file("00000001.pack");
    let octets = fs::read(&path).unwrap();
    let headers: Vec<usize> = (0..octets.len() - 8).filter(|at| octets[*at..].starts_with(b"PFRM\x01\0\x04")).collect();
    assert_eq!(headers.len(), 3);
    for (nth, at) in headers.iter().flat_map(|at| [at + 30, at + 60]).enumerate() {
        flip(&path, at, 2);
        let lost = [0..900, 900..1800, 1800..2000][nth / 2].clone();
        let readable = readable_sealed(&bench.packs(), 1).unwrap();
        assert_eq!((readable.bytes, readable.records), (sealed.bytes, sealed.records));
        assert_eq!(readable.messages, 2000 - lost.len() as u64, "byte {at}");
        let reader = Reader::new(&bench.packs());
        let mut listed = Vec::new();
        let ended = reader.list(&Packed::Sealed(1), &mut |stored, _| listed.push(stored.location.ordinal));
        assert!(matches!(ended, Err(Error::Damaged { .. })));
        assert_eq!(listed, (0..2000).filter(|ordinal| !lost.contains(ordinal)).collect::<Vec<u32>>());
        for ordinal in [0, 899, 900, 1799, 1800, 1999] {
            let read = reader.open(kept[ordinal as usize].location());
            assert_eq!(read.is_ok(), !lost.contains(&ordinal), "byte {at}: {ordinal}");
        }
        flip(&path, at, 2);
    }
}

#[test]
fn without_its_trailer_a_sealed_pack_has_what_its_table_says() {
    let mut bench = Bench::new();
    bench.append(&[message(b"one"), message(&mail(1, &noise(9000, 1)))]);
    let sealed = bench.sealed(1);
    let path = bench.file("00000001.pack");
    flip(&path, usize::try_from(sealed.bytes).unwrap() - 90, 2);
    assert!(matches!(read_sealed(&bench.packs(), 1), Err(Error::Damaged { .. })));
    assert_eq!(readable_sealed(&bench.packs(), 1).unwrap(), sealed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn one_flipped_bit_loses_one_frame(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (bench, kept, extents) = bench();
        let path = bench.packs().join(PACK);
        let at = 64 + at.index(fs::metadata(&path).unwrap().len() as usize - 64);
        flip(&path, at, bit);
        let (intact, ..) = walked(&bench);
        let hit = extents.partition_point(|extent| extent.bytes <= at as u64);
        let (from, upto) = (if hit == 0 { 0 } else { extents[hit - 1].records }, extents[hit].records);
        let expected: Vec<u32> = (0..8).filter(|ordinal| !(from..upto).contains(ordinal)).collect();
        prop_assert_eq!(&intact, &expected);
        let reader = Reader::new(&bench.packs());
        for ordinal in intact {
            prop_assert!(reader.prove(kept[ordinal as usize].location(), kept[ordinal as usize].id()).is_ok());
        }
    }
}
