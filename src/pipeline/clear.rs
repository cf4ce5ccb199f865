//! Deletes at the server what the archive holds for certain. The only place that sends DELE.

use super::Error;
use super::error::blocking;
use super::holds::{Holds, location};
use crate::catalog::{Archived, Recorded};
use crate::files::{self, Mutant};
use crate::mail::Event;
use crate::mail::event::{Deleting, Sighting};
use crate::net::pop3::Session;
use crate::store::Durable;
use crate::telemetry;

/// The only key to a DELE: the octets were read back from the disk and have their hash, and the message and the line
/// of the listing are committed.
#[derive(Debug)]
pub struct Receipt {
    durable: Durable,
    recorded: Recorded,
    proof: Proof,
}

/// Whether a signed checkpoint of the journal covers the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// There are no checkpoints yet.
    Unproven,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletions {
    /// Only what a signed checkpoint covers: nothing, as long as there are none.
    #[default]
    Proven,
    /// Also what no checkpoint covers; `--unproven` said so.
    Unproven,
}

impl Receipt {
    /// Reads everything anew; `None` if the archive does not hold just this message for just this line.
    fn prove(holds: &Holds, sighting: &Sighting, archived: &Archived) -> Result<Option<Self>, Error> {
        let id = archived.message.id;
        let durable = holds.reader.prove(location(archived.place), id)?;
        let recorded = holds.catalog.recorded(sighting, &id)?;
        Ok(recorded.filter(|recorded| recorded.id() == durable.id()).map(|recorded| Self {
            durable,
            recorded,
            proof: Proof::Unproven,
        }))
    }

    fn allows(&self, deletions: Deletions) -> bool {
        debug_assert_eq!(self.durable.id(), self.recorded.id(), "a receipt is about one message");
        match self.proof {
            Proof::Unproven => deletions == Deletions::Unproven,
        }
    }
}

/// A message that the account's policy wants gone.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) number: u32,
    pub(super) sighting: Sighting,
    pub(super) archived: Archived,
    pub(super) reason: String,
}

/// Deletes what there is a receipt for, and says how many DELEs the server accepted. They count only once QUIT is
/// answered, and a deletion stays wanted until a later listing shows it done. That it was decided is on record before
/// the server hears of it.
pub(super) async fn clear(
    session: &mut Session,
    holds: &Holds,
    wanted: Vec<Wanted>,
    deletions: Deletions,
) -> Result<u64, Error> {
    let mut accepted = 0;
    if deletions == Deletions::Proven {
        // No receipt can be proven yet: nothing need be read for that.
        return Ok(accepted);
    }
    // A few at a time: proving reads every octet again, and the server must not think that nobody is there any more.
    for some in wanted.chunks(AT_ONCE).take(SESSION_MOST / AT_ONCE) {
        if files::mutant(Mutant::DeleBeforeReceipt) {
            session.delete(&some.iter().map(|wanted| wanted.number).collect::<Vec<_>>()).await?;
        }
        let (deciding, some) = (holds.clone(), some.to_vec());
        let numbers = blocking(move || decide(&deciding, some, deletions)).await?;
        if numbers.is_empty() {
            continue;
        }
        let answers = session.delete(&numbers).await?;
        accepted += answers.iter().filter(|deleted| deleted.reply.is_ok()).count() as u64;
    }
    Ok(accepted)
}

const AT_ONCE: usize = 64;
/// A QUIT commits so many at most; the rest goes in the next session.
const SESSION_MOST: usize = 4096;

fn decide(holds: &Holds, wanted: Vec<Wanted>, deletions: Deletions) -> Result<Vec<u32>, Error> {
    let mut numbers = Vec::new();
    let mut events = Vec::new();
    for Wanted { number, sighting, archived, reason } in wanted {
        match Receipt::prove(holds, &sighting, &archived) {
            Ok(Some(receipt)) if receipt.allows(deletions) => {
                numbers.push(number);
                events.push(Event::Deleting(Deleting { message: archived.message, sighting, reason }));
            }
            Ok(_) => {}
            // Damage here is a reason to keep the server's copy, and not one to stop.
            Err(error) => telemetry::receipt_refused(&archived.message.id, &error),
        }
    }
    if !files::mutant(Mutant::DeletingUncommitted) {
        holds.tell(events)?;
    }
    Ok(numbers)
}
