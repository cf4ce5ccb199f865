use super::*;
use crate::mail::event::*;
use crate::mail::{AccountId, BlobId, Event, Fate, Nonce, Occurrence, Timestamp, Verdict};

const NOW: Timestamp = Timestamp::from_millis(1_000);

struct Bench {
    _folder: tempfile::TempDir,
    catalog: Catalog,
    account: AccountId,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(folder.path()).unwrap();
        let account = AccountId::random();
        let bench = Self { _folder: folder, catalog, account };
        bench.tell(Event::AccountAdded(AccountAdded { account, name: "sales".to_owned(), host: None, user: None }));
        bench
    }

    fn tell(&self, event: Event) -> Committed {
        self.tell_at(NOW, event)
    }

    fn tell_at(&self, at: Timestamp, event: Event) -> Committed {
        let mut told = Told::new(Occurrence { at, event }, b"{}".to_vec(), b"{}".to_vec());
        told.place = Some((1, 0));
        self.catalog.commit(&[(1, 64, 1)], &[told]).unwrap().remove(0)
    }

    fn sighting(&self, uidl: &str, listed_bytes: u64) -> Sighting {
        let listed = Listed { uidl: Uidl::new(uidl), ordinal: 0, listed_bytes: Some(listed_bytes) };
        Sighting { account: self.account, listed }
    }

    fn kept(&self, octets: &[u8], uidl: &str) -> Event {
        Event::Kept(Kept {
            message: message(octets),
            size_bytes: octets.len() as u64,
            header: BlobId::of(b""),
            sighting: self.sighting(uidl, 9),
        })
    }

    fn missed(&self, uidl: &str, fate: Fate) -> Event {
        let listed = self.sighting(uidl, 9).listed;
        let missed = vec![Missed { listed, fate, reason: "the server said no".to_owned() }];
        Event::Session(Session { missed, ..self.session() })
    }

    fn session(&self) -> Session {
        Session {
            account: self.account,
            started: NOW,
            counts: SessionCounts::default(),
            missed: Vec::new(),
            gone: Vec::new(),
            absent: Vec::new(),
            error: None,
        }
    }

    fn fate(&self, uidl: &str) -> Vec<(Fate, u32)> {
        let known = self.catalog.known(&self.account).unwrap();
        known
            .iter()
            .filter(|known| known.listed.uidl == Uidl::new(uidl))
            .map(|known| (known.fate, known.attempts))
            .collect()
    }
}

fn message(octets: &[u8]) -> MessageRef {
    MessageRef { id: BlobId::of(octets), nonce: Nonce::from_bytes([1; 32]) }
}

#[test]
fn a_kept_message_has_its_sighting_its_work_and_its_proof() {
    let bench = Bench::new();
    let Committed::Message(recorded) = bench.tell(bench.kept(b"octets", "u1")) else { panic!("not recorded") };
    assert_eq!(recorded.id(), BlobId::of(b"octets"));
    assert_eq!(bench.fate("u1"), [(Fate::Kept, 0)]);
    for stage in Stage::ALL {
        assert_eq!(bench.catalog.due(stage, NOW, 9).unwrap().len(), 1);
    }
    let proof = |uidl, octets| bench.catalog.recorded(&bench.sighting(uidl, 9), &BlobId::of(octets)).unwrap();
    assert_eq!(proof("u1", b"octets"), Some(recorded));
    assert_eq!(proof("u2", b"octets"), None);
    assert_eq!(proof("u1", b"others"), None);
}

#[test]
fn a_day_without_a_session_is_a_gap_for_another_day() {
    const HOUR: i64 = 3_600_000;
    let bench = Bench::new();
    let at = |hour: i64| Timestamp::from_millis(hour * HOUR);
    let session = |hour: i64| bench.tell_at(at(hour), Event::Session(Session { started: at(hour), ..bench.session() }));
    let gap = |hour: i64| {
        let gap = bench.catalog.gap(&bench.account, at(hour)).unwrap();
        gap.map(|gap| (gap.from.as_millis() / HOUR, gap.to.as_millis() / HOUR))
    };
    assert_eq!(gap(0), None);
    (0..5).for_each(|hour| drop(session(hour)));
    assert_eq!((gap(5), gap(28), gap(29)), (None, None, Some((4, 29))));
    // The clock is set forward by a year.
    session(9_000);
    session(9_001);
    assert_eq!((gap(9_002), gap(9_023), gap(9_024)), (Some((4, 9_000)), Some((4, 9_000)), None));
    // And back.
    assert_eq!(gap(6), None);
    session(6);
    assert_eq!((gap(7), gap(32)), (None, Some((6, 32))));
}

