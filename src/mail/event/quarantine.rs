//! What is sealed off, who let it out again, who looked at it, and what was destroyed.

use serde::{Deserialize, Serialize};

use super::MessageRef;
use crate::mail::{BlobId, Timestamp};

/// Octets that are sealed off wherever they occur: a part as it is decoded, or a message as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub blob: BlobId,
    pub size_bytes: u64,
    /// What was found in them.
    pub signature: String,
}

/// A message holds what is sealed off from now on, or was already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub message: MessageRef,
    pub items: Vec<Item>,
}

/// A person's word on what is sealed off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub blob: BlobId,
    /// It holds for this finding alone: should another signature match, the octets are sealed off again.
    pub signature: String,
    pub reason: String,
    pub by: String,
    /// Who asked for it, where a second person had to agree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked_by: Option<String>,
}

/// Somebody read a message, or took something out of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub message: MessageRef,
    /// `raw`, `text`, `part N`, or `quarantine` for a whole item.
    pub what: String,
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// The octets of a message were destroyed. Its id stays, so that nobody brings it back by fetching it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    pub message: MessageRef,
    /// Where they lay.
    pub pack: u64,
    pub ordinal: u32,
    pub reason: String,
    pub by: String,
}

/// The archive, or part of it, was scanned again. What changed stands in events of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescanned {
    /// What it was done for: new signatures, or a query.
    pub why: String,
    /// Which signatures all of the archive was scanned with, by what tells one set of them from another; empty where it
    /// was a part.
    pub signature_set: String,
    pub began: Timestamp,
    pub messages: u64,
    /// Distinct octets that the scanner was asked about.
    pub parts: u64,
    /// Messages with another verdict than before, …
    pub changed: u64,
    /// … and those of them that are infected now.
    pub infected: u64,
}
