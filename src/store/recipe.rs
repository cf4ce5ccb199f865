//! Recipes: a message as literal octets and references to parts, and the way back.

use std::sync::Arc;

use super::format::array;
use super::frames::PackFile;
use super::packs::Packs;
use super::runs::{Encoding, Ending, LINE_CHARACTERS, Layout};
use super::stretch::Stretch;
use super::{Error, Location};
use crate::mail::BlobId;

pub(super) const HEAD_BYTES: usize = 8;
pub(super) const REFERENCE_BYTES: usize = 64;

/// A part at its place in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Literal octets between the reference before, or the beginning, and this one.
    pub(super) literal_bytes: u64,
    pub(super) part: Location,
    pub(super) layout: Layout,
    /// Decoded octets.
    pub(super) size_bytes: u64,
    pub(super) id: BlobId,
}

impl Reference {
    pub(super) fn encode(&self) -> [u8; REFERENCE_BYTES] {
        let mut octets = [0; REFERENCE_BYTES];
        octets[..8].copy_from_slice(&self.literal_bytes.to_le_bytes());
        octets[8..16].copy_from_slice(&self.part.pack.to_le_bytes());
        octets[16..20].copy_from_slice(&self.part.ordinal.to_le_bytes());
        octets[20..22].copy_from_slice(&self.layout.line.to_le_bytes());
        octets[22] = self.layout.ending as u8;
        octets[23] = u8::from(self.layout.ended);
        octets[24..32].copy_from_slice(&self.size_bytes.to_le_bytes());
        octets[32..].copy_from_slice(self.id.as_bytes());
        octets
    }

    fn decode(octets: &[u8; REFERENCE_BYTES]) -> Option<Self> {
        let line = u16::from_le_bytes(array(octets, 20));
        let right = line.is_multiple_of(4) && LINE_CHARACTERS.contains(&usize::from(line)) && octets[23] <= 1;
        let ending = match octets[22] {
            1 if right => Ending::Crlf,
            2 if right => Ending::Lf,
            _ => return None,
        };
        Some(Self {
            literal_bytes: u64::from_le_bytes(array(octets, 0)),
            part: Location {
                pack: u64::from_le_bytes(array(octets, 8)),
                ordinal: u32::from_le_bytes(array(octets, 16)),
            },
            layout: Layout { line, ending, ended: octets[23] == 1 },
            size_bytes: u64::from_le_bytes(array(octets, 24)),
            id: BlobId::from_bytes(array(octets, 32)),
        })
    }
}

/// What a recipe begins with.
pub(super) fn head(references: &[Reference]) -> Vec<u8> {
    let count = u32::try_from(references.len()).unwrap_or(u32::MAX);
    let mut octets = [&count.to_le_bytes()[..], &[0; 4]].concat();
    octets.extend(references.iter().flat_map(Reference::encode));
    octets
}

/// The references at the beginning of a recipe; what is left of `recipe` then are its literal octets.
pub(super) fn references(recipe: &mut Stretch) -> Result<Vec<Reference>, Error> {
    let mut head = [0; HEAD_BYTES];
    recipe.fill(&mut head)?;
    let count = u32::from_le_bytes(array(&head, 0));
    if u64::from(count) * REFERENCE_BYTES as u64 > recipe.left() {
        return Err(recipe.damaged("a recipe with more references than it has room for"));
    }
    let mut references = Vec::with_capacity(count as usize);
    let mut literal_bytes = 0_u64;
    for _ in 0..count {
        let mut octets = [0; REFERENCE_BYTES];
        recipe.fill(&mut octets)?;
        let reference = Reference::decode(&octets).ok_or_else(|| recipe.damaged("an unknown encoding of a part"))?;
        literal_bytes = literal_bytes.saturating_add(reference.literal_bytes);
        references.push(reference);
    }
    if literal_bytes > recipe.left() {
        return Err(recipe.damaged("a recipe that lacks literal octets"));
    }
    Ok(references)
}

/// A message while it is put together: literal octets and encoded parts, one after the other.
#[derive(Debug)]
pub(super) struct Rebuilt {
    packs: Arc<Packs>,
    recipe: Stretch,
    references: std::vec::IntoIter<Reference>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Literal { left: u64, then: Option<Reference> },
    Part { octets: Stretch, encoding: Encoding, over: bool },
}

impl Rebuilt {
    pub(super) fn new(packs: Arc<Packs>, mut recipe: Stretch) -> Result<Self, Error> {
        let mut references = references(&mut recipe)?.into_iter();
        let step = literal(&recipe, &mut references);
        Ok(Self { packs, recipe, references, step })
    }

    pub(super) fn place(&self) -> (Arc<PackFile>, u64) {
        self.recipe.place()
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<&[u8]>, Error> {
        while let Step::Literal { left: 0, .. } | Step::Part { over: true, .. } = self.step {
            match &self.step {
                Step::Literal { then: None, .. } => return Ok(None),
                Step::Literal { then: Some(reference), .. } => {
                    let octets = self.packs.part(reference)?;
                    self.step = Step::Part { octets, encoding: Encoding::new(reference.layout), over: false };
                }
                Step::Part { .. } => self.step = literal(&self.recipe, &mut self.references),
            }
        }
        match &mut self.step {
            Step::Literal { left, .. } => {
                let piece = self.recipe.take(*left)?;
                *left -= piece.len() as u64;
                Ok(Some(piece))
            }
            Step::Part { octets, encoding, over } => {
                *over = octets.left() == 0;
                Ok(Some(if *over { encoding.finish() } else { encoding.push(octets.take(u64::MAX)?) }))
            }
        }
    }
}

/// The literal octets up to the next reference; behind the last one, all there are.
fn literal(recipe: &Stretch, references: &mut std::vec::IntoIter<Reference>) -> Step {
    let then = references.next();
    Step::Literal { left: then.map_or(recipe.left(), |reference| reference.literal_bytes), then }
}
