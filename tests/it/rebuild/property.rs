//! Whatever happens in a life, its catalog made anew tells the same facts.

use std::path::Path;

use poplar::catalog::{Catalog, Compared};
use poplar::mail::event::*;
use poplar::mail::{AccountId, BlobId, Event, Fate, Label, Nonce, Timestamp, Verdict, ViewVerdict};
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Connection;

use super::life::Life;
use crate::support::poplar::mail;

/// One thing that happens; small numbers, so that the same mailboxes, lines and messages are met again and again.
#[derive(Clone, Debug)]
enum Happening {
    Account { account: u8, host: u8, user: Option<u8> },
    Arrives { message: u8, account: u8, line: Line },
    Polled { account: u8, missed: Vec<(Line, Fate)>, gone: Vec<Line>, absent: Vec<Line>, error: bool, listed: u64 },
    Scanned { message: u8, verdict: Verdict, views: u8 },
    Quarantined { message: u8, part: u8, signature: u8 },
    Decided { part: u8, signature: u8, is_release: bool },
    Read { message: u8, is_export: bool },
    Rescanned { set: u8 },
    Tagged { message: u8, tag: u8, is_put: bool },
    Noted { message: u8 },
    Searched { name: u8, query: u8, is_kept: bool },
    Purged { message: u8, is_finished: bool },
    Deleting { message: u8, account: u8, line: Line },
    Changed { account: u8, how: Change },
    Verified { damage: bool },
    Started,
    Stopped,
    Signed,
    Sealed,
}

/// What a person does to an account.
#[derive(Clone, Copy, Debug)]
enum Change {
    Pause,
    Resume,
    Rename(u8),
    Remove,
    Multidrop(bool),
}

fn change_of_account() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Pause),
        Just(Change::Resume),
        (0..3_u8).prop_map(Change::Rename),
        Just(Change::Remove),
        any::<bool>().prop_map(Change::Multidrop),
    ]
}

/// Of a server's listing.
#[derive(Clone, Copy, Debug)]
struct Line {
    uidl: u8,
    ordinal: u8,
    bytes: Option<u8>,
}

fn line() -> impl Strategy<Value = Line> {
    (0..4_u8, 0..2_u8, prop::option::of(1..3_u8)).prop_map(|(uidl, ordinal, bytes)| Line { uidl, ordinal, bytes })
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(line(), 0..3)
}

/// What a scan may come to.
const VERDICTS: [Verdict; 4] = [Verdict::Clean, Verdict::Error, Verdict::Partial, Verdict::Infected];

