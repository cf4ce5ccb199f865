//! What an archive holds, without what may differ between two ways that led there: times, nonces, numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use poplar::archive::{Archive, Depth, Pace, Search};
use poplar::mail::{BlobId, Clock};
use rusqlite::{Connection, OpenFlags, types::Value};

use super::ground;
use super::lab::{Lab, USERS};
use super::mail::QUERIES;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Every table's facts, row by row in words, each as often as it is there.
    pub(crate) facts: BTreeMap<String, usize>,
    pub(crate) found: BTreeMap<&'static str, BTreeSet<BlobId>>,
    pub(crate) left_on_server: Vec<BTreeSet<Vec<u8>>>,
}

/// Which of the accounts met a shared message first is chance, so a fate is `archived` or not.
const FACTS: [&str; 5] = [
    "SELECT 'message', hex(id), hex(header), size_bytes, verdict, indexed_ms IS NOT NULL, date_ms, from_line, to_line,
            subject, attachments, purged_ms IS NOT NULL FROM message",
    "SELECT 'kept once', hex(message.id), count(*) FROM sighting JOIN message ON message.number = message
     WHERE fate = 'kept' GROUP BY message.id",
    "SELECT 'sighting', account.name, CAST(uidl AS TEXT), sighting.ordinal, listed_bytes, hex(message.id), reason, attempts,
            deleting_ms IS NOT NULL, gone_ms IS NOT NULL
     FROM sighting JOIN account ON account.number = account LEFT JOIN message ON message.number = message",
    "SELECT 'verdict', hex(message.id), view, hex(blob), verdict.verdict, detail
     FROM verdict JOIN message ON message.number = message",
    "SELECT 'work', stage, hex(message.id), stuck FROM work JOIN message ON message.number = message",
];

impl State {
    /// Asserts on the way that everything is signed, nothing damaged, and nothing lies about that nobody needs.
    pub(crate) fn of(lab: &Lab) -> Self {
        let archive = open(lab.archive());
        let journal = journal(&archive, lab.archive());
        assert_undamaged(&archive);
        let mut facts = facts(lab);
        facts.extend(journal);
        nothing_lies_about(lab.archive());
        let found = QUERIES.map(|query| (query, search(&archive, query))).into();
        Self { facts, found, left_on_server: USERS.map(|user| lab.listed(user)).into() }
    }

    /// In words; empty when there is none.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        let all: BTreeSet<&String> = self.facts.keys().chain(other.facts.keys()).collect();
        for fact in all {
            let times = [self, other].map(|state| state.facts.get(fact).copied().unwrap_or(0));
            if times[0] != times[1] {
                lines.push(format!("{} times, not {}: {fact}", times[1], times[0]));
            }
        }
        if self.found != other.found {
            lines.push(format!("found {:?}, not {:?}", other.found, self.found));
        }
        if self.left_on_server != other.left_on_server {
            lines.push(format!("left on the server {:?}, not {:?}", other.left_on_server, self.left_on_server));
        }
        lines.join("\n")
    }
}

/// What must hold at any time, also between a kill and the next start: what the server has not, the archive has;
/// what the archive names, it can hand out octet for octet; and `verify` finds nothing wrong.
pub(crate) fn assert_nothing_lost(lab: &Lab) {
    let deleted = lab.deleted();
    if !lab.archive().join("catalog.db").exists() {
        assert!(deleted.is_empty(), "deleted, and there is no archive");
        return;
    }
    let Ok(archive) = Archive::open(lab.archive(), Clock::system()) else {
        assert!(deleted.is_empty(), "deleted, and the archive does not open");
        return;
    };
    let octets = |id: &str| archive.raw(&archive.find(id).unwrap()).unwrap().octets().unwrap();
    let destroyed = rows(lab.archive(), "SELECT lower(hex(id)) FROM message WHERE purged_ms IS NOT NULL");
    for (uid, message) in deleted {
        let id = BlobId::of(&message).to_string();
        if destroyed.contains(&id) {
            continue;
        }
        assert!(*octets(&id) == *message, "{} is not what the server had", String::from_utf8_lossy(&uid));
    }
    for row in rows(lab.archive(), "SELECT lower(hex(id)) FROM message WHERE purged_ms IS NULL") {
        assert_eq!(BlobId::of(&octets(&row)).to_string(), row);
    }
    assert_undamaged(&archive);
}

fn assert_undamaged(archive: &Archive) {
    let report = archive.verify(Depth::Full, &mut Pace::new(None, &mut |_, _| {}));
    let some: Vec<_> = report.damage.iter().take(5).collect();
    assert!(some.is_empty(), "{} objects are damaged, among them {some:?}", report.damage.len());
}

pub(crate) fn open(folder: &Path) -> Archive {
    Archive::open(folder, Clock::system()).unwrap()
}

