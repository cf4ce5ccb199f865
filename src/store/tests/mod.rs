#![expect(clippy::disallowed_methods, reason = "tests damage files as accidents do")]

mod damage;
mod sealing;
mod shapes;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::mail::{BlobId, Timestamp};

const ARCHIVE: [u8; 16] = [5; 16];
const NOW: Timestamp = Timestamp::from_millis(1);

struct Bench {
    folder: tempfile::TempDir,
    writer: Writer,
    committed: Vec<Extent>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::open(&folder.path().join("packs"), ARCHIVE, &[], &[]).unwrap();
        Self { folder, writer, committed: Vec::new() }
    }

    fn packs(&self) -> std::path::PathBuf {
        self.folder.path().join("packs")
    }

    fn keep(&mut self, messages: &[&[u8]]) -> Vec<Durable> {
        let received: Vec<Received> = messages.iter().map(|octets| received(self.folder.path(), octets)).collect();
        let records: Vec<Append<'_>> = received.iter().map(Append::Message).collect();
        let (durable, extents) = self.writer.append(&records, NOW).unwrap();
        for extent in extents {
            self.committed.retain(|known| known.pack != extent.pack);
            self.committed.push(extent);
        }
        durable
    }

    fn reopen(&mut self) {
        self.writer = Writer::open(&self.packs(), ARCHIVE, &self.committed, &[]).unwrap();
    }

    fn octets(&self, durable: &Durable) -> Vec<u8> {
        Reader::new(&self.packs()).open(durable.location()).unwrap().octets().unwrap()
    }
}

fn received(folder: &Path, octets: &[u8]) -> Received {
    let mut incoming = Incoming::new(folder, 1 << 20);
    for piece in octets.chunks(100_000) {
        incoming.write(piece).unwrap();
    }
    incoming.finish()
}

/// Octets that do not shrink, so that sizes on the disk are known.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn what_is_appended_reads_back_in_this_process_and_the_next() {
    let mut bench = Bench::new();
    let messages: Vec<Vec<u8>> = (0..300).map(|n| noise(n * 31, n as u64)).collect();
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut kept = bench.keep(&slices[..100]);
    kept.extend(bench.keep(&slices[100..101]));
    bench.reopen();
    kept.extend(bench.keep(&slices[101..]));
    for (durable, message) in kept.iter().zip(&messages) {
        assert_eq!(bench.octets(durable), *message);
        assert_eq!(durable.id(), BlobId::of(message));
    }
    let ordinals: Vec<u32> = kept.iter().map(|durable| durable.location().ordinal).collect();
    assert_eq!(ordinals, (0..300).collect::<Vec<u32>>());
}

#[test]
fn a_message_longer_than_a_frame_is_kept_between_others() {
    let mut bench = Bench::new();
    let long = noise(3_333_333, 1);
    let kept = bench.keep(&[b"before", &long, b"after"]);
    assert_eq!(bench.octets(&kept[0]), b"before");
    assert_eq!(bench.octets(&kept[1]), long);
    assert_eq!(bench.octets(&kept[2]), b"after");
    let prefix = Reader::new(&bench.packs()).open(kept[1].location()).unwrap().prefix(2_000_000).unwrap();
    assert_eq!(prefix, long[..2_000_000]);
}

#[test]
fn a_full_pack_is_closed_and_a_message_larger_than_a_pack_has_its_own() {
    let mut bench = Bench::new();
    let small = noise(900_000, 2);
    let huge = noise(70 << 20, 3);
    let kept = bench.keep(&[&small, &huge, &small]);
    let packs: Vec<u64> = kept.iter().map(|durable| durable.location().pack).collect();
    assert_eq!(packs, [1, 2, 3]);
    assert_eq!(bench.octets(&kept[1]), huge);
    assert_eq!(bench.octets(&kept[2]), small);
}

#[test]
fn the_torn_end_of_a_batch_is_cut_and_torn_packs_are_swept() {
    let mut bench = Bench::new();
    let kept = bench.keep(&[b"committed"]);
    let committed = bench.committed.clone();
    bench.keep(&[b"never committed"]);
    let path = bench.packs().join("00000001.open");
    let octets = fs::read(&path).unwrap();
    fs::write(&path, &octets[..octets.len() - 1]).unwrap();
    fs::write(bench.packs().join("00000007.open"), b"torn").unwrap();
    bench.committed = committed.clone();
    bench.reopen();
    assert!(!bench.packs().join("00000007.open").exists());
    assert_eq!(fs::metadata(bench.packs().join("00000001.open")).unwrap().len(), committed[0].bytes);
    let next = bench.keep(&[b"next"]);
    assert_eq!(next[0].location(), Location { pack: 1, ordinal: 1 });
    assert_eq!(bench.octets(&kept[0]), b"committed");
    assert_eq!(bench.octets(&next[0]), b"next");
}

