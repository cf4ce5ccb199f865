use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{Archive, Error, Message};
use crate::catalog::{Catalog, Held, ItemState, VerdictRow};
use crate::mail::message::{self, Part, READ_LIMIT_BYTES};
use crate::mail::{BlobId, Verdict};

/// Octets that are sealed off wherever they occur.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sealed {
    /// Their SHA-256, in hex: what `poplar quarantine` calls them by.
    #[schemars(with = "String")]
    pub hash: BlobId,
    /// What was found in them.
    pub signature: String,
    /// RFC 3339, UTC.
    pub since: String,
}

/// What is known of a part, and whether ordinary readers get it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Of the part's octets.
    pub blob: BlobId,
    pub verdict: Verdict,
    /// The signature's name, or why it is not clean.
    pub detail: Option<String>,
    pub sealed: Option<Sealed>,
    /// All that was found in it, a person has let pass.
    is_released: bool,
}

impl Standing {
    pub const fn is_withheld(&self) -> bool {
        self.sealed.is_some() || self.verdict.is_withheld() && !self.is_released
    }

    /// What was found in the same octets elsewhere counts where the message's own verdict says less.
    fn new(
        blob: BlobId,
        (verdict, detail): (Verdict, Option<String>),
        sealed: Option<Sealed>,
        is_released: bool,
    ) -> Self {
        let elsewhere = sealed.as_ref().map(|sealed| (Verdict::Infected, &sealed.signature));
        let (verdict, detail) = match elsewhere {
            Some((worse, signature)) if worse > verdict => (worse, Some(signature.clone())),
            _ => (verdict, detail),
        };
        Self { blob, verdict, detail, sealed, is_released }
    }
}

/// What tells how it stands with the parts of one message: its own verdicts, and what was found in the same octets
/// elsewhere.
pub(in crate::archive) struct Judge<'a> {
    catalog: &'a Catalog,
    verdicts: &'a [VerdictRow],
    /// The message as a whole, for what was found in no part of it.
    whole: Option<Sealed>,
}

impl<'a> Judge<'a> {
    pub(in crate::archive) fn new(
        archive: &'a Archive,
        row: &Message,
        verdicts: &'a [VerdictRow],
    ) -> Result<Self, Error> {
        let catalog = archive.catalog.as_ref();
        let held = catalog.held_in(row.number)?;
        let (whole, parts): (Vec<Held>, Vec<Held>) = held.into_iter().partition(|held| held.blob == row.message.id);
        let is_in_part = |held: &&Held| parts.iter().any(|part| part.signature == held.signature);
        let whole = match whole.first().filter(|held| !is_in_part(held)) {
            Some(held) => sealed(catalog, held)?,
            None => None,
        };
        Ok(Self { catalog, verdicts, whole })
    }

    pub(in crate::archive) fn part(&self, part: &Part<'_>) -> Result<Standing, Error> {
        self.standing(part.number, BlobId::of(&part.octets()))
    }

    /// Of the part of this number, whose decoded octets have this hash.
    pub(in crate::archive) fn standing(&self, part: u32, blob: BlobId) -> Result<Standing, Error> {
        let views = views_of(part, &blob, self.verdicts);
        let (mut found, mut passed) = (self.whole.clone(), Vec::new());
        for octets in std::iter::once(&blob).chain(views.iter().map(|view| &view.blob).filter(|view| **view != blob)) {
            if let Some(held) = self.catalog.held(octets)? {
                found = sealed(self.catalog, &held)?.or(found);
                passed.extend(self.catalog.releases(held.number)?.into_iter().map(|release| release.signature));
            }
        }
        let (verdict, detail) = worst(part, &views);
        let passes = |view: &&VerdictRow| match (view.verdict, &view.detail) {
            (Verdict::Clean, _) => true,
            (verdict, Some(signature)) => verdict.is_final() && passed.contains(signature),
            _ => false,
        };
        let is_released = verdict.is_final() && views.iter().all(passes);
        Ok(Standing::new(blob, (verdict, detail), found, is_released))
    }
}

