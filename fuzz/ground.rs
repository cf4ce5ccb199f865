//! What the targets fuzz, without the rest of the program and what that needs: these modules use nothing else of it.

#[path = "../src/extract/mod.rs"]
pub mod extract;
#[path = "../src/files/mod.rs"]
pub mod files;
#[path = "../src/journal/mod.rs"]
pub mod journal;
#[path = "../src/mail/mod.rs"]
pub mod mail;
#[path = "../src/proto/mod.rs"]
pub mod proto;
#[path = "../src/store/mod.rs"]
pub mod store;
