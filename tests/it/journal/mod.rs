//! The Merkle log on disk: what goes in comes out, under a signature, and nothing can be changed unseen.
//! Knows nothing of events and mail; a leaf is octets here.

mod check_proof;
mod crash;
mod damage;
mod example;
mod log;
mod proof;

use std::fs;
use std::path::{Path, PathBuf};

use poplar::journal::{Log, LogReader, PackMark, Signer};
use ring::digest::{Context, SHA256};
use tempfile::TempDir;

const ORIGIN: &str = "poplar/000102030405060708090a0b0c0d0e0f";

/// A data folder with a journal.
struct Bench {
    data: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap() }
    }

    /// With the first `size` of [`leaf`], in one batch.
    fn with(size: u64) -> Self {
        let bench = Self::new();
        bench.log().append(&leaves(0, size), &[mark(3)]).unwrap();
        bench
    }

    fn secrets(&self) -> PathBuf {
        self.data.path().join("secrets")
    }

    fn journal(&self) -> PathBuf {
        self.data.path().join("journal")
    }

    fn signer(&self) -> Signer {
        Signer::load_or_create(&self.secrets(), &self.journal(), ORIGIN).unwrap()
    }

    fn log(&self) -> Log {
        Log::open(&self.journal(), self.signer()).unwrap()
    }

    fn reader(&self) -> LogReader {
        LogReader::open(&self.journal()).unwrap().unwrap()
    }

    fn verify(&self) -> Vec<(String, String)> {
        self.reader().verify(&mut |_, _| {}).unwrap()
    }
}

fn leaf(index: u64) -> Vec<u8> {
    format!(r#"{{"entry":{index}}}"#).into_bytes()
}

fn leaves(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(leaf).collect()
}

const fn mark(pack: u64) -> PackMark {
    PackMark { pack, bytes: 1000 + pack, records: 7 }
}

/// Every file below `folder`, by its name from there, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The tree hash as RFC 6962 section 2.1 defines it, from the leaves.
fn root(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [leaf] => sha256(&[&[0], leaf]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}

fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    context.finish().as_ref().try_into().unwrap()
}
