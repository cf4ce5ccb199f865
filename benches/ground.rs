//! What store, journal and catalog cost: keeping from memory, sealing, reading one message, verify, rebuild, and a
//! million messages.
//!
//! `cargo bench --bench ground -- [--corpora DIR] [--million]`, as JSON lines on stdout. Needs zstd and tar; the mail is
//! `bulk-spamassassin.tar.zst` of the corpora folder (default `../shared/corpora`).
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark lays files and prints"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use poplar::archive::Archive;
use poplar::catalog::Catalog;
use poplar::mail::Clock;
use serde_json::json;

mod corpus;
mod place;

use corpus::{bare_fdatasync, unpack};
use place::{Place, kept, milliseconds, round, tell};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let corpora = option("--corpora").map_or("../shared/corpora".into(), PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    println!("{}", json!({ "bare_fdatasync_ms": bare_fdatasync(folder.path()) }));
    let bulk = corpora.join("bulk-spamassassin.tar.zst");
    if bulk.exists() {
        let files = unpack(&bulk, folder.path());
        let mail: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        for run in 0..3 {
            keep(&Place::new(folder.path(), &format!("keep{run}")), "real mail from memory", &mail);
        }
        real_archive(folder.path(), &folder.path().join("corpus"), &mail);
    } else {
        println!("{}", json!({ "skipped": "real mail", "why": format!("{} is not there", bulk.display()) }));
    }
    let large: Vec<Vec<u8>> = (0..60).map(|n| with_attachment(n, noise(5 << 20, n).as_slice())).collect();
    keep(&Place::new(folder.path(), "large"), "attachments of 5 MB from memory", &large);
    drop(large);
    shared_attachment(folder.path());
    if arguments.iter().any(|word| word == "--million") {
        million(folder.path());
    }
}

/// Through the keep thread: hash, dedup, compress, write, fsync, read back, commit, journal; to the last receipt and the
/// checkpoint over all.
fn keep(place: &Place, what: &str, mail: &[Vec<u8>]) {
    let bytes: u64 = mail.iter().map(|message| message.len() as u64).sum();
    let seconds = kept(place, 0, mail.len() as u64, &|n| mail[usize::try_from(n).unwrap()].clone());
    println!(
        "{}",
        json!({
            "what": what, "messages": mail.len(), "bytes": bytes, "seconds": round(seconds),
            "messages_per_second": (mail.len() as f64 / seconds).round(),
            "mb_per_second": round(bytes as f64 / 1e6 / seconds),
        })
    );
}

/// An archive of real mail, imported in file order: what it takes sealed, and how fast it is read, checked and rebuilt.
fn real_archive(folder: &Path, corpus: &Path, mail: &[Vec<u8>]) {
    let place = Place::new(folder, "real");
    let raw: u64 = mail.iter().map(|message| message.len() as u64).sum();
    let imported = place.poplar(&["import", "--wait", "0s", corpus.to_str().unwrap()]);
    let began = Instant::now();
    let sealed = place.poplar(&["seal"]);
    let seconds = began.elapsed().as_secs_f64();
    let share = |bytes: u64| round(bytes as f64 / raw as f64);
    println!(
        "{}",
        json!({
            "what": "sealed", "raw_bytes": raw, "kept": imported["kept"], "seconds": round(seconds),
            "packs": share(place.bytes_below("packs")), "journal": share(place.bytes_below("journal")),
            "catalog": share(place.bytes_below("catalog.db")), "index": share(place.bytes_below("index")),
            "recipes": sealed["recipes"],
        })
    );
    show_raw(&place, mail);
    for name in ["verify", "rebuild"] {
        let began = Instant::now();
        let report = place.poplar(&[name]);
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(report["damage"], json!([]), "{report}");
        println!(
            "{}",
            json!({
                "what": name, "seconds": round(seconds), "raw_mb_per_second": round(raw as f64 / 1e6 / seconds),
                "messages_per_second": (mail.len() as f64 / seconds).round(),
            })
        );
    }
}