#[test]
fn one_bad_event_does_not_take_its_batch_with_it() {
    let bench = Bench::new();
    let told = |event| {
        let mut told = Told::new(Occurrence { at: NOW, event }, b"{}".to_vec(), b"{}".to_vec());
        told.place = Some((1, 0));
        told
    };
    let unknown = Event::Sighted(Sighted {
        message: message(b"never kept"),
        sighting: bench.sighting("u2", 9),
        by_header: false,
    });
    let batch = [told(bench.kept(b"one", "u1")), told(unknown), told(bench.kept(b"three", "u3"))];
    let outcomes = bench.catalog.commit(&[(1, 64, 1)], &batch).unwrap();
    assert!(
        matches!(outcomes[..], [Committed::Message(_), Committed::Refused(_), Committed::Message(_)]),
        "{outcomes:?}"
    );
    assert_eq!(bench.catalog.totals().unwrap().0, 2);
    assert_eq!(bench.catalog.waiting_records(9).unwrap().len(), 3, "the refused event left no journal entry");
}

#[test]
fn a_failed_message_keeps_count_and_is_kept_at_last() {
    let bench = Bench::new();
    bench.tell(bench.missed("u1", Fate::Failed));
    bench.tell(bench.missed("u1", Fate::Failed));
    assert_eq!(bench.fate("u1"), [(Fate::Failed, 2)]);
    bench.tell(bench.kept(b"octets", "u1"));
    assert_eq!(bench.fate("u1"), [(Fate::Kept, 2)]);
    bench.tell(bench.missed("u1", Fate::Vanished));
    assert_eq!(bench.fate("u1"), [(Fate::Kept, 2)], "what is archived stays so");
}

/// Else the next try would move on with each poll, and never come.
#[test]
fn a_message_that_waits_after_a_failure_stays_failed_since_then() {
    let bench = Bench::new();
    let later = Timestamp::from_millis(9_000);
    bench.tell(bench.missed("u1", Fate::Failed));
    bench.tell_at(later, bench.missed("u1", Fate::Deferred));
    assert_eq!(bench.fate("u1"), [(Fate::Failed, 1)]);
    assert_eq!(bench.catalog.known(&bench.account).unwrap()[0].fate_at, NOW);
    bench.tell_at(later, bench.missed("u1", Fate::Failed));
    assert_eq!(bench.fate("u1"), [(Fate::Failed, 2)]);
    assert_eq!(bench.catalog.known(&bench.account).unwrap()[0].fate_at, later);
}

#[test]
fn what_fails_for_long_is_counted_until_it_comes_or_goes() {
    let bench = Bench::new();
    let long_failed = |before| bench.catalog.long_failed(Timestamp::from_millis(before), 3).unwrap();
    let row = |fate, lines| LongFailed { account: "sales".to_owned(), fate, lines };
    for _ in 0..3 {
        bench.tell(bench.missed("u1", Fate::Failed));
        bench.tell(bench.missed("u2", Fate::Failed));
        bench.tell(bench.missed("u3", Fate::Interrupted));
        bench.tell_at(Timestamp::from_millis(5_000), bench.missed("young", Fate::Failed));
        bench.tell(bench.missed("large", Fate::Oversize));
    }
    bench.tell(bench.missed("once", Fate::Failed));
    assert_eq!(long_failed(1_000), [], "not before it was listed");
    assert_eq!(long_failed(1_001), [row(Fate::Failed, 2), row(Fate::Interrupted, 1)]);
    assert_eq!(long_failed(5_001)[0].lines, 3);

    bench.tell(bench.kept(b"octets", "u1"));
    bench.tell(bench.missed("u3", Fate::Vanished));
    assert_eq!(long_failed(1_001), [row(Fate::Failed, 1)]);
    bench.tell(Event::AccountRemoved { account: bench.account });
    assert_eq!(long_failed(1_001), []);
}

#[test]
fn a_unique_id_may_come_again_once_its_message_is_gone() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"first", "u1"));
    let message = message(b"first");
    let reason = "after_archive = delete".to_owned();
    bench.tell(Event::Deleting(Deleting { message, sighting: bench.sighting("u1", 9), reason }));
    let known = bench.catalog.known(&bench.account).unwrap();
    assert_eq!(known[0].deleting, Some(NOW));
    bench.tell(Event::Session(Session { gone: vec![bench.sighting("u1", 9).listed], ..bench.session() }));
    assert!(bench.catalog.known(&bench.account).unwrap().is_empty());
    bench.tell(bench.kept(b"second", "u1"));
    assert_eq!(bench.fate("u1"), [(Fate::Kept, 0)]);
    assert_eq!(bench.catalog.met_at(1).unwrap()[0].gone, Some(NOW));
}

