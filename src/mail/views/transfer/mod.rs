//! Transfer decodings as lenient as the most lenient mail program, and as strict as the strictest: each gives all
//! readings. Knows nothing about headers.

pub(super) mod base64;
pub(super) mod binhex;
pub(super) mod quoted;
pub(super) mod uuencode;
pub(super) mod yenc;
