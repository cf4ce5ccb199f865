//! OAUTH: access tokens from a provider (RFC 6749, device sign-in RFC 8628) or from a command, and the keeping of
//! refresh tokens. Knows nothing about the mechanisms that send a token, or about how tokens look inside.

mod answer;
mod command;
mod device;
mod error;
mod keep;
mod provider;
mod tokens;

pub use command::Command;
pub use device::{Poll, Prompt, SignIn, device_code};
pub use error::{Cause, Denial, Error};
pub use provider::{Grant, Provider};
pub use tokens::Tokens;

pub use super::http::Http;
