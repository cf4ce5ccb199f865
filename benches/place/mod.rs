//! An archive on its way, and how long something in it takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use poplar::config::{Config, LoadOptions};
use poplar::daemon::owner::{Options, Owner, Stages};
use poplar::mail::event::{AccountAdded, Listed, Sighting, Uidl};
use poplar::mail::{AccountId, Clock, Event};
use poplar::store::Incoming;
use serde_json::{Value, json};

/// An archive on its way.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
}

impl Place {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let config = "data_dir = \"archive\"\n[scan]\nclamd = \"unix:/nowhere/clamd.sock\"\n";
        fs::write(folder.join("poplar.toml"), config).unwrap();
        Self { folder }
    }

    /// One that is there already.
    #[allow(dead_code, reason = "not every benchmark keeps one")]
    pub(crate) fn at(folder: &Path, name: &str) -> Self {
        Self { folder: folder.join(name) }
    }

    pub(crate) fn config(&self) -> Config {
        let load = LoadOptions { file: Some(self.folder.join("poplar.toml")), data_dir: None };
        Config::load(&load).unwrap().config
    }

    pub(crate) fn poplar(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_poplar"))
            .arg("-c")
            .arg(self.folder.join("poplar.toml"))
            .arg("--json")
            .args(arguments)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    pub(crate) fn bytes_below(&self, name: &str) -> u64 {
        below(&self.folder.join("archive").join(name))
    }
}

pub(crate) fn below(path: &Path) -> u64 {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().map(|entry| below(&entry.unwrap().path())).sum();
    }
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Seconds from the first message to the last receipt and the checkpoint over all.
pub(crate) fn kept(place: &Place, from: u64, upto: u64, message: &(dyn Fn(u64) -> Vec<u8> + Sync)) -> f64 {
    let config = place.config();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = Options { stages: Stages::KeepOnly, allow_freshclam: false };
        let owner = tokio::task::block_in_place(|| Owner::take(&config, &options, Clock::system())).unwrap();
        let account = AccountId::from_bytes([7; 16]);
        let added = AccountAdded { account, name: "bench".to_owned(), host: None, user: None };
        owner.holds.tell(vec![Event::AccountAdded(added)]).unwrap();
        let keeper = owner.door.keeper.clone();
        let began = Instant::now();
        let mut answers = Vec::new();
        for n in from..upto {
            let octets = message(n);
            let share = keeper.budget.share(Some(octets.len() as u64)).await.unwrap();
            let mut incoming = Incoming::new(&owner.holds.spool(), share.bytes());
            incoming.write(&octets).unwrap();
            let listed =
                Listed { uidl: Uidl::new(format!("u{n}")), ordinal: 0, listed_bytes: Some(octets.len() as u64) };
            let received = incoming.finish();
            answers.push(keeper.keep(received, Sighting { account, listed }, share).await.unwrap());
            if answers.len() > 4096 {
                for answer in answers.drain(..2048) {
                    answer.await.unwrap().unwrap();
                }
            }
        }
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        keeper.sign().await.unwrap();
        let seconds = began.elapsed().as_secs_f64();
        drop(keeper);
        owner.close().await.unwrap();
        seconds
    })
}

pub(crate) fn milliseconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed().as_secs_f64() * 1000.0)
}

pub(crate) fn tell(what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at = |share: usize| round(took[took.len() * share / 100]);
    println!("{}", json!({ "what": what, "median_ms": at(50), "p90_ms": at(90) }));
}

pub(crate) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
