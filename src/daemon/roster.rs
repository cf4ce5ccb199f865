//! The accounts as this process calls and serves them: who may have a session now, what an account is called since it was
//! renamed, and that something about one has changed.
//! Knows nothing about when accounts are due.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};

use crate::catalog::{self, Catalog};
use crate::config::{Account, Config, Polling};
use crate::mail::Nonce;

/// One of a process; clones are the same.
#[derive(Clone)]
pub(super) struct Roster(Arc<Inner>);

struct Inner {
    /// Differs in every process.
    process: Nonce,
    limits: Mutex<Limits>,
    /// Old name to new name, until the configuration has the new one too.
    renamed: Mutex<HashMap<String, String>>,
    /// By name: whoever polls an account or changes what it is has its turn.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Accounts whose sessions are to end soon, since somebody waits for their turn.
    called: Mutex<HashSet<String>>,
    changed: watch::Sender<()>,
}

struct Limits {
    all: Arc<Semaphore>,
    host: usize,
    hosts: HashMap<String, Arc<Semaphore>>,
}

impl Limits {
    fn of(polling: &Polling) -> Self {
        Self {
            all: Arc::new(Semaphore::new(polling.max_sessions)),
            host: polling.max_sessions_per_host,
            hosts: HashMap::new(),
        }
    }
}

/// Leave for one session.
pub(super) struct Leave {
    _all: Option<OwnedSemaphorePermit>,
    _host: Option<OwnedSemaphorePermit>,
}

/// An account by its name of today, for one who polls or changes it.
pub(super) struct Turn {
    pub(super) account: Account,
    _guard: OwnedMutexGuard<()>,
}

/// A session that is told to end should have ended by then.
const PATIENCE: Duration = Duration::from_secs(10);

impl Roster {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Inner {
            process: Nonce::random(),
            limits: Mutex::new(Limits::of(&config.polling)),
            renamed: Mutex::default(),
            turns: Mutex::default(),
            called: Mutex::default(),
            changed: watch::Sender::new(()),
        }))
    }

    /// Another configuration is in force. Sessions under way keep the leave they have.
    ///
    /// A rename that was cut off between catalog and file is carried on: the account keeps what belongs to it.
    pub(super) fn adopt(&self, config: &Config, catalog: &Catalog) -> Result<(), catalog::Error> {
        *lock(&self.0.limits) = Limits::of(&config.polling);
        let known = catalog.accounts()?;
        let configured = |name: &str| config.accounts.iter().find(|account| account.name == name);
        let mut renamed = lock(&self.0.renamed);
        renamed.retain(|old, _| configured(old).is_some());
        for account in known.iter().filter(|account| account.removed.is_none() && configured(&account.name).is_none()) {
            let Some(old) = account.former.as_deref().and_then(configured) else { continue };
            let is_same = account.host.as_ref() == Some(&old.host) && account.user.as_ref() == Some(&old.user);
            if is_same && known.iter().all(|other| other.name != old.name) {
                renamed.insert(old.name.clone(), account.name.clone());
            }
        }
        Ok(())
    }

    pub(super) fn process(&self) -> &Nonce {
        &self.0.process
    }

    /// What the configuration's account of this name is called today.
    pub(super) fn name(&self, configured: &str) -> String {
        lock(&self.0.renamed).get(configured).cloned().unwrap_or_else(|| configured.to_owned())
    }

    pub(super) fn renamed(&self, old: &str, new: &str) {
        let mut renamed = lock(&self.0.renamed);
        let configured = renamed.iter().find(|(_, now)| *now == old).map(|(configured, _)| configured.clone());
        renamed.insert(configured.unwrap_or_else(|| old.to_owned()), new.to_owned());
    }

    /// Waits until one session more may be had with this host, and in all.
    pub(super) async fn leave(&self, host: &str) -> Leave {
        let (all, host) = {
            let mut limits = lock(&self.0.limits);
            let most = limits.host;
            let host = limits.hosts.entry(host.to_lowercase()).or_insert_with(|| Arc::new(Semaphore::new(most)));
            let host = host.clone();
            (limits.all.clone(), host)
        };
        // Nobody closes them. That of the host first: who waits for it has none of all meanwhile.
        let host = host.acquire_owned().await.ok();
        Leave { _host: host, _all: all.acquire_owned().await.ok() }
    }

    /// Waits for the account's turn.
    pub(super) async fn turn(&self, configured: &Account) -> Turn {
        loop {
            let name = self.name(&configured.name);
            let guard = self.turn_of(&name).lock_owned().await;
            // It may have been renamed meanwhile.
            if self.name(&configured.name) == name {
                return Turn { account: Account { name, ..configured.clone() }, _guard: guard };
            }
        }
    }

    /// Has the account's session end, and takes the turn. `None`: it does not end.
    pub(super) async fn call(&self, name: &str) -> Option<OwnedMutexGuard<()>> {
        lock(&self.0.called).insert(name.to_owned());
        self.tell();
        let turn = tokio::time::timeout(PATIENCE, self.turn_of(name).lock_owned()).await.ok();
        lock(&self.0.called).remove(name);
        turn
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        lock(&self.0.called).contains(name)
    }

    /// Something about an account is not as it was.
    pub(super) fn tell(&self) {
        self.0.changed.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn turn_of(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.0.turns).entry(name.to_owned()).or_default().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it left it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
