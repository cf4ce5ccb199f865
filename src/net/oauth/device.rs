use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::answer::{Granted, device};
use super::error::{Cause, Error};
use super::keep::{self, Renewal};
use super::provider::{Grant, Provider};
use super::tokens::post;
use crate::mail::{Clock, Secret, Timestamp};
use crate::net::http::Http;

/// RFC 8628 section 3.5: how much more distance `slow_down` asks for.
const SLOWER: Duration = Duration::from_secs(5);
/// A provider that asks for no distance at all is not asked in a tight loop.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// What a person must do, in any browser. Neither text holds a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Where to go.
    pub verification_uri: String,
    /// What to type there.
    pub user_code: String,
    /// How long the code holds.
    pub expires_in: Duration,
}

/// A sign-in that waits for its person (RFC 8628).
#[derive(Debug)]
pub struct SignIn {
    provider: Provider,
    http: Http,
    clock: Clock,
    file: PathBuf,
    device_code: Secret<String>,
    prompt: Prompt,
    interval: Duration,
    ends: Timestamp,
}

/// How a sign-in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Ask again after [`SignIn::interval`].
    Pending,
    /// The refresh token is in its file.
    Done,
}

/// Begins a sign-in for a provider that has a `device_url` and [`Grant::RefreshToken`].
pub async fn device_code(provider: &Provider, http: &Http, clock: &Clock) -> Result<SignIn, Error> {
    provider.check()?;
    let (Grant::RefreshToken { file }, Some(url)) = (&provider.grant, &provider.device_url) else {
        return Err(provider.error(Cause::NoSignIn));
    };
    let now = clock.now();
    let fields: Vec<_> = provider.scope().into_iter().collect();
    let here = |cause| Error { place: url.clone(), cause };
    let reply = http.post(url, &provider.form(&fields)).await.map_err(|error| here(error.into()))?;
    let answer = device(&reply, &provider.secrets(&[])).map_err(here)?;
    Ok(SignIn {
        provider: provider.clone(),
        http: http.clone(),
        clock: clock.clone(),
        file: file.clone(),
        device_code: answer.code,
        interval: answer.interval.max(LEAST_INTERVAL),
        ends: now.after(answer.expires_in),
        prompt: Prompt {
            verification_uri: answer.verification_uri,
            user_code: answer.user_code,
            expires_in: answer.expires_in,
        },
    })
}

impl SignIn {
    /// Show this, then [`SignIn::wait`].
    pub const fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// How long to wait before the next [`SignIn::poll`].
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns when the person has signed in and the refresh token is in its file, or when the code ran out or was
    /// refused.
    pub async fn wait(mut self) -> Result<(), Error> {
        loop {
            sleep(self.interval).await;
            if self.poll().await? == Poll::Done {
                return Ok(());
            }
        }
    }

    /// Asks once. Trouble that passes is [`Poll::Pending`] too, with more distance to the next time.
    pub async fn poll(&mut self) -> Result<Poll, Error> {
        if self.clock.now() >= self.ends {
            return Err(self.provider.error(Cause::SignInExpired));
        }
        match self.ask().await {
            Ok(granted) => self.keep(granted).await.map(|()| Poll::Done),
            Err(error) if is(&error, "authorization_pending") => Ok(Poll::Pending),
            Err(error) if error.is_transient() => {
                self.interval += SLOWER;
                Ok(Poll::Pending)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self) -> Result<Granted, Error> {
        let code = self.device_code.reveal().as_str();
        let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
        post(&self.provider, &self.http, &[("grant_type", grant_type), ("device_code", code)], &[code]).await
    }

    async fn keep(&self, granted: Granted) -> Result<(), Error> {
        let refresh = granted.refresh.ok_or_else(|| self.provider.error(Cause::NoRefreshToken))?;
        // Else a token that is being renewed just now would take its place.
        let _renewal = Renewal::begin(&self.file).await.map_err(|cause| self.provider.error(cause))?;
        keep::store(&self.file, &refresh).await.map_err(|cause| self.provider.error(cause))
    }
}

fn is(error: &Error, code: &str) -> bool {
    matches!(&error.cause, Cause::Denied(denial) if denial.code == code)
}
