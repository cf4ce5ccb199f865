//! Searching: how fast the index is made, beside notmuch and mu; how large it is; how fast it answers, and with how much
//! memory.
//!
//! `cargo bench --bench search -- [--corpora DIR] [--million [--keep DIR]]`, as JSON lines on stdout. Needs zstd, tar, GNU
//! time, and for the comparison notmuch and mu (Debian: notmuch, maildir-utils). The mail is `bulk-spamassassin.tar.zst` of the corpora folder
//! (default `../shared/corpora`), filled up to 100,000 with made-up letters. `--million`: a million of those; `--keep DIR` leaves
//! that archive there, and searches it as it is where it is there already.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark lays files and prints"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use poplar::archive::{Archive, Order, Search};
use poplar::index::{Facts, Index, Page};
use poplar::mail::{Clock, query};
use serde_json::json;

#[allow(dead_code, reason = "other benchmarks use the rest")]
#[path = "../corpus/mod.rs"]
mod corpus;
mod letters;
#[allow(dead_code, reason = "other benchmarks use the rest")]
#[path = "../place/mod.rs"]
mod place;

use letters::{Dice, Letters};
use place::{Place, kept, milliseconds, round, tell};

const ALL: usize = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let corpora = option("--corpora").map_or("../shared/corpora".into(), PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let letters = Letters::new();
    if arguments.iter().any(|word| word == "--million") {
        let kept = option("--keep").map(PathBuf::from);
        return million(kept.as_deref().unwrap_or(folder.path()), &letters);
    }
    let files = corpus::unpack(&corpora.join("bulk-spamassassin.tar.zst"), folder.path());
    let mail: Vec<Vec<u8>> = files.iter().map(|file| crlf(&fs::read(file).unwrap())).collect();
    index_size(folder.path(), &mail);
    compare(folder.path(), "real mail", &mail);
    let made = (mail.len()..ALL).map(|number| letters.letter(number as u64));
    let all: Vec<Vec<u8>> = mail.iter().cloned().chain(made).collect();
    let place = compare(folder.path(), "real and made-up mail", &all);
    from_the_shell(&place, &letters);
}

fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => lines.extend_from_slice(&[text.strip_suffix(b"\r").unwrap_or(text), b"\r\n"].concat()),
            None => lines.extend_from_slice(line),
        }
    }
    lines
}

fn archived(folder: &Path, name: &str, mail: &[Vec<u8>]) -> Place {
    let place = Place::new(folder, name);
    kept(&place, 0, mail.len() as u64, &|n| mail[n as usize].clone());
    place.poplar(&["seal"]);
    place
}

fn index_size(folder: &Path, mail: &[Vec<u8>]) {
    let place = archived(folder, "size", mail);
    place.poplar(&["rebuild", "--index-only"]);
    let raw: u64 = mail.iter().map(|message| message.len() as u64).sum();
    let index = place.bytes_below("index");
    println!(
        "{}",
        json!({ "what": "index of real mail", "raw_bytes": raw, "index_bytes": index, "share": round(index as f64 / raw as f64) })
    );
}

/// The same mail indexed by each program for the first time: processor seconds, and messages for each of them.
fn compare(folder: &Path, what: &str, mail: &[Vec<u8>]) -> Place {
    let name = format!("compare{}", mail.len());
    let place = archived(folder, &name, mail);
    let maildir = place.folder.join("mail");
    fs::create_dir_all(maildir.join("cur")).unwrap();
    for (number, message) in mail.iter().enumerate() {
        fs::write(maildir.join(format!("cur/{number}:2,S")), message).unwrap();
    }
    for sub in ["new", "tmp"] {
        fs::create_dir_all(maildir.join(sub)).unwrap();
    }
    let config = place.folder.join("poplar.toml");
    let poplar = [env!("CARGO_BIN_EXE_poplar"), "-c", config.to_str().unwrap(), "rebuild", "--index-only"];
    let ours = timed(&place, "poplar rebuild --index-only", &poplar, mail.len(), what, None);
    let notmuch = place.folder.join("notmuch-config");
    fs::write(&notmuch, format!("[database]\npath={}\n[new]\ntags=\n", maildir.display())).unwrap();
    let notmuch = format!("--config={}", notmuch.display());
    timed(&place, "notmuch new", &["notmuch", &notmuch, "new", "--quiet"], mail.len(), what, ours);
    let home = format!("--muhome={}", place.folder.join("mu").display());
    let maildir = format!("--maildir={}", maildir.display());
    if Command::new("mu").args(["init", &home, &maildir, "--quiet"]).stdout(Stdio::null()).status().is_ok() {
        timed(&place, "mu index", &["mu", "index", &home, "--quiet"], mail.len(), what, ours);
    }
    fs::remove_dir_all(place.folder.join("mail")).unwrap();
    place
}

/// Processor seconds (user and system) as GNU time has them; told beside those of poplar.
fn timed(place: &Place, name: &str, command: &[&str], messages: usize, what: &str, ours: Option<f64>) -> Option<f64> {
    let report = place.folder.join("time");
    let mut time = Command::new("time");
    time.args(["-o", report.to_str().unwrap(), "-f", "%U %S %e %M"]).args(command);
    let ended = time.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ended.is_ok_and(|ended| ended.success()) {
        println!("{}", json!({ "what": name, "of": what, "left_out": "it is not installed, or failed" }));
        return None;
    }
    let report = fs::read_to_string(report).unwrap();
    let numbers: Vec<f64> = report.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [user, system, wall, peak_kb] = numbers[..] else { panic!("{report}") };
    let seconds = user + system;
    println!(
        "{}",
        json!({
            "what": name, "of": what, "messages": messages, "cpu_seconds": round(seconds), "wall_seconds": round(wall),
            "messages_per_cpu_second": (messages as f64 / seconds).round(), "peak_mb": round(peak_kb / 1024.0),
            "times_poplar": ours.map(|ours| round(seconds / ours)),
        })
    );
    Some(seconds)
}

