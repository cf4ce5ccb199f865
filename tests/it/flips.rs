//! Single bits of an archive are flipped, one after the other. In packs and journal `verify` finds and names each; in
//! catalog and index each is found, or nothing that can be asked is answered otherwise. `FLIPS=1000` flips so many of
//! each, `FLIPS_SEED` repeats a run.

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use poplar::archive::{self, Access, Damage, Depth, Order, Pace, Search};
use poplar::catalog::Catalog;
use poplar::mail::{Clock, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, files_below, infected_mail, mail};

const FEW: u32 = 40;

/// xorshift64*: the same seed flips the same bits.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        usize::try_from(drawn).unwrap() % limit
    }
}

/// A bit of a file of the archive.
#[derive(Clone, Debug)]
struct Bit {
    /// Below the archive's folder.
    file: PathBuf,
    byte: usize,
    bit: usize,
}

/// An archive that nobody uses, all in main files.
struct Scene {
    folder: TempDir,
    ids: Vec<String>,
}

#[test]
fn every_flipped_bit_in_packs_and_journal_is_found_and_named() {
    let scene = Scene::new();
    let catalog = fs::read(scene.path("catalog.db")).unwrap();
    let missed = flip_many(&scene, &["packs", "journal"], |bit| {
        flip(&scene.path(""), bit);
        let damage = verify(&scene.path("")).unwrap();
        flip(&scene.path(""), bit);
        // That it was checked went on record there.
        put_back(&scene.path("catalog.db"), &catalog);
        (!names(&damage, bit)).then(|| format!("{damage:?}"))
    });
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn a_flipped_bit_in_catalog_or_index_is_found_or_changes_no_answer() {
    let scene = Scene::new();
    let copy = TempDir::new().unwrap();
    let answers = scene.answers_with(copy.path(), None);
    assert_eq!(scene.answers_with(copy.path(), None), answers, "the answers are not the same each time");
    let missed = flip_many(&scene, &["catalog.db", "index"], |bit| {
        scene.lay_books(copy.path(), Some(bit));
        if verify(copy.path()).map_or(true, |damage| !damage.is_empty()) {
            return None;
        }
        let now = scene.answers_with(copy.path(), Some(bit));
        (now != answers).then(|| differences(&answers, &now))
    });
    assert!(missed.is_empty(), "{missed}");
}

/// What `judge` complains of, a line for each bit; half of the bits anywhere, half in a file chosen first.
fn flip_many(scene: &Scene, parts: &[&str], mut judge: impl FnMut(&Bit) -> Option<String>) -> String {
    let count = variable("FLIPS").map_or(FEW, |count| u32::try_from(count).unwrap());
    let seed = variable("FLIPS_SEED").unwrap_or_else(|| RandomState::new().hash_one(0)) | 1;
    let mut dice = Dice(seed);
    let files: Vec<(PathBuf, usize)> = parts.iter().flat_map(|part| scene.files(part)).collect();
    let all = files.iter().map(|(_, length)| length).sum();
    let mut missed = String::new();
    for n in 0..count {
        let bit = if n % 2 == 0 { anywhere(&files, dice.below(all)) } else { in_some_file(&files, &mut dice) };
        let bit = Bit { bit: dice.below(8), ..bit };
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&bit)));
        if let Some(complaint) = judged.unwrap_or_else(|_| Some("panicked".to_owned())) {
            writeln!(missed, "FLIPS={count} FLIPS_SEED={seed}: {bit:?}: {complaint}").unwrap();
        }
    }
    missed
}

fn anywhere(files: &[(PathBuf, usize)], mut byte: usize) -> Bit {
    for (file, length) in files {
        if byte < *length {
            return Bit { file: file.clone(), byte, bit: 0 };
        }
        byte -= length;
    }
    unreachable!("it lies behind all files")
}

