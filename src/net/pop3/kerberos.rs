//! What the GSSAPI mechanism needs, from the system's Kerberos.

use super::SecurityContext;
use crate::net::gssapi::Context;

impl SecurityContext for Context {
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        Self::step(self, token).map_err(|error| error.to_string())
    }

    fn is_complete(&self) -> bool {
        Self::is_complete(self)
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Self::wrap(self, message).map_err(|error| error.to_string())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        Self::unwrap(self, token).map_err(|error| error.to_string())
    }
}
