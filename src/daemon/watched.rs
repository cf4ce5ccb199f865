//! What is known of the scanner from elsewhere than its socket, and what `status` says of it.

use std::sync::Arc;

use super::clamd::{self, Managed};
use super::owner::Stages;
use crate::archive::ScannerStatus;
use crate::mail::Timestamp;
use crate::mail::views::Limits;
use crate::net;
use crate::net::clamd::Version;
use crate::pipeline::{Engine, Scanner, ScannerState};

/// The scanner's memory is told in steps: it is written down whenever it changes.
const MEMORY_STEP: u64 = (16 << 20) - 1;

/// The scanner, and the clamd behind it where that is poplar's own.
#[derive(Clone)]
pub struct WatchedScanner {
    pub scanner: Scanner,
    pub stages: Stages,
    pub(super) managed: Option<Arc<Managed>>,
}

impl Engine for WatchedScanner {
    fn signatures(&self) -> String {
        match self.managed.as_ref().and_then(|clamd| clamd.signatures()) {
            Some(clamd::Signatures::BuiltIn { .. }) => "built-in (EICAR test file only)".to_owned(),
            Some(signatures) => signatures.to_string(),
            None => "unnumbered".to_owned(),
        }
    }

    fn signature_set(&self, version: &Version) -> Option<String> {
        match &self.managed {
            Some(clamd) => clamd.signature_set(),
            None => version.signatures.clone(),
        }
    }

    fn limits(&self) -> Limits {
        if self.managed.is_some() { Limits::default() } else { Limits::of_a_stranger() }
    }

    fn is_starting(&self) -> bool {
        self.managed.as_ref().is_some_and(|clamd| clamd.state() == clamd::State::Starting)
    }
}

impl WatchedScanner {
    /// What `status` says of the scanner.
    pub fn status(&self, now: Timestamp) -> ScannerStatus {
        let status = |state: &str, engine, signatures, message| ScannerStatus {
            state: state.to_owned(),
            engine,
            signatures,
            message,
            memory_bytes: self
                .managed
                .as_ref()
                .and_then(|clamd| clamd.memory_bytes())
                .map(|bytes| bytes & !MEMORY_STEP),
        };
        let managed = self.managed.as_ref();
        let builtin = managed.and_then(|clamd| match clamd.signatures()? {
            signatures @ clamd::Signatures::BuiltIn { .. } => Some(format!("signatures are {signatures}")),
            _ => None,
        });
        match (self.stages, self.scanner.state(), managed.map(|clamd| clamd.state())) {
            (Stages::KeepOnly | Stages::IndexOnly, ..) => status("off", None, None, None),
            (_, ScannerState::Ready { engine, signatures }, _) => {
                let remark = builtin.or_else(|| outdated(&signatures, now));
                status("ready", Some(engine), Some(signatures), remark)
            }
            (_, ScannerState::Starting, None) => status("starting", None, None, None),
            (_, ScannerState::Starting | ScannerState::Away { .. }, Some(clamd::State::Starting)) => {
                status("starting", None, None, Some(clamd::State::Starting.to_string()))
            }
            // It has not been asked yet.
            (_, ScannerState::Starting, Some(clamd::State::Ready)) => status("starting", None, None, None),
            (_, ScannerState::Starting, Some(state)) => status("away", None, None, Some(state.to_string())),
            (_, ScannerState::Away { why }, state) => {
                let why = match state {
                    Some(state) if state != clamd::State::Ready => state.to_string(),
                    _ => why,
                };
                status("away", None, None, Some(why))
            }
        }
    }
}

/// New ones come every day; after so many without, something is wrong.
const OUTDATED_DAYS: i64 = 3;

fn outdated(signatures: &str, now: Timestamp) -> Option<String> {
    let built = net::clamd::built(signatures)?;
    let days = (now.as_millis() - built.as_millis()) / (24 * 60 * 60 * 1000);
    let text = || {
        format!("clamd's signatures are {days} days old ({signatures}): see whether freshclam runs, and why it fails")
    };
    (days > OUTDATED_DAYS).then(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_that_are_not_renewed_are_told_of() {
        let at = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let signatures = "27800 Fri Nov 20 08:26:31 2026";
        assert_eq!(outdated(signatures, at("2026-11-23T12:00:00Z")), None);
        let told = outdated(signatures, at("2026-11-30T12:00:00Z")).unwrap();
        assert!(told.starts_with("clamd's signatures are 10 days old (27800 Fri Nov 20"), "{told}");
        for unknown in ["27800", "unnumbered", "those in /var/lib/clamav", "27800 Fri Nob 20 08:26:31 2026"] {
            assert_eq!(outdated(unknown, at("2026-11-30T12:00:00Z")), None);
        }
        assert!(outdated("27800 Sun Nov  1 08:26:31 2026", at("2026-11-30T12:00:00Z")).is_some());
    }
}
