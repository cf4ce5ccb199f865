//! Sealed packs are what `schemas/store.md` says: its example, and `scripts/read-packs`, which was written from that page
//! and knows nothing else.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poplar::mail::{BlobId, Timestamp};
use poplar::store::{
    Append, Extent, Incoming, Location, Packed, Reader, Received, RecordKind, Sealed, Sealing, Writer, remove_open,
    seal,
};

use crate::support::document::{between, dump};

const DOCUMENT: &str = include_str!("../../schemas/store.md");

#[test]
fn the_sealed_example_is_what_is_written() {
    let mut archive = Archive::new();
    archive.append(&[b"Hi: 1\r\n\r\nok\r\n"], &[]);
    archive.seal(1);
    let written = dump(&fs::read(archive.pack("00000001.pack")).unwrap());
    let block = between(DOCUMENT, "<!-- sealed -->").trim_matches('`').trim();
    assert_eq!(block, written, "this is what the example should be:\n{written}");
}

#[test]
fn another_program_reads_every_record_from_the_page_alone() {
    let archive = Archive::with_all_kinds();
    let mut expected = archive.records();
    let listed = read_packs(&archive.folder(), &["list"]);
    let mut lines: Vec<String> = text(&listed.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected, "{}", text(&listed.stderr));
    assert!(lines.iter().filter(|line| line.contains(" recipe ")).count() == 6, "{lines:#?}");

    for (id, octets) in &archive.octets {
        let shown = read_packs(&archive.folder(), &["cat", &id.to_string()]);
        assert!(shown.status.success() && shown.stdout == *octets, "{id}: {}", text(&shown.stderr));
    }
    let checked = read_packs(&archive.folder(), &["check"]);
    let said = text(&checked.stdout);
    assert!(checked.status.success() && said.starts_with("3 packs, "), "{said}{}", text(&checked.stderr));
}

