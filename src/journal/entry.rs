use serde::{Deserialize, Serialize};

use crate::mail::{BlobId, Nonce, Occurrence};

use super::Error;
use super::leaf::{Commitment, leaf};

/// Both halves of one event, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Canonical JSON (RFC 8785), at most [`super::LEAF_LIMIT_BYTES`], nothing personal.
    pub leaf: Vec<u8>,
    /// The private record: JSON with the whole event and the nonce that opens the leaf's commitment.
    pub record: Vec<u8>,
}

impl Entry {
    pub fn new(occurrence: &Occurrence) -> Self {
        Self::with_nonce(occurrence, Nonce::random())
    }

    fn with_nonce(occurrence: &Occurrence, nonce: Nonce) -> Self {
        let record = Record { v: 1, nonce, occurrence: occurrence.clone() };
        #[expect(clippy::expect_used, reason = "these types have only string keys, so JSON can hold them")]
        let record = serde_json::to_vec(&record).expect("an event is JSON");
        let commitment = Commitment::of_record(&nonce, &BlobId::of(&record));
        Self { leaf: leaf(occurrence, &commitment), record }
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    nonce: Nonce,
    #[serde(flatten)]
    occurrence: Occurrence,
}

/// What a private record says, and the commitment that its leaf must carry.
pub fn read_record(octets: &[u8]) -> Result<(Occurrence, Commitment), Error> {
    let record: Record = serde_json::from_slice(octets)?;
    if record.v != 1 {
        return Err(Error::Version(record.v));
    }
    Ok((record.occurrence, Commitment::of_record(&record.nonce, &BlobId::of(octets))))
}

#[cfg(test)]
mod tests {
    use crate::mail::event::{Event, Kept, Listed, MessageRef, Sighting, Uidl};
    use crate::mail::{AccountId, Timestamp};

    use super::*;

    fn kept() -> Occurrence {
        Occurrence {
            at: Timestamp::from_millis(1_763_815_768_123),
            event: Event::Kept(Kept {
                message: MessageRef { id: BlobId::of(b"octets"), nonce: Nonce::from_bytes([7; 32]) },
                size_bytes: 6,
                header: BlobId::of(b"head"),
                sighting: Sighting {
                    account: AccountId::from_bytes([1; 16]),
                    listed: Listed { uidl: Uidl::new("u 1"), ordinal: 0, listed_bytes: Some(6) },
                },
            }),
        }
    }

    #[test]
    fn a_record_reads_back_and_opens_its_leaf() {
        let entry = Entry::new(&kept());
        let (occurrence, commitment) = read_record(&entry.record).unwrap();
        assert_eq!(occurrence, kept());
        assert!(String::from_utf8(entry.leaf).unwrap().contains(&commitment.to_string()));
    }

    #[test]
    fn the_format_is_the_one_of_the_document() {
        let entry = Entry::with_nonce(&kept(), Nonce::from_bytes([9; 32]));
        let document = include_str!("../../schemas/journal.md");
        for half in [entry.leaf, entry.record] {
            let half = String::from_utf8(half).unwrap();
            assert!(document.contains(&half), "schemas/journal.md does not show\n{half}");
        }
    }

    #[test]
    fn a_leaf_says_nothing_personal() {
        let leaf = String::from_utf8(Entry::new(&kept()).leaf).unwrap();
        for personal in ["u 1", &BlobId::of(b"octets").to_string(), &BlobId::of(b"head").to_string()] {
            assert!(!leaf.contains(personal), "{leaf}");
        }
    }
}