fn happening() -> impl Strategy<Value = Happening> {
    let missed = prop::collection::vec((line(), select(&Fate::ALL[2..])), 0..3);
    prop_oneof![
        2 => (0..2_u8, 0..2_u8, prop::option::of(0..2_u8)).prop_map(|(account, host, user)| Happening::Account { account, host, user }),
        9 => (0..6_u8, 0..2_u8, line()).prop_map(|(message, account, line)| Happening::Arrives { message, account, line }),
        4 => (0..2_u8, missed, lines(), lines(), any::<bool>(), 0..3_u64).prop_map(
            |(account, missed, gone, absent, error, listed)| Happening::Polled { account, missed, gone, absent, error, listed }
        ),
        4 => (0..6_u8, select(&VERDICTS[..]), 0..4_u8)
            .prop_map(|(message, verdict, views)| Happening::Scanned { message, verdict, views }),
        4 => (0..6_u8, 0..3_u8, 0..2_u8)
            .prop_map(|(message, part, signature)| Happening::Quarantined { message, part, signature }),
        3 => (0..3_u8, 0..2_u8, any::<bool>())
            .prop_map(|(part, signature, is_release)| Happening::Decided { part, signature, is_release }),
        1 => (0..6_u8, any::<bool>()).prop_map(|(message, is_export)| Happening::Read { message, is_export }),
        1 => (0..2_u8).prop_map(|set| Happening::Rescanned { set }),
        3 => (0..6_u8, 0..2_u8, any::<bool>())
            .prop_map(|(message, tag, is_put)| Happening::Tagged { message, tag, is_put }),
        1 => (0..6_u8).prop_map(|message| Happening::Noted { message }),
        2 => (0..2_u8, 0..2_u8, any::<bool>())
            .prop_map(|(name, query, is_kept)| Happening::Searched { name, query, is_kept }),
        2 => (0..6_u8, any::<bool>())
            .prop_map(|(message, is_finished)| Happening::Purged { message, is_finished }),
        3 => (0..6_u8, 0..2_u8, line()).prop_map(|(message, account, line)| Happening::Deleting { message, account, line }),
        3 => (0..2_u8, change_of_account()).prop_map(|(account, how)| Happening::Changed { account, how }),
        1 => any::<bool>().prop_map(|damage| Happening::Verified { damage }),
        1 => Just(Happening::Started),
        1 => Just(Happening::Stopped),
        3 => Just(Happening::Signed),
        1 => Just(Happening::Sealed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_catalog_made_anew_tells_what_the_living_one_tells(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut life = born();
        happenings.iter().for_each(|happening| happen(&mut life, happening));
        life.sign();
        life.assert_holds_what_it_knows();
        let (anew, outcome) = life.rebuilt();
        prop_assert_eq!(outcome.damage, vec![]);
        prop_assert_eq!(outcome.adopted, 0);
        let differences = life.catalog().differences(&anew.path().join("catalog.db"), Compared::FactsAndPlaces).unwrap();
        prop_assert_eq!(differences, Vec::<String>::new());
        prop_assert_eq!(Catalog::open(anew.path()).unwrap().problems().unwrap(), Vec::<String>::new());
    }
}

/// With both accounts, which every poll and every message needs.
fn born() -> Life {
    let mut life = Life::new();
    (0..2).for_each(|account| happen(&mut life, &Happening::Account { account, host: 0, user: None }));
    life
}

fn happen(life: &mut Life, happening: &Happening) {
    let event = match happening {
        Happening::Signed => return life.sign(),
        Happening::Sealed => return life.seal(),
        Happening::Purged { message, is_finished } => return purge(life, *message, *is_finished),
        Happening::Arrives { message, account, line } => {
            return life.arrive(&octets(*message), sighting(*account, line));
        }
        Happening::Account { account, host, user } => Event::AccountAdded(AccountAdded {
            account: id(*account),
            name: format!("account {account}"),
            host: Some(format!("{host}.example.org")),
            user: user.map(|user| format!("user {user}")),
        }),
        Happening::Polled { account, missed, gone, absent, error, listed } => Event::Session(Session {
            account: id(*account),
            started: Timestamp::from_millis(7),
            counts: SessionCounts { listed: *listed, ..SessionCounts::default() },
            missed: missed.iter().map(missed_line).collect(),
            gone: gone.iter().map(listed_line).collect(),
            absent: absent.iter().map(listed_line).collect(),
            error: error.then(|| "the line is cut".to_owned()),
        }),
        // A last word stands until there is another.
        Happening::Scanned { message, verdict, .. } if !verdict.is_final() && is_judged(life, *message) => return,
        Happening::Scanned { message, verdict, views } => Event::Scanned(Scanned {
            message: named(life, *message),
            verdict: *verdict,
            views: (0..*views).map(|view| view_verdict(view, *verdict)).collect(),
        }),
        Happening::Quarantined { message, part, signature } => Event::Quarantined(Quarantined {
            message: named(life, *message),
            items: vec![Item { blob: BlobId::of(&[*part]), size_bytes: 1, signature: format!("Virus {signature}") }],
        }),
        Happening::Decided { part, signature, is_release } => decided(*part, *signature, *is_release),
        Happening::Read { message, is_export } => {
            let (message, what, by) = (named(life, *message), "part 1".to_owned(), "ana".to_owned());
            let reading = Reading { message, what, by, reason: is_export.then(|| "for the lab".to_owned()) };
            if *is_export { Event::Exported(reading) } else { Event::Viewed(reading) }
        }
        Happening::Rescanned { set } => Event::Rescanned(Rescanned {
            why: "new signatures".to_owned(),
            signature_set: format!("set {set}"),
            began: Timestamp::from_millis(5),
            messages: 3,
            parts: 4,
            changed: 1,
            infected: 0,
        }),
        Happening::Tagged { message, tag, is_put } => {
            let tagging = Tagging { message: named(life, *message), tag: label(*tag), by: "ana".to_owned() };
            if *is_put { Event::Tagged(tagging) } else { Event::Untagged(tagging) }
        }
        Happening::Noted { message } => {
            let (text, by) = ("ask ben".to_owned(), "ana".to_owned());
            Event::Noted(Noted { message: named(life, *message), text, by })
        }
        Happening::Searched { name, query, is_kept } => searched(label(*name), *query, *is_kept),
        Happening::Deleting { message, account, line } => Event::Deleting(Deleting {
            message: named(life, *message),
            sighting: sighting(*account, line),
            reason: "after_archive = delete".to_owned(),
        }),
        Happening::Changed { account, how } => changed(id(*account), *how),
        Happening::Verified { damage } => Event::Verified(Verified {
            scope: "all".to_owned(),
            messages: 1,
            packs: 2,
            bytes: 3,
            damage: damage.then(|| "pack 1: is not there".to_owned()).into_iter().collect(),
        }),
        Happening::Started => Event::Started { version: "2".to_owned() },
        Happening::Stopped => Event::Stopped { version: "2".to_owned() },
    };
    life.tell(event);
}

/// On record; and then also in the packs. What is not here, nobody can destroy.
fn purge(life: &mut Life, message: u8, is_finished: bool) {
    let row = life.catalog().message(&BlobId::of(&octets(message))).unwrap();
    let ((pack, ordinal), reason) = (row.map_or((1, 0), |row| row.place), "for good".to_owned());
    life.tell(Event::Purged(Purged { message: named(life, message), pack, ordinal, reason, by: "ana".to_owned() }));
    if is_finished {
        life.finish_purging();
    }
}

fn decided(part: u8, signature: u8, is_release: bool) -> Event {
    let decision = Decision {
        blob: BlobId::of(&[part]),
        signature: format!("Virus {signature}"),
        reason: "a false alarm".to_owned(),
        by: "ben".to_owned(),
        asked_by: is_release.then(|| "ana".to_owned()),
    };
    if is_release { Event::Released(decision) } else { Event::ReleaseAsked(decision) }
}

fn searched(name: Label, query: u8, is_kept: bool) -> Event {
    let by = "ana".to_owned();
    match is_kept {
        true => Event::SearchSaved(SavedSearch { name, query: format!("subject:{query}"), by }),
        false => Event::SearchForgotten(ForgottenSearch { name, by }),
    }
}

fn label(name: u8) -> Label {
    format!("label {name}").parse().unwrap()
}

fn changed(account: AccountId, how: Change) -> Event {
    match how {
        Change::Pause => Event::AccountPaused { account },
        Change::Resume => Event::AccountResumed { account },
        // No two have the same.
        Change::Rename(name) => Event::AccountRenamed { account, name: format!("{account} as {name}") },
        Change::Remove => Event::AccountRemoved { account },
        Change::Multidrop(multidrop) => Event::AccountMultidrop { account, multidrop },
    }
}

fn id(account: u8) -> AccountId {
    AccountId::from_bytes([account; 16])
}

/// The higher ones with an attachment that they share.
fn octets(message: u8) -> Vec<u8> {
    let attachment = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n".repeat(400);
    let subject = format!("number {message}");
    if message < 3 {
        return mail(&subject, "short");
    }
    let header = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64";
    mail(&format!("{subject}\r\n{header}"), &attachment)
}

fn named(life: &Life, message: u8) -> MessageRef {
    let id = BlobId::of(&octets(message));
    MessageRef { id, nonce: life.catalog().nonces([&id]).unwrap()[0].unwrap_or_else(|| Nonce::from_bytes([0; 32])) }
}

fn is_judged(life: &Life, message: u8) -> bool {
    let row = life.catalog().message(&BlobId::of(&octets(message))).unwrap();
    row.is_some_and(|row| row.verdict.is_final())
}

fn listed_line(line: &Line) -> Listed {
    Listed {
        uidl: Uidl::new(vec![line.uidl, 0xff]),
        ordinal: line.ordinal.into(),
        listed_bytes: line.bytes.map(u64::from),
    }
}

fn sighting(account: u8, line: &Line) -> Sighting {
    Sighting { account: id(account), listed: listed_line(line) }
}

fn missed_line((line, fate): &(Line, Fate)) -> Missed {
    Missed { listed: listed_line(line), fate: *fate, reason: format!("{fate} it is") }
}

fn view_verdict(view: u8, verdict: Verdict) -> ViewVerdict {
    ViewVerdict {
        view: format!("part {view}"),
        blob: BlobId::of(&[view]),
        size_bytes: 1,
        verdict,
        detail: (view > 1).then(|| "Some.Signature".to_owned()),
        engine: "ClamAV 1".to_owned(),
        signatures: "27000".to_owned(),
        transport: "instream".to_owned(),
        scanned: Timestamp::from_millis(9),
        duration_ms: 3,
    }
}

/// A life in which every table has a row.
fn eventful() -> Life {
    let mut life = born();
    let line = Line { uidl: 1, ordinal: 0, bytes: Some(1) };
    for message in 0..6 {
        happen(&mut life, &Happening::Arrives { message, account: 1, line: Line { uidl: message, ..line } });
    }
    happen(&mut life, &Happening::Scanned { message: 0, verdict: Verdict::Infected, views: 3 });
    happen(&mut life, &Happening::Quarantined { message: 0, part: 1, signature: 0 });
    happen(&mut life, &Happening::Decided { part: 1, signature: 0, is_release: true });
    happen(&mut life, &Happening::Read { message: 0, is_export: true });
    happen(&mut life, &Happening::Rescanned { set: 0 });
    happen(&mut life, &Happening::Tagged { message: 0, tag: 0, is_put: true });
    happen(&mut life, &Happening::Noted { message: 0 });
    happen(&mut life, &Happening::Searched { name: 0, query: 0, is_kept: true });
    happen(&mut life, &Happening::Deleting { message: 1, account: 1, line });
    let missed = vec![(Line { uidl: 9, ..line }, Fate::Oversize)];
    let polled = Happening::Polled { account: 1, missed, gone: vec![line], absent: vec![], error: true, listed: 7 };
    happen(&mut life, &polled);
    purge(&mut life, 2, false);
    life.sign();
    life.seal();
    life
}

/// The comparison that the property rests on sees a change of any single fact.
#[test]
fn a_fact_that_differs_is_told() {
    let life = eventful();
    let (anew, _) = life.rebuilt();
    let path = anew.path().join("catalog.db");
    let whole = std::fs::read(&path).unwrap();
    let mut changed = 0;
    for (table, column) in facts(&path) {
        std::fs::write(&path, &whole).unwrap();
        change(&path, &table, &column);
        let differences = life.catalog().differences(&path, Compared::FactsAndPlaces).unwrap();
        assert!(
            differences.iter().any(|told| told.starts_with(&format!("{table}: "))),
            "{table}.{column}: {differences:?}"
        );
        changed += 1;
    }
    assert!(changed > 50, "{changed}");
}

/// What no event says: numbers of its own, and what stages note for themselves.
const NO_FACTS: [(&str, &[&str]); 2] = [
    (
        "account",
        &[
            "number",
            "next_poll_ms",
            "trouble",
            "trouble_polls",
            "trouble_settings",
            "expire_days",
            "login_delay_s",
            "certificate_expires_ms",
        ],
    ),
    ("message", &["indexed_ms", "date_ms", "from_line", "to_line", "subject", "attachments"]),
];

fn facts(catalog: &Path) -> Vec<(String, String)> {
    let connection = Connection::open(catalog).unwrap();
    let tables = [
        "archive", "account", "message", "sighting", "session", "verdict", "purge", "entry", "part", "tag", "note",
        "saved",
    ];
    let columns = tables.iter().flat_map(|table| {
        let mut statement = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let columns: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        columns.into_iter().map(|column| ((*table).to_owned(), column))
    });
    let noted = |table: &str, column: &str| {
        column == "mark" || NO_FACTS.iter().any(|(of, columns)| *of == table && columns.contains(&column))
    };
    columns.filter(|(table, column)| !noted(table, column)).collect()
}

/// One row is given another value.
fn change(catalog: &Path, table: &str, column: &str) {
    let connection = Connection::open(catalog).unwrap();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
    let triggers: Vec<String> = {
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    triggers.iter().for_each(|name| connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    let other = format!(
        "CASE typeof({column}) WHEN 'integer' THEN {column} + 100 WHEN 'null' THEN 7
             WHEN 'blob' THEN CAST(substr({column}, 2) || x'5a' AS BLOB) ELSE {column} || '!' END"
    );
    let keys = [("archive", "key"), ("part", "id"), ("purge", "message"), ("tag", "name"), ("saved", "name")];
    let key = keys.iter().find(|(of, _)| *of == table).map_or("number", |(_, key)| key);
    let last = format!("{key} = (SELECT max({key}) FROM {table})");
    let rows = connection.execute(&format!("UPDATE {table} SET {column} = {other} WHERE {last}"), []);
    assert!(rows.unwrap() > 0, "{table}.{column}");
}

/// Killed between the commit of a batch and the checkpoint over it.
#[test]
fn mail_in_packs_that_no_checkpoint_covers_is_taken_in() {
    let mut life = eventful();
    let line = Line { uidl: 77, ordinal: 0, bytes: None };
    life.arrive(&mail("late", "unsigned"), sighting(0, &line));
    life.arrive(&mail("late", "unsigned"), sighting(1, &line));
    happen(&mut life, &Happening::Verified { damage: false });
    let (anew, outcome) = life.rebuilt();
    assert_eq!((outcome.adopted, outcome.damage), (2, vec![]));
    let catalog = Catalog::open(anew.path()).unwrap();
    let row = catalog.message(&BlobId::of(&mail("late", "unsigned"))).unwrap().unwrap();
    let met: Vec<Fate> = catalog.met_at(row.number).unwrap().into_iter().map(|met| met.fate).collect();
    assert_eq!(met, [Fate::Kept, Fate::Duplicate]);
    assert_eq!(row.message.nonce, life.catalog().nonces([&row.message.id]).unwrap()[0].unwrap());
    assert_eq!(catalog.problems().unwrap(), Vec::<String>::new());
}
