//! Mail from files: `.eml`, mbox, Maildir, folders of them; once, and again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use poplar::config::{Config, LoadOptions};
use poplar::daemon::owner::{Options, Owner, Stages};
use poplar::mail::{BlobId, Clock};
use poplar::pipeline::Progress;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::poplar::{Account, Archive, Ended, infected_mail, mail, until};

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("imported {n}"), ">From here on\r\n.\r\nit goes")
}

fn lf(octets: &[u8]) -> Vec<u8> {
    octets.iter().copied().filter(|octet| *octet != b'\r').collect()
}

/// Of every kind one or two; messages 0 to 6.
fn lay(folder: &Path) {
    for name in ["box/cur", "box/new", "box/tmp", "box/.Sent/cur", "box/.Sent/new", "more"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("one.eml"), a_mail(0)).unwrap();
    fs::write(folder.join("more/two.EML"), a_mail(1)).unwrap();
    fs::write(folder.join("more/notes.txt"), "no mail").unwrap();
    fs::write(folder.join("box/cur/1.x:2,S"), a_mail(2)).unwrap();
    fs::write(folder.join("box/new/2.x"), a_mail(3)).unwrap();
    fs::write(folder.join("box/tmp/3.x"), "half a mail").unwrap();
    fs::write(folder.join("box/.Sent/cur/4.x:2,S"), a_mail(4)).unwrap();
    let mbox: Vec<u8> = [5, 6]
        .iter()
        .flat_map(|n| [b"From ana@example.org Sun Nov 22 10:00:00 2026\n", &lf(&a_mail(*n))[..], b"\n"].concat())
        .collect();
    fs::write(folder.join("more/archive"), mbox).unwrap();
}

fn counts(imported: &Value) -> [u64; 3] {
    assert_eq!(imported["failed"], serde_json::json!([]), "{imported}");
    ["read", "kept", "duplicates"].map(|count| imported[count].as_u64().unwrap())
}

#[test]
fn every_kind_of_mail_file_comes_in_once() {
    let archive = Archive::new();
    let folder = archive.path("mail");
    lay(&folder);
    let folder = folder.to_str().unwrap();
    assert_eq!(counts(&archive.json(&["import", folder])), [7, 7, 0]);
    for n in 0..5 {
        assert_eq!(archive.raw(&BlobId::of(&a_mail(n)).to_string()), a_mail(n));
    }
    for n in 5..7 {
        let octets = lf(&a_mail(n));
        assert_eq!(archive.raw(&BlobId::of(&octets).to_string()), octets);
    }
    assert_eq!(archive.found("subject:imported account:import").len(), 7);

    assert_eq!(counts(&archive.json(&["import", folder])), [7, 0, 7]);
    assert_eq!(archive.status()["messages"], 7);
    archive.assert_sound();
}

