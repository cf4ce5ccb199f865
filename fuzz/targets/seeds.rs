//! Files of a real archive to begin with: a folder for each target, and the key that signed the proof.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};

use poplar::extract::Format;
use poplar::journal::{self, Entry, Log, Signer};
use poplar::mail::{AccountId, Event, Occurrence, Timestamp};
use poplar::store::{self, Append, Incoming, Packed, Sealing, Writer};

// The flags that count coverage need the fuzzer's library here too.
libfuzzer_sys::fuzz_target!(|_octets: &[u8]| {});

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to write to");
    let folder = Path::new(&folder);
    for target in ["frames", "recovery", "sealed", "proof", "wire", "clamd", "views", "zips", "extract", "query"] {
        fs::create_dir_all(folder.join(target)).unwrap();
    }
    packs(folder);
    proof(folder);
    dialogs(folder);
    mails(folder);
    archives(folder);
    replies(folder);
    documents(folder);
    let query =
        "from:(ann@x OR \"b c\") -subject:d* e~ newer:7d size:>5MiB has:attachment lang:de \u{6771}\u{4eac} thread:3f";
    fs::write(folder.join("query/all"), query).unwrap();
}

/// A few words in each format that can be written by hand, behind the number of the format.
fn documents(folder: &Path) {
    let tnef = b"\x78\x9f\x3e\x22\x01\0\x02\x0f\x80\x06\0\x05\0\0\0words\0\0";
    let documents: [(Format, &[u8]); 7] = [
        (Format::Rtf, b"{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset204 A;}}\\f0 \\'ce\\u252?\\bin1 x\\par}"),
        (Format::Html, b"<html><meta charset=koi8-r><img alt='a'>w&ouml;rds</html>"),
        (
            Format::Xml,
            b"<?xml version='1.0' encoding='utf-8'?><office:document><text:p>words&amp;</text:p></office:document>",
        ),
        (
            Format::Ics,
            b"BEGIN:VCALENDAR\r\nSUMMARY;ENCODING=QUOTED-PRINTABLE:a=C3=A4=\r\nb\r\nATTENDEE;CN=\"x\":y\r\n z\r\n",
        ),
        (Format::Eml, b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b--\r\n"),
        (Format::Text, b"\xff\xfew\0o\0r\0d\0s\0"),
        (Format::Tnef, tnef),
    ];
    for (format, octets) in documents {
        let number = Format::ALL.iter().position(|known| *known == format).expect("all are listed");
        let input = [&[u8::try_from(number).unwrap()][..], octets].concat();
        fs::write(folder.join(format!("extract/{format}")), input).unwrap();
    }
}

/// A mail with most that is looked for in one, and an archive.
fn mails(folder: &Path) {
    let archive = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0abPK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0aPK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x20\0\0\0\0\0";
    fs::write(folder.join("zips/one"), archive).unwrap();
    let mail = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b; boundary=\"c\"\r\n\r\npreamble\r\n--b\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVs=bG8!\r\n--c\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        a=3db=\r\nc=zz\r\n--b--\r\nbegin 644 a\r\n%:&5L;&\\\r\n`\r\nend\r\n=ybegin line=128 size=1 name=a\r\nabc\r\n=yend size=3\r\n\
        :$f\"0:\r\n<a href=\"data:x,%41%42\">\r\n";
    fs::write(folder.join("views/mail"), mail).unwrap();
}

/// A few words in each format that archives are taken apart in.
fn archives(folder: &Path) {
    let words = b"words upon words upon words\nbegin 644 a\n%:&5L;&\\\n`\nend\n";
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(words.len() as u64);
    tar.append_data(&mut header, "a", &words[..]).unwrap();
    let mut seven = sevenz_rust2::ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    seven.push_archive_entry(sevenz_rust2::ArchiveEntry::new_file("a"), Some(&words[..])).unwrap();
    let mut ole = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    ole.create_stream("/a").unwrap().write_all(words).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(words).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut bzip2 = BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(words).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let mut xz = XzWriter::new(Vec::new(), XzOptions::with_preset(6)).unwrap();
    xz.write_all(words).unwrap();
    let archives = [
        ("gzip", [gzip.clone(), gzip].concat()),
        ("bzip2", [bzip2.clone(), bzip2].concat()),
        ("xz", xz.finish().unwrap()),
        ("tar", tar.into_inner().unwrap()),
        ("7z", seven.finish().unwrap().into_inner()),
        ("ole", ole.into_inner().into_inner()),
    ];
    for (name, octets) in archives {
        fs::write(folder.join(format!("zips/{name}")), octets).unwrap();
    }
}

/// Records short and long, of both kinds; open, cut at some places, and sealed.
fn packs(folder: &Path) {
    let packs = folder.join("archive/packs");
    fs::create_dir_all(folder.join("archive")).unwrap();
    poplar::files::create_private_dir(&packs).unwrap();
    let mut writer = Writer::open(&packs, [7; 16], &[], &[]).unwrap();
    let now = Timestamp::from_millis(1);
    let mut extent = None;
    for n in 0..4_usize {
        let mut incoming = Incoming::new(&folder.join("archive"), 1 << 20);
        incoming.write(format!("Subject: {n}\r\n\r\n{}", "words upon words ".repeat(n * 40)).as_bytes()).unwrap();
        let message = incoming.finish();
        let (_, grown) =
            writer.append(&[Append::Message(&message), Append::Private(b"a private record")], now).unwrap();
        extent = grown.last().copied();
    }
    let extent = extent.expect("the pack has grown");
    let open = fs::read(packs.join("00000001.open")).unwrap();
    fs::write(folder.join("frames/whole"), &open).unwrap();
    fs::write(folder.join("frames/torn"), &open[..open.len() - 5]).unwrap();
    // The extent stands before the octets, as the target takes its input apart.
    for (name, octets) in [("whole", &open[..]), ("torn", &open[..open.len() - 5])] {
        let committed = u16::try_from(extent.bytes).unwrap().to_le_bytes();
        let input = [&committed[..], &[u8::try_from(extent.records).unwrap()], octets].concat();
        fs::write(folder.join("recovery").join(name), input).unwrap();
    }
    let sealing = Sealing {
        folder: &packs,
        level: 3,
        wanted: &|_| true,
        known_part: &|_| None,
        stopped: &std::sync::atomic::AtomicBool::new(false),
    };
    store::seal(&sealing, &Packed::Open(extent)).unwrap();
    fs::copy(packs.join("00000001.pack"), folder.join("sealed/whole")).unwrap();
}

fn proof(folder: &Path) {
    let (journal, secrets) = (folder.join("archive/journal"), folder.join("archive/secrets"));
    let signer = Signer::load_or_create(&secrets, &journal, &journal::origin(&AccountId::random())).unwrap();
    fs::write(folder.join("key"), signer.key().to_string()).unwrap();
    let mut log = Log::open(&journal, signer).unwrap();
    let event = Event::Started { version: "1".to_owned() };
    let entry = Entry::new(&Occurrence { at: Timestamp::from_millis(1), event });
    log.append(&vec![entry.leaf; 5], &[]).unwrap();
    let reader = journal::LogReader::open(&journal).unwrap().expect("a log");
    fs::write(folder.join("proof/one"), reader.prove(3).unwrap().to_text()).unwrap();
}

/// What the servers of `tests/pop3/` say, each for two ways in, cut in the middle of things.
fn dialogs(folder: &Path) {
    for entry in fs::read_dir("tests/pop3").expect("started in the repository") {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut said = Vec::new();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("S:", rest)) => said.extend([unescape(rest).as_slice(), b"\r\n"].concat()),
                Some(("S=", rest)) => said.extend(unescape(rest)),
                _ => {}
            }
        }
        for way in [0, 5] {
            let name = format!("{}-{way}", path.file_stem().unwrap().to_string_lossy());
            fs::write(folder.join("wire").join(name), [&[way, 7][..], &said].concat()).unwrap();
        }
    }
}

