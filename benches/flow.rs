//! All that becomes of mail, in one go: from the first RETR to the last verdict; beside a loop that does nothing but what
//! has to be done with each message.
//!
//! `cargo bench --bench flow -- [--corpora DIR] [--runs N]`, as JSON lines on stdout. `busy` is the share of all processors'
//! time that anybody used; `cpu_ratio` is what poplar used (user and system, children apart) over what the loop used. Needs
//! Dovecot, clamd, zstd and tar; the mail is `bulk-spamassassin.tar.zst` of the corpora folder (default `../shared/corpora`).
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a benchmark lays files and prints; of the server's harness it uses a part"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use poplar::index::{self, Document, Index};
use poplar::mail::{BlobId, Timestamp, message};
use serde_json::{Value, json};

#[path = "corpus/clamd.rs"]
mod clamd;
mod corpus;
#[path = "../tests/it/support/dovecot.rs"]
mod dovecot;

use clamd::Clamd;
use corpus::{bare_fdatasync, unpack};
use dovecot::Dovecot;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let corpora = option("--corpora").map_or("../shared/corpora".into(), PathBuf::from);
    let runs: u32 = option("--runs").and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let packed = corpora.join("bulk-spamassassin.tar.zst");
    if !packed.exists() {
        println!("{}", json!({ "skipped": "the whole flow", "why": format!("{} is not there", packed.display()) }));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (server, clamd) = (Dovecot::start(folder.path().join("dovecot").as_path()), Clamd::start());
    let files = unpack(&packed, folder.path());
    let mails: Vec<Vec<u8>> = files.iter().map(|file| as_sent(&fs::read(file).unwrap())).collect();
    files.iter().for_each(|file| server.deliver("bulk", &fs::read(file).unwrap()));
    println!("{}", json!({ "bare_fdatasync_ms": bare_fdatasync(folder.path()), "messages": mails.len() }));
    for run in 0..runs {
        let loop_seconds = bare_loop(&folder.path().join(format!("bare{run}")), &mails);
        let flow = fetch(&server, &clamd, &folder.path().join(format!("run{run}")), mails.len());
        println!(
            "{}",
            json!({
                "run": run, "seconds": round(flow.seconds), "messages_per_second": (mails.len() as f64 / flow.seconds).round(),
                "busy": round(flow.busy), "poplar_cpu_seconds": round(flow.cpu_seconds),
                "bare_loop_cpu_seconds": round(loop_seconds), "cpu_ratio": round(flow.cpu_seconds / loop_seconds),
            })
        );
    }
}

/// Lines end in CRLF on the wire.
fn as_sent(octets: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        sent.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        sent.extend_from_slice(b"\r\n");
    }
    sent
}

/// Hashes, compresses, parses and indexes each message, on one thread: its processor time, in seconds.
fn bare_loop(folder: &Path, mails: &[Vec<u8>]) -> f64 {
    fs::create_dir(folder).unwrap();
    let before = used(own_stat());
    let index = Index::create_or_open(&folder.join("index")).unwrap();
    let mut writer = index.writer(index::WRITER_HEAP_BYTES).unwrap();
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    let mut stored = 0;
    for (number, octets) in (1..).zip(mails) {
        let id = BlobId::of(octets);
        stored += compressor.compress(octets).unwrap().len();
        let message = message::read(octets);
        let kept = Timestamp::from_millis(1_700_000_000_000);
        writer.add(&Document::of(id, number, octets.len() as u64, kept, &message)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    assert!(stored > 0);
    used(own_stat()) - before
}

struct Flow {
    seconds: f64,
    busy: f64,
    cpu_seconds: f64,
}

/// `poplar fetch` into a new archive: it returns when everything is kept, scanned and indexed.
fn fetch(server: &Dovecot, clamd: &Clamd, place: &Path, messages: usize) -> Flow {
    fs::create_dir(place).unwrap();
    let password = dovecot::USERS.iter().find(|(known, _)| *known == "bulk").unwrap().1;
    fs::write(place.join("password"), password).unwrap();
    fs::set_permissions(place.join("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "data_dir = \"archive\"\n[[account]]\nname = \"bench\"\nhost = \"localhost\"\nport = {}\nuser = \"bulk\"\n\
         password = {{ file = \"password\" }}\nca_file = \"{}\"\n[scan]\nclamd = \"unix:{}\"\n",
        server.pop3s_port,
        server.ca_file.display(),
        clamd.socket.display()
    );
    fs::write(place.join("poplar.toml"), config).unwrap();
    let (idle_before, all_before) = processors();
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_poplar"));
    command.arg("-c").arg(place.join("poplar.toml")).args(["--json", "fetch"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let (answer, cpu_seconds) = ended(child);
    let seconds = began.elapsed().as_secs_f64();
    let (idle, all) = processors();
    let account = &answer["accounts"][0];
    let kept = account["kept"].as_u64().unwrap() + account["duplicates"].as_u64().unwrap();
    assert_eq!((kept, &answer["unscanned"], &answer["unindexed"]), (messages as u64, &json!(0), &json!(0)), "{answer}");
    Flow { seconds, busy: 1.0 - (idle - idle_before) / (all - all_before), cpu_seconds }
}

fn ended(child: Child) -> (Value, f64) {
    let process = format!("/proc/{}/stat", child.id());
    let mut cpu = 0.0;
    let mut child = child;
    let mut stdout = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut octets).unwrap();
        octets
    });
    // Until it is waited for, a process that has ended still tells what it used.
    while child_is_running(&process, &mut cpu) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    (serde_json::from_slice(&reading.join().unwrap()).expect("the answer is JSON"), cpu)
}

fn child_is_running(process: &str, cpu: &mut f64) -> bool {
    let stat = fs::read_to_string(process).unwrap();
    *cpu = used(&stat);
    !stat[stat.rfind(')').unwrap()..].starts_with(") Z")
}

fn own_stat() -> String {
    fs::read_to_string("/proc/self/stat").unwrap()
}

/// Seconds of user and system time, from a line of /proc/PID/stat (proc(5): fields 14 and 15, in hundredths).
fn used(stat: impl AsRef<str>) -> f64 {
    let stat = stat.as_ref();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Idle time and all time of all processors, in hundredths of a second.
fn processors() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let times: Vec<f64> = stat.lines().next().unwrap().split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
    (times[3], times[..8].iter().sum())
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
