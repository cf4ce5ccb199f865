//! An archive that lives without a process around it: events are told the way the keeper tells them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use poplar::catalog::{Catalog, Committed, PackRow, Told};
use poplar::journal::{self, Entry, Log, Signer};
use poplar::mail::event::{Kept, MessageRef, Sighted, Sighting};
use poplar::mail::{AccountId, BlobId, Clock, Event, Nonce, Occurrence, Timestamp};
use poplar::pipeline::{self, Holds, Progress, Rebuild, Signing, Wake};
use poplar::store::{self, Append, Extent, Incoming, Location, Received, Writer};
use tempfile::TempDir;

const MEMORY_BYTES: usize = 1 << 20;

pub(super) struct Life {
    folder: TempDir,
    pub(super) holds: Holds,
    writer: Writer,
    signing: Signing,
    /// Seconds since it was made.
    age: i64,
}

impl Life {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().to_owned();
        let archive = AccountId::random();
        let catalog = Arc::new(Catalog::open(&path).unwrap());
        let packs = path.join("packs");
        poplar::files::create_private_dir(&packs).unwrap();
        let signer = Signer::load_or_create(&path.join("secrets"), &path.join("journal"), &journal::origin(&archive));
        let signing = Signing::new(Log::open(&path.join("journal"), signer.unwrap()).unwrap(), &catalog).unwrap();
        let writer = Writer::open(&packs, *archive.as_bytes(), &[], &[]).unwrap();
        let clock = Clock::new(|| Timestamp::from_millis(1_000));
        let reader = Arc::new(store::Reader::new(&packs));
        let holds = Holds { folder: path, catalog, reader, clock, wake: Wake::default(), rewriting: Arc::default() };
        let mut life = Self { folder, holds, writer, signing, age: 0 };
        life.tell(Event::Created { archive: archive.to_string(), version: "1".to_owned() });
        life
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.holds.catalog
    }

    /// An event without octets of its own. What it is about may not be there: then it is refused.
    pub(super) fn tell(&mut self, event: Event) {
        let occurrence = self.now(event);
        let Entry { leaf, record } = Entry::new(&occurrence);
        let _refused_or_not = self.catalog().commit(&[], &[Told::new(occurrence, leaf, record)]).unwrap();
    }

    /// A message as it comes in: kept where it is new, else met again.
    pub(super) fn arrive(&mut self, octets: &[u8], sighting: Sighting) {
        let id = BlobId::of(octets);
        let received = received(&self.holds.spool(), octets);
        let known = self.catalog().nonces([&id]).unwrap()[0];
        let message = MessageRef { id, nonce: known.unwrap_or_else(Nonce::random) };
        let event = match known {
            Some(_) => Event::Sighted(Sighted { message, sighting, by_header: false }),
            None => Event::Kept(Kept { message, size_bytes: octets.len() as u64, header: received.header(), sighting }),
        };
        let occurrence = self.now(event);
        let Entry { leaf, record } = Entry::new(&occurrence);
        let mut records = vec![Append::Private(&record)];
        if known.is_none() {
            records.insert(0, Append::Message(&received));
        }
        let (durable, grown) = self.writer.append(&records, occurrence.at).unwrap();
        let mut places = durable.iter().map(|durable| (durable.location().pack, durable.location().ordinal));
        let place = if known.is_none() { places.next() } else { None };
        let told = Told::stored(occurrence, leaf, places.next().unwrap(), place);
        let outcomes = self.holds.catalog.commit(&extents(&grown), &[told]).unwrap();
        assert!(matches!(outcomes[..], [Committed::Message(_)]), "{outcomes:?}");
    }

    /// Everything under a signed checkpoint.
    pub(super) fn sign(&mut self) {
        let waiting = self.catalog().waiting_records(10_000).unwrap();
        if !waiting.is_empty() {
            let records: Vec<Append<'_>> = waiting.iter().map(|(_, record)| Append::Private(record)).collect();
            let (durable, grown) = self.writer.append(&records, Timestamp::from_millis(0)).unwrap();
            let places = waiting.iter().zip(&durable);
            let places: Vec<(i64, (u64, u32))> =
                places.map(|((seq, _), at)| (*seq, (at.location().pack, at.location().ordinal))).collect();
            self.catalog().records_stored(&extents(&grown), &places).unwrap();
        }
        self.signing.sign(&self.holds.catalog).unwrap();
    }

    /// Closes the pack that grows, and seals all that do not.
    pub(super) fn seal(&mut self) {
        self.writer.close_pack();
        for pack in self.catalog().packs().unwrap().iter().filter(|pack| pack.sealed_bytes.is_none()) {
            self.holds.rewriter().seal(pack, 3, &AtomicBool::new(false)).unwrap();
        }
    }

    /// Writes all packs anew that hold octets of messages that are destroyed on record.
    pub(super) fn finish_purging(&mut self) {
        self.sign();
        self.writer.close_pack();
        let packs = self.catalog().packs().unwrap();
        for noted in self.catalog().purging().unwrap() {
            let row = packs.iter().find(|row| row.number == noted.pack).unwrap();
            self.holds.rewriter().seal(row, 3, &AtomicBool::new(false)).unwrap();
        }
        assert_eq!(self.catalog().purging().unwrap(), []);
        let destroyed = |pack: &PackRow| self.catalog().destroyed_in(pack.number).unwrap();
        for (pack, record) in
            packs.iter().flat_map(|pack| destroyed(pack).into_iter().map(|record| (pack.number, record)))
        {
            let there = self.holds.reader.open(Location { pack, ordinal: record.ordinal });
            assert!(matches!(there, Err(store::Error::NoRecord(_))), "{there:?}");
        }
    }

    /// Every message that is not destroyed can be read.
    pub(super) fn assert_holds_what_it_knows(&self) {
        for row in self.catalog().numbered(&(1..100).collect::<Vec<_>>()).unwrap() {
            let (pack, ordinal) = row.place;
            if row.purged.is_none() {
                self.holds.reader.prove(Location { pack, ordinal }, row.message.id).unwrap();
            }
        }
    }

    /// The catalog made anew of what lies there now, in a folder of its own.
    pub(super) fn rebuilt(&self) -> (TempDir, Rebuild) {
        let into = TempDir::new().unwrap();
        let outcome = pipeline::rebuild(self.folder.path(), into.path(), &Progress::default()).unwrap();
        (into, outcome)
    }

    fn now(&mut self, event: Event) -> Occurrence {
        self.age += 1;
        Occurrence { at: Timestamp::from_millis(self.age * 1_000), event }
    }
}

fn received(spool: &Path, octets: &[u8]) -> Received {
    let mut incoming = Incoming::new(spool, MEMORY_BYTES);
    incoming.write(octets).unwrap();
    incoming.finish()
}

fn extents(grown: &[Extent]) -> Vec<(u64, u64, u32)> {
    grown.iter().map(|extent| (extent.pack, extent.bytes, extent.records)).collect()
}
