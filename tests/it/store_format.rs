//! A second reader of packs, made from the tables of `schemas/store.md` alone, reads what the program writes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use poplar::journal::LogReader;
use poplar::mail::Timestamp;
use poplar::store::{Append, Extent, Incoming, Received, Writer};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::journal_format::assert_opens;
use crate::support::document::{between, dump, table_below};

const DOCUMENT: &str = include_str!("../../schemas/store.md");
const FRAME_LIMIT: usize = 1 << 20;
const PACK_LIMIT: u64 = 64 << 20;

#[test]
fn the_tables_leave_no_octet_out() {
    let headers = [("### Pack header", 64), ("### Frame header", 56), ("### Record header", 48)];
    for (heading, octets) in headers.into_iter().chain([("### Row", 72), ("### Trailer", 128), ("### Recipe", 64)]) {
        let mut at = 0;
        for row in table_below(DOCUMENT, heading) {
            assert_eq!(row[0].parse(), Ok(at), "{heading}: {}", row[2]);
            at += row[1].parse::<usize>().unwrap();
        }
        assert_eq!(at, octets, "{heading}");
    }
}

#[test]
fn the_example_is_what_is_written() {
    let mut bench = Bench::new();
    let message = b"Hi: 1\r\n\r\nok\r\n";
    bench.append(&[Piece::Message(message)]);
    let written = bench.pack(1);
    let block = between(DOCUMENT, "<!-- pack -->").trim_matches('`').trim();
    assert_eq!(block, dump(&written), "this is what the example should be:\n{}", dump(&written));
    let records = Reader::new().pack(&undump(block), 1);
    let read: Vec<_> = records.iter().map(|record| (record.kind, &record.octets[..])).collect();
    assert_eq!(read, [(1, &message[..])]);
}

#[test]
fn every_length_of_record_reads_back() {
    let mut bench = Bench::new();
    let text = b"The same words over and over. ".repeat(110_000);
    let lengths = [0, 1, 700, FRAME_LIMIT - 49, FRAME_LIMIT - 48, FRAME_LIMIT - 47, FRAME_LIMIT, 2 * FRAME_LIMIT + 77];
    let noise = noise(2 * FRAME_LIMIT + 77);
    let mut expected = Vec::new();
    for length in lengths {
        for octets in [&noise[..length], &text[..length]] {
            bench.append(&[Piece::Message(octets), Piece::Private(b"{\"v\":1}"), Piece::Message(octets)]);
            expected.extend([(1, octets), (2, b"{\"v\":1}"), (1, octets)]);
        }
    }
    let whole: Vec<Piece<'_>> = lengths.iter().map(|length| Piece::Private(&noise[..*length])).collect();
    bench.append(&whole);
    expected.extend(lengths.iter().map(|length| (2, &noise[..*length])));
    let records = Reader::new().pack(&bench.pack(1), 1);
    assert!(records.iter().map(|record| (record.kind, &record.octets[..])).eq(expected), "not what was written");
    assert_eq!(bench.extents[&1].records as usize, records.len());
}

#[test]
fn a_pack_ends_at_its_limit_and_a_longer_record_has_one_to_itself() {
    let mut bench = Bench::new();
    let noise = noise(PACK_LIMIT as usize);
    bench.append(&[Piece::Message(b"first"), Piece::Message(&noise), Piece::Message(b"last")]);
    let reader = Reader::new();
    let packs: Vec<Vec<Record>> = (1..=3).map(|number| reader.pack(&bench.pack(number), number)).collect();
    let lengths: Vec<Vec<usize>> =
        packs.iter().map(|records| records.iter().map(|record| record.octets.len()).collect()).collect();
    assert_eq!(lengths, [vec![5], vec![noise.len()], vec![4]]);
}

