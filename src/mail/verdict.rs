use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BlobId, Timestamp};

/// What is known of the danger in a part, a view or a message. Ordered from the best to the worst, so that a
/// message's verdict is the greatest of its views'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every view was scanned, and each answer was exactly OK.
    Clean,
    /// Not scanned yet.
    Pending,
    /// The scanner failed; the cause is kept and the scan is tried again.
    Error,
    /// Some of it could not be looked into: a limit, a size, an ambiguity.
    Partial,
    /// Encrypted, so nobody could look into it.
    Encrypted,
    /// Found by a heuristic: macros, unwanted programs.
    Suspicious,
    /// A signature matched.
    Infected,
}

impl Verdict {
    pub const ALL: [Self; 7] =
        [Self::Clean, Self::Pending, Self::Error, Self::Partial, Self::Encrypted, Self::Suspicious, Self::Infected];

    /// What a signature that matched says of the octets; an unknown name is the worst.
    pub fn of_signature(name: &str) -> Self {
        const BY_PREFIX: [(&str, Verdict); 4] = [
            ("Heuristics.Encrypted.", Verdict::Encrypted),
            ("Heuristics.Limits.", Verdict::Partial),
            ("Heuristics.", Verdict::Suspicious),
            ("PUA.", Verdict::Suspicious),
        ];
        BY_PREFIX.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(Self::Infected, |(_, verdict)| *verdict)
    }

    /// The word used in SQL, JSON, queries and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Pending => "pending",
            Self::Error => "error",
            Self::Partial => "partial",
            Self::Encrypted => "encrypted",
            Self::Suspicious => "suspicious",
            Self::Infected => "infected",
        }
    }

    /// Whether the scanner has said its last word on this: neither pending nor error.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Error)
    }

    /// Whether ordinary readers are refused it. Only clean parts are handed out.
    pub const fn is_withheld(self) -> bool {
        !matches!(self, Self::Clean)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Verdict {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word).ok_or(())
    }
}

/// What one scan of one view gave: the raw message, or one decoded part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewVerdict {
    /// `raw`, or `part N` with the number `show --part` takes.
    pub view: String,
    /// SHA-256 of the octets that were scanned.
    pub blob: BlobId,
    pub size_bytes: u64,
    pub verdict: Verdict,
    /// The signature's name, or why it is not clean.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// For example `ClamAV 1.4.6`.
    pub engine: String,
    /// The signature database's version and date, as the engine names it.
    pub signatures: String,
    /// How the octets went to the engine: `instream`.
    pub transport: String,
    pub scanned: Timestamp,
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_names_are_read_by_their_family() {
        let table = [
            ("Heuristics.Encrypted.Zip", Verdict::Encrypted),
            ("Heuristics.Limits.Exceeded.MaxFileSize", Verdict::Partial),
            ("Heuristics.OLE2.ContainsMacros.VBA", Verdict::Suspicious),
            ("Heuristics.Phishing.Email.SpoofedDomain", Verdict::Suspicious),
            ("PUA.Win.Packer.Upx-1", Verdict::Suspicious),
            ("Win.Test.EICAR_HDB-1", Verdict::Infected),
            ("Mine.Heuristics.Encrypted.Zip", Verdict::Infected),
            ("Heuristics", Verdict::Infected),
            ("heuristics.encrypted.zip", Verdict::Infected),
            ("", Verdict::Infected),
        ];
        for (name, verdict) in table {
            assert_eq!(Verdict::of_signature(name), verdict, "{name}");
        }
    }
}
