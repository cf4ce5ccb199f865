//! What is to be scanned: octets in memory, or a stream of them that can be opened again.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Gives the octets piece by piece, then `None`.
pub type Pieces = Box<dyn FnMut() -> io::Result<Option<Bytes>> + Send>;

/// Pieces that are read ahead of clamd.
const AHEAD: usize = 2;

/// What is to be scanned. It may be read twice: a scan whose connection died is asked for once more.
#[derive(Clone, Debug)]
pub enum Source {
    Octets(Bytes),
    Stream(Stream),
}

/// Octets that are too many to be held.
#[derive(Clone)]
pub struct Stream {
    size_bytes: u64,
    open: Arc<dyn Fn() -> io::Result<Pieces> + Send + Sync>,
}

impl Source {
    /// `open` starts from the beginning each time. Both it and the pieces may block. Another number of octets than
    /// `size_bytes` is an error.
    pub fn stream(size_bytes: u64, open: impl Fn() -> io::Result<Pieces> + Send + Sync + 'static) -> Self {
        Self::Stream(Stream { size_bytes, open: Arc::new(open) })
    }

    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Octets(octets) => octets.len() as u64,
            Self::Stream(stream) => stream.size_bytes,
        }
    }
}

impl<T: Into<Bytes>> From<T> for Source {
    fn from(octets: T) -> Self {
        Self::Octets(octets.into())
    }
}

impl Stream {
    /// Reads on a thread where that may block. `Ok(None)` is the end; a channel that closes without it is none.
    pub(super) fn flow(self) -> mpsc::Receiver<io::Result<Option<Bytes>>> {
        let (pieces, flow) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let last = self.read(&pieces);
            // Nobody reads on where the session has ended.
            let _gone = pieces.blocking_send(last);
        });
        flow
    }

    fn read(&self, pieces: &mpsc::Sender<io::Result<Option<Bytes>>>) -> io::Result<Option<Bytes>> {
        let mut next = (self.open)()?;
        let mut left = self.size_bytes;
        while let Some(piece) = next()? {
            left =
                left.checked_sub(piece.len() as u64).ok_or_else(|| io::Error::other("it is longer than recorded"))?;
            if pieces.blocking_send(Ok(Some(piece))).is_err() {
                return Ok(None);
            }
        }
        if left == 0 { Ok(None) } else { Err(io::Error::other("it is shorter than recorded")) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}