#[test]
fn another_program_finds_flipped_bits() {
    let archive = Archive::with_all_kinds();
    for name in ["00000001.pack", "00000002.pack", "00000003.open"] {
        let path = archive.pack(name);
        let whole = fs::read(&path).unwrap();
        let steps = [20, 70, 130, whole.len() / 2, whole.len() - 200, whole.len() - 60, whole.len() - 1];
        for at in steps {
            let mut octets = whole.clone();
            octets[at] ^= 4;
            fs::write(&path, octets).unwrap();
            let checked = read_packs(&archive.folder(), &["check"]);
            let said = text(&checked.stderr);
            assert!(checked.status.code() == Some(1) && said.contains(name), "octet {at} of {name}: {said}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn another_program_finds_what_lies_behind_damage() {
    let mut archive = Archive::new();
    let mut ends = Vec::new();
    for message in [&b"one"[..], b"two", b"three"] {
        archive.append(&[message], &[]);
        ends.push(usize::try_from(archive.extents[&1].bytes).unwrap());
    }
    let path = archive.pack("00000001.open");
    let whole = fs::read(&path).unwrap();
    for at in [ends[0] + 1, ends[0] + 10, ends[1] - 1] {
        let mut octets = whole.clone();
        octets[at] ^= 4;
        fs::write(&path, octets).unwrap();
        let checked = read_packs(&archive.folder(), &["check"]);
        assert!(!checked.status.success() && text(&checked.stderr).contains(&format!("frame at {}", ends[0])));
        let shown = read_packs(&archive.folder(), &["cat", &BlobId::of(b"three").to_string()]);
        assert_eq!(text(&shown.stdout), "three", "octet {at}: {}", text(&shown.stderr));
    }
}

fn read_packs(folder: &Path, arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/read-packs");
    Command::new(program).arg(folder).args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Packs by the real writer, in a folder that says it is an archive.
struct Archive {
    folder: tempfile::TempDir,
    writer: Writer,
    extents: HashMap<u64, Extent>,
    sealed: Vec<Sealed>,
    octets: HashMap<BlobId, Vec<u8>>,
}

impl Archive {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let format = format!("poplar archive, format 1\nid {}\n", "01".repeat(16));
        fs::write(folder.path().join("FORMAT"), format).unwrap();
        let writer = Writer::open(&folder.path().join("packs"), [1; 16], &[], &[]).unwrap();
        Self { folder, writer, extents: HashMap::new(), sealed: Vec::new(), octets: HashMap::new() }
    }

    /// Two sealed packs and an open one, with an attachment that messages of both sealed ones hold.
    fn with_all_kinds() -> Self {
        let mut archive = Self::new();
        let shared: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let odd = [&lines(&shared[..5000], 60, "\n")[..], b"Regards\n"].concat();
        let cut = lines(&shared[..9001], 76, "\r\n");
        let long = b"The same words over and over. ".repeat(90_000);
        let first: [&[u8]; 5] = [b"Subject: plain\r\n\r\nok\r\n", &mail(&shared), &odd, b"", &cut[..cut.len() - 2]];
        archive.append(&first, &[b"{\"v\":1}", b"{\"v\":2}"]);
        archive.seal(1);
        let twice = [mail(&shared), mail(b"short"), mail(&shared[..7000])].concat();
        archive.append(&[&twice, &mail(&shared[1..]), &long, &odd[1..]], &[b"{\"v\":3}"]);
        archive.seal(2);
        archive.append(&[&mail(&shared[2..]), &long[1..], b"last"], &[b"{\"v\":4}"]);
        archive
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn pack(&self, name: &str) -> PathBuf {
        self.folder.path().join("packs").join(name)
    }

    fn append(&mut self, messages: &[&[u8]], private: &[&[u8]]) {
        let received: Vec<Received> = messages
            .iter()
            .map(|octets| {
                let mut incoming = Incoming::new(self.folder.path(), 8 << 20);
                incoming.write(octets).unwrap();
                incoming.finish()
            })
            .collect();
        let records: Vec<Append<'_>> =
            received.iter().map(Append::Message).chain(private.iter().map(|octets| Append::Private(octets))).collect();
        let (_, extents) = self.writer.append(&records, Timestamp::from_millis(1_700_000_000_000)).unwrap();
        self.extents.extend(extents.into_iter().map(|extent| (extent.pack, extent)));
        self.octets.extend(messages.iter().chain(private).map(|octets| (BlobId::of(octets), octets.to_vec())));
    }

    fn seal(&mut self, pack: u64) {
        self.writer.close_pack();
        let packs = self.folder.path().join("packs");
        let parts: HashMap<BlobId, Location> =
            self.sealed.iter().flat_map(|sealed| &sealed.parts).map(|part| (part.id, part.location)).collect();
        let known_part = |id: &BlobId| parts.get(id).copied();
        let stopped = &std::sync::atomic::AtomicBool::new(false);
        let sealing = Sealing { folder: &packs, level: 3, wanted: &|_| true, known_part: &known_part, stopped };
        let sealed = seal(&sealing, &Packed::Open(self.extents[&pack])).unwrap();
        remove_open(&packs, pack).unwrap();
        self.sealed.push(sealed);
    }

    /// What poplar finds in all packs, in the words of the other program.
    fn records(&self) -> Vec<String> {
        let packs = self.sealed.iter().map(|sealed| Packed::Sealed(sealed.pack));
        let packs = packs.chain([Packed::Open(self.extents[&3])]);
        let reader = Reader::new(&self.folder.path().join("packs"));
        let mut records = Vec::new();
        for packed in packs {
            let mut recipes = Vec::new();
            reader.parts_used(&packed, &mut |message, _| recipes.push(message.location)).unwrap();
            let mut visit = |record: poplar::store::WalkedRecord<'_>| {
                assert!(record.intact, "{:?}", record.problem);
                let Location { pack, ordinal } = record.stored.location;
                let form = if recipes.contains(&record.stored.location) { "recipe" } else { "whole" };
                let (kind, size, id) = (kind(record.stored.kind), record.stored.size_bytes, record.stored.id);
                records.push(format!("{pack} {ordinal} {kind} {form} {size} {id}"));
            };
            reader.walk(packed, &mut visit).unwrap();
        }
        records
    }
}

const fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Message => "message",
        RecordKind::Private => "private",
        RecordKind::Part => "part",
    }
}

fn mail(attachment: &[u8]) -> Vec<u8> {
    [b"Content-Transfer-Encoding: base64\r\n\r\n", &lines(attachment, 76, "\r\n")[..], b"\r\n--end--\r\n"].concat()
}

fn lines(octets: &[u8], line: usize, ending: &str) -> Vec<u8> {
    let text = STANDARD.encode(octets);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(line).collect();
    [&lines.join(ending.as_bytes())[..], ending.as_bytes()].concat()
}