#[test]
fn only_a_final_verdict_ends_the_scanning() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"octets", "u1"));
    let scanned = |verdict| Event::Scanned(Scanned { message: message(b"octets"), verdict, views: Vec::new() });
    bench.tell(scanned(Verdict::Error));
    assert_eq!(bench.catalog.backlog(Stage::Scan, NOW).unwrap().waiting, 1);
    assert!(bench.catalog.what_is_due(NOW).unwrap().scan);
    bench.tell(scanned(Verdict::Infected));
    assert_eq!(bench.catalog.backlog(Stage::Scan, NOW).unwrap().waiting, 0);
    assert!(!bench.catalog.what_is_due(NOW).unwrap().scan);
    assert_eq!(bench.catalog.numbers_with_verdict(&[Verdict::Infected]).unwrap(), [1]);
}

#[test]
fn a_message_that_fails_too_often_is_stuck_and_stops_nothing() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"one", "u1"));
    bench.tell(bench.kept(b"two", "u2"));
    for _ in 0..8 {
        let connection = bench.catalog.connection();
        connection.execute("UPDATE work SET due_ms = 0 WHERE message = 1", []).unwrap();
        drop(connection);
        let task = bench.catalog.due(Stage::Index, NOW, 1).unwrap().remove(0);
        assert_eq!(task.message.number, 1);
        bench.catalog.work_failed(Stage::Index, &task, "no", NOW).unwrap();
    }
    let backlog = bench.catalog.backlog(Stage::Index, NOW).unwrap();
    assert_eq!(backlog, Backlog { waiting: 2, stuck: 1, due: 1 });
    assert_eq!(bench.catalog.due(Stage::Index, NOW, 9).unwrap()[0].message.number, 2);
    bench.catalog.retry_stuck(Stage::Index, NOW).unwrap();
    let backlog = bench.catalog.backlog(Stage::Index, NOW).unwrap();
    assert_eq!(backlog, Backlog { waiting: 2, stuck: 0, due: 2 }, "the next start tries again");
}

/// A clock that was ahead and has been set back makes nothing wait until it is there again.
#[test]
fn what_came_or_failed_in_the_future_is_due_now() {
    let bench = Bench::new();
    for (uidl, ahead) in [("u1", 60_000), ("u2", 365 * 86_400_000)] {
        bench.tell_at(Timestamp::from_millis(NOW.as_millis() + ahead), bench.kept(uidl.as_bytes(), uidl));
    }
    for stage in Stage::ALL {
        assert_eq!(bench.catalog.due(stage, NOW, 9).unwrap().len(), 2, "{stage:?}");
        assert_eq!(bench.catalog.backlog(stage, NOW).unwrap().due, 2);
    }
    let task = bench.catalog.due(Stage::Index, NOW, 1).unwrap().remove(0);
    let failed = |at| bench.catalog.work_failed(Stage::Index, &task, "no", at).unwrap();
    failed(Timestamp::from_millis(NOW.as_millis() + 86_400_000));
    assert_eq!(bench.catalog.backlog(Stage::Index, NOW).unwrap().due, 2);
    assert_eq!(bench.catalog.due(Stage::Index, NOW, 9).unwrap().len(), 2);
    failed(NOW);
    assert_eq!(bench.catalog.backlog(Stage::Index, NOW).unwrap().due, 1, "it waits for its next try");
    assert_eq!(bench.catalog.due(Stage::Index, NOW, 9).unwrap().len(), 1);
}

#[test]
fn the_last_check_is_the_one_that_was_told_last() {
    let bench = Bench::new();
    let books = |scope: &str| {
        let scope = scope.to_owned();
        Event::Verified(Verified { scope, messages: 0, packs: 0, bytes: 0, damage: Vec::new() })
    };
    let drilled = || Event::Drilled(Drilled { entries: 1, differences: Vec::new() });
    for at in [9_000, 1_000].map(Timestamp::from_millis) {
        bench.tell_at(at, books("books"));
        bench.tell_at(at, drilled());
        let books = bench.catalog.last_check("books").unwrap().map(|check| check.at);
        assert_eq!((books, bench.catalog.drilled().unwrap()), (Some(at), Some(at)));
    }
}

#[test]
fn an_empty_catalog_beside_packs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("packs")).unwrap();
    std::fs::File::create(folder.path().join("packs/00000001.open")).unwrap();
    assert!(matches!(Catalog::open(folder.path()), Err(Error::LostBesidePacks(_))));
}

#[test]
fn verdicts_are_never_changed() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"octets", "u1"));
    let view = crate::mail::ViewVerdict {
        view: "raw".to_owned(),
        blob: BlobId::of(b"octets"),
        size_bytes: 6,
        verdict: Verdict::Clean,
        detail: None,
        engine: "ClamAV".to_owned(),
        signatures: "1".to_owned(),
        transport: "instream".to_owned(),
        scanned: NOW,
        duration_ms: 1,
    };
    let views = vec![view.clone()];
    bench.tell(Event::Scanned(Scanned { message: message(b"octets"), verdict: Verdict::Clean, views }));
    assert_eq!(bench.catalog.verdicts(1).unwrap(), [view]);
    assert!(bench.catalog.connection().execute("UPDATE verdict SET verdict = 'clean'", []).is_err());
    assert!(bench.catalog.connection().execute("DELETE FROM verdict", []).is_err());
}

