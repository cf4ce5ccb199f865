//! Files of a real archive to begin with: a folder for each target, and the key that signed the proof.

use std::fs;
use std::path::Path;

use poplar::journal::{self, Entry, Log, Signer};
use poplar::mail::{AccountId, Event, Occurrence, Timestamp};
use poplar::store::{self, Append, Incoming, Packed, Sealing, Writer};

// The flags that count coverage need the fuzzer's library here too.
libfuzzer_sys::fuzz_target!(|_octets: &[u8]| {});

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to write to");
    let folder = Path::new(&folder);
    for target in ["frames", "recovery", "sealed", "proof"] {
        fs::create_dir_all(folder.join(target)).unwrap();
    }
    packs(folder);
    proof(folder);
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
