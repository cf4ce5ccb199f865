use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use super::Shortage;
use super::sign::Mismatch;
use crate::config::SecretError;
use crate::net::oauth;
use crate::{catalog, index, journal, net, store};

/// Why a stage could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error(transparent)]
    Index(#[from] index::Error),
    #[error(transparent)]
    Pop3(#[from] net::pop3::Error),
    /// The disk has too little room.
    #[error(transparent)]
    NoRoom(#[from] Shortage),
    #[error("{0}")]
    Setup(String),
    /// A password or token that could not be had.
    #[error(transparent)]
    Secret(Box<SecretError>),
    #[error(transparent)]
    Token(Box<oauth::Error>),
    /// Nothing of the batch that a message was in could be kept.
    #[error(transparent)]
    Batch(Arc<Self>),
    /// The catalog took the rest of the batch, but not this.
    #[error("the catalog refused a message: {0}")]
    Refused(catalog::Error),
    /// Some pack cannot be read, and messages in it may need the attachments that lie in this one.
    #[error(
        "attachments in pack {pack} cannot be destroyed: another pack is damaged, and messages in it may need them. \
         `poplar verify` names it; put back a copy of it from a backup, and start again"
    )]
    PartsUnknown { pack: u64 },
    #[error("the text of attachments cannot be read: {0}")]
    Extractor(String),
    /// The stage that keeps has ended, because the program is stopping.
    #[error("the archive is closing")]
    Closing,
}

impl Error {
    /// Whether the same may succeed later without a person changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Catalog(error) | Self::Refused(error) => error.is_transient(),
            Self::Journal(error) => error.is_transient(),
            Self::Index(_) | Self::NoRoom(_) | Self::Extractor(_) | Self::Closing => true,
            Self::Pop3(error) => error.is_transient(),
            Self::Batch(error) => error.is_transient(),
            Self::Secret(error) => error.is_transient(),
            Self::Token(error) => error.is_transient(),
            Self::Setup(_) | Self::Mismatch(_) | Self::PartsUnknown { .. } => false,
        }
    }
}

/// A future whose panic is caught: a message that makes a reader panic must not stop those behind it.
pub(super) async fn guarded<T>(work: impl Future<Output = T> + Send) -> Option<T> {
    let mut work = Box::pin(work);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// A blocking piece of work, off the threads that serve sockets.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        Err(_) => Err(Error::Closing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_no_more_than_an_answer_that_is_missing() {
        assert_eq!(guarded(async { 7 }).await, Some(7));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "as a reader might");
        };
        assert_eq!(guarded(panics).await, None);
    }
}
