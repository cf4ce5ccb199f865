use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::blocks::{Blocks, NO_HASH};
use super::folder::sealed_path;
use super::format::{PackHeader, PackKind};
use super::frames::{Frames, WRONG_HASH};
use super::packs::{Pack, Packs};
use super::recipe::{self, HEAD_BYTES, REFERENCE_BYTES, Reference};
use super::runs::{self, Run};
use super::sealed::{Sealed, SealedPack};
use super::table::{Form, Row, Trailer};
use super::walk::{self, Walked};
use super::{Error, Location, Packed, RecordKind, Stored};
use crate::files::{self, Draft, Mutant};
use crate::mail::BlobId;

/// How a pack is to be rewritten.
pub struct Sealing<'a> {
    pub folder: &'a Path,
    /// Of Zstandard, 1 to 22.
    pub level: i32,
    /// Whether a record stays. Asked of every record, and of a part only if no message that stays in this pack refers to
    /// it: then, whether a message of another pack does ([`Reader::parts_used`](super::Reader::parts_used)).
    pub wanted: &'a dyn Fn(&Stored) -> bool,
    /// Where a part lies in a sealed pack, if it lies in one. It is read before anything refers to it.
    pub known_part: &'a dyn Fn(&BlobId) -> Option<Location>,
    /// Turned true, it ends with [`Error::Stopped`], and nothing has changed.
    pub stopped: &'a AtomicBool,
}

impl std::fmt::Debug for Sealing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing").field("folder", &self.folder).field("level", &self.level).finish_non_exhaustive()
    }
}

/// Messages longer than this are stored whole: making a recipe holds all of a message.
const RECIPE_LIMIT_BYTES: u64 = 32 << 20;

/// Rewrites a pack as `NNNNNNNN.pack`: seals an open one, or compacts one that is sealed. Each record that is wanted keeps
/// its location; what lies behind an open pack's extent is left out. The file is published after it has been read back
/// completely, and replaces one of that name. An open pack must not grow any more
/// ([`Writer::close_pack`](super::Writer::close_pack)), and stays until [`remove_open`](super::remove_open).
///
/// # Errors
///
/// [`Error::Damaged`] where a record that is wanted cannot be read, [`Error::ReadBack`] where the new pack is not what it
/// should be. Nothing has changed then.
pub fn seal(sealing: &Sealing<'_>, packed: &Packed) -> Result<Sealed, Error> {
    let number = packed.number();
    let source = match packed {
        Packed::Open(_) => Pack::open(sealing.folder, number)?,
        Packed::Sealed(_) => Pack::sealed(sealing.folder, number)?,
    };
    let path = sealed_path(sealing.folder, number);
    let draft = Draft::create(&path).map_err(Error::io("create", &path))?;
    let rows = Rewriting::begin(sealing, packed, &source, &draft)?.run()?;
    draft.sync();
    let sealed = read_back(sealing.folder, number, &draft, &rows)?;
    draft.publish().map_err(Error::io("publish", &path))?;
    Ok(sealed)
}

/// Reads every octet of what was written, and rebuilds every message.
fn read_back(folder: &Path, number: u64, draft: &Draft, rows: &[Row]) -> Result<Sealed, Error> {
    let wrong = |problem: String| Error::ReadBack { path: draft.beside().to_owned(), problem };
    let pack = Arc::new(SealedPack::open(draft.beside().to_owned(), number)?);
    if files::mutant(Mutant::SealedNotReadBack) {
        return pack.summary();
    }
    let packs = Packs::with(folder, Pack::Sealed(pack.clone()));
    let mut expected: BTreeMap<u32, Stored> = rows.iter().map(|row| (row.ordinal, row.stored(number))).collect();
    let mut problem = None;
    walk::every_record(&packs, &Pack::Sealed(pack.clone()), &Packed::Sealed(number), &mut |walked| {
        let meant = expected.remove(&walked.stored.location.ordinal);
        if meant != Some(walked.stored) || !walked.intact {
            let why = walked.problem.unwrap_or("not what was written");
            problem.get_or_insert_with(|| format!("record {}: {why}", walked.stored.location.ordinal));
        }
    })?;
    if !expected.is_empty() {
        problem.get_or_insert_with(|| format!("{} records are missing", expected.len()));
    }
    problem.map_or_else(|| pack.summary(), |problem| Err(wrong(problem)))
}

/// One pack on its way to its new form.
struct Rewriting<'a> {
    sealing: &'a Sealing<'a>,
    packed: &'a Packed,
    source: &'a Pack,
    packs: Arc<Packs>,
    blocks: Blocks<'a>,
    rows: Vec<Row>,
    /// Parts that a recipe may refer to, as far as they have been met: all of them can be read.
    parts: HashMap<BlobId, Location>,
    /// Parts that the pack holds already, and those that a message refers to.
    held: BTreeMap<u32, Stored>,
    used: BTreeSet<u32>,
    next_ordinal: u32,
}

