use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::catalog::{Indexed, Summary, Told};
use crate::mail::event::{AccountAdded, Kept, Listed, MessageRef, Purged, Sighting, Uidl};
use crate::mail::{AccountId, Event, Nonce, Occurrence, Timestamp};

const DAY_MS: i64 = 86_400_000;
const NOW: Timestamp = Timestamp::from_millis(0);
const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

/// A message of few words, so that they meet often.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    key: u32,
    ids: Vec<i64>,
    subject: Option<i64>,
    is_stray: bool,
    day: i64,
}

impl Letter {
    fn id(&self) -> BlobId {
        BlobId::of(&self.key.to_be_bytes())
    }

    fn message(&self) -> MessageRef {
        MessageRef { id: self.id(), nonce: Nonce::from_bytes([1; 32]) }
    }

    fn ties(&self) -> Ties {
        Ties { ids: self.ids.clone(), subject: self.subject, is_stray_reply: self.is_stray }
    }
}

fn letter(key: u32, ids: &[i64]) -> Letter {
    Letter { key, ids: ids.to_vec(), subject: None, is_stray: false, day: key.into() }
}

struct Bench {
    _folder: tempfile::TempDir,
    catalog: Catalog,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { catalog: Catalog::open(folder.path()).unwrap(), _folder: folder };
        bench.catalog.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
        bench.tell([Event::AccountAdded(AccountAdded {
            account: ACCOUNT,
            name: "sales".to_owned(),
            host: None,
            user: None,
        })]);
        bench
    }

    fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let told = events.into_iter().map(|event| {
            let mut told = Told::new(Occurrence { at: NOW, event }, b"{}".to_vec(), b"{}".to_vec());
            told.place = Some((1, 0));
            told
        });
        self.catalog.commit(&[(1, 64, 1)], &told.collect::<Vec<_>>()).unwrap();
    }

    fn number(&self, letter: &Letter) -> u64 {
        self.catalog.message(&letter.id()).unwrap().unwrap().number
    }

    fn keep(&self, letters: &[Letter]) {
        self.tell(letters.iter().map(|letter| {
            let listed = Listed { uidl: Uidl::new(letter.key.to_be_bytes()), ordinal: 0, listed_bytes: None };
            let sighting = Sighting { account: ACCOUNT, listed };
            Event::Kept(Kept { message: letter.message(), size_bytes: 4, header: letter.id(), sighting })
        }));
    }

    fn index(&self, letters: &[Letter]) {
        let indexed = letters.iter().map(|letter| Indexed {
            number: self.number(letter),
            summary: Summary { date: Some(Timestamp::from_millis(letter.day * DAY_MS)), ..Summary::default() },
            ties: letter.ties(),
            is_collected: false,
            is_destroyed: false,
            documents: Vec::new(),
        });
        self.catalog.indexed(&indexed.collect::<Vec<_>>(), NOW).unwrap();
    }

    fn enter(&self, letters: &[Letter]) {
        self.keep(letters);
        self.index(letters);
    }

    fn destroy(&self, letters: &[Letter]) {
        self.tell(letters.iter().map(|letter| {
            let [reason, by] = ["no use", "ana"].map(str::to_owned);
            Event::Purged(Purged { message: letter.message(), pack: 1, ordinal: 0, reason, by })
        }));
        let indexed = letters.iter().map(|letter| Indexed {
            number: self.number(letter),
            summary: Summary::default(),
            ties: Ties::default(),
            is_collected: false,
            is_destroyed: true,
            documents: Vec::new(),
        });
        self.catalog.indexed(&indexed.collect::<Vec<_>>(), NOW).unwrap();
    }

    /// The thread of each letter, by the ids of the messages in it.
    fn threads(&self, letters: &[Letter]) -> BTreeSet<BTreeSet<BlobId>> {
        let of = |letter| {
            let row = self.catalog.message(&Letter::id(letter)).unwrap().unwrap();
            let numbers = self.catalog.numbers_in_thread(&row).unwrap();
            let ids = self.catalog.numbered(&numbers).unwrap().into_iter().map(|row| row.message.id);
            ids.collect::<BTreeSet<_>>()
        };
        letters.iter().map(of).collect()
    }

    /// Nothing in the tables but what these letters say, and all with its fingerprint.
    fn assert_tidy(&self, letters: &[Letter]) {
        assert_eq!(self.catalog.changed_rows().unwrap(), []);
        let connection = self.catalog.connection();
        let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, usize>(0)).unwrap();
        let named: BTreeSet<i64> = letters.iter().flat_map(|letter| letter.ids.iter().copied()).collect();
        assert_eq!(
            (count("SELECT count(*) FROM named"), count("SELECT count(*) FROM tie")),
            (named.len(), letters.len())
        );
        let strange = "SELECT count(*) FROM tie WHERE family NOT IN (SELECT message FROM tie AS one WHERE one.family = tie.family)";
        assert_eq!(count(strange), 0, "a family is called by one of its own");
    }
}

