//! What is deleted at the server, when, and what the archive remembers of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use poplar::daemon::pop3_server::{Mailbox, Server};
use poplar::mail::BlobId;
use serde_json::Value;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, mail};

/// A server with two messages for `tester`, and the archive that polls it with this policy.
struct Scene {
    _folder: tempfile::TempDir,
    server: Dovecot,
    archive: Archive,
}

const MAILS: usize = 2;

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("number {n}"), "body")
}

impl Scene {
    fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Dovecot::start(folder.path());
        (0..MAILS).for_each(|n| server.deliver("tester", &a_mail(n)));
        let scene = Self { _folder: folder, server, archive: Archive::new() };
        scene.policy(policy);
        scene
    }

    fn policy(&self, policy: &str) {
        self.archive.configure(&[Account::implicit(&self.server, "tester").with(policy)]);
    }

    /// Listed and deleted.
    fn fetch(&self, arguments: &[&str]) -> (u64, u64) {
        let fetched = self.archive.fetch(arguments);
        (fetched["listed"].as_u64().unwrap(), fetched["deleted"].as_u64().unwrap())
    }

    fn sighting(&self, n: usize) -> Value {
        self.archive.json(&["show", &BlobId::of(&a_mail(n)).to_string()])["sightings"][0].take()
    }
}

#[test]
fn keep_leaves_everything_where_it_is() {
    let scene = Scene::new("after_archive = \"keep\"");
    assert_eq!(scene.fetch(&[]), (2, 0));
    assert_eq!(scene.fetch(&[]), (2, 0));
    assert!(scene.sighting(0)["deleting"].is_null());
}

#[test]
fn what_cannot_be_signed_stays_at_the_server() {
    let scene = Scene::new("after_archive = \"delete\"\ndelete_when = \"kept\"");
    let in_the_way = scene.archive.data_dir().join("journal/checkpoint.tmp");
    fs::create_dir_all(in_the_way.join("occupied")).unwrap();
    fs::set_permissions(in_the_way.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(scene.archive.data_dir(), Permissions::from_mode(0o700)).unwrap();
    let ended = scene.archive.well(&["--json", "fetch", "--keep-only"]);
    assert!(ended.stderr.contains("nothing is deleted at servers"), "{ended}");
    let told = &ended.json()["accounts"][0];
    assert_eq!((&told["kept"], &told["deleted"]), (&2.into(), &0.into()), "{told}");
    assert!(scene.sighting(0)["deleting"].is_null(), "{}", scene.sighting(0));

    fs::remove_dir_all(in_the_way).unwrap();
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 2));
}

#[test]
fn what_is_kept_goes_in_the_same_session_and_the_next_listing_shows_it_gone() {
    let scene = Scene::new("after_archive = \"delete\"\ndelete_when = \"kept\"");
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 2));
    let wanted = scene.sighting(0);
    assert!(wanted["deleting"].is_string() && wanted["gone"].is_null(), "{wanted}");

    assert_eq!(scene.fetch(&["--keep-only"]), (0, 0));
    let gone = scene.sighting(1);
    assert!(gone["gone"].is_string(), "{gone}");
    assert_eq!(scene.archive.raw(&BlobId::of(&a_mail(1)).to_string()), a_mail(1));
    let shown = scene.archive.well(&["show", &BlobId::of(&a_mail(1)).to_string()]);
    assert!(shown.text().contains(", deleted at the server 20"), "{shown}");
}

fn assert_deleted_by_the_session_after(policy: &str) {
    let scene = Scene::new(policy);
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 0), "{policy}");
    // The stages come to it only after this session.
    assert_eq!(scene.fetch(&[]).0, 2, "{policy}");
    let (listed, deleted) = scene.fetch(&[]);
    assert_eq!(listed, deleted, "{policy}");
    assert_eq!(scene.fetch(&[]), (0, 0), "{policy}");
    assert!(scene.sighting(0)["gone"].is_string(), "{policy}");
}

#[test]
fn what_is_to_be_scanned_first_goes_in_a_later_session() {
    assert_deleted_by_the_session_after("after_archive = \"delete\"\ndelete_when = \"scanned\"");
}

#[test]
fn what_is_to_be_indexed_first_goes_in_a_later_session() {
    assert_deleted_by_the_session_after("after_archive = \"delete\"\ndelete_when = \"indexed\"");
}

#[test]
fn a_time_to_wait_is_waited() {
    let scene = Scene::new("after_archive = { delete_after = \"30d\" }\ndelete_when = \"kept\"");
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 0));
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 0));
    scene.policy("after_archive = { delete_after = \"1s\" }\ndelete_when = \"kept\"");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(scene.fetch(&["--keep-only"]), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_id_that_comes_back_after_its_deletion_is_fetched_anew() {
    let message: Arc<[u8]> = mail("again", "and again").into();
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let fetch_from = async |messages: Vec<(Vec<u8>, Arc<[u8]>)>| {
        let mailbox = Mailbox { user: "bob".into(), password: "bobpw".into(), messages };
        let server = Server::start(vec![mailbox]).await.unwrap();
        let policy = "after_archive = \"delete\"\ndelete_when = \"kept\"";
        archive.configure(&[Account::plain(server.address().port(), "bob").with(policy)]);
        let fetched = tokio::task::block_in_place(|| archive.fetch(&["--keep-only"]));
        assert_eq!(server.messages_left("bob"), 0);
        server.stop().await;
        fetched
    };
    let kept = fetch_from(vec![(b"uid-1".to_vec(), message.clone())]).await;
    assert_eq!((&kept["kept"], &kept["deleted"]), (&1.into(), &1.into()), "{kept}");
    fetch_from(Vec::new()).await;

    let again = fetch_from(vec![(b"uid-1".to_vec(), message.clone())]).await;
    assert_eq!(
        (&again["known"], &again["duplicates"], &again["deleted"]),
        (&0.into(), &1.into(), &1.into()),
        "{again}"
    );
    let shown = archive.json(&["show", &BlobId::of(&message).to_string()]);
    let gone: Vec<bool> = shown["sightings"].as_array().unwrap().iter().map(|met| met["gone"].is_string()).collect();
    assert_eq!(gone, [true, false], "{shown}");
}
