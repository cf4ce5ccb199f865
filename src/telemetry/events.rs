//! A message readable alone, and its facts as fields. A failure is told once, where it is handled.

use std::fmt::Display;
use std::path::Path;

use tracing::{debug, error, info, warn};

use crate::mail::event::Session;
use crate::mail::{BlobId, Verdict};

pub fn archive_opened(folder: &Path, messages: u64) {
    info!(folder = %folder.display(), messages, "archive opened");
}

pub fn archive_closed() {
    info!("archive closed");
}

pub fn session_started(account: &str) {
    debug!(account, "session started");
}

pub fn session_ended(account: &str, session: &Session) {
    let counts = &session.counts;
    let (listed, kept, duplicates) = (counts.listed, counts.kept, counts.duplicates);
    let (failed, deferred, oversize, deleted) = (counts.failed, counts.deferred, counts.oversize, counts.deleted);
    match &session.error {
        None => info!(account, listed, kept, duplicates, failed, deferred, oversize, deleted, "session ended"),
        Some(error) => warn!(account, listed, kept, duplicates, failed, deferred, oversize, error, "session failed"),
    }
    if session.error.is_none() && !counts.add_up() {
        warn!(account, listed, known = counts.known, "the session's counts do not add up");
    }
}

pub fn quit_refused(account: &str, reply: &str) {
    warn!(account, reply, "the server refused QUIT; the next listing tells what it deleted");
}

pub fn receipt_refused(id: &BlobId, error: &dyn Display) {
    error!(message = %id, %error, "no receipt: the message stays on the server");
}

pub fn keep_failed(messages: usize, error: &dyn Display) {
    error!(messages, %error, "nothing of a batch was kept; it will be fetched again");
}

pub fn damage_found(object: &str, problem: &str) {
    error!(object, problem, "damage found");
}

pub fn pack_sealed(pack: u64, messages: u64, raw_bytes: u64, stored_bytes: u64) {
    info!(pack, messages, raw_bytes, stored_bytes, "pack sealed");
}

pub fn pack_not_sealed(pack: u64, error: &dyn Display) {
    error!(pack, %error, "a pack could not be sealed; it stays as it is");
}

pub fn message_destroyed(id: &BlobId) {
    info!(message = %id, "message destroyed on record");
}

pub fn pack_not_purged(pack: u64, error: &dyn Display) {
    error!(pack, %error, "octets that are destroyed on record are still in a pack; the next start tries again");
}

pub fn sign_failed(error: &dyn Display) {
    error!(%error, "the journal could not be signed; nothing is deleted at servers until it is");
}

pub fn stage_failed(stage: &str, error: &dyn Display) {
    error!(stage, %error, "a stage failed; it tries again");
}

pub fn scanner_ready(engine: &str, signatures: &str) {
    info!(engine, signatures, "scanner ready");
}

/// Something was found in a message that was just kept.
pub fn quarantined(id: &BlobId, signatures: &str) {
    warn!(message = %id, signatures, "infected; sealed off");
}

/// Something was found in a message that had been handed out before.
pub fn infected_after_the_fact(id: &BlobId, signatures: &str, readers: &[String]) {
    let readers = if readers.is_empty() { "nobody".to_owned() } else { readers.join("; ") };
    error!(message = %id, signatures, readers, "ALERT: infected, by signatures that are newer than the message; sealed off now");
}

pub fn rescan_began(why: &str, messages: u64) {
    info!(why, messages, "the archive is scanned again");
}

pub fn rescan_ended(messages: u64, changed: u64, infected: u64) {
    info!(messages, changed, infected, "the archive was scanned again");
}

pub fn scanner_away(error: &dyn Display) {
    warn!(%error, "the scanner is away; messages are archived and wait for it");
}

pub fn message_scanned(id: &BlobId, verdict: Verdict) {
    match verdict {
        Verdict::Clean => debug!(message = %id, %verdict, "scanned"),
        _ => info!(message = %id, %verdict, "scanned"),
    }
}

pub fn messages_indexed(messages: usize) {
    debug!(messages, "indexed");
}

pub fn documents_read(documents: usize) {
    debug!(documents, "text of attachments read");
}

pub fn extractor_less_confined(holds: &dyn Display) {
    warn!(%holds, "whoever reads attachments is not shut in as well as it could be");
}

pub fn index_suspected(why: &dyn Display) {
    warn!(%why, "the index may be damaged, and is read through");
}

pub fn index_rebuilding(why: &dyn Display) {
    warn!(%why, "the index is made anew; searches find what is in it so far");
}

pub fn message_unreadable(id: &BlobId, stage: &str, error: &dyn Display) {
    error!(message = %id, stage, %error, "a message could not be worked on");
}

pub fn request_failed(kind: &str, error: &dyn Display) {
    error!(kind, %error, "a request failed");
}

pub fn next_poll(account: &str, seconds: u64) {
    debug!(account, seconds, "next poll");
}

pub fn account_rests(account: &str) {
    warn!(account, "the server refuses the account; it is not polled before its settings or its secret change");
}

pub fn poll_overdue(account: &str, since: &dyn Display) {
    error!(account, %since, "ALARM: no poll of the account has succeeded for too long");
}

pub fn sessions_cut_short() {
    warn!("sessions that did not end in time are dropped; what they had not fetched is left for the next poll");
}

pub fn requests_cut_short() {
    warn!("requests that were not done in time are dropped; the commands that asked do the rest themselves");
}

pub fn shutdown_cut_short() {
    warn!("the stages did not end in time; what they had not recorded is done again at the next start");
}

pub fn room_short(shortage: &dyn Display) {
    warn!(%shortage, "the disk has too little room; polling pauses, and all else goes on");
}

pub fn room_again() {
    info!("the disk has room again; polling goes on");
}

pub fn reserve_given_up(path: &Path) {
    warn!(path = %path.display(), "the disk is nearly full; the reserve is given up to catalog, journal and index");
}

pub fn reserve_stuck(path: &Path, error: &dyn Display) {
    error!(path = %path.display(), %error, "the reserve cannot be removed");
}

pub fn disk_unknown(folder: &Path, error: &dyn Display) {
    error!(folder = %folder.display(), %error, "cannot tell how much room the disk has");
}

pub fn dots_unstuffed(account: &str, lines: u64) {
    warn!(account, lines, "the server does not double dots at the front of lines; nothing was lost by it");
}

pub fn mail_recognised(account: &str, messages: u64) {
    warn!(
        account,
        messages, "mail came back under other unique-ids; it was told by size and header, and not fetched again"
    );
}

pub fn config_refused(error: &dyn Display) {
    error!(%error, "the changed configuration is refused; the old one stays in force");
}

pub fn config_reloaded(accounts: usize) {
    info!(accounts, "configuration read again");
}

pub fn config_needs_restart() {
    warn!("data_dir, [storage] or [scan] changed; that takes effect at the next start");
}

pub fn listing_unreadable(account: &str, lines: u64) {
    warn!(account, lines, "the server listed messages that cannot be asked for");
}
