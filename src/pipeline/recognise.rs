//! Tells messages by their header blocks (TOP n 0): what came back under another unique-id is not fetched again, and what
//! took an old unique-id is not taken for what the archive holds.

use std::collections::{HashMap, HashSet};

use super::plan::{AlreadyKept, Plan};
use crate::catalog::Known;
use crate::mail::event::{Listed, MessageRef};
use crate::mail::{BlobId, Nonce};
use crate::net::pop3;

/// The header block of a message at the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// SHA-256 of it.
    pub(super) id: BlobId,
    /// It has a field that no two messages share: a Message-ID, or where it came through.
    is_telling: bool,
}

impl Header {
    pub(super) fn of(block: &[u8]) -> Self {
        let telling = |line: &[u8]| {
            let is = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            is(b"message-id:") || is(b"received:")
        };
        Self { id: BlobId::of(block), is_telling: block.split(|octet| *octet == b'\n').any(telling) }
    }
}

/// By the numbers of the messages in the session.
pub(super) type Headers = HashMap<u32, Header>;

/// Of the lines that mean nothing to the ledger, those whose size some absent message had. What has no name is not asked
/// for: the ledger could not say which line it was.
pub(super) fn strangers<'a>(
    fetch: &'a [(pop3::Retrieve, Listed)],
    sizes: &'a HashSet<u64>,
) -> impl Iterator<Item = u32> + 'a {
    fetch
        .iter()
        .filter(|(_, listed)| !listed.uidl.as_bytes().is_empty())
        .filter(|(_, listed)| listed.listed_bytes.is_some_and(|size| sizes.contains(&size)))
        .map(|(retrieve, _)| retrieve.number)
}

/// Takes out of `fetch` what has size and header block of exactly one message that `absent` gives for that size.
pub(super) fn recognise(
    fetch: &mut Vec<(pop3::Retrieve, Listed)>,
    headers: &Headers,
    absent: &HashMap<u64, Vec<Known>>,
) -> Vec<(Listed, MessageRef)> {
    let identity = |retrieve: &pop3::Retrieve, listed: &Listed| {
        let header = headers.get(&retrieve.number).filter(|header| header.is_telling)?;
        Some((listed.listed_bytes?, header.id))
    };
    let mut claims: HashMap<(u64, BlobId), usize> = HashMap::new();
    for (retrieve, listed) in fetch.iter() {
        if let Some(identity) = identity(retrieve, listed) {
            *claims.entry(identity).or_default() += 1;
        }
    }
    let mut recognised = Vec::new();
    fetch.retain(|(retrieve, listed)| {
        let known = identity(retrieve, listed)
            .and_then(|(size, header)| only_one(absent.get(&size)?, &header, claims[&(size, header)]));
        recognised.extend(known.map(|message| (listed.clone(), message)));
        known.is_none()
    });
    recognised
}

/// The message with this header block, if there are not several of them, nor more claims than places it was met at.
fn only_one(absent: &[Known], header: &BlobId, claims: usize) -> Option<MessageRef> {
    let mut alike =
        absent.iter().filter_map(|row| row.archived.as_deref()).filter(|archived| archived.header == *header);
    let message = alike.next()?.message;
    let mut places = 1;
    for other in alike {
        if other.message.id != message.id {
            return None;
        }
        places += 1;
    }
    (claims <= places).then_some(message)
}

/// Which of the messages that the archive seems to hold are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Those that share their unique-id, and a few others.
    Some,
    /// All: this server gives out unique-ids again.
    All,
}

const SPOT_CHECKS: usize = 2;

/// The messages to compare: what `is_due` to be deleted in any case.
pub(super) fn doubtful(known: &[AlreadyKept], doubt: Doubt, is_due: impl Fn(&AlreadyKept) -> bool) -> HashSet<u32> {
    let chosen = |kept: &&AlreadyKept| doubt == Doubt::All || kept.has_twins || is_due(kept);
    let mut numbers: HashSet<u32> = known.iter().filter(chosen).map(|kept| kept.number).collect();
    let random = || {
        let [first, second, ..] = *Nonce::random().as_bytes();
        known.get((known.len() * usize::from(u16::from_be_bytes([first, second]))) >> 16)
    };
    let spots = [known.first(), known.last()].into_iter().chain((0..SPOT_CHECKS).map(|_| random()));
    numbers.extend(spots.flatten().map(|kept| kept.number));
    numbers
}

