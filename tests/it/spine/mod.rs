//! The spine through the real program: real Dovecot, real clamd, a folder of its own for each test.

mod account_setup;
mod account_sign_in;
mod accounts;
mod backup;
mod clear;
mod compaction;
mod daemon;
mod damage;
mod disk;
mod fetch;
mod frames;
mod import;
mod ledger;
mod multidrop;
mod purge;
mod quarantine;
mod readers;
mod reading;
mod rescan;
mod said;
mod scanning;
mod scrub;
mod search;
mod stray;
mod threads;
mod trouble;
