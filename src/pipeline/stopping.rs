use std::time::Duration;

use tokio::sync::watch;

use super::Error;

/// How long a server may still take with what it was asked, once the program is to end. A second less than the daemon gives
/// a session, whose record has to be written behind it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Resolves when the program was told to end and the server had its time since.
pub(super) async fn overdue(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(LAST_WORDS).await;
}

/// A server that says nothing does not keep the program from ending.
pub(super) async fn in_time<T>(
    stop: &watch::Receiver<bool>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        done = work => done,
        () = overdue(stop.clone()) => Err(Error::Closing),
    }
}