/// Moves to `fetch` what is not the message that the archive holds. The numbers of those that are; of those that are not,
/// with what they were taken for.
pub(super) fn compare(plan: &mut Plan, headers: &Headers) -> (HashSet<u32>, HashMap<u32, BlobId>) {
    let (mut equal, mut different) = (HashSet::new(), HashMap::new());
    let fetch = &mut plan.fetch;
    plan.known.retain(|kept| match headers.get(&kept.number) {
        Some(header) if header.id != kept.archived.header => {
            different.insert(kept.number, kept.archived.message.id);
            let retrieve = pop3::Retrieve { number: kept.number, size_hint: kept.listed.listed_bytes };
            fetch.push((retrieve, kept.listed.clone()));
            false
        }
        found => {
            equal.extend(found.map(|_| kept.number));
            true
        }
    });
    (equal, different)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Archived;
    use crate::mail::event::Uidl;
    use crate::mail::{Fate, Timestamp, Verdict};

    const BLOCK: &[u8] = b"Message-ID: <1@x>\r\n\r\n";

    fn listed(uid: &str, size: u64) -> Listed {
        Listed { uidl: Uidl::new(uid), ordinal: 0, listed_bytes: Some(size) }
    }

    fn absent(octets: &str, block: &[u8]) -> Known {
        let at = Timestamp::from_millis(0);
        let message = MessageRef { id: BlobId::of(octets.as_bytes()), nonce: Nonce::from_bytes([0; 32]) };
        Known {
            listed: listed(octets, 9),
            fate: Fate::Kept,
            fate_at: at,
            attempts: 0,
            archived: Some(Arc::new(Archived {
                message,
                place: (1, 0),
                verdict: Verdict::Clean,
                is_indexed: true,
                header: BlobId::of(block),
                kept: at,
                by_header: false,
                is_destroyed: false,
            })),
            deleting: None,
        }
    }

    /// What is fetched of messages 1, 2, … that have `block` and size 9.
    fn fetched(messages: u32, block: &[u8], absent: Vec<Known>) -> Vec<u32> {
        let mut fetch: Vec<(pop3::Retrieve, Listed)> = (1..=messages)
            .map(|number| (pop3::Retrieve { number, size_hint: None }, listed(&format!("new{number}"), 9)))
            .collect();
        let headers: Headers = (1..=messages).map(|number| (number, Header::of(block))).collect();
        let recognised = recognise(&mut fetch, &headers, &HashMap::from([(9, absent)]));
        assert_eq!(recognised.len() + fetch.len(), messages as usize);
        fetch.iter().map(|(retrieve, _)| retrieve.number).collect()
    }

    #[test]
    fn a_message_is_known_again_by_size_and_header() {
        assert!(fetched(1, BLOCK, vec![absent("a", BLOCK)]).is_empty());
        assert_eq!(fetched(1, BLOCK, vec![absent("a", b"Message-ID: <2@x>\r\n\r\n")]), [1]);
    }

    #[test]
    fn where_two_could_be_meant_both_are_fetched() {
        assert_eq!(fetched(2, BLOCK, vec![absent("a", BLOCK)]), [1, 2]);
        assert_eq!(fetched(1, BLOCK, vec![absent("a", BLOCK), absent("b", BLOCK)]), [1]);
        assert!(fetched(2, BLOCK, vec![absent("a", BLOCK), absent("a", BLOCK)]).is_empty());
    }

    #[test]
    fn a_header_that_many_messages_have_tells_nothing() {
        let block = b"Subject: done\r\n\r\n";
        assert_eq!(fetched(1, block, vec![absent("a", block)]), [1]);
    }
}