#[test]
fn an_import_has_the_account_it_is_given_and_is_scanned() {
    let archive = Archive::new();
    let file = archive.path("parcel.eml");
    fs::write(&file, infected_mail()).unwrap();
    let ended = archive.well(&["import", "--account", "old", file.to_str().unwrap()]);
    assert_eq!(ended.text(), "1 message read: 1 kept, 0 already there\n");
    assert_eq!(archive.found("is:infected account:old").len(), 1);
    let again = archive.well(&["import", "--account", "new", file.to_str().unwrap()]);
    assert_eq!(again.text(), "1 message read: 0 kept, 1 already there\n");
    assert_eq!(archive.found("account:new"), archive.found("account:old"));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_comes_in() {
    let archive = Archive::new();
    let (good, missing) = (archive.path("good.eml"), archive.path("missing.eml"));
    fs::write(&good, a_mail(0)).unwrap();
    let ended = archive.run(&["--json", "import", missing.to_str().unwrap(), good.to_str().unwrap()]);
    ended.assert_said(1, "missing.eml: No such file or directory");
    let imported = ended.json();
    assert_eq!((&imported["kept"], &imported["failed"][0]["path"]), (&1.into(), &missing.to_str().unwrap().into()));
    archive.run(&["import"]).assert_said(2, "PATH");
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn circles_of_links_and_pipes_hold_nothing_up() {
    let archive = Archive::new();
    let (folder, other) = (archive.path("mail"), archive.path("other"));
    for made in [&folder, &other] {
        fs::create_dir(made).unwrap();
    }
    fs::write(folder.join("one.eml"), a_mail(0)).unwrap();
    fs::write(other.join("two.eml"), a_mail(1)).unwrap();
    fs::write(other.join("three.eml"), a_mail(2)).unwrap();
    symlink(".", folder.join("circle")).unwrap();
    symlink("../other/two.eml", folder.join("linked.eml")).unwrap();
    make_pipe(&folder.join("pipe.eml"));
    symlink("/dev/zero", folder.join("zero.eml")).unwrap();
    assert_eq!(counts(&archive.json(&["import", folder.to_str().unwrap()])), [2, 2, 0]);

    // A link to mail elsewhere is named, not passed over.
    symlink("../other", folder.join("elsewhere")).unwrap();
    let ended = archive.run(&["import", folder.to_str().unwrap()]);
    ended.assert_said(1, "mail/elsewhere: a link to a folder is not followed");
    let named = archive.json(&["import", folder.join("elsewhere").to_str().unwrap()]);
    assert_eq!(counts(&named), [2, 1, 1]);
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let archive = Archive::new();
    let pipe = archive.path("pipe.eml");
    make_pipe(&pipe);
    archive.run(&["import", pipe.to_str().unwrap()]).assert_said(1, "pipe.eml: not a regular file");
    archive.run(&["import", "/dev/zero"]).assert_said(1, "/dev/zero: not a regular file");
}

#[test]
fn folders_without_end_are_left_at_some_depth() {
    let archive = Archive::new();
    let folder = archive.path("mail");
    let deep: PathBuf = std::iter::once(folder.clone()).chain((0..150).map(|_| "d".into())).collect();
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("deep.eml"), a_mail(0)).unwrap();
    fs::write(folder.join("one.eml"), a_mail(1)).unwrap();
    let ended = archive.run(&["--json", "import", folder.to_str().unwrap()]);
    ended.assert_said(1, "folders lie deeper in each other than 100");
    assert_eq!(ended.json()["kept"], 1);
}

/// With no room in memory for messages on their way, an import waits; when it is told to stop, the message in hand is
/// the last.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_its_share_of_memory_and_ends_when_it_is_told_to() {
    let archive = Archive::new();
    let load = LoadOptions { file: Some(archive.config_file()), data_dir: None };
    let config = Config::load(&load).unwrap().config;
    let options = Options { stages: Stages::KeepOnly, allow_freshclam: false };
    let owner = Owner::take(&config, &options, Clock::system()).unwrap();
    let paths: Vec<PathBuf> = (0..3).map(|n| archive.path(&format!("{n}.eml"))).collect();
    for (n, path) in paths.iter().enumerate() {
        fs::write(path, a_mail(n)).unwrap();
    }
    let mut shares = Vec::new();
    while let Ok(share) = tokio::time::timeout(Duration::from_millis(10), owner.door.keeper.budget.share(None)).await {
        shares.push(share.unwrap());
    }
    let (stop, stopped) = watch::channel(false);
    let (keeper, holds) = (owner.door.keeper.clone(), owner.holds.clone());
    let import =
        tokio::task::spawn_blocking(move || keeper.import(&holds, "old", &paths, &Progress::default(), &stopped));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!import.is_finished(), "it did not wait for its share");
    stop.send_replace(true);
    drop(shares);
    let imported = import.await.unwrap().unwrap();
    assert_eq!((imported.read, imported.kept, imported.interrupted), (1, 1, true), "{imported:?}");
    owner.close().await.unwrap();
}

#[test]
fn an_interrupted_import_says_what_was_done() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let file = archive.path("one.eml");
    fs::write(&file, a_mail(0)).unwrap();
    let import = archive.spawn(&["--json", "import", file.to_str().unwrap()]);
    until("nothing was imported", || {
        let status = archive.run(&["--json", "status"]);
        (status.code == 0 && status.json()["messages"] == 1).then_some(())
    });
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let ended = Ended::of(import);
    ended.assert_said(1, "poplar: interrupted");
    assert_eq!((&ended.json()["kept"], &ended.json()["interrupted"]), (&1.into(), &true.into()));
}

#[test]
fn an_import_beside_a_daemon_that_ends_is_interrupted_too() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let file = archive.path("one.eml");
    fs::write(&file, a_mail(0)).unwrap();
    archive.configure(&[Account::plain(1, "bob")]);
    let mut daemon = archive.start(&[]);
    let import = archive.spawn(&["--json", "import", file.to_str().unwrap()]);
    until("nothing was imported", || (archive.status()["messages"] == 1).then_some(()));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    let ended = Ended::of(import);
    ended.assert_said(1, "poplar: interrupted");
    assert_eq!(ended.json()["kept"], 1);
}