fn in_some_file(files: &[(PathBuf, usize)], dice: &mut Dice) -> Bit {
    let (file, length) = &files[dice.below(files.len())];
    Bit { file: file.clone(), byte: dice.below(*length), bit: 0 }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

impl Scene {
    /// Packs sealed, with attachments stored once, and open; a journal of more than one bundle; mail that waits.
    fn new() -> Self {
        let (servers, mut archive) = (TempDir::new().unwrap(), Archive::new());
        let server = Dovecot::start(servers.path());
        let accounts = [
            Account::implicit(&server, "tester").with("max_message_bytes = \"64KiB\""),
            Account::starttls(&server, "bob"),
        ];
        archive.configure(&accounts);
        for round in 0..3 {
            (0..45).for_each(|n| server.deliver("tester", &letter(round, n)));
            server.deliver("bob", &letter(0, 1));
            archive.well(&["fetch"]);
            if round < 2 {
                archive.well(&["seal"]);
            }
        }
        server.deliver("bob", &infected_mail());
        server.deliver("tester", &mail("large", &"far too large ".repeat(8_000)));
        archive.well(&["fetch"]);
        archive.set_clamd("unix:/nonexistent/clamd.sock");
        archive.configure(&accounts);
        let fresh = archive.path("fresh.eml");
        fs::write(&fresh, mail("fresh", "it waits for the scanner")).unwrap();
        assert_eq!(archive.run(&["import", "--wait", "0s", fresh.to_str().unwrap()]).code, 75);
        archive.well(&["tag", "add", "flagged", "subject:drawing"]);
        archive.well(&["note", "add", &archive.found("subject:fresh")[0], "ask Ana"]);
        archive.assert_sound();
        let scene = Self { folder: TempDir::new().unwrap(), ids: archive.found("") };
        lay(&archive.data_dir(), scene.folder.path());
        scene.settle();
        assert!(scene.files("packs").len() >= 3 && scene.files("journal/tile").len() >= 5);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// SQLite's log into the catalog.
    fn settle(&self) {
        let catalog = Connection::open(self.path("catalog.db")).unwrap();
        catalog.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(catalog);
        assert!(!self.path("catalog.db-wal").exists());
    }

    /// Files of the archive, with their lengths.
    fn files(&self, part: &str) -> Vec<(PathBuf, usize)> {
        let path = self.path(part);
        let files = if path.is_dir() { files_below(&path) } else { vec![path] };
        let mut files: Vec<(PathBuf, usize)> = files
            .into_iter()
            .map(|file| {
                let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
                (file.strip_prefix(self.folder.path()).unwrap().to_owned(), length)
            })
            .filter(|(_, length)| *length > 0)
            .collect();
        files.sort();
        files
    }

    /// The archive in `copy`, with this bit of catalog or index flipped.
    fn lay_books(&self, copy: &Path, bit: Option<&Bit>) {
        if !copy.join("packs").exists() {
            lay(self.folder.path(), copy);
        }
        put_back(&copy.join("catalog.db"), &fs::read(self.path("catalog.db")).unwrap());
        fs::remove_dir_all(copy.join("index")).unwrap();
        lay(&self.path("index"), &copy.join("index"));
        if let Some(bit) = bit {
            flip(copy, bit);
        }
    }

    fn answers_with(&self, copy: &Path, bit: Option<&Bit>) -> String {
        self.lay_books(copy, bit);
        answers(copy, &self.ids).unwrap_or_else(|error| format!("no answers: {error}"))
    }
}

/// Some with an attachment that others have too, some that were sent before.
fn letter(round: usize, n: usize) -> Vec<u8> {
    if !n.is_multiple_of(9) {
        return mail(
            &format!("letter {n} of round {round}\r\nReferences: <{}@example.org>", n % 5),
            &format!("The barge {n} leaves at {round} o'clock. ").repeat(9),
        );
    }
    let drawing: Vec<u8> = (0..9_000_usize).map(|at| u8::try_from((at * at / 7 + at * n / 9) % 251).unwrap()).collect();
    let header = "Content-Type: application/octet-stream; name=drawing.bin\r\n\
                  Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64";
    let subject =
        format!("drawing {n} of {round}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge");
    let lines: Vec<String> = drawing.chunks(57).map(|line| BASE64_STANDARD.encode(line)).collect();
    let body =
        format!("--edge\r\n\r\nSee the drawing.\r\n--edge\r\n{header}\r\n\r\n{}\r\n--edge--", lines.join("\r\n"));
    mail(&subject, &body)
}

fn lay(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            lay(&path, &there);
        } else if path.is_file() {
            fs::copy(&path, &there).unwrap();
        }
    }
}

