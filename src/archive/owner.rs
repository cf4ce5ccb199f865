//! What the process that owns the archive says of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Archive, Error};

/// An owner that has not said so for this long is not alive.
const HEARTBEAT_MS: i64 = 10_000;

/// What the owner says of its scanner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScannerStatus {
    /// `ready`, `starting`, `away`, `off`, or `not running` where nobody owns the archive.
    pub state: String,
    pub engine: Option<String>,
    pub signatures: Option<String>,
    /// Why it is away, or what to know about its signatures.
    pub message: Option<String>,
    /// Memory that the managed clamd takes, to 16 MiB.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// What the owner says of itself with every heartbeat.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OwnerTold {
    #[serde(flatten)]
    pub scanner: ScannerStatus,
    /// What is amiss with it, in words.
    #[serde(default)]
    pub troubles: Vec<String>,
}

impl Archive {
    /// The owner, if one is alive, and what it says.
    pub(super) fn owner(&self) -> Result<(Option<u32>, OwnerTold), Error> {
        let scanner = ScannerStatus { state: "not running".to_owned(), ..ScannerStatus::default() };
        let nobody = OwnerTold { scanner, troubles: Vec::new() };
        let Some(owner) = self.catalog.owner()? else { return Ok((None, nobody)) };
        if self.clock.now().as_millis() - owner.beat.as_millis() > HEARTBEAT_MS {
            return Ok((None, nobody));
        }
        Ok((Some(owner.pid), serde_json::from_str(&owner.told).unwrap_or(nobody)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_an_older_or_a_newer_version_is_read() {
        let older = r#"{"state":"ready","engine":"ClamAV 1.4","signatures":null,"message":null}"#;
        let told: OwnerTold = serde_json::from_str(older).unwrap();
        assert_eq!((told.scanner.state.as_str(), told.troubles.len()), ("ready", 0));
        let newer = OwnerTold { troubles: vec!["nothing is indexed: disk full".to_owned()], ..told };
        let read: ScannerStatus = serde_json::from_str(&serde_json::to_string(&newer).unwrap()).unwrap();
        assert_eq!(read, newer.scanner);
    }
}
