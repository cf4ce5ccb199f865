//! `poplar demo`: the main job with nothing configured, over mail written for it.
//! Knows nothing that an ordinary archive does not know too: the same server dialogs, pipeline and scanner.

pub mod mail;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::fetch::{self, Job, Outcome};
use super::owner::{Options, Stages};
use super::pop3_server::{Mailbox, Server};
use crate::config::{Config, LoadOptions};
use crate::files;
use crate::mail::{AccountId, Clock, eicar};
use crate::pipeline::Progress;

/// Two mailboxes on a loopback POP3 server, and a folder with an empty archive. Both are gone when it is dropped.
pub struct Sample {
    config: Config,
    /// Messages on the server, both mailboxes together.
    messages: usize,
    _server: Server,
    folder: Folder,
}

impl Sample {
    pub async fn start() -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        let samples = mail::mailboxes(&eicar());
        let messages = samples.iter().map(|sample| sample.messages.len()).sum();
        let accounts: Vec<(&str, &str)> = samples.iter().map(|sample| (sample.account, sample.user)).collect();
        let password = AccountId::random().to_string();
        let file = folder.path.join("password");
        files::publish(&file, password.as_bytes())?;
        let config = folder.path.join("poplar.toml");
        let mailboxes = samples.iter().map(|sample| Mailbox {
            user: sample.user.to_owned(),
            password: password.clone(),
            messages: sample.messages.clone(),
        });
        let server = Server::start(mailboxes.collect()).await?;
        files::publish(&config, configuration(server.address().port(), &accounts).as_bytes())?;
        let load = LoadOptions { file: Some(config), data_dir: Some(folder.path.join("archive")) };
        let config = Config::load(&load)?.config;
        Ok(Self { config, messages, _server: server, folder })
    }

    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Where the archive is.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.path.join("poplar.toml")
    }

    /// Fetches everything and waits until it is scanned and indexed. Signatures are never downloaded for this.
    pub async fn archive(
        &self,
        clock: Clock,
        progress: Arc<Progress>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let options = Options { stages: Stages::All, allow_freshclam: false };
        let job = Job { accounts: self.config.accounts.clone(), wait: Duration::from_secs(60) };
        fetch::fetch(&self.config, job, &options, clock, progress, stop).await
    }
}

fn configuration(port: u16, accounts: &[(&str, &str)]) -> String {
    let mut toml = "# What `poplar demo` runs with. The folder is gone when the demo ends.\ndata_dir = \"archive\"\n\n\
                    [storage]\nreserve = \"0\"\n"
        .to_owned();
    for (name, user) in accounts {
        toml.push_str(&format!(
            "\n[[account]]\nname = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             allow_cleartext = true\nuser = \"{user}\"\npassword = {{ file = \"password\" }}\n"
        ));
    }
    toml
}

/// A private folder under the system's temporary one, removed when dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> std::io::Result<Self> {
        let name = AccountId::random().to_string();
        let path = std::env::temp_dir().join(format!("poplar-demo-{}", &name[..8]));
        files::create_private_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing of value is in it; a folder that cannot be removed is the system's to sweep.
        drop(std::fs::remove_dir_all(&self.path));
    }
}
