//! Listings that lie, shrink, or come without unique-ids.

use super::{Scene, mails, numbered};
use crate::support::maildrop::{Fault, Mail, Maildrop, refuse};

#[test]
fn sizes_that_mean_nothing_keep_nothing_from_coming() {
    for lie in ["1", "1000000000", "-1", "99999999999999999999999", "many"] {
        let scene = Scene::with(Maildrop::new(mails(5)), "max_message_bytes = \"2GiB\"");
        scene.maildrop.misbehave(Fault::ListLies(lie));
        scene.fetch_well().assert_counts([("kept", 5)]);
        scene.fetch_well().assert_counts([("known", 5)]);
        scene.assert_whole();
    }
}

#[test]
fn sizes_refused_keep_nothing_from_coming() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave(refuse("LIST", "no sizes here"));
    scene.fetch_well().assert_counts([("kept", 5), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn a_line_for_a_message_that_is_not_there_fails_alone() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave(Fault::UidlHasOneMore);
    scene.fetch_well().assert_counts([("listed", 6), ("kept", 5), ("failed", 1), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn unreadable_lines_cost_only_themselves() {
    let scene = Scene::keeping(Maildrop::new(mails(3)));
    let lines = b"+OK\r\n1 uid-1\r\n1 again\r\n0 zero\r\n-7 minus\r\n2\r\n3 uid-3\r\n99999999999 far\r\n\r\n.\r\n";
    scene.maildrop.misbehave_once(Fault::Answer("UIDL", lines.to_vec()));
    scene.fetch_well().assert_counts([("listed", 3), ("kept", 3)]);
    scene.fetch_well().assert_counts([("listed", 3), ("known", 2), ("duplicates", 1)]);
    scene.assert_whole();
}

/// Its unique-id is too long to be one, or UIDL leaves it out: header blocks, or octets, have to do for this one.
#[test]
fn mail_without_a_unique_id_of_its_own_is_collected_all_the_same() {
    let too_long = format!("+OK\r\n1 uid-1\r\n2 {}\r\n.\r\n", "x".repeat(513));
    for (capabilities, known) in [(&["UIDL", "TOP", "USER"][..], 3), (&["UIDL", "USER"], 1)] {
        let scene = Scene::keeping(Maildrop::offering(capabilities, mails(3)));
        scene.maildrop.misbehave(Fault::Answer("UIDL", too_long.clone().into_bytes()));
        if known == 1 {
            scene.maildrop.misbehave(refuse("TOP", "unknown command"));
        }
        scene.fetch_well().assert_counts([("listed", 3), ("kept", 3)]);
        scene.fetch_well().assert_counts([("listed", 3), ("known", known), ("kept", 0)]);
        scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
        scene.fetch_well().assert_counts([("deleted", 3)]);
        scene.assert_holds_all();
    }
}

#[test]
fn a_maildrop_that_looks_empty_once_is_not_fetched_again() {
    let scene = Scene::keeping(Maildrop::new(mails(8)));
    scene.fetch_well().assert_counts([("kept", 8)]);
    for shown in [0, 3] {
        scene.maildrop.misbehave_once(Fault::Window(shown));
        scene.fetch_well().assert_counts([("listed", shown as u64), ("vanished", 0)]);
        scene.maildrop.forget();
        scene.fetch_well().assert_counts([("listed", 8), ("kept", 0)]);
        assert_eq!(scene.maildrop.times("RETR"), 0, "{:?}", scene.maildrop.heard());
    }
    scene.assert_whole();
}

/// Nothing tells them apart but their octets, so they come again; they are kept once.
#[test]
fn a_maildrop_without_top_that_looks_empty_once_doubles_nothing() {
    let scene = Scene::keeping(Maildrop::offering(&["UIDL", "USER"], mails(8)));
    scene.maildrop.misbehave(refuse("TOP", "unknown command"));
    scene.fetch_well().assert_counts([("kept", 8)]);
    scene.maildrop.misbehave_once(Fault::Window(0));
    scene.fetch_well().assert_counts([("listed", 0)]);
    scene.fetch_well().assert_counts([("listed", 8), ("kept", 0)]);
    scene.assert_holds_all();
}

#[test]
fn without_unique_ids_header_blocks_tell_what_is_new() {
    let scene = Scene::keeping(Maildrop::offering(&["TOP", "USER"], mails(4)));
    scene.maildrop.misbehave(refuse("UIDL", "unknown command"));
    scene.fetch_well().assert_counts([("kept", 4)]);
    scene.maildrop.change(|mails| mails.insert(0, numbered("new", 9)));
    scene.fetch_well().assert_counts([("known", 4), ("kept", 1)]);
    scene.assert_whole();
}

#[test]
fn without_unique_ids_and_without_top_the_octets_tell() {
    let scene = Scene::keeping(Maildrop::offering(&["USER"], mails(4)));
    scene.maildrop.misbehave(refuse("UIDL", "unknown command"));
    scene.maildrop.misbehave(refuse("TOP", "unknown command"));
    scene.fetch_well().assert_counts([("kept", 4)]);
    scene.maildrop.change(|mails| mails.insert(0, numbered("new", 9)));
    scene.fetch_well().assert_counts([("kept", 1)]);
    scene.assert_holds_all();
}

#[test]
fn without_unique_ids_deleting_empties_the_maildrop() {
    for refused in [&["UIDL"][..], &["UIDL", "TOP"]] {
        let scene = Scene::deleting(Maildrop::offering(&["USER"], mails(4)));
        refused.iter().for_each(|command| scene.maildrop.misbehave(refuse(command, "unknown command")));
        scene.fetch_well().assert_counts([("kept", 4), ("deleted", 4)]);
        scene.assert_whole();
        assert!(scene.maildrop.mails().is_empty(), "{refused:?}");
    }
}

/// A header block that is missing once says nothing of the mail it stood for.
#[test]
fn without_unique_ids_a_header_block_that_does_not_come_is_no_mail_that_has_gone() {
    let scene = Scene::keeping(Maildrop::offering(&["TOP", "USER"], mails(4)));
    scene.maildrop.misbehave(refuse("UIDL", "unknown command"));
    scene.fetch_well().assert_counts([("kept", 4)]);
    scene.maildrop.misbehave_once(refuse("TOP 2", "cannot read it"));
    scene.fetch_well().assert_counts([("listed", 4), ("known", 3), ("duplicates", 1)]);
    let ledger = scene.archive.json(&["ledger", "tester"]);
    assert!(ledger["lines"].as_array().unwrap().iter().all(|line| line["gone"].is_null()), "{ledger}");
    scene.fetch_well().assert_counts([("listed", 4), ("known", 4)]);
    scene.assert_holds_all();
}

/// By their sizes three of these are as much as a session takes.
#[test]
fn without_unique_ids_and_without_top_the_next_session_begins_behind_the_last() {
    let scene = Scene::with(Maildrop::offering(&["USER"], mails(8)), "max_message_bytes = \"2GiB\"");
    ["UIDL", "TOP"].into_iter().for_each(|command| scene.maildrop.misbehave(refuse(command, "unknown command")));
    scene.maildrop.misbehave(Fault::ListLies("1000000000"));
    scene.fetch_well().assert_counts([("listed", 8), ("kept", 8), ("duplicates", 0)]);
    assert_eq!(scene.maildrop.heard().len(), 3);
    scene.maildrop.change(|mails| mails.push(numbered("new", 9)));
    scene.fetch_well().assert_counts([("listed", 9), ("kept", 1), ("duplicates", 8)]);
    scene.assert_holds_all();
}

#[test]
fn without_unique_ids_plan_and_test_tell_what_a_poll_would_do() {
    let scene = Scene::keeping(Maildrop::offering(&["TOP", "USER"], mails(4)));
    scene.maildrop.misbehave(refuse("UIDL", "unknown command"));
    scene.fetch_well().assert_counts([("kept", 4)]);
    scene.maildrop.change(|mails| mails.push(numbered("new", 9)));
    let planned = scene.archive.json(&["plan", "tester"]);
    assert!(planned.to_string().contains("\"known\":4"), "{planned}");
    let tested = scene.archive.json(&["account", "test", "tester"]).to_string();
    assert!(tested.contains("a poll would fetch 1 new message of 5"), "{tested}");
}

/// As Gmail and WildDuck do: only so many are shown, and the rest moves up when those are gone.
#[test]
fn a_window_on_the_maildrop_moves_on_until_all_is_seen() {
    let scene = Scene::deleting(Maildrop::new((1..=450).map(|n| numbered(&n.to_string(), 0)).collect()));
    scene.maildrop.misbehave(Fault::Window(200));
    scene.fetch_well().assert_counts([("kept", 450), ("deleted", 450)]);
    scene.assert_whole();
    assert!(scene.maildrop.mails().is_empty());
}

#[test]
fn the_oldest_come_first() {
    let scene = Scene::keeping(Maildrop::new(mails(30)));
    scene.fetch_well();
    let asked: Vec<String> =
        scene.maildrop.heard().concat().into_iter().filter(|said| said.starts_with("RETR")).collect();
    assert_eq!(asked, (1..=30).map(|n| format!("RETR {n}")).collect::<Vec<_>>());
}

#[test]
fn what_went_before_it_could_be_fetched_is_told() {
    let scene = Scene::keeping(Maildrop::new(mails(3)));
    scene.maildrop.misbehave(refuse("RETR 2", "cannot read it"));
    scene.fetch_well().assert_counts([("kept", 2), ("failed", 1)]);
    scene.maildrop.behave();
    scene.maildrop.change(|mails: &mut Vec<Mail>| drop(mails.remove(1)));
    scene.fetch_well().assert_counts([("known", 2), ("vanished", 1)]);
    scene.fetch_well().assert_counts([("known", 2), ("vanished", 0)]);
}
