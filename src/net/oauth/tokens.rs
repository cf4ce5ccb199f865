use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::answer::{Granted, granted};
use super::command::Command;
use super::error::{Cause, Error};
use super::keep::{self, Renewal};
use super::provider::{Grant, Provider};
use crate::mail::{Clock, Secret, Timestamp};
use crate::net::http::Http;

/// How long before its end a token is no longer used: it has to outlast a login.
const MARGIN: Duration = Duration::from_secs(60);

/// The access tokens of one account. Clones share them: make one for each account, and clone that.
#[derive(Clone, Debug)]
pub struct Tokens {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Source {
    Provider { provider: Provider, http: Http, clock: Clock },
    Command(Command),
}

#[derive(Debug, Default)]
struct Held {
    access: Option<Access>,
    /// A rotated refresh token that is not on the disk yet; the one in the file may be worth nothing any more.
    unsaved: Option<Secret<String>>,
}

#[derive(Debug)]
struct Access {
    token: Secret<String>,
    good_until: Timestamp,
}

impl Tokens {
    /// From a provider, asked when the last token ends within a minute.
    pub fn from_provider(provider: Provider, http: Http, clock: Clock) -> Result<Self, Error> {
        provider.check()?;
        Ok(Self::new(Source::Provider { provider, http, clock }))
    }

    /// From a program, run each time a token is wanted: to keep it for longer is up to the program.
    pub fn from_command(command: Command) -> Self {
        Self::new(Source::Command(command))
    }

    fn new(source: Source) -> Self {
        Self { shared: Arc::new(Shared { source, held: Mutex::default() }) }
    }

    /// A token that holds for another minute at least, if the provider grants such. Ask before connecting. Callers at
    /// the same time wait for one request.
    pub async fn access(&self) -> Result<Secret<String>, Error> {
        let shared = Arc::clone(&self.shared);
        // A caller that gives up must not take along the one answer that holds a rotated refresh token.
        match tokio::spawn(async move { shared.access().await }).await {
            Ok(result) => result,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(self.shared.source.error(Cause::Stopping)),
            },
        }
    }

    /// The server refused `token` although it should hold: the next [`Tokens::access`] gets another one.
    pub async fn forget(&self, token: &Secret<String>) {
        let mut held = self.shared.held.lock().await;
        held.access.take_if(|access| access.token == *token);
    }
}

impl Shared {
    async fn access(&self) -> Result<Secret<String>, Error> {
        let mut held = self.held.lock().await;
        let (provider, http, clock) = match &self.source {
            Source::Command(command) => return command.run().await,
            Source::Provider { provider, http, clock } => (provider, http, clock),
        };
        let good = |held: &Held| {
            let access = held.access.as_ref().filter(|access| clock.now() < access.good_until)?;
            held.unsaved.is_none().then(|| access.token.clone())
        };
        if let Some(token) = good(&held) {
            return Ok(token);
        }
        let _renewal = match &provider.grant {
            Grant::RefreshToken { file } => Some(Renewal::begin(file).await.map_err(|cause| provider.error(cause))?),
            Grant::ClientCredentials => None,
        };
        save(provider, &mut held).await?;
        if let Some(token) = good(&held) {
            return Ok(token);
        }
        let asked_at = clock.now();
        let granted = request(provider, http).await?;
        // Before anything can fail or be given up: from here on the old refresh token may be void.
        held.unsaved = granted.refresh;
        let holds = granted.expires_in.unwrap_or_default().saturating_sub(MARGIN);
        held.access = Some(Access { token: granted.access.clone(), good_until: asked_at.after(holds) });
        save(provider, &mut held).await?;
        Ok(granted.access)
    }
}

impl Source {
    fn error(&self, cause: Cause) -> Error {
        match self {
            Self::Provider { provider, .. } => provider.error(cause),
            Self::Command(command) => command.error(cause),
        }
    }
}

/// A rotated refresh token reaches the disk before the access token that came with it is used: after a crash nobody
/// could refresh again.
async fn save(provider: &Provider, held: &mut Held) -> Result<(), Error> {
    if let (Grant::RefreshToken { file }, Some(refresh)) = (&provider.grant, &held.unsaved) {
        keep::store(file, refresh).await.map_err(|cause| provider.error(cause))?;
    }
    held.unsaved = None;
    Ok(())
}

/// A new access token; `refresh` in it is one to be stored, if that changed.
async fn request(provider: &Provider, http: &Http) -> Result<Granted, Error> {
    match &provider.grant {
        Grant::ClientCredentials => {
            let mut fields = vec![("grant_type", "client_credentials")];
            fields.extend(provider.scope());
            let granted = post(provider, http, &fields, &[]).await?;
            Ok(Granted { refresh: None, ..granted })
        }
        Grant::RefreshToken { file } => refresh(provider, http, file).await,
    }
}

async fn refresh(provider: &Provider, http: &Http, file: &Path) -> Result<Granted, Error> {
    let stored = || async { keep::read(file).await.map_err(|cause| provider.error(cause)) };
    let mut sent = stored().await?;
    let mut answer = post_refresh(provider, http, &sent).await;
    if matches!(&answer, Err(error) if is_void(error)) {
        // Another process, or a new sign-in, may have replaced it while this one was on its way.
        let now = stored().await?;
        if now != sent {
            answer = post_refresh(provider, http, &now).await;
            sent = now;
        }
    }
    let granted = answer?;
    Ok(Granted { refresh: granted.refresh.filter(|new| *new != sent), ..granted })
}

fn is_void(error: &Error) -> bool {
    matches!(&error.cause, Cause::Denied(denial) if denial.code == "invalid_grant")
}

async fn post_refresh(provider: &Provider, http: &Http, token: &Secret<String>) -> Result<Granted, Error> {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token.reveal().as_str())];
    fields.extend(provider.scope());
    post(provider, http, &fields, &[token.reveal()]).await
}

/// One request of the token endpoint. `secrets` are those among the fields.
pub(super) async fn post(
    provider: &Provider,
    http: &Http,
    fields: &[(&str, &str)],
    secrets: &[&str],
) -> Result<Granted, Error> {
    let reply = http.post(&provider.token_url, &provider.form(fields)).await;
    let reply = reply.map_err(|error| provider.error(error.into()))?;
    granted(&reply, &provider.secrets(secrets)).map_err(|cause| provider.error(cause))
}