fn search(archive: &Archive, query: &str) -> BTreeSet<BlobId> {
    let search = Search { query: query.to_owned(), limit: 10_000, ..Search::default() };
    let results = archive.search(&search).unwrap();
    let ids: BTreeSet<BlobId> = results.hits.iter().map(|hit| hit.id).collect();
    assert_eq!((ids.len(), results.hits.len()), (results.total as usize, results.total as usize), "{query}: doubled");
    ids
}

/// Unique-ids of imported mail are paths; they begin where the lab's folder of mail begins.
fn facts(lab: &Lab) -> BTreeMap<String, usize> {
    let place = lab.mail_folder().display().to_string();
    let mut facts = BTreeMap::new();
    for query in FACTS {
        for row in rows(lab.archive(), query) {
            *facts.entry(row.replace(&place, "")).or_default() += 1;
        }
    }
    facts
}

/// Entries that are made once for what they tell of, by their kinds. Others tell of processes and sessions, and there are
/// more of those where one was killed.
const ONCE: [&str; 5] = ["created", "account_added", "kept", "sighted", "purged"];

/// The owner has left: everything is under the checkpoint, and the catalog knows where every private record lies.
fn journal(archive: &Archive, folder: &Path) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    let mut next = 0;
    let shown = archive.journal_entries(0, u64::MAX, &mut |entry| {
        assert_eq!((entry.index, entry.signed), (next, true), "an entry is missing, or not signed: {entry:?}");
        next += 1;
        let kind = entry.leaf["kind"].as_str().unwrap().to_owned();
        if ONCE.contains(&&*kind) {
            *kinds.entry(format!("journal {kind}")).or_default() += 1;
        }
        Ok(())
    });
    shown.unwrap();
    assert_eq!(ground::signed(folder).map(|checkpoint| checkpoint.size()), Some(next));
    let known = "SELECT count(*), max(number) + 1, (SELECT size FROM checkpoint) FROM entry";
    assert_eq!(rows(folder, known), [format!("{next} {next} {next}")]);
    kinds
}

/// The rows of a query on the catalog, each as one line.
pub(crate) fn rows(folder: &Path, query: &str) -> Vec<String> {
    let catalog = Connection::open_with_flags(folder.join("catalog.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let mut statement = catalog.prepare(query).unwrap();
    let width = statement.column_count();
    let line = |row: &rusqlite::Row<'_>| {
        let words: Vec<String> = (0..width)
            .map(|column| match row.get_unwrap(column) {
                Value::Null => "-".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                other => format!("{other:?}"),
            })
            .collect();
        Ok(words.join(" "))
    };
    statement.query_map([], line).unwrap().map(Result::unwrap).collect()
}

fn nothing_lies_about(folder: &Path) {
    assert_eq!(names(&folder.join("spool")), BTreeSet::new(), "left in the spool");
    // A whole batch that no commit names stays in its pack.
    let mut packs = BTreeSet::new();
    for name in names(&folder.join("packs")) {
        let number = name.strip_suffix(".open").or_else(|| name.strip_suffix(".pack"));
        assert!(number.is_some_and(|number| packs.insert(number.to_owned())), "{name} beside the packs");
    }
    let tiles = folder.join("journal/tile");
    for kind in names(&tiles) {
        let partial: Vec<PathBuf> = files_below(&tiles.join(&kind)).filter(|path| is_partial(path)).collect();
        assert!(partial.len() <= 1, "more than the last tile is partial: {partial:?}");
    }
    let known = |name: &&String| !FOLDER.contains(&&***name);
    let strange: Vec<String> = names(folder).iter().filter(known).cloned().collect();
    assert!(strange.is_empty(), "{strange:?}");
    let mut drafts = files_below(folder).filter(|path| path.extension().is_some_and(|ending| ending == "tmp"));
    assert_eq!(drafts.next(), None);
}

/// What may lie in an archive's folder.
const FOLDER: [&str; 14] = [
    "FORMAT",
    "catalog.db",
    "catalog.db-shm",
    "catalog.db-wal",
    "clamd",
    "entries",
    "index",
    "journal",
    "lock",
    "lost+found",
    "packs",
    "reserve",
    "secrets",
    "spool",
];

fn is_partial(tile: &Path) -> bool {
    tile.parent().and_then(Path::extension).is_some_and(|ending| ending == "p")
}

/// Every file, of whatever depth.
pub(crate) fn files_below(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let folder = folder.to_owned();
    let paths: Vec<PathBuf> = names(&folder).into_iter().map(|name| folder.join(name)).collect();
    Box::new(
        paths.into_iter().flat_map(
            |path| {
                if path.is_dir() { files_below(&path) } else { Box::new(std::iter::once(path)) }
            },
        ),
    )
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
