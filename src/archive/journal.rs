//! The journal, for whoever wants to see or prove what happened.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Archive, Error};
use crate::journal::{LogReader, Proof, Proven, VerifierKey};
use crate::mail::BlobId;

/// The last signed checkpoint.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Head {
    /// The log's name, and its key's.
    pub origin: String,
    /// Entries that are covered.
    pub size: u64,
    /// The Merkle tree hash over them, in base64.
    pub root: String,
    /// Entries that wait for the next checkpoint.
    pub waiting: u64,
    /// Whoever is to check proofs of this archive needs this line.
    pub key: String,
    /// The whole signed note.
    pub checkpoint: String,
}

/// One entry.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EntryShown {
    pub index: u64,
    /// Whether the last checkpoint covers it.
    pub signed: bool,
    /// The leaf, as it stands in the log.
    pub leaf: Value,
}

/// What a person named: an entry by its index, or a message by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    Entry(u64),
    Message(String),
}

impl Archive {
    /// # Errors
    ///
    /// [`Error::NothingSigned`] as long as there is no checkpoint.
    pub fn journal_head(&self) -> Result<Head, Error> {
        let log = self.log()?;
        let checkpoint = log.checkpoint();
        let waiting = self.catalog.entry_count()?.saturating_sub(checkpoint.size());
        Ok(Head {
            origin: log.key().name().to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
            waiting,
            key: log.key().to_string(),
            checkpoint: checkpoint.text().to_owned(),
        })
    }

    /// Shows entries from `from` on, at most `limit`, oldest first; also those that no checkpoint covers yet.
    pub fn journal_entries(
        &self,
        from: u64,
        limit: u64,
        show: &mut dyn FnMut(EntryShown) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let upto = from.saturating_add(limit);
        // The count first: the owner may sign meanwhile.
        let all = self.catalog.entry_count()?;
        let mut next = from;
        if let Some(log) = LogReader::open(&self.journal())? {
            let shown = log.leaves(from, |index, leaf| {
                if index >= upto {
                    return Err(Listing::Done);
                }
                next = index + 1;
                show(entry(index, true, leaf)).map_err(Listing::Failed)
            });
            match shown {
                Err(Listing::Failed(error)) => return Err(error),
                Ok(()) | Err(Listing::Done) => {}
            }
        }
        for index in next..all.min(upto) {
            if let Some(leaf) = self.catalog.unsigned_leaf(index)? {
                show(entry(index, false, &leaf))?;
            }
        }
        Ok(())
    }

    /// The proof, for anybody who has the key, that an entry is in the journal; of a message, that it was kept.
    pub fn prove(&self, what: &Proved) -> Result<Proof, Error> {
        let (index, message) = match what {
            Proved::Entry(index) => (*index, None),
            Proved::Message(id) => {
                let row = self.find(id)?;
                (row.journal, Some(row.message))
            }
        };
        let log = self.log()?;
        if index >= log.checkpoint().size() {
            return Err(Error::NotSignedYet(index));
        }
        let proof = log.prove(index)?;
        Ok(match message {
            Some(message) => proof.about(&message),
            None => proof,
        })
    }

    /// The key that checks this archive's proofs.
    pub fn journal_key(&self) -> Result<VerifierKey, Error> {
        Ok(self.log()?.key().clone())
    }

    fn log(&self) -> Result<LogReader, Error> {
        LogReader::open(&self.journal())?.ok_or(Error::NothingSigned)
    }

    fn journal(&self) -> std::path::PathBuf {
        self.folder.join("journal")
    }
}

/// Checks a proof with a key that is trusted. No archive is needed.
pub fn check_proof(octets: &[u8], key: &VerifierKey) -> Result<Proven, Error> {
    Ok(Proof::parse(octets)?.check(key)?)
}

/// A key from what a person gave: the line itself, or a file that holds it.
pub fn read_key(given: &str) -> Result<VerifierKey, Error> {
    let text = if Path::new(given).is_file() {
        std::fs::read_to_string(given).map_err(|error| Error::Unreadable(given.into(), error))?
    } else {
        given.to_owned()
    };
    Ok(text.trim().parse()?)
}

/// Whether these octets are the message that the proof is about.
pub fn check_message(proven: &Proven, octets: &[u8]) -> Result<(), Error> {
    let given = BlobId::of(octets);
    if proven.message == Some(given) {
        return Ok(());
    }
    let proven = proven.message.map_or_else(|| "none".to_owned(), |id| id.to_string());
    Err(Error::OtherMessage { proven, given })
}

/// A proof, for programs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProofShown {
    pub index: u64,
    /// The id of the message that the entry is about, where one was asked for.
    pub message: Option<String>,
    /// The `tlog-proof@v1` document, which `poplar journal check` takes from a file.
    pub proof: String,
}

impl From<&Proof> for ProofShown {
    fn from(proof: &Proof) -> Self {
        Self { index: proof.index(), message: proof.message().map(|id| id.to_string()), proof: proof.to_text() }
    }
}

/// What a proof came to, for programs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProvenShown {
    pub origin: String,
    pub index: u64,
    /// Of the tree under the checkpoint.
    pub size: u64,
    /// The entry, as it stands in the log.
    pub leaf: Value,
    /// The id of the message that the entry is about.
    pub message: Option<String>,
}

impl From<&Proven> for ProvenShown {
    fn from(proven: &Proven) -> Self {
        Self {
            origin: proven.origin.clone(),
            index: proven.index,
            size: proven.size,
            leaf: entry(proven.index, true, proven.leaf.as_bytes()).leaf,
            message: proven.message.map(|id| id.to_string()),
        }
    }
}

fn entry(index: u64, signed: bool, leaf: &[u8]) -> EntryShown {
    let text = || Value::String(String::from_utf8_lossy(leaf).into_owned());
    EntryShown { index, signed, leaf: serde_json::from_slice(leaf).unwrap_or_else(|_| text()) }
}

/// Why a listing ended.
enum Listing {
    Done,
    Failed(Error),
}

impl From<crate::journal::Error> for Listing {
    fn from(error: crate::journal::Error) -> Self {
        Self::Failed(error.into())
    }
}
