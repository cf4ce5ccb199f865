//! What `keep` costs: real mail from a real Dovecot over TLS, made durable; beside what the disk can do at best.
//!
//! `cargo bench --bench ingest -- [--corpora DIR] [--runs N]`, as JSON lines on stdout. Needs Dovecot, strace, zstd and
//! tar; the mail is `bulk-spamassassin.tar.zst` of the corpora folder (default `../shared/corpora`).
#![allow(
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
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

mod corpus;
#[path = "../tests/it/support/dovecot.rs"]
mod dovecot;

use corpus::{bare_fdatasync, unpack};
use dovecot::Dovecot;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let corpora = option("--corpora").map_or("../shared/corpora".into(), PathBuf::from);
    let runs: u32 = option("--runs").and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = Dovecot::start(folder.path().join("dovecot").as_path());

    let archive = corpora.join("bulk-spamassassin.tar.zst");
    if archive.exists() {
        let messages = deliver_bulk(&server, &archive, folder.path());
        println!("{}", json!({ "bare_fdatasync_ms": bare_fdatasync(folder.path()) }));
        for run in 0..runs {
            // The server's own caches are warm from the second run on; each run has an archive of its own.
            report(
                "bulk over TLS, durable",
                fetch(&server, folder.path(), "bulk", &format!("run{run}"), &[]),
                messages,
            );
        }
        let slow = [
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            "inject=fsync,fdatasync:delay_exit=5000",
        ];
        report(
            "the same, every fsync and fdatasync 5 ms slower",
            fetch(&server, folder.path(), "bulk", "slow", &slow),
            messages,
        );
    } else {
        println!("{}", json!({ "skipped": "bulk over TLS", "why": format!("{} is not there", archive.display()) }));
    }
    large_message(&server, folder.path());
}

fn deliver_bulk(server: &Dovecot, archive: &Path, folder: &Path) -> u64 {
    let files = unpack(archive, folder);
    for file in &files {
        server.deliver("bulk", &fs::read(file).unwrap());
    }
    fs::remove_dir_all(folder.join("corpus")).unwrap();
    files.len() as u64
}

struct Run {
    answer: Value,
    /// Not known under strace: there it is strace that is watched.
    peak_private_kib: Option<u64>,
}

/// `poplar fetch --keep-only` into a new archive, under `strace` where there are arguments for it.
fn fetch(server: &Dovecot, folder: &Path, user: &str, name: &str, strace: &[&str]) -> Run {
    let place = folder.join(name);
    fs::create_dir(&place).unwrap();
    let password = dovecot::USERS.iter().find(|(known, _)| *known == user).unwrap().1;
    fs::write(place.join("password"), password).unwrap();
    fs::set_permissions(place.join("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "data_dir = \"archive\"\n[[account]]\nname = \"bench\"\nhost = \"localhost\"\nport = {}\nuser = \"{user}\"\n\
         password = {{ file = \"password\" }}\nca_file = \"{}\"\nmax_message_bytes = \"1GiB\"\n",
        server.pop3s_port,
        server.ca_file.display()
    );
    fs::write(place.join("poplar.toml"), config).unwrap();
    let poplar = env!("CARGO_BIN_EXE_poplar");
    let mut command = if strace.is_empty() {
        Command::new(poplar)
    } else {
        let mut command = Command::new("strace");
        command.args(strace).arg(poplar);
        command
    };
    command.arg("-c").arg(place.join("poplar.toml")).args(["--json", "fetch", "--keep-only"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut peak_private_kib = 0;
    while child.try_wait().unwrap().is_none() {
        peak_private_kib = peak_private_kib.max(private_kib(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Run {
        answer: serde_json::from_slice(&output.stdout).expect("the answer is JSON"),
        peak_private_kib: strace.is_empty().then_some(peak_private_kib),
    }
}

/// RssAnon + RssShmem.
fn private_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
    };
    value("RssAnon:") + value("RssShmem:")
}

fn report(what: &str, run: Run, messages: u64) {
    let account = &run.answer["accounts"][0];
    assert_eq!(account["error"], Value::Null, "{account}");
    assert_eq!(account["kept"].as_u64().unwrap() + account["duplicates"].as_u64().unwrap(), messages, "{account}");
    let seconds = account["seconds"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "counts of messages")]
    let per_second = messages as f64 / seconds;
    println!(
        "{}",
        json!({
            "what": what, "messages": messages, "bytes": account["bytes"], "seconds": seconds,
            "messages_per_second": per_second.round(),
            "peak_private_mib": run.peak_private_kib.map(|kib| kib / 1024),
        })
    );
}

/// One message of 300 MB, and the most private memory that fetching it takes.
fn large_message(server: &Dovecot, folder: &Path) {
    let line = [&[b'x'; 74][..], b"\n"].concat();
    let mut octets = b"Subject: large\nFrom: bench@poplar.example\n\n".to_vec();
    while octets.len() < 300_000_000 {
        octets.extend_from_slice(&line);
    }
    server.deliver("carol", &octets);
    drop(octets);
    report("one message of 300 MB", fetch(server, folder, "carol", "large", &[]), 1);
}