#[test]
fn whole_batches_that_an_older_catalog_does_not_know_stay() {
    let mut bench = Bench::new();
    bench.keep(&[b"known to the older catalog"]);
    let older = bench.committed.clone();
    let mut later = bench.keep(&[b"kept later"]);
    later.extend(bench.keep(&[&noise(65 << 20, 5)]));
    assert_eq!(later[1].location().pack, 2);
    for _ in 0..2 {
        bench.committed = older.clone();
        bench.reopen();
        let next = bench.keep(&[b"next"]);
        assert!(next[0].location().pack > 2, "{:?}", next[0].location());
        assert_eq!(bench.octets(&later[0]), b"kept later");
        assert_eq!(BlobId::of(&bench.octets(&later[1])), later[1].id());
    }
}

/// What a kill leaves within a long message that begins a pack: no catalog ever named it, be this one as old as it likes.
#[test]
fn a_pack_that_ends_within_its_first_record_is_swept() {
    let mut bench = Bench::new();
    bench.keep(&[&noise(3_333_333, 7)]);
    let path = bench.packs().join("00000001.open");
    let whole = fs::read(&path).unwrap();
    let second = whole.windows(8).skip(65).position(|octets| octets == b"PFRM\x01\0\x02\x00").unwrap() + 65;
    bench.committed.clear();
    for length in [second, second + 20, second + 5000, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        bench.reopen();
        assert!(!path.exists(), "{length} octets stayed");
    }
    // Whole, or damaged: it may be mail that an older catalog does not know.
    for damaged in [None, Some(second + 3), Some(second + 3000), Some(whole.len() - 1)] {
        fs::write(&path, &whole).unwrap();
        damaged.into_iter().for_each(|at| sealing::flip(&path, at, 2));
        bench.reopen();
        assert!(path.exists(), "{damaged:?}");
    }
}

#[test]
fn a_pack_that_nobody_names_stays_when_its_beginning_alone_is_damaged() {
    let mut bench = Bench::new();
    bench.keep(&[b"one"]);
    bench.keep(&[b"two"]);
    let path = bench.packs().join("00000001.open");
    let whole = fs::read(&path).unwrap();
    bench.committed.clear();
    for damaged in [20, 70, 130] {
        fs::write(&path, &whole).unwrap();
        sealing::flip(&path, damaged, 2);
        bench.reopen();
        assert!(path.exists(), "byte {damaged}");
    }
}

#[test]
fn packs_whose_catalog_was_lost_are_refused_and_kept() {
    let mut bench = Bench::new();
    let kept = bench.keep(&[b"mail"]);
    fs::write(bench.packs().join("00000000.open"), b"torn").unwrap();
    let refused = Writer::open(&bench.packs(), [6; 16], &[], &[]).unwrap_err();
    assert!(matches!(refused, Error::Foreign(_)), "{refused}");
    assert_eq!(bench.octets(&kept[0]), b"mail");
    assert!(bench.packs().join("00000000.open").exists());
}

#[test]
fn a_damaged_pack_is_left_alone_and_a_new_one_begun() {
    let mut bench = Bench::new();
    bench.keep(&[b"one"]);
    let path = bench.packs().join("00000001.open");
    let octets = fs::read(&path).unwrap();
    fs::write(&path, &octets[..octets.len() - 1]).unwrap();
    bench.reopen();
    let next = bench.keep(&[b"two"]);
    assert_eq!(next[0].location().pack, 2);
    assert_eq!(fs::read(&path).unwrap(), octets[..octets.len() - 1]);
}

#[test]
fn a_reader_beside_the_writer_sees_what_comes_later() {
    let mut bench = Bench::new();
    let first = bench.keep(&[b"first"]);
    let reader = Reader::new(&bench.packs());
    reader.open(first[0].location()).unwrap();
    assert!(matches!(reader.open(Location { pack: 1, ordinal: 1 }), Err(Error::NoRecord(_))));
    let second = bench.keep(&[b"second"]);
    assert_eq!(reader.open(second[0].location()).unwrap().octets().unwrap(), b"second");
}

#[test]
fn a_failed_append_counts_for_nothing_and_the_next_one_works() {
    let mut bench = Bench::new();
    bench.keep(&[&noise(65 << 20, 8)]);
    fs::remove_dir_all(bench.packs()).unwrap();
    let large = noise(2 << 20, 9);
    let message = received(bench.folder.path(), &large);
    assert!(bench.writer.append(&[Append::Message(&message)], NOW).is_err());
    fs::create_dir(bench.packs()).unwrap();
    let kept = bench.keep(&[&large]);
    assert_eq!(bench.octets(&kept[0]), large);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_flipped_bit_of_a_pack_is_found(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bench = Bench::new();
        bench.keep(&[b"Subject: one\r\n\r\nbody body body body\r\n", &noise(500, 4), b""]);
        let path = bench.packs().join("00000001.open");
        let mut octets = fs::read(&path).unwrap();
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        fs::write(&path, octets).unwrap();
        let mut all_intact = true;
        let walked = Reader::new(&bench.packs()).walk(&bench.committed[0], &mut |record| all_intact &= record.intact);
        prop_assert!(walked.is_err() || !all_intact);
    }
}
