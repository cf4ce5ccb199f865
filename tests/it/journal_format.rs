//! `schemas/journal.md` names every kind of event with its fields, and its commitments open as it says.

use std::collections::{BTreeMap, BTreeSet};

use poplar::archive::{Archive, Depth, Pace};
use poplar::catalog::{Catalog, Told};
use poplar::journal::Entry;
use poplar::mail::event::{
    AccountAdded, Decision, Deleting, Drilled, Event, ForgottenSearch, Item, Kept, Listed, MessageRef, Missed, Noted,
    Purged, Quarantined, Reading, Rescanned, SavedSearch, Scanned, Session, SessionCounts, Sighted, Sighting, Tagging,
    Uidl, Verified,
};
use poplar::mail::{AccountId, BlobId, Clock, Fate, Label, Nonce, Occurrence, Timestamp, Verdict, ViewVerdict};
use poplar::store::{Append, Writer};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::support::document::{between, cells, words};

const DOCUMENT: &str = include_str!("../../schemas/journal.md");

#[test]
fn every_kind_has_the_fields_of_the_document() {
    let mut documented = kinds();
    for event in every_kind() {
        let entry = Entry::new(&Occurrence { at: Timestamp::from_millis(1_700_000_000_000), event });
        let leaf = object(&entry.leaf);
        let record = object(&entry.record);
        let kind = leaf["kind"].as_str().unwrap();
        let (in_leaf, in_event) = documented.remove(kind).unwrap_or_else(|| panic!("{kind} is not in the document"));
        assert_eq!(keys(&leaf), with(&in_leaf, &["v", "kind", "time", "commit"]), "leaf of {kind}");
        assert_eq!(keys(&record["event"]), with(&in_event, &["kind"]), "event of {kind}");
        assert_eq!(keys(&record), with(&[], &["v", "nonce", "at", "event"]), "record of {kind}");
        assert_eq!(leaf.to_string().into_bytes(), entry.leaf, "{kind} is not canonical");
    }
    assert!(documented.is_empty(), "the program does not know {:?}", documented.keys());
}

#[test]
fn commitments_open_as_the_document_says() {
    for event in every_kind() {
        let entry = Entry::new(&Occurrence { at: Timestamp::from_millis(0), event });
        assert_opens(&entry.leaf, &entry.record);
    }
}

/// A session that missed so much that its private record takes several frames.
#[test]
fn verify_opens_the_commitment_of_a_long_record_too() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).unwrap();
    let mut writer = Writer::open(&folder.path().join("packs"), [1; 16], &[], &[]).unwrap();
    let mut keep = |event: &Event, leaf: &[u8]| {
        let occurrence = Occurrence { at: Timestamp::from_millis(0), event: event.clone() };
        let Entry { leaf: own_leaf, record } = Entry::new(&occurrence);
        let (durable, extents) = writer.append(&[Append::Private(&record)], occurrence.at).unwrap();
        let place = (durable[0].location().pack, durable[0].location().ordinal);
        let leaf = if leaf.is_empty() { own_leaf } else { leaf.to_vec() };
        let extents: Vec<_> = extents.iter().map(|extent| (extent.pack, extent.bytes, extent.records)).collect();
        catalog.commit(&extents, &[Told::stored(occurrence, leaf, place, None)]).unwrap();
        record.len()
    };
    let events = every_kind();
    keep(&events[3], b"");
    let mut sessions = events.iter().filter_map(|event| if let Event::Session(one) = event { Some(one) } else { None });
    let mut session = sessions.next().unwrap().clone();
    session.missed = vec![session.missed[0].clone(); 20_000];
    let session = Event::Session(session);
    assert!(keep(&session, b"") > 1 << 20);
    let damage = || {
        let archive = Archive::open(folder.path(), Clock::system()).unwrap();
        archive.verify(Depth::Full, &mut Pace::new(None, &mut |_, _| {})).damage
    };
    assert_eq!(damage(), []);
    keep(&session, format!(r#"{{"commit":"{}"}}"#, "0".repeat(64)).as_bytes());
    let damage = damage();
    let told = |problem: &str| damage.iter().any(|damage| damage.problem == problem);
    assert!(told("does not commit to its private record"), "{damage:?}");
    assert!(told("its leaf is not the one of its private record"), "{damage:?}");
}

/// Checks both commitments of an entry from the words of the document alone.
pub(crate) fn assert_opens(leaf: &[u8], record: &[u8]) {
    let (leaf, opened) = (object(leaf), object(record));
    let commit = commitment(b"poplar/record/v1\n", &opened["nonce"], digest(&SHA256, record).as_ref());
    assert_eq!(leaf["commit"], Value::String(commit));
    let message = &opened["event"]["message"];
    let blob = message.is_object().then(|| {
        let id = octets(&message["id"]);
        Value::String(commitment(b"poplar/blob/v1\n", &message["nonce"], &id))
    });
    assert_eq!(leaf.get("blob"), blob.as_ref());
}

fn commitment(domain: &[u8], nonce: &Value, hash: &[u8]) -> String {
    let octets = digest(&SHA256, &[domain, &octets(nonce), hash].concat());
    octets.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap();
    let octets: Vec<u8> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    assert_eq!(octets.len(), 32);
    octets
}

/// Kind → fields of leaf, fields of event, from the table of kinds.
fn kinds() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let rows = between(DOCUMENT, "<!-- kinds -->").lines().skip(2);
    rows.map(|row| {
        let cells = cells(row);
        (words(cells[0])[0].clone(), (words(cells[1]), words(cells[2])))
    })
    .collect()
}

