//! Unique-ids that are odd, equal, given out again, or all different from one day to the next.

use super::{Scene, mails, numbered};
use crate::support::maildrop::{Fault, Mail, Maildrop, refuse};

/// Fetched once, told apart, deleted: whatever octets they are made of.
#[test]
fn unique_ids_are_opaque() {
    let long = |last: &str| [&[b'x'; 128][..], last.as_bytes()].concat();
    let uids: Vec<Vec<u8>> = vec![
        vec![b'y'; 512],
        long("1234"),
        long("5678"),
        b"a/b".to_vec(),
        b"a-b".to_vec(),
        b"../../etc/passwd".to_vec(),
        b"with blanks inside".to_vec(),
        b"\xe9\xff\x80".to_vec(),
        b"%s%n'; DROP TABLE".to_vec(),
        b"header:".to_vec(),
        b"octets:0".to_vec(),
        b"file:/etc/passwd".to_vec(),
        b"0".to_vec(),
    ];
    let count = uids.len() as u64;
    let mails = uids.into_iter().enumerate().map(|(n, uid)| Mail::new(uid, numbered(&n.to_string(), n).octets));
    let scene = Scene::keeping(Maildrop::new(mails.collect()));
    scene.fetch_well().assert_counts([("kept", count)]);
    scene.fetch_well().assert_counts([("known", count)]);
    scene.assert_whole();
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.fetch_well().assert_counts([("deleted", count)]);
    assert!(scene.maildrop.mails().is_empty());
    scene.fetch_well().assert_counts([("listed", 0)]);
    scene.archive.assert_sound();
}

#[test]
fn equal_unique_ids_in_one_listing_are_all_fetched_and_told_apart() {
    let mut mails = mails(4);
    mails.iter_mut().skip(1).for_each(|mail| mail.uid = b"same".to_vec());
    let scene = Scene::keeping(Maildrop::new(mails));
    scene.fetch_well().assert_counts([("kept", 4)]);
    scene.fetch_well().assert_counts([("known", 4)]);
    scene.assert_whole();
    // The first of the three goes, and the others move up.
    scene.maildrop.change(|mails| drop(mails.remove(1)));
    scene.fetch_well().assert_counts([("listed", 3), ("kept", 0)]);
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.fetch_well();
    scene.fetch_well();
    assert!(scene.maildrop.mails().is_empty(), "{:?}", scene.maildrop.heard());
    scene.assert_nothing_lost();
}

#[test]
fn equal_messages_with_equal_unique_ids_are_one_message_met_twice() {
    let twin = numbered("twin", 3);
    let scene = Scene::deleting(Maildrop::new(vec![twin.clone(), twin]));
    scene.fetch_well().assert_counts([("kept", 1), ("duplicates", 1), ("deleted", 2)]);
    scene.assert_holds_all();
}

#[test]
fn an_old_unique_id_on_a_message_of_another_size_is_a_new_message() {
    let scene = Scene::keeping(Maildrop::new(mails(5)));
    scene.fetch_well();
    let new = Mail::new("uid-2", numbered("new", 40).octets);
    scene.maildrop.change(|mails| mails[1] = new.clone());
    scene.fetch_well().assert_counts([("known", 4), ("kept", 1)]);
    assert!(scene.contents().contains(&new.id()));
}

/// Six messages whose sizes are equal: only their header blocks tell that another took the place of the third.
fn replaced_by_one_of_the_same_size(scene: &Scene) -> Mail {
    scene.fetch_well().assert_counts([("kept", 6)]);
    let new = Mail::new("uid-3", numbered("x", 2).octets);
    scene.maildrop.change(|mails| {
        assert_eq!(mails[2].octets.len(), new.octets.len());
        mails[2] = new.clone();
    });
    new
}

fn of_one_size() -> Vec<Mail> {
    (1..=6).map(|n| numbered(&n.to_string(), 2)).collect()
}

/// Each poll compares the first, the last and two more at random: in the end it is found.
#[test]
fn an_old_unique_id_on_a_message_of_the_same_size_is_found_by_the_spot_checks() {
    let scene = Scene::keeping(Maildrop::new(of_one_size()));
    let new = replaced_by_one_of_the_same_size(&scene);
    // The odds that forty polls miss it are below one in a million.
    let found = (0..40).any(|_| scene.fetch_well().told["kept"] == 1);
    assert!(found);
    assert!(scene.contents().contains(&new.id()));
    assert_eq!(scene.contents().len(), 7);
}

