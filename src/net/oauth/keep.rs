use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::answer::token;
use super::error::Cause;
use crate::files::{check_private, create_private_dir, open_private, publish};
use crate::mail::Secret;

/// The longest file of a refresh token, in bytes.
const LONGEST: u64 = 64 << 10;

/// How long another process may take to renew a token: two requests, and a disk.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Held while a refresh token is used and replaced: of two who send the same one, a provider that rotates it takes one for a
/// thief, and may call back both. The kernel lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct Renewal {
    _lock: Option<File>,
}

impl Renewal {
    /// Waits for whoever renews the token in `file` now.
    pub(super) async fn begin(file: &Path) -> Result<Self, Cause> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".lock");
        // Where no file can be made, none can be replaced either: such a token does not rotate.
        let Ok(lock) = open_private(Path::new(&beside)) else { return Ok(Self { _lock: None }) };
        let taken = async {
            loop {
                match lock.try_lock() {
                    Err(TryLockError::WouldBlock) => sleep(LOOK_AGAIN).await,
                    // A file system without locks has to do without.
                    Ok(()) | Err(TryLockError::Error(_)) => return,
                }
            }
        };
        timeout(PATIENCE, taken).await.map_err(|_| Cause::Renewing(PATIENCE))?;
        Ok(Self { _lock: Some(lock) })
    }
}

/// The refresh token in `file`: its one line.
pub(super) async fn read(file: &Path) -> Result<Secret<String>, Cause> {
    let file = file.to_owned();
    blocking(move || {
        let text = read_text(&file).map_err(|source| Cause::Read { file: file.clone(), source })?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Cause::Empty { file }),
            line => token(line.to_owned()),
        }
    })
    .await
}

/// Puts `refresh` into `file`, of which a reader and a power cut find the old token or the new one, never a part.
pub(super) async fn store(file: &Path, refresh: &Secret<String>) -> Result<(), Cause> {
    let (file, line) = (file.to_owned(), Secret::new(format!("{}\n", refresh.reveal())));
    blocking(move || {
        let stored = create_folder(&file).and_then(|()| publish(&file, line.reveal().as_bytes()));
        stored.map_err(|source| Cause::Store { file, source })
    })
    .await
}

fn read_text(file: &Path) -> io::Result<String> {
    check_private(file)?;
    let mut text = String::new();
    File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A folder that is there may be anybody's, `/etc/poplar` say: only the file holds a secret.
fn create_folder(file: &Path) -> io::Result<()> {
    let above = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    above.map_or(Ok(()), create_private_dir)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Cause> + Send + 'static) -> Result<T, Cause> {
    spawn_blocking(work).await.unwrap_or(Err(Cause::Stopping))
}
