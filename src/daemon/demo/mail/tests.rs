use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Stands in for the test file, of the same length; the real one is for a scanner only.
const EICAR: &[u8] = &[b'*'; 68];

#[test]
fn every_file_of_the_folder_is_in_a_mailbox() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon/demo/mail");
    let mut files = BTreeSet::new();
    for name in ["ana", "both", "office"] {
        for file in folder.join(name).read_dir().unwrap() {
            let file = file.unwrap().path();
            files.insert(format!("{name}/{}", file.file_stem().unwrap().to_str().unwrap()));
        }
    }
    let served = messages().map(|(uid, _)| String::from_utf8(uid).unwrap()).collect();
    assert_eq!(files, served);
}

#[test]
fn unique_ids_are_what_pop3_allows() {
    for mailbox in mailboxes(EICAR) {
        let uids: BTreeSet<_> = mailbox.messages.iter().map(|(uid, _)| uid).collect();
        assert_eq!(uids.len(), mailbox.messages.len(), "{} has a unique id twice", mailbox.account);
        assert!(uids.iter().all(|uid| uid.len() <= 70 && uid.iter().all(u8::is_ascii_graphic)), "{uids:?}");
    }
}

#[test]
fn every_line_ends_as_on_the_wire() {
    for (uid, octets) in messages() {
        let lines = octets.split(|octet| *octet == b'\n');
        assert!(lines.clone().all(|line| line.len() <= 999), "{uid:?} has a line above 998 octets");
        let (last, ended) =
            lines.collect::<Vec<_>>().split_last().map(|(last, ended)| (*last, ended.to_vec())).unwrap();
        assert!(ended.iter().all(|line| line.iter().position(|octet| *octet == b'\r') == Some(line.len() - 1)));
        assert!(!last.contains(&b'\r'), "{uid:?} ends in half a line end");
    }
}

#[test]
fn one_message_carries_the_test_file_and_no_file_does() {
    let encoded = String::from_utf8(attached(EICAR)).unwrap();
    assert!(encoded.lines().all(|line| line.len() <= BASE64_LINE));
    assert_eq!(STANDARD.decode(encoded.replace("\r\n", "")).unwrap(), EICAR);
    let carriers: Vec<_> =
        messages().filter(|(_, octets)| contains(octets, encoded.as_bytes())).map(|(uid, _)| uid).collect();
    assert_eq!(carriers, [b"office/05-infected"]);
    assert!(!messages().any(|(_, octets)| contains(&octets, b"@EICAR@")), "a place was left empty");
}

#[test]
fn one_message_is_in_both_mailboxes() {
    let [ana, office] = ["ana", "office"].map(|account| {
        let mailbox = mailboxes(EICAR).into_iter().find(|mailbox| mailbox.account == account).unwrap();
        mailbox.messages.into_iter().map(|(_, octets)| octets).collect::<BTreeSet<_>>()
    });
    assert_eq!(ana.intersection(&office).count(), 1);
}

fn messages() -> impl Iterator<Item = (Vec<u8>, Arc<[u8]>)> {
    mailboxes(EICAR).into_iter().flat_map(|mailbox| mailbox.messages)
}

fn contains(octets: &[u8], sought: &[u8]) -> bool {
    octets.windows(sought.len()).any(|window| window == sought)
}