#[test]
fn an_old_unique_id_on_a_message_of_the_same_size_is_found_before_it_is_deleted() {
    let scene = Scene::keeping(Maildrop::new(of_one_size()));
    let new = replaced_by_one_of_the_same_size(&scene);
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.fetch_well().assert_counts([("kept", 1), ("deleted", 6)]);
    assert!(scene.contents().contains(&new.id()));
    scene.assert_nothing_lost();
}

/// Neither header blocks nor sizes tell which message it is by now: it is read again, and what was there is deleted.
#[test]
fn where_only_the_unique_id_is_left_a_message_is_read_again_before_it_is_deleted() {
    for sizeless in [refuse("LIST", "no sizes here"), Fault::ListLies("-1")] {
        let scene = Scene::keeping(Maildrop::offering(&["UIDL", "USER"], of_one_size()));
        scene.maildrop.misbehave(refuse("TOP", "unknown command"));
        scene.maildrop.misbehave(sizeless);
        let new = replaced_by_one_of_the_same_size(&scene);
        scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
        scene.fetch_well().assert_counts([("kept", 1), ("duplicates", 5), ("deleted", 6)]);
        assert!(scene.contents().contains(&new.id()));
        scene.assert_nothing_lost();
    }
}

/// For a month no header block is compared then, and a size is missing now where there was one.
#[test]
fn where_header_blocks_differ_a_size_that_is_missing_is_no_equal_size() {
    let scene = Scene::keeping(Maildrop::new(of_one_size()));
    scene.maildrop.misbehave(Fault::TopDiffersFromRetr);
    scene.fetch_well().assert_counts([("kept", 6)]);
    scene.fetch_well();
    scene.maildrop.misbehave(refuse("LIST", "no sizes here"));
    let new = Mail::new("uid-3", numbered("x", 2).octets);
    scene.maildrop.change(|mails| mails[2] = new.clone());
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.maildrop.forget();
    scene.fetch_well();
    scene.assert_nothing_lost();
    assert_eq!(scene.maildrop.times("TOP"), 0, "{:?}", scene.maildrop.heard());
    scene.fetch_well();
    assert!(scene.contents().contains(&new.id()) && scene.maildrop.mails().is_empty());
}

/// A new validity, a move to another server: `TOP n 0` tells which message is which, and none is fetched again.
#[test]
fn unique_ids_that_all_change_cost_no_message() {
    for capabilities in [&["UIDL", "TOP", "USER", "PIPELINING"][..], &["UIDL", "TOP", "USER"]] {
        let scene = Scene::keeping(Maildrop::offering(capabilities, mails(30)));
        scene.fetch_well().assert_counts([("kept", 30)]);
        scene.maildrop.change(|mails| mails.iter_mut().for_each(|mail| mail.uid.extend(b".v2")));
        scene.maildrop.change(|mails| mails.push(numbered("new", 50)));
        scene.maildrop.forget();
        scene.fetch_well().assert_counts([("known", 0), ("duplicates", 30), ("kept", 1)]);
        assert_eq!(scene.maildrop.times("RETR"), 1, "{:?}", scene.maildrop.heard());
        scene.fetch_well().assert_counts([("known", 31)]);
        scene.assert_whole();
    }
}

/// What only its header block told is read to its last octet before the server may lose it.
#[test]
fn what_was_recognised_by_its_header_is_read_before_it_is_deleted() {
    let scene = Scene::keeping(Maildrop::new(mails(10)));
    scene.fetch_well();
    scene.maildrop.change(|mails| mails.iter_mut().for_each(|mail| mail.uid.extend(b".v2")));
    scene.fetch_well().assert_counts([("duplicates", 10)]);
    scene.maildrop.change(|mails| {
        let octets = String::from_utf8(mails[4].octets.to_vec()).unwrap().replace("text", "TEXT");
        mails[4].octets = octets.into_bytes().into();
    });
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.fetch_well();
    scene.fetch_well();
    assert!(scene.maildrop.mails().is_empty());
    assert_eq!(scene.contents().len(), 11);
    scene.assert_nothing_lost();
}

#[test]
fn unique_ids_that_all_change_before_a_deletion_lose_nothing() {
    let scene = Scene::keeping(Maildrop::new(mails(10)));
    scene.fetch_well();
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    // Each stands for the message behind it now.
    scene.maildrop.change(|mails| {
        let uids: Vec<Vec<u8>> = mails.iter().map(|mail| mail.uid.clone()).collect();
        mails.push(numbered("new", 70));
        mails.remove(0);
        mails.iter_mut().zip(uids).for_each(|(mail, uid)| mail.uid = uid);
    });
    for _ in 0..3 {
        scene.fetch_well();
    }
    assert!(scene.maildrop.mails().is_empty(), "{:?}", scene.maildrop.heard());
    scene.assert_nothing_lost();
    assert_eq!(scene.contents().len(), 11);
}