#[test]
fn an_archive_is_laid_out_as_the_documents_say() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    assert_eq!(import(folder.path(), &archive), (Some(75), String::new()));

    for (name, mode) in folder_modes() {
        let found = fs::metadata(archive.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{name}");
    }
    let format = fs::read_to_string(archive.join("FORMAT")).unwrap();
    let id = format.strip_prefix("poplar archive, format 1\nid ").and_then(|rest| rest.strip_suffix('\n')).unwrap();
    let pack = fs::read(archive.join("packs/00000001.open")).unwrap();
    let reader = Reader::new();
    assert_eq!(hex(reader.pack_header.octets(&pack, "archive")), id);

    let catalog = rusqlite::Connection::open(archive.join("catalog.db")).unwrap();
    let extent: (usize, usize) = catalog
        .query_row("SELECT committed_bytes, records FROM pack", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let records = reader.pack(&pack[..extent.0], 1);
    assert_eq!(records.len(), extent.1);

    let messages: HashSet<&[u8]> =
        records.iter().filter(|record| record.kind == 1).map(|record| &record.octets[..]).collect();
    for mail in mail_files() {
        assert!(messages.contains(&fs::read(&mail).unwrap()[..]), "{} is not in the pack", mail.display());
    }
    let (leaves, entries) = (leaves(&archive.join("journal")), entries(&catalog));
    assert!(entries.len() > messages.len(), "messages, and what else happened");
    assert!(entries.iter().map(|(number, _)| *number).eq(0..leaves.len()), "one for each leaf, without a gap");
    for (leaf, (_, ordinal)) in leaves.iter().zip(entries) {
        let record = &records[ordinal];
        assert_eq!(record.kind, 2);
        assert_opens(leaf, &record.octets);
    }
}

#[test]
fn a_folder_of_another_format_or_archive_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    import(folder.path(), &archive);
    let pack = fs::read(archive.join("packs/00000001.open")).unwrap();
    let format = fs::read_to_string(archive.join("FORMAT")).unwrap();
    for (other, sentence) in [
        (format.replace("format 1", "format 2"), "FORMAT: not format 1"),
        ("poplar archive, format 1\nid 00\n".to_owned(), "FORMAT: this folder is archive 00, but"),
    ] {
        fs::write(archive.join("FORMAT"), other).unwrap();
        let (status, said) = import(folder.path(), &archive);
        assert!(status == Some(1) && said.contains(sentence), "{status:?} {said}");
    }
    fs::write(archive.join("FORMAT"), format).unwrap();
    assert_eq!(import(folder.path(), &archive).0, Some(75));
    assert!(fs::read(archive.join("packs/00000001.open")).unwrap().starts_with(&pack));
}

/// It does not know of the newest mail: that would be fetched again, or never shown.
#[test]
fn an_older_copy_of_the_catalog_is_an_alarm_and_a_rebuild_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    import(folder.path(), &archive);
    let older = fs::read(archive.join("catalog.db")).unwrap();
    fs::write(folder.path().join("later.eml"), "Subject: later\r\n\r\nnot in the older copy\r\n").unwrap();
    import_paths(folder.path(), &archive, &[folder.path().join("later.eml")]);
    let ground = || ["packs/00000001.open", "journal/checkpoint"].map(|file| fs::read(archive.join(file)).unwrap());
    let (before, newer) = (ground(), message_ids(&archive));

    fs::write(archive.join("catalog.db"), older).unwrap();
    let (status, said) = import(folder.path(), &archive);
    assert!(status == Some(1) && said.contains("ALARM: catalog.db is an older copy"), "{status:?} {said}");
    assert!(ground() == before, "pack or checkpoint were changed");

    let mut rebuild = Command::new(env!("CARGO_BIN_EXE_poplar"));
    assert!(rebuild.arg("--data-dir").arg(&archive).arg("rebuild").output().unwrap().status.success());
    assert_eq!(message_ids(&archive), newer);
    assert_eq!(import(folder.path(), &archive).0, Some(75));
}

/// Names and modes from the picture of the folder.
fn folder_modes() -> Vec<(String, u32)> {
    let (_, picture) = DOCUMENT.split_once("\nDATA_DIR/").expect("a picture of the folder");
    let (picture, _) = picture.split_once("```").unwrap();
    let mut modes = Vec::new();
    let mut within = "";
    for line in picture.lines().skip(1) {
        let mut words = line.split_whitespace().filter(|word| !word.starts_with(['│', '├', '└']));
        let (name, mode) = (words.next().unwrap(), words.next().unwrap());
        let inner = line.starts_with('│');
        modes.push((format!("{}{name}", if inner { within } else { "" }), u32::from_str_radix(mode, 8).unwrap()));
        if !inner {
            within = name;
        }
    }
    // The scanner's home is made where poplar has a scanner of its own, which this archive has not; the others pass.
    modes.retain(|(name, _)| !["clamd/", "rebuild/", "drill/"].contains(&name.as_str()));
    assert!(modes.len() > 5, "{modes:?}");
    modes
}

