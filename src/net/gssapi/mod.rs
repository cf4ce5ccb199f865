//! KERBEROS: the client's side of GSSAPI contexts (RFC 2743, 4121) through the system's MIT library, loaded when an
//! account asks for it. Knows nothing about SASL, POP3 or where tickets come from.

mod context;
mod error;
mod library;

pub use context::Context;
pub use error::{Error, Status};