#[test]
fn an_account_that_moves_to_another_server_knows_none_of_its_unique_ids() {
    let bench = Bench::new();
    let moved = |host: &str| {
        let (host, user) = (Some(host.to_owned()), Some("ana".to_owned()));
        Event::AccountAdded(AccountAdded { account: bench.account, name: "sales".to_owned(), host, user })
    };
    bench.tell(moved("old.example.org"));
    bench.tell(bench.kept(b"first", "1"));
    bench.tell(moved("old.example.org"));
    assert_eq!(bench.fate("1"), [(Fate::Kept, 0)], "nothing moved");
    bench.tell(moved("new.example.org"));
    assert!(bench.fate("1").is_empty(), "unique-id 1 may be another message there");
}

#[test]
fn a_request_tells_how_often_it_was_taken_up() {
    let catalog = Bench::new().catalog;
    let number = catalog.ask("fetch", "{}", NOW).unwrap();
    assert!(catalog.has_requests().unwrap());
    assert_eq!(catalog.take_requests(NOW).unwrap()[0].tries, 1);
    assert_eq!(catalog.take_requests(NOW).unwrap(), []);
    catalog.reopen_requests().unwrap();
    assert_eq!(catalog.take_requests(NOW).unwrap()[0].tries, 2);
    assert_eq!(catalog.answer(number).unwrap(), Asked::Waiting);
    catalog.answer_request(number, "done", NOW).unwrap();
    catalog.reopen_requests().unwrap();
    assert_eq!(catalog.take_requests(NOW).unwrap(), []);
    assert_eq!(catalog.answer(number).unwrap(), Asked::Answered("done".to_owned()));
}

#[test]
fn requests_go_when_they_are_withdrawn_or_a_day_old_but_not_while_they_are_worked_on() {
    let catalog = Bench::new().catalog;
    let ask = || catalog.ask("fetch", "{}", NOW).unwrap();
    let (answered, worked_on) = (ask(), ask());
    catalog.take_requests(NOW).unwrap();
    catalog.answer_request(answered, "done", NOW).unwrap();
    let (untaken, withdrawn) = (ask(), ask());
    catalog.withdraw(withdrawn).unwrap();

    let next_day = NOW.after(std::time::Duration::from_secs(86_401));
    assert_eq!(catalog.take_requests(next_day).unwrap(), []);
    let became = [answered, worked_on, untaken, withdrawn].map(|number| catalog.answer(number).unwrap());
    assert_eq!(became, [Asked::Gone, Asked::Waiting, Asked::Gone, Asked::Gone]);
}

#[test]
fn what_is_told_unsynced_is_there_and_later_commits_wait_for_the_disk_again() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"octets", "u1"));
    read_raw(&bench.catalog);
    let number = bench.catalog.message(&message(b"octets").id).unwrap().unwrap().number;
    let read = bench.catalog.another().unwrap().read_by(number).unwrap();
    assert_eq!((read[0].by.as_str(), read[0].what.as_str()), ("ana", "raw"));
    let synchronous: u32 =
        bench.catalog.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2, "FULL");
}

#[test]
fn readers_without_an_owner_leave_a_short_log_behind() {
    let bench = Bench::new();
    bench.tell(bench.kept(b"octets", "u1"));
    let Bench { _folder: folder, catalog, .. } = bench;
    drop(catalog);
    let mut longest = 0;
    for _ in 0..100 {
        let reader = Catalog::beside(folder.path()).unwrap().unwrap();
        read_raw(&reader);
        longest = longest.max(commit::log_bytes(&reader.connection()));
    }
    let one_commit = 64 * 1024;
    assert!(longest <= commit::READERS_LOG_BYTES + one_commit, "{longest} octets");
    let reader = Catalog::beside(folder.path()).unwrap().unwrap();
    let number = reader.message(&message(b"octets").id).unwrap().unwrap().number;
    assert_eq!(reader.read_by(number).unwrap().len(), 100);
}

fn read_raw(catalog: &Catalog) {
    let reading = Reading { message: message(b"octets"), what: "raw".to_owned(), by: "ana".to_owned(), reason: None };
    let occurrence = Occurrence { at: NOW, event: Event::Viewed(reading) };
    let told = Told::new(occurrence, b"{}".to_vec(), b"{}".to_vec());
    assert!(matches!(catalog.commit_unsynced(&[told]).unwrap()[..], [Committed::Other]));
}
