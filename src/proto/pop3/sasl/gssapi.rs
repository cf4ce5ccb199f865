use std::fmt;
use std::sync::Arc;

use super::{Due, Mechanism, SaslError, decode};
use crate::mail::Secret;

const NAME: &str = "GSSAPI";

/// The layer that leaves everything to TLS (RFC 4752 section 3.1).
const NO_LAYER: u8 = 1;

/// One security context of the GSSAPI (RFC 2743), from our side, for the service `pop@host`: with mutual
/// authentication, never delegating. Errors are sentences that say what the person can do. Calls may block.
pub trait SecurityContext: Send {
    /// The next token for the server, made of the last one it sent; empty at first. An empty answer says nothing.
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String>;
    /// Whether both sides know each other.
    fn is_complete(&self) -> bool;
    /// Signs, does not encrypt.
    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, String>;
    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, String>;
}

type Make = dyn Fn() -> Result<Box<dyn SecurityContext>, String> + Send + Sync;

/// Makes a new context for each login.
#[derive(Clone)]
pub struct SecurityContexts(Arc<Make>);

impl SecurityContexts {
    pub fn new(make: impl Fn() -> Result<Box<dyn SecurityContext>, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for SecurityContexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecurityContexts")
    }
}

/// RFC 4752: tokens until both sides know each other, then the choice of a security layer.
pub(super) struct Gssapi {
    context: Box<dyn SecurityContext>,
    user: String,
    chosen: bool,
}

impl Gssapi {
    pub(super) fn new(user: &str, contexts: &SecurityContexts) -> Result<Self, SaslError> {
        let context = (contexts.0)().map_err(SaslError::Kerberos)?;
        Ok(Self { context, user: user.to_owned(), chosen: false })
    }

    /// The server says which layers it can; we take none, and say who we want to be.
    fn choose(&mut self, token: &[u8]) -> Result<Vec<u8>, SaslError> {
        if std::mem::replace(&mut self.chosen, true) {
            return Err(SaslError::TooManyChallenges(NAME));
        }
        let offer = self.context.unwrap(token).map_err(SaslError::Kerberos)?;
        let [layers, _, _, _] = offer.as_slice() else { return Err(SaslError::Unreadable(NAME)) };
        if layers & NO_LAYER == 0 {
            return Err(SaslError::SecurityLayer);
        }
        let choice = [&[NO_LAYER, 0, 0, 0], self.user.as_bytes()].concat();
        self.context.wrap(&choice).map_err(SaslError::Kerberos)
    }
}

impl Mechanism for Gssapi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn first(&mut self) -> Result<Option<Secret<Vec<u8>>>, SaslError> {
        self.context.step(&[]).map(|token| Some(Secret::new(token))).map_err(SaslError::Kerberos)
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        let token = decode(NAME, challenge)?;
        let response = if self.context.is_complete() {
            self.choose(&token)?
        } else {
            self.context.step(&token).map_err(SaslError::Kerberos)?
        };
        Ok(Secret::new(response))
    }

    fn due(&self) -> Due {
        if self.chosen { Due::Verdict } else { Due::Challenge }
    }

    fn speaks_at_once(&self) -> bool {
        false
    }
}

impl fmt::Debug for Gssapi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(NAME).field("chosen", &self.chosen).finish_non_exhaustive()
    }
}