/// The views that count for a part: it as it is decoded, if those were the octets that were scanned, and every further
/// reading of it.
fn views_of<'v>(number: u32, blob: &BlobId, verdicts: &'v [VerdictRow]) -> Vec<&'v VerdictRow> {
    let plain = format!("part {number}");
    let further = format!("{plain} ");
    let counts = |view: &&VerdictRow| view.view == plain && view.blob == *blob || view.view.starts_with(&further);
    verdicts.iter().filter(counts).collect()
}

/// The worst of them; of two that are equally bad the first. Without the plain one the part was not scanned.
fn worst(number: u32, views: &[&VerdictRow]) -> (Verdict, Option<String>) {
    let plain = format!("part {number}");
    let is_scanned = views.iter().any(|view| view.view == plain);
    let begin = (if is_scanned { Verdict::Clean } else { Verdict::Pending }, None);
    let known = views.iter().map(|view| (view.verdict, view.detail.clone()));
    known.fold(begin, |worst, next| if next.0 > worst.0 { next } else { worst })
}

/// Octets that came again after all messages with them were destroyed are sealed off as they were.
fn sealed(catalog: &Catalog, held: &Held) -> Result<Option<Sealed>, Error> {
    let is_sealed = match held.state {
        ItemState::Sealed => true,
        ItemState::Released => false,
        ItemState::Purged => catalog.releases(held.number)?.iter().all(|release| release.signature != held.signature),
    };
    Ok(is_sealed.then(|| Sealed { hash: held.blob, signature: held.signature.clone(), since: held.since.to_string() }))
}

impl Archive {
    /// Whether ordinary readers are kept from something in it because of what was found there. What merely was not
    /// scanned yet does not count.
    pub fn holds_back(&self, row: &Message) -> Result<bool, Error> {
        if row.verdict.is_final() && row.verdict.is_withheld() {
            return Ok(true);
        }
        for held in self.catalog.held_in(row.number)? {
            if sealed(&self.catalog, &held)?.is_some() {
                return Ok(true);
            }
        }
        if row.size_bytes > READ_LIMIT_BYTES as u64 || !self.catalog.holds_anything()? {
            return Ok(false);
        }
        // What is damaged is handed out as far as it goes, and nobody knows what is in it.
        let Ok(octets) = self.blob(row)?.octets() else { return Ok(true) };
        let message = message::read(&octets);
        let judge = Judge::new(self, row, &[])?;
        for part in &message.parts {
            if judge.part(part)?.sealed.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Timestamp;

    fn view(name: &str, octets: &[u8], verdict: Verdict) -> VerdictRow {
        VerdictRow {
            view: name.to_owned(),
            blob: BlobId::of(octets),
            size_bytes: octets.len() as u64,
            verdict,
            detail: Some(name.to_owned()),
            engine: String::new(),
            signatures: String::new(),
            transport: String::new(),
            scanned: Timestamp::from_millis(0),
            duration_ms: 0,
        }
    }

    #[test]
    fn a_part_is_as_bad_as_the_worst_reading_of_it() {
        let views = [
            view("raw", b"all", Verdict::Infected),
            view("part 1", b"one", Verdict::Clean),
            view("part 1 uuencode 1", b"hidden", Verdict::Suspicious),
            view("part 10", b"one", Verdict::Infected),
            view("part 2", b"other", Verdict::Clean),
            view("part 3 base64", b"x", Verdict::Clean),
        ];
        let judged = |number, octets: &[u8]| worst(number, &views_of(number, &BlobId::of(octets), &views)).0;
        assert_eq!(judged(1, b"one"), Verdict::Suspicious);
        assert_eq!(judged(10, b"one"), Verdict::Infected);
        assert_eq!(judged(2, b"one"), Verdict::Pending, "other octets were scanned");
        assert_eq!(judged(3, b"x"), Verdict::Pending, "the part itself was not scanned");
        assert_eq!(judged(4, b"x"), Verdict::Pending);
    }
}