/// Some messages at random, one by one: by the real program, a process for each, beside a process that does nothing; and
/// within one process that has nothing of the archive in memory, which opens it anew for each.
fn show_raw(place: &Place, mail: &[Vec<u8>]) {
    let poplar = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poplar"));
        command.arg("-c").arg(place.folder.join("poplar.toml")).args(arguments).output().unwrap().stdout
    };
    let folder = place.folder.join("archive");
    read_each("show --raw, a process each", mail, |id| poplar(&["show", id, "--raw"]));
    read_each("show --raw, the archive opened for each", mail, |id| {
        let archive = Archive::open(&folder, Clock::system()).unwrap();
        let message = archive.find(id).unwrap();
        let octets = archive.raw(&message).unwrap();
        archive.viewed(&message, "raw", "bench").unwrap();
        octets.octets().unwrap()
    });
    let nothing: Vec<f64> = (0..200).map(|_| milliseconds(|| drop(poplar(&["--version"]))).1).collect();
    tell("a process that does nothing", nothing);
}

fn read_each(what: &str, mail: &[Vec<u8>], read: impl Fn(&str) -> Vec<u8>) {
    let one = |message: &Vec<u8>| {
        let id = poplar::mail::BlobId::of(message).to_string();
        let (octets, took) = milliseconds(|| read(&id));
        assert!(octets == *message, "{id}");
        took
    };
    // A step that has no divisor in common with the number of messages comes to all parts of all packs.
    let sample = (0..200).map(|n| &mail[n * 2_741 % mail.len()]);
    tell(what, sample.map(one).collect());
}

/// Twenty mails with the same attachment of 5 MB.
fn shared_attachment(folder: &Path) {
    let attachment = noise(5 << 20, 99);
    let mail: Vec<Vec<u8>> = (0..20).map(|n| with_attachment(n, &attachment)).collect();
    let place = Place::new(folder, "shared");
    kept(&place, 0, 20, &|n| mail[usize::try_from(n).unwrap()].clone());
    place.poplar(&["seal"]);
    let ratio = place.bytes_below("packs") as f64 / attachment.len() as f64;
    println!("{}", json!({ "what": "20 mails with one attachment of 5 MB", "sealed_to_one_copy": round(ratio) }));
}

/// Keeping speed at the start and at the end of a million small messages, what the catalog takes, and a start.
fn million(folder: &Path) {
    const ALL: u64 = 1_000_000;
    const STEP: u64 = 50_000;
    let place = Place::new(folder, "million");
    let message = |n: u64| {
        format!(
            "From: sender{}@poplar.example\r\nTo: archive@poplar.example\r\nSubject: message {n}\r\n\r\nNumber {n} says {}\r\n",
            n % 977,
            n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        )
        .into_bytes()
    };
    for from in (0..ALL).step_by(usize::try_from(STEP).unwrap()) {
        let seconds = kept(&place, from, from + STEP, &message);
        println!(
            "{}",
            json!({
                "what": "a million", "kept": from + STEP, "messages_per_second": (STEP as f64 / seconds).round(),
                "catalog_bytes_a_message": place.bytes_below("catalog.db") / (from + STEP),
            })
        );
    }
    start(&place);
}

/// Until the daemon says that the archive is its own; its account is polled in vain.
fn start(place: &Place) {
    let account = "[[account]]\nname = \"bench\"\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n\
                   allow_cleartext = true\nuser = \"bench\"\npassword = { env = \"HOME\" }\n";
    let file = place.folder.join("poplar.toml");
    fs::write(&file, format!("{}{account}", fs::read_to_string(&file).unwrap())).unwrap();
    let catalog = Catalog::beside(&place.folder.join("archive")).unwrap().unwrap();
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_poplar"));
    let mut daemon = command.arg("-c").arg(file).arg("run").stderr(std::process::Stdio::null()).spawn().unwrap();
    while catalog.owner().unwrap().is_none_or(|owner| owner.pid != daemon.id()) {
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon does not start");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    println!("{}", json!({ "what": "start of the daemon", "seconds": round(began.elapsed().as_secs_f64()) }));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

fn with_attachment(n: u64, attachment: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let mut message = format!(
        "From: a@poplar.example\r\nSubject: number {n}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\nText {n}\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    for line in attachment.chunks(57) {
        message.extend_from_slice(base64::prelude::BASE64_STANDARD.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"--b--\r\n");
    message
}

/// Octets that do not shrink.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(length);
    octets
}