fn with(some: &[String], more: &[&str]) -> BTreeSet<String> {
    some.iter().cloned().chain(more.iter().map(|&word| word.to_owned())).collect()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn object(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// One event of each kind, with nothing left out.
fn every_kind() -> Vec<Event> {
    happening().into_iter().chain(said()).collect()
}

/// What people say of messages.
fn said() -> [Event; 5] {
    let message = MessageRef { id: BlobId::of(b"octets"), nonce: Nonce::from_bytes([7; 32]) };
    let words = |text: &str| text.to_owned();
    let name: Label = "urgent".parse().unwrap();
    let tagging = Tagging { message, tag: name.clone(), by: words("ben") };
    [
        Event::Tagged(tagging.clone()),
        Event::Untagged(tagging),
        Event::Noted(Noted { message, text: words("ask Ana"), by: words("ben") }),
        Event::SearchSaved(SavedSearch { name: name.clone(), query: words("from:ana"), by: words("ben") }),
        Event::SearchForgotten(ForgottenSearch { name, by: words("ben") }),
    ]
}

fn happening() -> Vec<Event> {
    let account = AccountId::from_bytes([1; 16]);
    let message = MessageRef { id: BlobId::of(b"octets"), nonce: Nonce::from_bytes([7; 32]) };
    let listed = Listed { uidl: Uidl::new("u 1"), ordinal: 0, listed_bytes: Some(6) };
    let sighting = Sighting { account, listed: listed.clone() };
    let words = |text: &str| text.to_owned();
    let signature = words("A-Signature");
    let item = Item { blob: message.id, size_bytes: 6, signature: signature.clone() };
    let decision =
        Decision { blob: message.id, signature, reason: words("a false alarm"), by: words("ana"), asked_by: None };
    let reading = Reading { message, what: words("part 1"), by: words("ana"), reason: Some(words("for the lab")) };
    vec![
        Event::Created { archive: words("01"), version: words("0.1.0") },
        Event::Started { version: words("0.1.0") },
        Event::Stopped { version: words("0.1.0") },
        Event::AccountAdded(AccountAdded {
            account,
            name: words("sales"),
            host: Some(words("pop.example.org")),
            user: Some(words("ana")),
        }),
        Event::AccountPaused { account },
        Event::AccountResumed { account },
        Event::AccountRenamed { account, name: words("office") },
        Event::AccountRemoved { account },
        Event::AccountMultidrop { account, multidrop: true },
        Event::Kept(Kept { message, size_bytes: 6, header: BlobId::of(b"head"), sighting: sighting.clone() }),
        Event::Sighted(Sighted { message, sighting: sighting.clone(), by_header: true }),
        Event::Session(Session {
            account,
            started: Timestamp::from_millis(0),
            counts: SessionCounts { listed: 1, oversize: 1, ..SessionCounts::default() },
            missed: vec![Missed { listed: listed.clone(), fate: Fate::Oversize, reason: words("too large") }],
            gone: vec![listed.clone()],
            absent: vec![listed],
            error: Some(words("the server went away")),
        }),
        Event::Scanned(Scanned {
            message,
            verdict: Verdict::Infected,
            views: vec![ViewVerdict {
                view: words("raw"),
                blob: message.id,
                size_bytes: 6,
                verdict: Verdict::Infected,
                detail: Some(words("A-Signature")),
                engine: words("ClamAV 1.4.6"),
                signatures: words("27000"),
                transport: words("instream"),
                scanned: Timestamp::from_millis(0),
                duration_ms: 1,
            }],
        }),
        Event::Quarantined(Quarantined { message, items: vec![item] }),
        Event::ReleaseAsked(decision.clone()),
        Event::Released(Decision { asked_by: Some(words("ben")), ..decision }),
        Event::Purged(Purged { message, pack: 1, ordinal: 2, reason: words("no use"), by: words("ana") }),
        Event::Viewed(reading.clone()),
        Event::Exported(reading),
        Event::Rescanned(Rescanned {
            why: words("new signatures"),
            signature_set: words("ab"),
            began: Timestamp::from_millis(0),
            messages: 1,
            parts: 2,
            changed: 1,
            infected: 1,
        }),
        Event::Deleting(Deleting { message, sighting, reason: words("delete") }),
        Event::Verified(Verified {
            scope: words("all"),
            messages: 1,
            packs: 1,
            bytes: 6,
            damage: vec![words("pack 1: is not there")],
        }),
        Event::Drilled(Drilled { entries: 7, differences: vec![words("message: missing in it: [1]")] }),
    ]
}