impl<'a> Rewriting<'a> {
    fn begin(sealing: &'a Sealing<'a>, packed: &'a Packed, source: &'a Pack, draft: &'a Draft) -> Result<Self, Error> {
        let header = PackHeader { kind: PackKind::Sealed, ..source.file().header };
        let mut rewriting = Self {
            sealing,
            packed,
            source,
            packs: Packs::with(sealing.folder, source.clone()),
            blocks: Blocks::begin(draft.beside(), draft.file(), sealing.level, &header)?,
            rows: Vec::new(),
            parts: HashMap::new(),
            held: BTreeMap::new(),
            used: BTreeSet::new(),
            next_ordinal: 0,
        };
        rewriting.take_stock()?;
        Ok(rewriting)
    }

    fn take_stock(&mut self) -> Result<(), Error> {
        match (self.source, self.packed) {
            (Pack::Sealed(pack), _) => {
                self.next_ordinal = pack.next_ordinal()?;
                let parts = pack.summary()?.parts;
                self.parts = parts.iter().map(|part| (part.id, part.location)).collect();
                self.held = parts.iter().map(|part| (part.location.ordinal, *part)).collect();
            }
            (Pack::Open(_), Packed::Open(extent)) => self.next_ordinal = extent.records,
            (Pack::Open(_), Packed::Sealed(_)) => {}
        }
        Ok(())
    }

    /// Messages with their parts, then private records: those shrink better among themselves.
    fn run(mut self) -> Result<Vec<Row>, Error> {
        self.each(RecordKind::Message, Self::message)?;
        for part in std::mem::take(&mut self.held).into_values() {
            if self.used.contains(&part.location.ordinal) || (self.sealing.wanted)(&part) {
                self.whole(&part, None)?;
            }
        }
        self.blocks.close_block()?;
        self.each(RecordKind::Private, |rewriting, stored, octets| rewriting.whole(stored, octets))?;
        self.rows.sort_by_key(|row| row.ordinal);
        let trailer = self.trailer();
        self.blocks.finish(&self.rows, trailer)?;
        Ok(self.rows)
    }

    fn trailer(&self) -> Trailer {
        let count = |wanted: &dyn Fn(&Row) -> bool| {
            u32::try_from(self.rows.iter().filter(|row| wanted(row)).count()).unwrap_or(u32::MAX)
        };
        let read = self.rows.iter().filter(|row| row.kind != RecordKind::Part);
        Trailer {
            number: self.packed.number(),
            offset: 0,
            table: 0,
            rows: count(&|_| true),
            next_ordinal: self.next_ordinal,
            messages: count(&|row| row.kind == RecordKind::Message),
            recipes: count(&|row| row.form == Form::Recipe),
            parts: count(&|row| row.kind == RecordKind::Part),
            raw_bytes: read.map(|row| row.size_bytes).sum(),
            hash: NO_HASH,
        }
    }

    /// Shows the wanted records of one kind to `take`, with their octets where those are few.
    fn each(
        &mut self,
        kind: RecordKind,
        take: impl Fn(&mut Self, &Stored, Option<&[u8]>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (source, packed, sealing, packs) = (self.source, self.packed, self.sealing, self.packs.clone());
        let chosen = |stored: &Stored| stored.kind == kind && (sealing.wanted)(stored);
        let (mut outcome, mut met) = (Ok(()), 0);
        let mut visit = |walked: Walked<'_>| {
            met += 1;
            if outcome.is_ok() && sealing.stopped.load(Ordering::Relaxed) {
                outcome = Err(Error::Stopped);
            }
            if outcome.is_ok() && chosen(&walked.stored) {
                outcome = intact(&walked, source).and_then(|()| take(self, &walked.stored, walked.octets));
            }
        };
        match (source, packed) {
            (Pack::Sealed(pack), _) => walk::sealed_records(&packs, pack, chosen, &mut visit)?,
            (Pack::Open(pack), Packed::Open(extent)) => {
                Frames::committed(&pack.file, extent).hashing_only(kind).walk(&mut visit)?;
                if outcome.is_ok() && met != extent.records {
                    let problem = format!("{met} records instead of {}", extent.records);
                    return Err(Error::damaged(&pack.file.path, extent.bytes, problem));
                }
            }
            (Pack::Open(_), Packed::Sealed(_)) => {}
        }
        outcome
    }