/// The same from the definition, one pair after the other.
fn expected(letters: &[Letter]) -> BTreeSet<BTreeSet<BlobId>> {
    let mut thread: Vec<usize> = (0..letters.len()).collect();
    let mut join = |one: usize, other: usize| {
        let (from, to) = (thread[one], thread[other]);
        thread.iter_mut().filter(|at| **at == from).for_each(|at| *at = to);
    };
    let place = |letter: &Letter| (letter.day, letter.id());
    for (at, one) in letters.iter().enumerate() {
        for (other, _) in
            letters.iter().enumerate().filter(|(_, other)| other.ids.iter().any(|id| one.ids.contains(id)))
        {
            join(at, other);
        }
        let same: Vec<usize> = (0..letters.len())
            .filter(|other| one.subject.is_some() && letters[*other].subject == one.subject)
            .collect();
        let before = same.iter().filter(|other| place(&letters[**other]) < place(one));
        if let Some(before) = before.max_by_key(|other| place(&letters[**other]))
            && one.is_stray
            && same.len() <= 256
            && one.day - letters[*before].day <= 90
        {
            join(at, *before);
        }
    }
    let mut threads: BTreeMap<usize, BTreeSet<BlobId>> = BTreeMap::new();
    for (at, letter) in letters.iter().enumerate() {
        threads.entry(thread[at]).or_default().insert(letter.id());
    }
    threads.into_values().collect()
}

fn some_ties() -> impl Strategy<Value = (Vec<i64>, Option<i64>, bool, i64)> {
    let ids = prop::collection::btree_set(0..9_i64, 0..4).prop_map(|ids| ids.into_iter().collect());
    (ids, prop::option::of(0..3_i64), any::<bool>(), 0..400_i64)
        .prop_map(|(ids, subject, is_stray, day)| (ids, subject, is_stray && subject.is_some(), day))
}

