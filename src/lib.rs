//! Poplar (POP Local ARchive) keeps the mail of POP3 accounts byte for byte, has ClamAV scan it, makes it
//! searchable, and can prove afterwards what it holds and what happened to it. This page is the map.
//!
//! # The flow
//!
//! ```text
//!  POP3 server            ground: cannot be re-made                     derived: can be rebuilt
//!  ───────────   ┌───────────────────────────────────────────┐   ┌───────────────────────────────────┐
//!   LIST/UIDL ─► │ keep    bytes, private records → store/   │   │ catalog.db  (SQLite: facts, work) │
//!   RETR  ─────► │ sign    leaves → journal/                 │──►│ index/      (Tantivy: search)     │ ─► CLI
//!                │                  (Merkle log, signed)     │   └───────────────────────────────────┘
//!   DELE  ◄───── │ clear   only with a receipt               │
//!                └───────────────────────────────────────────┘
//!         fetch → keep → { sign, seal, scan, index } → clear     one verb a file in pipeline/
//! ```
//!
//! Read `daemon/run.rs` second: it puts everything together in the order things happen.
//!
//! # The laws
//!
//! 1. **Bytes are evidence.** Stored is exactly what RETR gave after dot-unstuffing. A message's id is the SHA-256
//!    of those octets (`mail::BlobId`).
//! 2. **A DELE needs a receipt** (`pipeline::clear::Receipt`): bytes fsynced, read back and hash-checked
//!    (`store::Durable`), the row with its UIDL committed (`catalog::Recorded`), and both under a signed checkpoint of the
//!    journal (`pipeline::sign::Covered`).
//! 3. **One commit point.** Message row, UIDL and journal entry are one SQLite transaction. Tiles and checkpoint are written
//!    from the catalog's outbox afterwards; after a crash they are written again, and are the same.
//! 4. **Every UIDL has a fate** that can be shown (`mail::Fate`).
//! 5. **Fail closed.** Clean means that every view was scanned and every answer was exactly OK; all else is withheld.
//! 6. **Hostile input never kills the daemon**, and is archived anyway: raw bytes are durable before anything parses them.
//! 7. **Ground and derived.** Without `catalog.db` and `index/` no mail is lost: `poplar rebuild` makes them from packs and
//!    journal. `mail::Event` and one `catalog.apply` serve live and rebuild. Ground and catalog that do not fit are an alarm:
//!    nothing is written then.
//! 8. **An fsync error stops the process.**
//! 9. **The format is boring**: `schemas/store.md`, `schemas/journal.md`.
//!
//! # Who may use whom
//!
//! `tests/it/architecture.rs` reads this very table and fails on an edge that is not in it, on a module that is
//! missing from it, and on a cycle.
//!
//! | module | may use |
//! |---|---|
//! | `mail` `files` | nothing of ours |
//! | `proto` `config` | `mail` `files` |
//! | `store` `journal` `catalog` `index` `extract` | `mail` `files` |
//! | `telemetry` | `mail` `config` |
//! | `net` | `mail` `files` `proto` `config` `telemetry` |
//! | `pipeline` | `mail` `files` `config` `telemetry` `net` `store` `journal` `catalog` `index` `extract` |
//! | `archive` | `mail` `files` `store` `journal` `catalog` `index` `extract` `telemetry` |
//! | `daemon` | `mail` `files` `proto` `config` `telemetry` `net` `store` `journal` `catalog` `index` `extract` `pipeline` `archive` |
//! | `cli` | `mail` `files` `config` `extract` `archive` `daemon` `telemetry` |
//!
//! # Where to find what
//!
//! | looking for | open |
//! |---|---|
//! | what a word means (message, part, sighting, verdict, event) | `mail/` |
//! | the POP3 and clamd dialogs | `proto/`, their dialogs as text in `tests/pop3/` and `tests/clamd/` |
//! | the bytes on disk | `store/`, `schemas/store.md` |
//! | how it is proved what happened | `journal/`, `schemas/journal.md` |
//! | what the catalog knows | `schemas/catalog/*.sql` |
//! | which messages are one thread | `catalog/threads/`, what ties them `mail/ties.rs` |
//! | how a stage works | `pipeline/<verb>.rs` |
//! | what the collector makes of each thing a POP3 server may do | `docs/pop3.md` |
//! | what a session fetches and deletes | `pipeline/plan.rs`, `pipeline/recognise.rs`, `pipeline/visit.rs` |
//! | when an account is polled, and when it rests | `daemon/schedule.rs`, `daemon/polling.rs` |
//! | what the scanner is shown of a message | `mail/views/` |
//! | what is read of attachments, and what shuts in who reads them | `extract/`, `docs/extraction.md` |
//! | how an account logs in | `pipeline/login.rs`, `proto/pop3/sasl/`, `net/oauth/`, `net/gssapi/` |
//! | every setting | `config/README.md`, `config/account.rs` |
//! | what a command prints | `cli/<verb>.rs`, with `--json` `schemas/json/` |

pub mod archive;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod extract;
pub mod files;
pub mod index;
pub mod journal;
pub mod mail;
pub mod net;
pub mod pipeline;
pub mod proto;
pub mod store;
pub mod telemetry;