    /// A message: as a recipe where it holds a run of base64, else whole.
    fn message(&mut self, stored: &Stored, octets: Option<&[u8]>) -> Result<(), Error> {
        if stored.size_bytes > RECIPE_LIMIT_BYTES {
            return self.whole(stored, octets);
        }
        let read;
        let message = match octets {
            Some(octets) => octets,
            None => {
                read = self.packs.blob(stored.location)?.octets()?;
                &read
            }
        };
        let references = self.references(message)?;
        if references.is_empty() {
            return self.whole(stored, Some(message));
        }
        self.recipe(stored, message, &references)
    }

    /// The parts of a message and where they stand in it, each stored by now.
    fn references(&mut self, message: &[u8]) -> Result<Vec<(Run, Reference)>, Error> {
        let (mut references, mut upto) = (Vec::new(), 0);
        for run in runs::find(message) {
            let Some((id, size_bytes)) = run.part(message)? else { continue };
            let Some(part) = self.part(message, &run, id, size_bytes)? else { continue };
            let literal_bytes = (run.from - upto) as u64;
            references.push((run, Reference { literal_bytes, part, layout: run.layout, size_bytes, id }));
            upto = run.upto;
        }
        Ok(references)
    }

    /// Where a part lies: in this pack, in another, or in this one from now on. `None` where it has no place.
    fn part(&mut self, message: &[u8], run: &Run, id: BlobId, size_bytes: u64) -> Result<Option<Location>, Error> {
        let number = self.packed.number();
        let known = self.parts.get(&id).copied().or_else(|| self.elsewhere(&id));
        if let Some(part) = known {
            self.parts.insert(id, part);
            if part.pack == number {
                self.used.insert(part.ordinal);
            }
            return Ok(Some(part));
        }
        let Some(next) = self.next_ordinal.checked_add(1) else { return Ok(None) };
        let location = Location { pack: number, ordinal: self.next_ordinal };
        self.next_ordinal = next;
        self.row(&Stored { kind: RecordKind::Part, id, size_bytes, location }, Form::Whole, size_bytes)?;
        let decoded = run.decode(message, &mut |octets| self.blocks.push(octets))?;
        debug_assert!(decoded.is_ok(), "it was decoded before");
        self.parts.insert(id, location);
        Ok(Some(location))
    }

    /// Another pack's part, if it can be read. Where it cannot, this pack gets one of its own.
    fn elsewhere(&self, id: &BlobId) -> Option<Location> {
        let location = (self.sealing.known_part)(id).filter(|part| part.pack != self.packed.number())?;
        let blob = self.packs.blob(location).ok()?;
        let right = blob.stored().kind == RecordKind::Part && blob.stored().id == *id;
        (right && blob.each_piece(|_| Ok(())).is_ok()).then_some(location)
    }

    fn recipe(&mut self, stored: &Stored, message: &[u8], parts: &[(Run, Reference)]) -> Result<(), Error> {
        let encoded: usize = parts.iter().map(|(run, _)| run.upto - run.from).sum();
        let bytes = HEAD_BYTES + parts.len() * REFERENCE_BYTES + message.len() - encoded;
        self.row(stored, Form::Recipe, bytes as u64)?;
        let references: Vec<Reference> = parts.iter().map(|(_, reference)| *reference).collect();
        self.blocks.push(&recipe::head(&references))?;
        let mut upto = 0;
        for (run, _) in parts {
            self.blocks.push(&message[upto..run.from])?;
            upto = run.upto;
        }
        self.blocks.push(&message[upto..])
    }

    /// A record as it is. Without `octets` it is read anew.
    fn whole(&mut self, stored: &Stored, octets: Option<&[u8]>) -> Result<(), Error> {
        self.row(stored, Form::Whole, stored.size_bytes)?;
        match octets {
            Some(octets) => self.blocks.push(octets),
            None => self.packs.blob(stored.location)?.each_piece(|piece| self.blocks.push(piece)),
        }
    }

    fn row(&mut self, stored: &Stored, form: Form, stored_bytes: u64) -> Result<(), Error> {
        let Stored { kind, id, size_bytes, location } = *stored;
        let (block, within) = self.blocks.record(location.ordinal, stored_bytes)?;
        let ordinal = location.ordinal;
        self.rows.push(Row { ordinal, kind, form, block, within, stored_bytes, size_bytes, id });
        Ok(())
    }
}

fn intact(walked: &Walked<'_>, source: &Pack) -> Result<(), Error> {
    if walked.intact {
        return Ok(());
    }
    let why = walked.problem.unwrap_or(WRONG_HASH);
    let problem = format!("record {}: {why}; it cannot be sealed", walked.stored.location.ordinal);
    Err(Error::damaged(&source.file().path, 0, problem))
}