fn letters(first: u32, most: usize) -> impl Strategy<Value = Vec<Letter>> {
    prop::collection::vec(some_ties(), 0..most).prop_map(move |ties| {
        let letters = (first..).zip(ties);
        letters.map(|(key, (ids, subject, is_stray, day))| Letter { key, ids, subject, is_stray, day }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// In any order, in batches of any size, some read otherwise at first, and others destroyed meanwhile.
    #[test]
    fn the_same_messages_make_the_same_threads(
        staying in letters(0, 14),
        leaving in letters(100, 6),
        misread in prop::collection::vec((any::<Index>(), some_ties()), 0..4),
        order in any::<u64>(),
        batch in 1..5_usize,
    ) {
        let bench = Bench::new();
        let mut arriving: Vec<Letter> = staying.iter().chain(&leaving).cloned().collect();
        arriving.sort_by_key(|letter| (u64::from(letter.key) + 1).wrapping_mul(order | 1).rotate_left(20));
        bench.keep(&arriving);
        let mut arriving_so = arriving.clone();
        for (at, (ids, subject, is_stray, day)) in misread {
            if !arriving.is_empty() {
                let at = at.index(arriving.len());
                arriving_so[at] = Letter { ids, subject, is_stray, day, ..arriving[at].clone() };
            }
        }
        arriving_so.chunks(batch).for_each(|letters| bench.index(letters));
        let mended: Vec<Letter> =
            arriving.iter().zip(&arriving_so).filter(|(meant, read)| meant != read).map(|(meant, _)| meant.clone()).collect();
        bench.index(&mended);
        prop_assert_eq!(bench.threads(&arriving), expected(&arriving));
        bench.assert_tidy(&arriving);
        leaving.chunks(batch).for_each(|letters| bench.destroy(letters));
        prop_assert_eq!(bench.threads(&staying), expected(&staying));
        bench.assert_tidy(&staying);
    }
}

#[test]
fn a_message_that_nobody_holds_ties_those_that_answer_it() {
    let bench = Bench::new();
    let [one, other, apart] = [letter(1, &[10, 99]), letter(2, &[20, 99]), letter(3, &[30])];
    bench.enter(&[one.clone(), other.clone(), apart.clone()]);
    let pair = BTreeSet::from([one.id(), other.id()]);
    assert_eq!(
        bench.threads(&[one.clone(), other, apart.clone()]),
        BTreeSet::from([pair, BTreeSet::from([apart.id()])])
    );
    let numbers = [bench.number(&apart), bench.number(&one)];
    let threads = bench.catalog.threads(&numbers).unwrap();
    assert_eq!(threads[1], Thread { oldest: one.id(), messages: 2 });
    assert_eq!(threads[0], Thread { oldest: apart.id(), messages: 1 });
}

#[test]
fn of_what_is_destroyed_nothing_ties_others_and_no_hash_stays() {
    let bench = Bench::new();
    let [one, bridge, other] = [letter(1, &[10]), letter(2, &[10, 20, 77]), letter(3, &[20])];
    bench.enter(&[one.clone(), bridge.clone(), other.clone()]);
    assert_eq!(bench.threads(std::slice::from_ref(&one)).first().unwrap().len(), 3);
    bench.destroy(&[bridge]);
    assert_eq!(bench.threads(&[one.clone(), other.clone()]).len(), 2);
    bench.assert_tidy(&[one, other]);
}

#[test]
fn a_message_that_is_not_indexed_yet_is_a_thread_of_its_own() {
    let bench = Bench::new();
    let one = letter(1, &[10]);
    bench.keep(std::slice::from_ref(&one));
    assert_eq!(bench.catalog.threads(&[bench.number(&one)]).unwrap(), [Thread { oldest: one.id(), messages: 1 }]);
    assert_eq!(bench.threads(std::slice::from_ref(&one)), BTreeSet::from([BTreeSet::from([one.id()])]));
}

/// `Re: hello`, from whomever.
#[test]
fn a_subject_of_very_many_messages_ties_none_of_them() {
    let bench = Bench::new();
    let hello = |key: u32| Letter { key, ids: Vec::new(), subject: Some(1), is_stray: true, day: key.into() };
    let letters: Vec<Letter> = (0..257).map(hello).collect();
    bench.enter(&letters[..256]);
    assert_eq!(bench.threads(&letters[..1]).first().unwrap().len(), 256);
    bench.enter(&letters[256..]);
    assert_eq!(bench.threads(&letters[90..99]).len(), 9);
    bench.destroy(&letters[100..101]);
    let staying: Vec<Letter> = letters.iter().filter(|letter| letter.key != 100).cloned().collect();
    assert_eq!(bench.threads(&letters[97..100]).first().unwrap().len(), 256);
    assert_eq!(bench.threads(&[letters[0].clone(), letters[256].clone()]).len(), 1, "both sides are near enough");
    bench.assert_tidy(&staying);
}

/// Chains and rings of references, one id on everything, and families that meet when they are large: nothing costs more than
/// the number of messages times a few.
#[test]
fn hostile_references_cost_no_more_than_others() {
    const MANY: u32 = 5_000;
    let bench = Bench::new();
    let begun = std::time::Instant::now();
    let same: Vec<Letter> = (0..MANY).map(|key| letter(key, &[1, 2])).collect();
    // Each meets the large family, from a small one of its own.
    let meeting: Vec<Letter> = (0..MANY / 2)
        .flat_map(|pair| {
            let (key, id) = (MANY + pair * 2, i64::from(pair) + 1_000);
            [letter(key, &[id]), letter(key + 1, &[id, 1])]
        })
        .collect();
    for letters in same.chunks(512).chain(meeting.chunks(512)) {
        bench.enter(letters);
    }
    let thread = bench.catalog.threads(&[1]).unwrap()[0];
    assert_eq!(thread.messages, u64::from(MANY) * 2);
    assert_eq!(thread.oldest, letter(0, &[]).id());
    // Quadratic, it would be tens of millions of rows.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
