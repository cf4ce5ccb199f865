//! What a server lists, and the header blocks that stand in for the unique-ids it does not give.
//! Decides nothing.

use tokio::sync::watch;

use super::Error;
use super::plan::BY_HEADER_HASH;
use super::recognise::{Header, Headers};
use super::stopping::{in_time, overdue};
use crate::mail::message;
use crate::net::pop3::{Cause, Listing, Retrieved, Session};

/// So many refusals of TOP, and nothing else, are enough.
const REFUSALS: usize = 3;

/// The listing, asked for by somebody who only looks.
pub async fn look(session: &mut Session) -> Result<Listing, Error> {
    let (_never, stop) = watch::channel(false);
    let capabilities = session.capabilities();
    let mut has_headers = capabilities.top() || !capabilities.are_known();
    list(session, &stop, &mut has_headers).await
}

/// The messages with their unique-ids. Where the server gives none the hash of the header block stands in, as far as it
/// tells header blocks; the rest stays without a name.
pub(super) async fn list(
    session: &mut Session,
    stop: &watch::Receiver<bool>,
    has_headers: &mut bool,
) -> Result<Listing, Error> {
    let mut listing = match in_time(stop, async { Ok(session.list().await) }).await? {
        Err(error) if matches!(error.cause, Cause::NoUidl { .. }) => {
            in_time(stop, async { Ok(session.list_without_uids().await?) }).await?
        }
        listed => listed?,
    };
    let nameless: Vec<u32> = listing.nameless().collect();
    if !nameless.is_empty() && *has_headers {
        for (number, header) in headers(session, nameless, stop, has_headers).await? {
            listing.name(number, format!("{BY_HEADER_HASH}{}", header.id).as_bytes());
        }
    }
    Ok(listing)
}

/// The header blocks of these messages, as far as the server tells them. `has_headers` ends where it knows no TOP.
pub(super) async fn headers(
    session: &mut Session,
    numbers: impl IntoIterator<Item = u32>,
    stop: &watch::Receiver<bool>,
    has_headers: &mut bool,
) -> Result<Headers, Error> {
    session.retrieve_headers(numbers);
    let mut headers = Headers::new();
    let (mut block, mut refused) = (Vec::new(), 0);
    let mut overdue = std::pin::pin!(overdue(stop.clone()));
    loop {
        if *stop.borrow() {
            session.stop_retrieving();
        }
        let told = tokio::select! {
            told = session.next() => told?,
            () = &mut overdue => return Err(Error::Closing),
        };
        match told {
            None => return Ok(headers),
            Some(Retrieved::Begin { .. }) => block.clear(),
            Some(Retrieved::Chunk(octets)) => block.extend_from_slice(octets),
            Some(Retrieved::End { number, .. }) => {
                headers.insert(number, Header::of(message::header_block(&block)));
            }
            Some(Retrieved::TooLarge { .. }) => {}
            Some(Retrieved::Refused { .. }) => {
                refused += 1;
                // A server that knows no TOP refuses them all.
                if headers.is_empty() && refused == REFUSALS {
                    session.stop_retrieving();
                    *has_headers &= session.capabilities().top();
                }
            }
        }
    }
}
