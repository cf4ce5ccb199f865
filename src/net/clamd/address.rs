//! Where a clamd listens, as a setting says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a clamd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// `host:port`. Neither encrypted nor authenticated: for loopback and tunnels.
    Tcp(String),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not clamd's address; write \"unix:/run/clamav/clamd.ctl\" or \"tcp:127.0.0.1:3310\"")]
pub struct ParseAddressError(String);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let port = |address: &str| address.rsplit_once(':').filter(|(host, _)| !host.is_empty())?.1.parse::<u16>().ok();
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) if port(address).is_some() => Ok(Self::Tcp(address.to_owned())),
            _ => Err(ParseAddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}
