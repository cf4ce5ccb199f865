//! TEXT: the words in attachments, read in a worker process that can do nothing but read what it is given.
//! Knows nothing about messages' verdicts, the catalog or the index: octets in, text out.
//!
//! [`Extractor`] is the parent's side, `serve` the worker's, which `confine` shuts in before it reads an octet.
//! `frames` is what they say to each other; `read/` has a reader for each format, used in the worker only.

mod confine;
mod extractor;
mod format;
mod frames;
mod limits;
mod outcome;
mod process;
mod read;
mod serve;

pub use confine::{Confinement, Hold};
pub use extractor::Extractor;
use format::OLE;
pub use format::{Format, format_of};
pub use frames::Attempt;
pub use limits::{Limits, ReadLimits};
pub use outcome::{Extracted, Outcome};
pub use read::read;
pub use serve::{Ended, serve};

/// Counts up whenever a better reader should read again what an older one failed on.
pub const VERSION: u32 = 1;
