//! What was destroyed here is known again, never kept again, and never deleted at the server.

use poplar::mail::BlobId;
use serde_json::json;

use super::{Scene, mails};
use crate::support::maildrop::{Mail, Maildrop};
use crate::support::quarantine::seal_off;

fn destroyed() -> (Scene, BlobId) {
    let scene = Scene::keeping(Maildrop::new(mails(3)));
    scene.fetch_well().assert_counts([("kept", 3)]);
    let id = scene.maildrop.mails()[1].id();
    seal_off(&scene.archive.data_dir(), id, &[id]);
    scene.archive.well(&["quarantine", "purge", &id.to_string(), "--reason", "for good"]);
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    (scene, id)
}

#[test]
fn what_was_destroyed_is_not_fetched_and_stays_at_the_server() {
    let (scene, id) = destroyed();
    let plan = scene.archive.json(&["plan", "tester"]);
    assert_eq!((plan["delete"].as_array().unwrap().len(), plan["leave"].as_array().unwrap().len()), (2, 1), "{plan}");
    let left = &plan["leave"][0];
    assert_eq!((&left["id"], &left["why"]), (&json!(id.to_string()), &json!("destroyed here; it stays at the server")));
    scene.fetch_well().assert_counts([("known", 3), ("kept", 0), ("deleted", 2)]);
    assert_eq!(scene.maildrop.mails().iter().map(Mail::id).collect::<Vec<_>>(), [id]);
    assert_eq!(scene.maildrop.handed_out().len(), 3);
}

#[test]
fn what_was_destroyed_comes_again_and_is_not_kept_again() {
    let (scene, id) = destroyed();
    // Twice, so that its header does not tell it: it has to be fetched.
    scene.maildrop.change(|mails| {
        let octets = mails[1].octets.clone();
        mails.push(Mail::new("again-1", octets.clone()));
        mails.push(Mail::new("again-2", octets));
    });
    scene.fetch_well().assert_counts([("kept", 0), ("duplicates", 2), ("deleted", 2)]);
    assert!(scene.maildrop.handed_out().iter().filter(|handed_out| **handed_out == id).count() > 1);
    assert_eq!(scene.maildrop.mails().iter().filter(|mail| mail.id() == id).count(), 3);
    scene.fetch_well().assert_counts([("known", 3), ("deleted", 0)]);
    scene.archive.run(&["show", &id.to_string(), "--raw"]).assert_said(1, "was destroyed");
    scene.archive.assert_sound();
    assert_eq!(scene.archive.json(&["show", &id.to_string()])["sightings"].as_array().unwrap().len(), 3);
}
