//! THE FLOW: fetch, keep, scan, index, extract, clear; one verb a file, and the one worker loop.
//! The only place where the holds meet for writing; never prints, and learns nothing from memory that a restart would
//! forget.

mod age;
mod arrival;
mod clear;
mod documents;
mod error;
mod extract;
mod fetch;
mod forecast;
mod holds;
mod import;
mod index;
mod keep;
mod lines;
mod listing;
mod login;
mod manner;
mod mbox;
mod parts;
mod plan;
mod progress;
mod purge;
mod rebuild;
mod recognise;
mod record;
mod room;
mod scan;
mod seal;
mod sign;
mod stopping;
mod tokens;
mod trouble;
mod visit;
mod worker;

pub use clear::Receipt;
pub use error::Error;
pub use extract::Extracting;
pub use fetch::{Door, Fetched, Turns};
pub use forecast::{Forecast, Outlook, Step as ForecastStep, forecast};
pub use holds::Holds;
pub use import::{Failure, Imported};
pub use index::Indexing;
pub use keep::{Answer, Budget, Keeper, Keeping, Kept};
pub use listing::look;
pub use login::way_in;
pub use progress::Progress;
pub use purge::{Purge, Purging};
pub use rebuild::{Rebuild, rebuild, rebuild_upto};
pub use room::{Room, Shortage};
pub use scan::{Engine, Scanner, ScannerState, Scanning};
pub use seal::{Rewriter, SEAL_LEVEL, Sealing};
pub use sign::{Covered, Mismatch, Signing};
pub use tokens::{AccessTokens, issuer};
pub use trouble::StageTrouble;
pub use worker::{Step, Wake, Work, run, stopping};
