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

/// What the name of a signature that matched says of the octets, by the beginning of the name; the longest that fits counts.
/// A name that fits none is the worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFamilies(Vec<(String, Verdict)>);

impl SignatureFamilies {
    /// What ClamAV calls its own findings.
    pub const KNOWN: [(&str, Verdict); 4] = [
        ("Heuristics.Encrypted.", Verdict::Encrypted),
        ("Heuristics.Limits.", Verdict::Partial),
        ("Heuristics.OLE2.", Verdict::Suspicious),
        ("PUA.", Verdict::Suspicious),
    ];

    /// What a family may be said to be: no finding is nothing.
    pub const ALLOWED: [Verdict; 4] = [Verdict::Partial, Verdict::Encrypted, Verdict::Suspicious, Verdict::Infected];

    /// Says something else of a family, or something of one more.
    #[must_use]
    pub fn with(mut self, beginning: &str, verdict: Verdict) -> Self {
        debug_assert!(Self::ALLOWED.contains(&verdict), "a finding is never {verdict}");
        self.0.retain(|(known, _)| known != beginning);
        self.0.push((beginning.to_owned(), verdict));
        self.0.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self
    }

    pub fn verdict(&self, name: &str) -> Verdict {
        let family = self.0.iter().find(|(beginning, _)| name.starts_with(beginning));
        family.map_or(Verdict::Infected, |(_, verdict)| *verdict)
    }

    /// Longest beginning first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.0.iter().map(|(beginning, verdict)| (beginning.as_str(), *verdict))
    }
}

impl Default for SignatureFamilies {
    fn default() -> Self {
        Self::KNOWN.iter().fold(Self(Vec::new()), |families, (beginning, verdict)| families.with(beginning, *verdict))
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
    /// `raw`; `part N` with the number `show --part` takes; a further reading of that part, `part N uuencode 1`; or what
    /// belongs to none, `preamble`.
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
    /// How the octets went to the engine: `fildes` or `instream`; `cache` where its answer was known.
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
            ("Heuristics.Phishing.Email.SpoofedDomain", Verdict::Infected),
            ("PUA.Win.Packer.Upx-1", Verdict::Suspicious),
            ("Win.Test.EICAR_HDB-1", Verdict::Infected),
            ("Mine.Heuristics.Encrypted.Zip", Verdict::Infected),
            ("Heuristics", Verdict::Infected),
            ("heuristics.encrypted.zip", Verdict::Infected),
            ("", Verdict::Infected),
        ];
        for (name, verdict) in table {
            assert_eq!(SignatureFamilies::default().verdict(name), verdict, "{name}");
        }
    }

    #[test]
    fn the_longest_beginning_that_fits_counts() {
        let families = SignatureFamilies::default()
            .with("Heuristics.Phishing.", Verdict::Suspicious)
            .with("PUA.", Verdict::Infected)
            .with("Win.Test.", Verdict::Suspicious);
        assert_eq!(families.verdict("Heuristics.Phishing.Email.SpoofedDomain"), Verdict::Suspicious);
        assert_eq!(families.verdict("Heuristics.Encrypted.Zip"), Verdict::Encrypted);
        assert_eq!(families.verdict("PUA.Win.Packer.Upx-1"), Verdict::Infected);
        assert_eq!(families.verdict("Win.Test.EICAR_HDB-1"), Verdict::Suspicious);
    }
}
