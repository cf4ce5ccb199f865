//! `scripts/check-proof`, made from the document alone, takes what the program writes, and refuses what was changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use poplar::journal::Commitment;
use poplar::mail::event::MessageRef;
use poplar::mail::{BlobId, Nonce};

use super::{Bench, files, leaves, mark};

/// What it prints, or what it says does not hold.
fn check(arguments: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-proof");
    let run = Command::new("python3").arg(script).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    match run.status.code() {
        Some(0) => Ok(out),
        Some(1) if err.starts_with("does not hold: ") => Err(err),
        other => panic!("{arguments:?}: {other:?}\n{err}"),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn whole_logs_hold() {
    for size in [0, 1, 2, 255, 256, 257, 65_536, 65_536 + 300] {
        let bench = Bench::with(size);
        let told = check(&["--log", text(&bench.journal())]).unwrap();
        assert!(told.starts_with(&format!("holds: {size} entries of the log poplar/")), "{told}");
        assert!(told.contains("pack 3: committed up to octet 1003, 7 records\n"), "{told}");
        assert!(told.contains(&bench.reader().checkpoint().root().to_string()));
    }
}

#[test]
fn a_log_that_was_changed_does_not_hold() {
    let bench = Bench::with(65_536 + 300);
    let mut files = files(&bench.journal());
    files.retain(|(name, _)| {
        ["000", "255", "checkpoint", "key"].iter().any(|end| name.ends_with(end)) || name.contains(".p/")
    });
    assert_eq!(files.len(), 11, "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for (name, octets) in files {
        let path = bench.journal().join(&name);
        let mut flipped = octets.clone();
        flipped[octets.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        check(&["--log", text(&bench.journal())]).unwrap_err();
        fs::write(&path, &octets[..octets.len() - 1]).unwrap();
        check(&["--log", text(&bench.journal())]).unwrap_err();
        fs::write(&path, &octets).unwrap();
    }
    check(&["--log", text(&bench.journal())]).unwrap();
}

#[test]
fn a_log_is_held_to_a_key_and_to_an_earlier_checkpoint() {
    let bench = Bench::with(300);
    let journal = bench.journal();
    let head = bench.data.path().join("head");
    fs::copy(journal.join("checkpoint"), &head).unwrap();
    bench.log().append(&leaves(300, 700), &[]).unwrap();
    let key = fs::read_to_string(journal.join("key")).unwrap();
    let told = check(&["--log", text(&journal), "--key", key.trim(), "--head", text(&head)]).unwrap();
    assert!(told.contains("which has 300 entries"), "{told}");
    let other = Bench::with(1).reader().key().to_string();
    check(&["--log", text(&journal), "--key", &other]).unwrap_err();
    fs::remove_dir_all(&journal).unwrap();
    bench.log().append(&leaves(1, 701), &[]).unwrap();
    check(&["--log", text(&journal)]).unwrap();
    check(&["--log", text(&journal), "--head", text(&head)]).unwrap_err();
}

#[test]
fn proofs_hold_and_changed_ones_do_not() {
    let message = MessageRef { id: BlobId::of(b"octets"), nonce: Nonce::from_bytes([7; 32]) };
    let bench = Bench::new();
    let mut leaves = leaves(0, 65_536 + 300);
    let about = [0, 1, 77, 255, 256, 65_535, 65_536, 65_835];
    for index in about {
        let commitment = Commitment::of_message(&message);
        leaves[index] = format!(r#"{{"blob":"{commitment}","entry":{index}}}"#).into_bytes();
    }
    bench.log().append(&leaves, &[mark(1)]).unwrap();
    let at = |name: &str, octets: &[u8]| {
        let path = bench.data.path().join(name);
        fs::write(&path, octets).unwrap();
        path
    };
    let (mail, other) = (at("m.eml", b"octets"), at("other.eml", b"other"));
    let key = bench.journal().join("key");
    let reader = bench.reader();
    for index in about {
        let proof = reader.prove(index as u64).unwrap().about(&message).to_text();
        let file = at("a.tlog-proof", proof.as_bytes());
        let told = check(&[text(&file), "--key", text(&key), "--message", text(&mail)]).unwrap();
        assert!(told.starts_with(&format!("proven: entry {index} of 65836 in the log poplar/")), "{told}");
        assert!(told.contains(&format!("about the message with SHA-256 {}\n", message.id)), "{told}");
        check(&[text(&file), "--key", text(&key), "--message", text(&other)]).unwrap_err();
        let changed = proof.replace(&format!("index {index}\n"), &format!("index {}\n", index ^ 2));
        check(&[text(&at("b.tlog-proof", changed.as_bytes())), "--key", text(&key)]).unwrap_err();
    }
    let proof = reader.prove(5).unwrap().to_text();
    let changed = reader.prove(5).unwrap().about(&message).to_text();
    let unrelated = Bench::with(1).reader().key().to_string();
    check(&[text(&at("a.tlog-proof", proof.as_bytes())), "--key", &reader.key().to_string()]).unwrap();
    check(&[text(&at("a.tlog-proof", proof.as_bytes())), "--key", &unrelated]).unwrap_err();
    check(&[text(&at("a.tlog-proof", changed.as_bytes())), "--key", text(&key)]).unwrap_err();
    check(&[text(&at("a.tlog-proof", &proof.as_bytes()[..200])), "--key", text(&key)]).unwrap_err();
}
