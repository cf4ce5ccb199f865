//! What a scanner that misbehaves does to the mail, through the real program.

use serde_json::Value;

use crate::clamd::fake::{Act, Asked, Fake};
use crate::support::poplar::{Account, Archive, mail, until};
use crate::support::scene::Scene;

fn archive_with(fakes: &[&Fake]) -> Archive {
    let addresses: Vec<String> = fakes.iter().map(|fake| fake.address.to_string()).collect();
    let archive = Archive::with_clamd(&addresses[0]);
    if addresses.len() > 1 {
        archive.configure(&[]);
        let file = archive.config_file();
        let one = format!("clamd = {:?}", addresses[0]);
        let text = std::fs::read_to_string(&file).unwrap().replace(&one, &format!("clamd = {addresses:?}"));
        std::fs::write(file, text).unwrap();
    }
    archive
}

fn says(asked: &Asked<'_>, words: &str) -> bool {
    asked.octets.windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn a_message_that_the_scanner_hangs_on_holds_up_no_other() {
    let fake = Fake::start(|asked| match says(asked, "never answered") {
        true => Act::Hang,
        false => Act::Say(asked.truth.clone()),
    });
    let scene = Scene::with(archive_with(&[&fake]));
    let Scene { archive, server, .. } = &scene;
    archive.configure(&[Account::implicit(server, "tester").with("poll_every = \"10s\"")]);
    server.deliver("tester", &mail("first", "never answered\r\n"));
    server.deliver("tester", &mail("second", "beside it\r\n"));
    let mut daemon = archive.start(&[]);
    until("what is beside it is not scanned", || (archive.found("is:clean second").len() == 1).then_some(()));
    server.deliver("tester", &mail("third", "behind it\r\n"));
    until("what is behind it is not scanned", || (archive.found("is:clean third").len() == 1).then_some(()));
    assert_eq!(archive.found("is:pending").len(), 1);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn who_stands_in_for_the_scanner_is_named_in_what_it_says() {
    // It is well when it is first asked, and never again.
    let first = Fake::with_signatures(2, |asked| match asked.is_self_test() && asked.connection == 0 {
        true => Act::Say(asked.truth.clone()),
        false => Act::SayAndClose(b"COMMAND READ TIMED OUT\n".to_vec()),
    });
    let second = Fake::with_signatures(1, |asked| Act::Say(asked.truth.clone()));
    let archive = archive_with(&[&first, &second]);
    let folder = archive.path("mails");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..40 {
        std::fs::write(folder.join(format!("{n}.eml")), mail(&format!("number {n}"), "Text.\r\n")).unwrap();
    }
    archive.run(&["import", "--wait", "1s", folder.to_str().unwrap()]);
    let clean = archive.found("is:clean");
    assert!(!clean.is_empty(), "nobody stood in");
    for id in clean {
        let shown = archive.json(&["show", &id]);
        let scans = shown["scans"].as_array().unwrap();
        let signatures: Vec<&Value> = scans.iter().map(|scan| &scan["signatures"]).collect();
        assert!(signatures.iter().all(|named| named.as_str().unwrap().starts_with("1 ")), "{signatures:?}");
    }
}