fn from_the_shell(place: &Place, letters: &Letters) {
    let took = (0..60).map(|n| {
        let query = format!("{} {}", letters.word(20 + n * 7), letters.word(300 + n * 13));
        milliseconds(|| place.poplar(&["search", &query])).1
    });
    tell("poplar search from the shell, 100,000 messages, 20 hits with snippets", took.collect());
    let took = (0..60).map(|_| milliseconds(|| place.poplar(&["search", "--limit", "1"])).1);
    tell("poplar search of everything, one hit", took.collect());
}

fn million(folder: &Path, letters: &Letters) {
    let is_there = folder.join("million/archive/index/meta.json").exists();
    let place = if is_there { Place::at(folder, "million") } else { made_million(folder, letters) };
    memory(&place);
    engine(&place, letters);
    with_snippets(&place, letters);
}

fn made_million(folder: &Path, letters: &Letters) -> Place {
    const MILLION: u64 = 1_000_000;
    let place = Place::new(folder, "million");
    let seconds = kept(&place, 0, MILLION, &|n| letters.letter(n));
    println!("{}", json!({ "what": "kept", "messages": MILLION, "seconds": round(seconds) }));
    place.poplar(&["seal"]);
    let config = place.folder.join("poplar.toml");
    let poplar = [env!("CARGO_BIN_EXE_poplar"), "-c", config.to_str().unwrap(), "rebuild", "--index-only"];
    timed(&place, "poplar rebuild --index-only", &poplar, MILLION as usize, "a million", None);
    place
}

/// Of the daemon once it has nothing to do; its account is polled in vain.
fn memory(place: &Place) {
    let account = "[[account]]\nname = \"bench\"\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n\
                   allow_cleartext = true\nuser = \"bench\"\npassword = { env = \"HOME\" }\n";
    let file = place.folder.join("poplar.toml");
    let settings = fs::read_to_string(&file).unwrap().replace(account, "");
    fs::write(&file, format!("{settings}{account}")).unwrap();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_poplar"))
        .arg("-c")
        .arg(place.folder.join("poplar.toml"))
        .arg("run")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(30));
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).map(|kb| round(kb / 1024.0))
    };
    println!(
        "{}",
        json!({ "what": "daemon idle", "rss_mb": of("VmRSS"), "anonymous_mb": of("RssAnon"), "peak_mb": of("VmHWM") })
    );
    Command::new("kill").arg(daemon.id().to_string()).status().unwrap();
    daemon.wait().unwrap();
}

/// A kind of query, many of each.
fn queries(letters: &Letters, kind: &str) -> Vec<String> {
    let mut dice = Dice(4_711);
    let mut word = |most: u64| letters.word(dice.skewed(most)).to_owned();
    (0..300)
        .map(|n: u64| match kind {
            "one word" => word(20_000),
            "two words" => format!("{} {}", word(20_000), word(20_000)),
            "subject and sender" => format!("subject:{} from:person{}", word(5_000), n * 3),
            "word and year" => format!("{} date:{}", word(20_000), 2015 + n % 10),
            "phrase" => format!("\"{} {}\"", word(200), word(200)),
            "or" => format!("{} OR {}", word(20_000), word(20_000)),
            "not" => format!("{} -{}", word(20_000), word(200)),
            "prefix" => format!("{}*", word(20_000).get(..4).unwrap_or("part")),
            other => panic!("{other}"),
        })
        .collect()
}

const KINDS: [&str; 8] =
    ["one word", "two words", "subject and sender", "word and year", "phrase", "or", "not", "prefix"];

/// Exact totals, and the ids of the first page, the newest first.
fn engine(place: &Place, letters: &Letters) {
    let reader = Index::open(&place.folder.join("archive/index")).unwrap().reader().unwrap();
    let facts = Facts::at(Clock::system().now());
    let page = Page { limit: 20, ..Page::default() };
    let mut mixed = Vec::new();
    for kind in KINDS {
        let parsed: Vec<_> = queries(letters, kind).iter().map(|text| query::parse(text).query).collect();
        parsed.iter().for_each(|query| drop(reader.search(query, &facts, &page).unwrap()));
        let took: Vec<f64> =
            parsed.iter().map(|query| milliseconds(|| reader.search(query, &facts, &page).unwrap()).1).collect();
        if matches!(kind, "two words" | "subject and sender" | "word and year") {
            mixed.extend_from_slice(&took);
        }
        tell_tail(&format!("a million, {kind}"), took);
    }
    tell_tail("a million, two words and fields", mixed);
}

fn with_snippets(place: &Place, letters: &Letters) {
    let archive = Archive::open(&place.folder.join("archive"), Clock::system()).unwrap();
    for order in [Order::Newest, Order::Relevance] {
        let one = |text: &String| {
            let search = Search { query: text.clone(), limit: 20, order, ..Search::default() };
            archive.search(&search).unwrap()
        };
        let asked = queries(letters, "two words");
        let cold: Vec<f64> = asked.iter().map(|text| milliseconds(|| one(text)).1).collect();
        tell_tail(&format!("20 snippets, cold, {order:?}"), cold);
        let warm = asked.iter().take(40).map(|text| {
            one(text);
            milliseconds(|| one(text)).1
        });
        tell_tail(&format!("20 snippets, warm, {order:?}"), warm.collect());
    }
}

fn tell_tail(what: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at = |share: usize| round(took[(took.len() * share / 100).min(took.len() - 1)]);
    println!("{}", json!({ "what": what, "median_ms": at(50), "p90_ms": at(90), "p99_ms": at(99) }));
}
