//! The shared corpora, where they are on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use poplar::mail::Verdict;

use super::{Offset, Scanner};
use crate::support::corpora::unpacked;
use crate::support::poplar::files_below;

fn folder_named(corpus: &Path, name: &str) -> PathBuf {
    let is_manifest = |path: &PathBuf| path.ends_with(format!("{name}/manifest.tsv"));
    files_below(corpus).into_iter().find(is_manifest).unwrap().parent().unwrap().to_owned()
}

/// Each mail of a folder's manifest and the verdict it asks for.
fn manifest(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("manifest.tsv")).unwrap();
    let fields = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let mut rows = text.lines().map(fields);
    let expected = rows.next().unwrap().iter().position(|name| name == "expected").unwrap();
    rows.map(|row| (row[0].clone(), row[expected].clone())).collect()
}

/// Whether a verdict is as the manifest asks, or better. What lies in text is no file, so a signature for the
/// beginning of a file rightly does not match it.
fn is_enough(verdict: Verdict, expected: &str, offset: Offset) -> bool {
    match expected {
        "infected" => verdict == Verdict::Infected,
        "encrypted" => matches!(verdict, Verdict::Encrypted | Verdict::Infected),
        "text-inside" => offset == Offset::Start || verdict == Verdict::Infected,
        "clean" => verdict == Verdict::Clean,
        "hard" | "limit" | "only-joined" => verdict != Verdict::Clean,
        _ => true,
    }
}

/// Of what strains limits: mails that are not seen whole, whatever clamd says of them.
const UNSEEN: [&str; 4] =
    ["zip-nested-bomb-10GiB.eml", "multipart-depth-300.eml", "rfc822-depth-300.eml", "parts-20000.eml"];

/// clamd does not unpack this method; that is told.
fn is_unopened(name: &str, verdict: Verdict) -> bool {
    name == "zip-lzma.eml" && verdict == Verdict::Partial
}

async fn every_mail_gets_its_verdict(offset: Offset) {
    let folder = tempfile::tempdir().unwrap();
    let Some(corpus) = unpacked("mixed-mail.tar.zst", "*", folder.path()) else { return };
    let mut scanner = Scanner::start(&folder.path().join("archive"), offset).await;
    let mut wrong = Vec::new();
    for set in ["av-eicar", "av-near-miss", "av-limits"] {
        let mails = folder_named(&corpus, set);
        for (name, expected) in manifest(&mails) {
            let (verdict, why) = scanner.verdict(&fs::read(mails.join(&name)).unwrap()).await;
            let is_passed = verdict == Verdict::Clean && UNSEEN.contains(&name.as_str());
            if is_passed || !is_enough(verdict, &expected, offset) && !is_unopened(&name, verdict) {
                wrong.push(format!("{set}/{name}: {expected} wanted, {verdict} given, because {why:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_mail_gets_its_verdict_when_files_must_begin_with_the_signature() {
    every_mail_gets_its_verdict(Offset::Start).await;
}

#[tokio::test]
async fn every_mail_gets_its_verdict_when_the_signature_may_be_anywhere() {
    every_mail_gets_its_verdict(Offset::Anywhere).await;
}