fn flip(archive: &Path, Bit { file, byte, bit }: &Bit) {
    let path = archive.join(file);
    let mut octets = fs::read(&path).unwrap();
    octets[*byte] ^= 1 << bit;
    fs::write(&path, octets).unwrap();
}

fn put_back(catalog: &Path, octets: &[u8]) {
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = catalog.as_os_str().to_owned();
        beside.push(suffix);
        let _was_not_there = fs::remove_file(beside);
    }
    fs::write(catalog, octets).unwrap();
}

/// A time at which nobody owns the archive.
fn clock() -> Clock {
    Clock::new(|| Timestamp::from_millis(4_000_000_000_000))
}

fn verify(archive: &Path) -> Result<Vec<Damage>, archive::Error> {
    let opened = archive::Archive::open(archive, clock())?;
    Ok(opened.verify(Depth::Full, &mut Pace::new(None, &mut |_, _| ())).damage)
}

/// Whether the damage is told of the file that the bit is in. Of a checkpoint and a key that do not fit, nobody can say
/// which is wrong: both are named.
fn names(damage: &[Damage], bit: &Bit) -> bool {
    let file = bit.file.to_str().unwrap();
    let object = match file.strip_prefix("packs/") {
        Some(pack) => format!("pack {}", pack.split('.').next().unwrap().parse::<u64>().unwrap()),
        None => file.to_owned(),
    };
    let name = file.rsplit('/').next().unwrap();
    damage.iter().any(|damage| damage.object == object || damage.object == "journal" && damage.problem.contains(name))
}

/// Everything that can be asked, and every answer, a line each.
fn answers(archive: &Path, ids: &[String]) -> Result<String, archive::Error> {
    let mut told = String::new();
    let mut tell = |answer: String| writeln!(told, "{answer}").unwrap();
    let opened = archive::Archive::open(archive, clock())?;
    tell(json(&opened.status()?));
    tell(json(&opened.journal_head()?));
    opened.journal_entries(0, u64::MAX, &mut |entry| {
        tell(json(&entry));
        Ok(())
    })?;
    for id in ids {
        let row = opened.find(id)?;
        tell(json(&opened.show(&row)?));
        tell(format!("{:?}", opened.text(&row, Access::Ordinary)?));
        tell(format!("{:?} {:?}", row.message, opened.raw(&row)?.octets()?.len()));
    }
    let thread = format!("thread:{}", ids[ids.len() / 2]);
    let queries = [
        "",
        "barge",
        "\"the drawing\"",
        "subject:letter",
        "from:ana",
        "account:bob",
        "is:infected",
        "has:attachment",
        "tag:flagged",
        &thread,
    ];
    for query in queries {
        for order in [Order::Newest, Order::Oldest, Order::Relevance] {
            let search = Search { query: query.to_owned(), order, limit: 1_000, ..Search::default() };
            tell(json(&opened.search(&search)?));
        }
    }
    tell(opened_for_fetching(archive)?);
    Ok(told)
}

/// What decides which mail is fetched next, and which is deleted.
fn opened_for_fetching(archive: &Path) -> Result<String, archive::Error> {
    let catalog = Catalog::beside(archive)?.ok_or_else(|| archive::Error::NoArchive(archive.to_owned()))?;
    let mut told = String::new();
    for account in catalog.accounts()? {
        writeln!(told, "{account:?}\n{:?}", catalog.known(&account.id)?).unwrap();
    }
    writeln!(told, "{:?} {:?} {:?}", catalog.packs()?, catalog.archive_value("id")?, catalog.has_requests()?).unwrap();
    Ok(told)
}

fn json(answer: &impl serde::Serialize) -> String {
    serde_json::to_string(answer).unwrap()
}

fn differences(before: &str, after: &str) -> String {
    let changed = before.lines().zip(after.lines()).find(|(before, after)| before != after);
    changed.map_or_else(
        || after.chars().take(300).collect(),
        |(before, after)| {
            let at =
                before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count().saturating_sub(60);
            let part =
                |line: &str| String::from_utf8_lossy(&line.as_bytes()[at..line.len().min(at + 200)]).into_owned();
            format!("\n  {}\n  {}", part(before), part(after))
        },
    )
}
