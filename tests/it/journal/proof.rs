use poplar::journal::{Commitment, Error, Proof, Proven};
use poplar::mail::event::MessageRef;
use poplar::mail::{BlobId, Nonce};
use proptest::prelude::*;

use super::{Bench, ORIGIN, leaf, leaves, mark};

/// Proves, writes, reads and checks.
fn proven(bench: &Bench, index: u64) -> Proven {
    let reader = bench.reader();
    let proof = reader.prove(index).unwrap();
    let read = Proof::parse(proof.to_text().as_bytes()).unwrap();
    assert_eq!(read, proof);
    read.check(reader.key()).unwrap()
}

#[test]
fn every_leaf_of_small_trees_can_be_proven() {
    for size in (1..=17).chain([255, 256, 257, 300]) {
        let bench = Bench::with(size);
        for index in 0..size {
            let leaf = String::from_utf8(leaf(index)).unwrap();
            assert_eq!(proven(&bench, index), Proven { origin: ORIGIN.to_owned(), index, size, leaf, message: None });
        }
        assert!(matches!(bench.reader().prove(size), Err(Error::NoEntry { .. })));
    }
}

#[test]
fn leaves_of_large_trees_can_be_proven() {
    for size in [65_535, 65_536, 65_537, 70_001] {
        let bench = Bench::with(size);
        for index in (0..size).step_by(9_973).chain([255, 256, 65_279, 65_280, size - 1]) {
            assert_eq!(proven(&bench, index).leaf.as_bytes(), leaf(index));
        }
    }
}

/// A log with a message in entry 4, and its proof.
fn about_a_message() -> (Bench, MessageRef, Proof) {
    let message = MessageRef { id: BlobId::of(b"octets"), nonce: Nonce::from_bytes([7; 32]) };
    let bench = Bench::new();
    let mut leaves = leaves(0, 9);
    leaves[4] = format!(r#"{{"blob":"{}"}}"#, Commitment::of_message(&message)).into_bytes();
    bench.log().append(&leaves, &[mark(1)]).unwrap();
    let proof = bench.reader().prove(4).unwrap().about(&message);
    (bench, message, proof)
}

#[test]
fn a_proof_about_a_message_opens_its_leaf() {
    let (bench, message, proof) = about_a_message();
    let reader = bench.reader();
    assert_eq!(proof.check(reader.key()).unwrap().message, Some(message.id));
    let other = MessageRef { id: BlobId::of(b"other"), ..message };
    for wrong in [reader.prove(4).unwrap().about(&other), reader.prove(3).unwrap().about(&message)] {
        assert!(matches!(wrong.check(reader.key()), Err(Error::Proof(_))));
    }
}

#[test]
fn a_proof_counts_only_under_the_key_that_is_trusted() {
    let (_, _, proof) = about_a_message();
    let other = Bench::with(1);
    assert!(matches!(proof.check(other.reader().key()), Err(Error::Signature { .. })));
}

#[test]
fn whatever_is_changed_in_a_proof_it_proves_nothing_else() {
    let (bench, _, proof) = about_a_message();
    let key = bench.reader().key().clone();
    let proven = proof.check(&key).unwrap();
    let text = proof.to_text().into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(other) = Proof::parse(&flipped).and_then(|proof| proof.check(&key)) {
                // What does not count may change: blanks and the case of hex in what is not signed.
                assert_eq!(Proven { message: proven.message, ..other.clone() }, proven, "bit {bit} of octet {at}");
                assert!(other.message.is_none() || other.message == proven.message);
            }
        }
    }
}

#[test]
fn a_proof_has_the_form_of_its_specification() {
    let (bench, _, proof) = about_a_message();
    let text = proof.to_text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert!(lines[1].starts_with("extra eyJsZWFm"), "{text}");
    assert_eq!(lines[2], "index 4");
    assert_eq!(lines[3..7].iter().map(|line| line.len()).collect::<Vec<_>>(), [44; 4]);
    assert_eq!(lines[7..9], ["", ORIGIN]);
    assert!(text.ends_with(bench.reader().checkpoint().text()));
    for wrong in
        ["", "c2sp.org/tlog-proof@v1\n\n", &text[..300], &text.replace("index 4", "index 04"), &"x".repeat(2 << 20)]
    {
        assert!(Proof::parse(wrong.as_bytes()).is_err(), "{wrong:.100}");
    }
}

proptest! {
    #[test]
    fn no_octets_upset_the_parser(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(Proof::parse(&octets));
    }
}

#[test]
fn no_index_and_no_number_of_hashes_upsets_the_check() {
    let bench = Bench::with(300);
    let reader = bench.reader();
    let text = reader.prove(77).unwrap().to_text();
    let (head, note) = text.split_once("\n\n").unwrap();
    let lines: Vec<_> = head.lines().collect();
    for index in [0, 1, 76, 77, 78, 255, 256, 299, 300, 301, 1 << 32, u64::MAX] {
        for count in 0..70 {
            let path: String = (0..count).map(|at| format!("{}\n", lines[3 + at % (lines.len() - 3)])).collect();
            let text = format!("{}\n{}\nindex {index}\n{path}\n{note}", lines[0], lines[1]);
            let checked = Proof::parse(text.as_bytes()).and_then(|proof| proof.check(reader.key()));
            assert_eq!(checked.is_ok(), index == 77 && count == lines.len() - 3, "{index}, {count} hashes");
        }
    }
}
