//! What people say of messages, and the searches they keep.

use serde::{Deserialize, Serialize};

use super::MessageRef;
use crate::mail::Label;

/// A person put a tag on a message, or took it off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagging {
    pub message: MessageRef,
    pub tag: Label,
    pub by: String,
}

/// A person wrote something about a message. It is never changed: who errs writes another note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub message: MessageRef,
    pub text: String,
    pub by: String,
}

/// A search has a name from now on, in place of the one that had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSearch {
    pub name: Label,
    /// As it was typed.
    pub query: String,
    pub by: String,
}

/// A name stands for no search any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenSearch {
    pub name: Label,
    pub by: String,
}
