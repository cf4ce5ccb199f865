//! The first words with a clamd: who it is, and that it finds what it must find and nothing else.

use std::time::Duration;

use bytes::Bytes;

use super::link::{Ask, Link};
use super::{Address, Answer, Deadlines, Error, Transport, Version, socket};
use crate::mail::eicar;

/// A scanner that finds something in this finds something in everything.
const HARMLESS: &[u8] = b"The quick brown fox jumps over the lazy dog.\r\n";

/// Opens a session with a scanner that finds the EICAR test file and passes harmless text, both handed over as the
/// messages will be. `wait` is for each of its answers.
pub(super) async fn greet(
    address: &Address,
    transport: Transport,
    window: u32,
    (deadlines, wait): (&Deadlines, Duration),
) -> Result<(Link, Version), Error> {
    let link = Link::open(address, transport, window, deadlines).await?;
    let version = link.version(wait).await?;
    let test = |octets: Bytes| async {
        let ask = wrap(octets, transport).await?;
        link.scan_within(ask, None, wait).await
    };
    let (poison, harmless) = tokio::join!(test(eicar().into()), test(Bytes::from_static(HARMLESS)));
    match (poison?, harmless?) {
        (Answer::Found(_), Answer::Ok) => Ok((link, version)),
        (Answer::Found(_), other) => Err(Error::Alarmed(other)),
        (other, _) => Err(Error::Blind(other)),
    }
}

/// Connects, makes sure that whoever answers finds the EICAR test file, and says who it is. Each answer has
/// `deadlines.reply` to come.
pub async fn probe(address: &Address, deadlines: &Deadlines) -> Result<Version, Error> {
    let (_, version) = greet(address, Transport::Instream, 2, (deadlines, deadlines.reply)).await?;
    Ok(version)
}

/// The octets as the transport takes them.
pub(super) async fn wrap(octets: Bytes, transport: Transport) -> Result<Ask, Error> {
    let failed = |error| Error::Memory(std::sync::Arc::new(error));
    match transport {
        Transport::Instream => Ok(Ask::Octets(octets)),
        Transport::Fildes if octets.len() <= COPIED_AT_ONCE => socket::sealed(&octets).map(Ask::File).map_err(failed),
        Transport::Fildes => {
            let copied = tokio::task::spawn_blocking(move || socket::sealed(&octets)).await;
            copied.map_err(std::io::Error::other).and_then(|file| file).map(Ask::File).map_err(failed)
        }
    }
}

/// What is longer is copied where that holds up nobody.
const COPIED_AT_ONCE: usize = 256 * 1024;
