//! Walks over all records of a pack, open or sealed.

use std::sync::Arc;

use super::format::{FRAME_LIMIT_BYTES, PACK_HEADER_BYTES, RecordKind};
pub(super) use super::frames::Walked;
use super::frames::{Frames, PackFile};
use super::packs::{Pack, Packs};
use super::recipe;
use super::sealed::SealedPack;
use super::table::{Form, Row};
use super::{Error, Location, Packed, Stored};

/// Every record, and of a sealed pack every bit.
pub(super) fn every_record(
    packs: &Arc<Packs>,
    pack: &Pack,
    packed: &Packed,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<(), Error> {
    match pack {
        Pack::Open(open) => open_frames(&open.file, packed).walk(visit),
        Pack::Sealed(sealed) => {
            sealed_records(packs, sealed, |_| true, visit)?;
            sealed.check_hash()
        }
    }
}

/// As far as the catalog says; all of it where the catalog took it for sealed.
fn open_frames<'a>(file: &'a PackFile, packed: &Packed) -> Frames<'a> {
    match packed {
        Packed::Open(extent) => Frames::committed(file, extent),
        Packed::Sealed(_) => Frames::new(file, PACK_HEADER_BYTES as u64, u64::MAX),
    }
}

/// The records of a sealed pack that `chosen` names, block after block.
pub(super) fn sealed_records(
    packs: &Arc<Packs>,
    pack: &SealedPack,
    chosen: impl Fn(&Stored) -> bool,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<(), Error> {
    let number = pack.file.number();
    let (mut rows, outcome) = pack.rows();
    rows.retain(|row| chosen(&row.stored(number)));
    rows.sort_by_key(|row| (row.block, row.within));
    for row in &rows {
        let stored = row.stored(number);
        match read(packs, pack, row) {
            Ok(octets) => visit(Walked { stored, intact: true, octets: octets.as_deref(), problem: None }),
            Err(error) => {
                visit(Walked { stored, intact: false, octets: None, problem: Some(&error.to_string()) });
            }
        }
    }
    outcome
}

/// Reads and hashes a record; its octets where they are as few as a frame may hold.
fn read(packs: &Arc<Packs>, pack: &SealedPack, row: &Row) -> Result<Option<Vec<u8>>, Error> {
    let blob = packs.sealed_record(pack, row)?;
    if row.size_bytes <= FRAME_LIMIT_BYTES as u64 {
        return blob.octets().map(Some);
    }
    blob.each_piece(|_| Ok(())).map(|()| None)
}

/// Every record, with octets where it is private.
pub(super) fn private_records(
    packs: &Arc<Packs>,
    pack: &Pack,
    packed: &Packed,
    visit: &mut dyn FnMut(&Stored, Option<&[u8]>),
) -> Result<(), Error> {
    let mut outcome = Ok(());
    let mut show = |stored: &Stored, read: Result<Option<Vec<u8>>, Error>| match read {
        Ok(octets) => visit(stored, octets.as_deref()),
        Err(error) => {
            visit(stored, None);
            if outcome.is_ok() {
                outcome = Err(error);
            }
        }
    };
    let walked = match pack {
        Pack::Open(open) => {
            let walking = Packs::with(&packs.folder, pack.clone());
            open_frames(&open.file, packed).hashing_only(RecordKind::Private).walk(&mut |walked| {
                show(&walked.stored, private_octets(&walking, &walked));
            })
        }
        Pack::Sealed(sealed) => {
            let (rows, outcome) = sealed.rows();
            for row in &rows {
                let private = row.kind == RecordKind::Private;
                let read = private.then(|| packs.sealed_record(sealed, row)?.octets()).transpose();
                show(&row.stored(sealed.file.number()), read);
            }
            outcome
        }
    };
    walked.and(outcome)
}

/// The octets of a private record, which the walk has hashed; nothing of another.
fn private_octets(packs: &Arc<Packs>, walked: &Walked<'_>) -> Result<Option<Vec<u8>>, Error> {
    match (walked.stored.kind, walked.octets) {
        (RecordKind::Private, Some(octets)) if walked.intact => Ok(Some(octets.to_vec())),
        (RecordKind::Private, _) => packs.blob(walked.stored.location)?.octets().map(Some),
        _ => Ok(None),
    }
}

/// The messages that refer to parts.
pub(super) fn parts_used(
    packs: &Arc<Packs>,
    pack: &SealedPack,
    visit: &mut dyn FnMut(&Stored, &[Location]),
) -> Result<(), Error> {
    let (rows, outcome) = pack.rows();
    for row in rows.iter().filter(|row| row.form == Form::Recipe) {
        let references = recipe::references(&mut packs.stretch(pack, row)?)?;
        let parts: Vec<Location> = references.iter().map(|reference| reference.part).collect();
        visit(&row.stored(pack.file.number()), &parts);
    }
    outcome
}