/// What the clamds of `tests/clamd/` say, each to four files and to four streams.
fn replies(folder: &Path) {
    let (rows, dialogs) =
        (fs::read_to_string("tests/clamd/replies.txt"), fs::read_to_string("tests/clamd/dialogs.txt"));
    let (rows, dialogs) = (rows.expect("started in the repository"), dialogs.expect("started in the repository"));
    let of_row = |row: &str| Some(row.split_once(" | ")?.1.rsplit_once(" => ")?.0.to_owned());
    let of_dialog = |dialog: &str| dialog.lines().filter_map(|line| line.strip_prefix("S: ")).collect::<String>();
    let said = rows.lines().filter_map(of_row).chain(dialogs.split("\n== ").map(of_dialog));
    for (n, said) in said.enumerate() {
        for asked in [0b01_01_01_01, 0b11_11_11_11] {
            fs::write(folder.join(format!("clamd/{n}-{asked}")), [&[asked, 3][..], &unescape(&said)].concat()).unwrap();
        }
    }
}

/// As `tests/pop3/README.md` says; a repetition stands once, which is enough to begin with.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [letter, behind @ ..] = rest {
        let (octet, length) = match (letter, behind) {
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'0', ..]) => (0, 2),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(), 4)
            }
            (b'\\', [other, ..]) => (*other, 2),
            (other, _) => (*other, 1),
        };
        octets.push(octet);
        rest = &rest[length..];
    }
    octets
}
