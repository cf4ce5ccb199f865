//! Mails made to be read in more than one way: none may pass for clean, unless what they hide is harmless.

use poplar::mail::Verdict;

use super::{Offset, Scanner, mails};

async fn none_is_clean(offset: Offset) {
    let folder = tempfile::tempdir().unwrap();
    let mut scanner = Scanner::start(folder.path(), offset).await;
    let mut clean = Vec::new();
    for (name, mail) in mails::all() {
        if scanner.verdict(&mail).await.0 == Verdict::Clean {
            clean.push(name);
        }
    }
    assert!(clean.is_empty(), "{}", clean.join("\n"));
}

#[tokio::test]
async fn no_ambiguous_mail_is_clean_when_files_must_begin_with_the_signature() {
    none_is_clean(Offset::Start).await;
}

#[tokio::test]
async fn no_ambiguous_mail_is_clean_when_the_signature_may_be_anywhere() {
    none_is_clean(Offset::Anywhere).await;
}

#[tokio::test]
async fn the_same_around_a_harmless_file_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let mut scanner = Scanner::start(folder.path(), Offset::Anywhere).await;
    for (name, mail) in mails::harmless() {
        let verdict = scanner.verdict(&mail).await;
        assert_eq!(verdict, (Verdict::Clean, Vec::new()), "{name}");
    }
}