/// Imports the mail of the tests with a scanner that is not there, which takes no time: exit status, and what it
/// complained of but for that.
fn import(folder: &Path, archive: &Path) -> (Option<i32>, String) {
    import_paths(folder, archive, &mail_files())
}

fn import_paths(folder: &Path, archive: &Path, paths: &[PathBuf]) -> (Option<i32>, String) {
    let config = folder.join("poplar.toml");
    fs::write(&config, format!("data_dir = {archive:?}\n[scan]\nclamd = \"unix:/nowhere/clamd.ctl\"\n")).unwrap();
    let mut poplar = Command::new(env!("CARGO_BIN_EXE_poplar"));
    poplar.arg("-c").arg(&config).args(["import", "--wait", "1s"]).args(paths);
    let done = poplar.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    (done.status.code(), said.lines().filter(|line| !line.contains("scanner")).collect())
}

fn mail_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect()
}

fn message_ids(archive: &Path) -> String {
    let catalog = rusqlite::Connection::open(archive.join("catalog.db")).unwrap();
    catalog.query_row("SELECT group_concat(hex(id) ORDER BY number) FROM message", [], |row| row.get(0)).unwrap()
}

/// Numbers of the entries, and the ordinals of their private records.
fn entries(catalog: &rusqlite::Connection) -> Vec<(usize, usize)> {
    let mut rows = catalog.prepare("SELECT number, ordinal FROM entry ORDER BY number").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The leaves under the checkpoint.
fn leaves(journal: &Path) -> Vec<Vec<u8>> {
    let log = LogReader::open(journal).unwrap().unwrap();
    (0..log.checkpoint().size()).map(|index| log.leaf(index).unwrap()).collect()
}

/// Where each field of a header stands, by its table in the document.
struct Layout(HashMap<&'static str, (usize, usize)>);

impl Layout {
    fn of(heading: &str) -> Self {
        let rows = table_below(DOCUMENT, heading).into_iter().filter(|row| !row[2].is_empty());
        Self(rows.map(|row| (row[2], (row[0].parse().unwrap(), row[1].parse().unwrap()))).collect())
    }

    fn octets<'a>(&self, header: &'a [u8], field: &str) -> &'a [u8] {
        let (at, length) = self.0[field];
        &header[at..at + length]
    }

    fn number(&self, header: &[u8], field: &str) -> usize {
        let octets = self.octets(header, field);
        octets.iter().rev().fold(0, |number, octet| number << 8 | usize::from(*octet))
    }
}

struct Record {
    kind: usize,
    id: Vec<u8>,
    octets: Vec<u8>,
}

/// The second reader. Panics at whatever is not as the document says.
struct Reader {
    pack_header: Layout,
    frame_header: Layout,
    record_header: Layout,
}

impl Reader {
    fn new() -> Self {
        Self {
            pack_header: Layout::of("### Pack header"),
            frame_header: Layout::of("### Frame header"),
            record_header: Layout::of("### Record header"),
        }
    }

