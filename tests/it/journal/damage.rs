use std::fs;

use poplar::journal::{Log, LogReader};

use super::{Bench, files};

/// What is found in the journal as it lies there, by whoever reads it.
fn found(bench: &Bench) -> Vec<String> {
    match LogReader::open(&bench.journal()) {
        Ok(Some(reader)) => match reader.verify(&mut |_, _| {}) {
            Ok(damage) => damage.into_iter().map(|(object, problem)| format!("{object}: {problem}")).collect(),
            Err(error) => vec![error.to_string()],
        },
        Ok(None) => vec!["nothing there".to_owned()],
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    for (size, every_bit) in [(0, true), (1, true), (3, true), (257, false)] {
        let bench = Bench::with(size);
        assert_eq!(found(&bench), Vec::<String>::new());
        for (name, octets) in files(&bench.journal()) {
            let path = bench.journal().join(&name);
            let step = if every_bit { 1 } else { 13 };
            for at in (0..octets.len()).step_by(step) {
                for bit in (0..8).filter(|bit| every_bit || at % 8 == *bit) {
                    let mut flipped = octets.clone();
                    flipped[at] ^= 1 << bit;
                    fs::write(&path, &flipped).unwrap();
                    let found = found(&bench);
                    assert!(!found.is_empty(), "of {size}: bit {bit} of octet {at} of {name}");
                    let named = !name.starts_with("tile") || found.iter().any(|line| line.starts_with(&name));
                    assert!(named, "of {size}: octet {at} of {name}: {found:?}");
                }
            }
            fs::write(&path, &octets).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_cut_longer_or_gone_is_found_by_its_name() {
    let bench = Bench::with(256 * 256 + 300);
    let some =
        ["tile/entries/000", "tile/entries/257.p/44", "tile/0/100", "tile/0/257.p/44", "tile/1/000", "tile/2/000.p/1"];
    let files = files(&bench.journal());
    for name in some {
        let path = bench.journal().join(name);
        let octets = &files.iter().find(|(file, _)| file == name).unwrap().1;
        for changed in [&[][..], &octets[..octets.len() - 1], &[octets, &b"x"[..]].concat()] {
            fs::write(&path, changed).unwrap();
            let found = found(&bench);
            assert!(found.len() == 1 && found[0].starts_with(name), "{name}: {found:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(found(&bench), [format!("{name}: it is not there")]);
        fs::write(&path, octets).unwrap();
    }
    assert_eq!(found(&bench), Vec::<String>::new());
}

#[test]
fn damage_is_named_by_file_and_place() {
    let bench = Bench::with(256 * 256 + 300);
    let flip = |name: &str, at: usize| {
        let path = bench.journal().join(name);
        let whole = fs::read(&path).unwrap();
        let mut octets = whole.clone();
        octets[at] ^= 4;
        fs::write(&path, octets).unwrap();
        let found = found(&bench);
        fs::write(path, whole).unwrap();
        found
    };
    assert_eq!(flip("tile/entries/001", 6), ["tile/entries/001: entry 256 does not hash to what tile/0/001 has"]);
    assert_eq!(
        flip("tile/entries/257.p/44", 6),
        ["tile/entries/257.p/44: entry 65792 does not hash to what tile/0/257.p/44 has"]
    );
    assert_eq!(flip("tile/0/007", 32 * 9), ["tile/0/007: hash 9 is not the one of tile/entries/007"]);
    assert_eq!(flip("tile/0/257.p/44", 3), ["tile/0/257.p/44: hash 0 is not the one of tile/entries/257.p/44"]);
    assert_eq!(flip("tile/1/000", 32 * 7), ["tile/1/000: hash 7 is not the one of tile/0/007"]);
    assert_eq!(flip("tile/2/000.p/1", 0), ["tile/2/000.p/1: hash 0 is not the one of tile/1/000"]);
}

#[test]
fn what_is_damaged_is_not_read() {
    let bench = Bench::with(256 * 256 + 300);
    for (name, index) in [("tile/entries/001", 300), ("tile/0/001", 300), ("tile/1/000", 300)] {
        let path = bench.journal().join(name);
        let whole = fs::read(&path).unwrap();
        let mut octets = whole.clone();
        octets[900] ^= 1;
        fs::write(&path, octets).unwrap();
        let reader = bench.reader();
        let read: Vec<_> = (256..512).filter_map(|index| reader.leaf(index).err()).collect();
        assert!(!read.is_empty(), "{name}");
        assert!(reader.prove(index).is_err(), "{name}");
        assert!(!read[0].is_transient());
        fs::write(path, whole).unwrap();
    }
}

#[test]
fn the_owner_opens_no_edge_that_was_tampered_with() {
    let bench = Bench::with(256 * 256 + 300);
    for (name, octets) in files(&bench.journal()) {
        let edge = name.contains(".p/");
        if !edge && name != "checkpoint" {
            continue;
        }
        let path = bench.journal().join(&name);
        let mut flipped = octets.clone();
        flipped[5] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(Log::open(&bench.journal(), bench.signer()).is_err(), "{name}");
        fs::write(path, octets).unwrap();
    }
    assert!(Log::open(&bench.journal(), bench.signer()).is_ok());
}
