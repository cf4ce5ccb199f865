//! The socket: connecting, and the three ways of sending: octets, chunks, and an open file.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWriteExt as _, Interest};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::time::timeout;

use super::{Address, Error};

pub(super) type Inlet = Box<dyn AsyncRead + Send + Unpin>;

pub(super) enum Outlet {
    Unix(unix::OwnedWriteHalf),
    Tcp(tcp::OwnedWriteHalf),
}

#[expect(clippy::disallowed_methods, reason = "net/ is where sockets are opened")]
pub(super) async fn connect(address: &Address, wait: Duration) -> Result<(Inlet, Outlet), Error> {
    let connected = timeout(wait, async {
        Ok::<(Inlet, Outlet), io::Error>(match address {
            Address::Unix(path) => {
                let (reader, writer) = UnixStream::connect(path).await?.into_split();
                (Box::new(reader), Outlet::Unix(writer))
            }
            Address::Tcp(address) => {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                let (reader, writer) = socket.into_split();
                (Box::new(reader), Outlet::Tcp(writer))
            }
        })
    });
    let late = |_elapsed| Error::Unreachable { address: address.clone(), waited: wait };
    let failed = |source| Error::Connect { address: address.clone(), source: Arc::new(source) };
    connected.await.map_err(late)?.map_err(failed)
}

impl Outlet {
    /// Sends all, without copying it first.
    pub(super) async fn send(&mut self, mut octets: impl Buf, stall: Duration) -> Result<(), Error> {
        let sending = async {
            match self {
                Self::Unix(writer) => writer.write_all_buf(&mut octets).await,
                Self::Tcp(writer) => writer.write_all_buf(&mut octets).await,
            }
        };
        within(stall, sending).await
    }

    /// Sends octets of which the last carries the descriptor: clamd takes a whole command only with it.
    pub(super) async fn pass(&self, command: &[u8], file: &OwnedFd, stall: Duration) -> Result<(), Error> {
        let Self::Unix(writer) = self else {
            return Err(Error::Broken(Arc::new(io::ErrorKind::Unsupported.into())));
        };
        let socket = writer.as_ref();
        within(stall, async {
            loop {
                writer.writable().await?;
                match socket.try_io(Interest::WRITABLE, || send_with(socket.as_fd(), command, file.as_fd())) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    sent => return sent,
                }
            }
        })
        .await
    }
}

fn send_with(socket: BorrowedFd<'_>, command: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
    let files = [file];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let sent = sendmsg(socket, &[IoSlice::new(command)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == command.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A file without a name that holds the octets and that nobody can change any more, clamd included.
pub(super) fn sealed(octets: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("poplar-scan", flags)?);
    file.write_all(octets)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

async fn within(stall: Duration, work: impl Future<Output = io::Result<()>>) -> Result<(), Error> {
    let done = timeout(stall, work).await.map_err(|_elapsed| Error::Stalled(stall))?;
    done.map_err(|error| Error::Broken(Arc::new(error)))
}
