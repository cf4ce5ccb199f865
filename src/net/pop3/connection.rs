use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::client::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::net::tls::channel_binding;
use crate::proto::pop3::ChannelBinding;

/// A byte stream with one read buffer, reused for all that comes, and what is still to be written.
pub(super) struct Connection {
    stream: Stream,
    buffer: Box<[u8]>,
    unread: Range<usize>,
    unwritten: Vec<u8>,
    unflushed: bool,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Larger than any line that may be incomplete, so that there always is room to read on.
const BUFFER_BYTES: usize = 64 << 10;

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { stream, buffer, unread: 0..0, unwritten: Vec::new(), unflushed: false }
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// What TLS knows of itself. `None` without it.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    pub(super) fn channel_binding(&self) -> Option<ChannelBinding> {
        channel_binding(self.tls()?)
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// The first octets of [`Self::unread`] are dealt with, all but the last `left`.
    pub(super) fn keep(&mut self, left: usize) {
        self.unread.start = self.unread.end - left;
    }

    /// The last `length` octets that were dealt with.
    pub(super) const fn behind(&self, length: usize) -> Range<usize> {
        self.unread.start - length..self.unread.start
    }

    pub(super) fn octets(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub(super) fn write(&mut self, octets: Vec<u8>) {
        if self.unwritten.is_empty() {
            self.unwritten = octets;
        } else {
            self.unwritten.extend_from_slice(&octets);
        }
    }

    /// Waits for octets and puts them behind the unread ones, writing what is to be written meanwhile: a server that
    /// cannot send does not read either. 0 is the end of the stream. Nothing is lost when the wait is given up.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    /// What has arrived already, without waiting. `None`: nothing.
    pub(super) async fn fill_now(&mut self) -> Option<io::Result<usize>> {
        poll_fn(|context| match self.poll_fill(context) {
            Poll::Ready(arrived) => Poll::Ready(Some(arrived)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Says goodbye to the other side's TLS and TCP.
    pub(super) async fn shutdown(mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = self.poll_drain(context) {
            return Poll::Ready(Err(error));
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let mut room = ReadBuf::new(&mut self.buffer[self.unread.end..]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
        let arrived = room.filled().len();
        self.unread.end += arrived;
        Poll::Ready(Ok(arrived))
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.drain(..written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, room),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, room),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
