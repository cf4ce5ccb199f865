//! Deletes at the server what the archive holds for certain. The only place that sends DELE.

use super::Error;
use super::error::blocking;
use super::fetch::Door;
use super::holds::{Holds, location};
use super::sign::Covered;
use crate::catalog::{Archived, Recorded};
use crate::files::{self, Mutant};
use crate::mail::Event;
use crate::mail::event::{Deleting, Sighting};
use crate::net::pop3::Session;
use crate::store::Durable;
use crate::telemetry;

/// The only key to a DELE: the octets were read back from the disk and have their hash, the message and the line of the
/// listing are committed, and a signed checkpoint of the journal covers both.
#[derive(Debug)]
pub struct Receipt {
    durable: Durable,
    recorded: Recorded,
    covered: Covered,
}

impl Receipt {
    /// Reads everything anew; `None` if the archive does not hold just this message for just this line, or if the
    /// checkpoint is too old. `covered` was signed after the line was met.
    fn prove(holds: &Holds, sighting: &Sighting, archived: &Archived, covered: Covered) -> Result<Option<Self>, Error> {
        let id = archived.message.id;
        let durable = holds.reader.prove(location(archived.place), id)?;
        let Some(recorded) = holds.catalog.recorded(sighting, &id)? else { return Ok(None) };
        let receipt = Self { durable, recorded, covered };
        Ok(receipt.holds_together().then_some(receipt))
    }

    fn holds_together(&self) -> bool {
        self.durable.id() == self.recorded.id() && self.recorded.journal() < self.covered.entries()
    }
}

/// A message that the account's policy wants gone.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) number: u32,
    pub(super) sighting: Sighting,
    pub(super) archived: Archived,
    pub(super) reason: String,
    /// That it is to go is on record, and no listing has shown it done.
    pub(super) is_decided: bool,
}

/// Deletes what there is a receipt for, and says how many DELEs the server accepted. They count only once QUIT is
/// answered, and a deletion stays wanted until a later listing shows it done. That it was decided is on record before
/// the server hears of it.
pub(super) async fn clear(session: &mut Session, door: &Door, wanted: Vec<Wanted>) -> Result<u64, Error> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let covered = match door.keeper.sign().await {
        Ok(covered) => covered,
        Err(Error::Closing) => return Err(Error::Closing),
        // Everything stays where it is until the next session.
        Err(error) => {
            telemetry::sign_failed(&error);
            return Ok(0);
        }
    };
    let mut accepted = 0;
    let mut rest = &wanted[..wanted.len().min(SESSION_MOST)];
    while !rest.is_empty() {
        let some = &rest[..rest.len().min(AT_ONCE)];
        if files::mutant(Mutant::DeleBeforeReceipt) {
            session.delete(&some.iter().map(|wanted| wanted.number).collect::<Vec<_>>()).await?;
        }
        let (deciding, some) = (door.holds.clone(), some.to_vec());
        let (numbers, done) = blocking(move || decide(&deciding, some, covered)).await?;
        rest = &rest[done..];
        if numbers.is_empty() {
            continue;
        }
        let answers = session.delete(&numbers).await?;
        accepted += answers.iter().filter(|deleted| deleted.reply.is_ok()).count() as u64;
    }
    Ok(accepted)
}

/// A few at a time, and not many octets: proving reads them all again, and the server must not think that nobody is there
/// any more.
const AT_ONCE: usize = 64;
const AT_ONCE_BYTES: u64 = 64 << 20;
/// A QUIT commits so many at most; the rest goes in the next session.
pub(super) const SESSION_MOST: usize = 4096;

/// The numbers of those that may go, and how many were looked at: no more once they have come to [`AT_ONCE_BYTES`].
fn decide(holds: &Holds, wanted: Vec<Wanted>, covered: Covered) -> Result<(Vec<u32>, usize), Error> {
    let (mut numbers, mut events) = (Vec::new(), Vec::new());
    let (mut done, mut bytes) = (0, 0);
    for Wanted { number, sighting, archived, reason, is_decided } in wanted {
        if bytes >= AT_ONCE_BYTES {
            break;
        }
        done += 1;
        match Receipt::prove(holds, &sighting, &archived, covered) {
            Ok(Some(receipt)) => {
                numbers.push(number);
                bytes += receipt.durable.size_bytes();
                let deleting = Deleting { message: archived.message, sighting, reason };
                events.extend((!is_decided).then_some(Event::Deleting(deleting)));
            }
            Ok(None) => {}
            // Damage here is a reason to keep the server's copy, and not one to stop.
            Err(error) => telemetry::receipt_refused(&archived.message.id, &error),
        }
    }
    if !events.is_empty() && !files::mutant(Mutant::DeletingUncommitted) {
        holds.tell(events)?;
    }
    Ok((numbers, done))
}