    /// The records of a pack, by ordinal.
    fn pack(&self, pack: &[u8], number: usize) -> Vec<Record> {
        let header = &pack[..64];
        assert_eq!(self.pack_header.octets(header, "magic"), b"POPLARPK");
        assert_eq!(self.pack_header.number(header, "version"), 1);
        assert_eq!(self.pack_header.number(header, "class"), 0);
        assert_eq!(self.pack_header.number(header, "number"), number);
        assert_eq!(self.pack_header.number(header, "checksum"), crc(&header[..60]));
        let (mut at, mut records) = (64, Vec::<Record>::new());
        let mut missing = 0;
        while at < pack.len() {
            let header = &pack[at..at + 56];
            let field = |name| self.frame_header.number(header, name);
            let (plain, length) = self.frame(&pack[at..], at);
            if field("kind") == 2 {
                assert!(field("records") == 0 && field("first ordinal") + 1 == records.len());
                assert!(!plain.is_empty() && plain.len() <= missing);
                missing -= plain.len();
                records.last_mut().unwrap().octets.extend(plain);
            } else {
                assert!(field("kind") == 1 && missing == 0 && field("first ordinal") == records.len());
                missing = self.records(&plain, &mut records);
                assert_eq!(records.len(), field("first ordinal") + field("records"));
            }
            at += length;
        }
        assert!(at == pack.len() && missing == 0, "a frame runs over the end");
        assert!(records.iter().all(|record| digest(&SHA256, &record.octets).as_ref() == record.id));
        records
    }

    /// The plain octets of a frame, and its length as stored.
    fn frame(&self, frame: &[u8], at: usize) -> (Vec<u8>, usize) {
        let field = |name| self.frame_header.number(frame, name);
        assert_eq!(self.frame_header.octets(frame, "magic"), b"PFRM");
        assert_eq!((field("version"), field("cipher"), field("place")), (1, 0, at));
        assert_eq!(field("checksum"), crc(&frame[..52]));
        let stored = &frame[56..56 + field("stored")];
        assert_eq!(field("payload checksum"), crc(stored));
        let plain = match field("codec") {
            0 => stored.to_vec(),
            1 => zstd::decode_all(stored).unwrap(),
            other => panic!("codec {other}"),
        };
        assert!(plain.len() == field("plain") && plain.len() <= FRAME_LIMIT && stored.len() <= plain.len());
        (plain, 56 + stored.len())
    }

    /// Takes the records of a frame; how many octets of the last are in frames to come.
    fn records(&self, plain: &[u8], records: &mut Vec<Record>) -> usize {
        let mut at = 0;
        while at < plain.len() {
            let header = &plain[at..at + 48];
            let size = self.record_header.number(header, "size");
            let octets = plain[at + 48..].iter().take(size).copied().collect();
            let id = self.record_header.octets(header, "id").to_vec();
            records.push(Record { kind: self.record_header.number(header, "kind"), id, octets });
            at += 48 + size;
        }
        at - plain.len()
    }
}

fn crc(octets: &[u8]) -> usize {
    crc32c::crc32c(octets) as usize
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn undump(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    SystemRandom::new().fill(&mut octets).unwrap();
    octets
}

enum Piece<'a> {
    Message(&'a [u8]),
    Private(&'a [u8]),
}

/// The real writer, in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    writer: Writer,
    extents: HashMap<u64, Extent>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::open(&folder.path().join("packs"), [1; 16], &[], &[]).unwrap();
        Self { folder, writer, extents: HashMap::new() }
    }

    fn append(&mut self, pieces: &[Piece<'_>]) {
        let received: Vec<Option<Received>> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Message(octets) => Some(self.received(octets)),
                Piece::Private(_) => None,
            })
            .collect();
        let appends: Vec<Append<'_>> = pieces
            .iter()
            .zip(&received)
            .map(|(piece, received)| match (piece, received) {
                (_, Some(message)) => Append::Message(message),
                (Piece::Private(octets) | Piece::Message(octets), None) => Append::Private(octets),
            })
            .collect();
        let (_, extents) = self.writer.append(&appends, Timestamp::from_millis(1_700_000_000_000)).unwrap();
        self.extents.extend(extents.into_iter().map(|extent| (extent.pack, extent)));
    }

    fn received(&self, octets: &[u8]) -> Received {
        let mut incoming = Incoming::new(self.folder.path(), FRAME_LIMIT);
        incoming.write(octets).unwrap();
        let received = incoming.finish();
        assert_eq!(received.id().as_bytes()[..], digest(&SHA256, octets).as_ref()[..]);
        received
    }

    /// What counts of a pack.
    fn pack(&self, number: usize) -> Vec<u8> {
        let extent = self.extents[&(number as u64)];
        let octets = fs::read(self.folder.path().join(format!("packs/{number:08}.open"))).unwrap();
        octets[..usize::try_from(extent.bytes).unwrap()].to_vec()
    }
}
