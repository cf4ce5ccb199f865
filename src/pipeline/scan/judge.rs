//! What the answers on all views of a message come to.

use crate::mail::event::Item;
use crate::mail::views::Doubt;
use crate::mail::{BlobId, Verdict, ViewVerdict};

pub(super) const RAW: &str = "raw";

/// The worst of all views; but where the scanner failed on one, only the worst that it could have found is a last word.
pub(super) fn worst(views: &[ViewVerdict]) -> Verdict {
    let worst = views.iter().map(|view| view.verdict).max().unwrap_or(Verdict::Error);
    let failed = views.iter().any(|view| view.verdict == Verdict::Error);
    if failed && worst < Verdict::Infected { Verdict::Error } else { worst }
}

/// What may hold what nobody saw is not clean, whatever the scanner says. A finding stays what it is.
pub(super) fn doubted(view: &mut ViewVerdict, doubts: &[Doubt]) {
    let Some(worst) = doubts.iter().max_by_key(|doubt| doubt.verdict()) else { return };
    if view.verdict == Verdict::Clean {
        view.verdict = worst.verdict();
        view.detail = Some(worst.to_string());
    }
}

/// What is to be sealed off: every part with a finding in one of its readings; and the message as a whole where it has a
/// finding that no part accounts for.
pub(super) fn items(message: BlobId, size_bytes: u64, views: &[ViewVerdict]) -> Vec<Item> {
    let infected = |view: &&ViewVerdict| view.verdict == Verdict::Infected;
    let signature = |view: &ViewVerdict| view.detail.clone().unwrap_or_default();
    let mut items: Vec<Item> = Vec::new();
    for view in views.iter().filter(infected) {
        let part = part_of(&view.view).and_then(|part| views.iter().find(|other| other.view == part));
        let item = match part {
            Some(part) => Item { blob: part.blob, size_bytes: part.size_bytes, signature: signature(view) },
            // The finding in the raw octets is that in a part, most of the time.
            None if accounted_for(views, view) => continue,
            None => Item { blob: message, size_bytes, signature: signature(view) },
        };
        if !items.iter().any(|known| known.blob == item.blob) {
            items.push(item);
        }
    }
    items
}

fn accounted_for(views: &[ViewVerdict], finding: &ViewVerdict) -> bool {
    let is_same = |view: &ViewVerdict| view.verdict == Verdict::Infected && view.detail == finding.detail;
    finding.view == RAW && views.iter().any(|view| part_of(&view.view).is_some() && is_same(view))
}

/// `part N` of `part N`, and of the names of its further readings.
fn part_of(view: &str) -> Option<&str> {
    let number = view.strip_prefix("part ")?;
    let end = number.find(' ').unwrap_or(number.len());
    Some(&view[.."part ".len() + end])
}

/// Whether two scans of a message came to the same, view by view.
pub(super) fn is_same(one: &[ViewVerdict], other: &[ViewVerdict]) -> bool {
    let said = |views: &[ViewVerdict]| {
        let mut said: Vec<_> =
            views.iter().map(|view| (view.view.clone(), view.blob, view.verdict, view.detail.clone())).collect();
        said.sort_unstable();
        said
    };
    said(one) == said(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Timestamp;

    fn view(name: &str, octets: &[u8], verdict: Verdict, detail: Option<&str>) -> ViewVerdict {
        ViewVerdict {
            view: name.to_owned(),
            blob: BlobId::of(octets),
            size_bytes: octets.len() as u64,
            verdict,
            detail: detail.map(str::to_owned),
            engine: String::new(),
            signatures: String::new(),
            transport: String::new(),
            scanned: Timestamp::from_millis(0),
            duration_ms: 0,
        }
    }

    #[test]
    fn a_failed_view_is_scanned_again_unless_another_has_found_something() {
        let of = |verdicts: &[Verdict]| {
            worst(&verdicts.iter().map(|verdict| view("raw", b"", *verdict, None)).collect::<Vec<_>>())
        };
        assert_eq!(of(&[Verdict::Clean, Verdict::Clean]), Verdict::Clean);
        assert_eq!(of(&[Verdict::Clean, Verdict::Partial]), Verdict::Partial);
        assert_eq!(of(&[Verdict::Error, Verdict::Partial]), Verdict::Error);
        assert_eq!(of(&[Verdict::Error, Verdict::Suspicious]), Verdict::Error);
        assert_eq!(of(&[Verdict::Error, Verdict::Infected]), Verdict::Infected);
        assert_eq!(of(&[]), Verdict::Error);
    }

    #[test]
    fn a_part_is_sealed_off_for_what_any_reading_of_it_holds() {
        let views = [
            view("raw", b"all", Verdict::Infected, Some("A")),
            view("part 1", b"one", Verdict::Clean, None),
            view("part 2", b"two", Verdict::Clean, None),
            view("part 2 uuencode 1", b"in two", Verdict::Infected, Some("A")),
        ];
        let items = items(BlobId::of(b"all"), 3, &views);
        assert_eq!(items, [Item { blob: BlobId::of(b"two"), size_bytes: 3, signature: "A".to_owned() }]);
    }

    #[test]
    fn what_no_part_accounts_for_seals_off_the_whole_message() {
        let whole = Item { blob: BlobId::of(b"all"), size_bytes: 3, signature: "B".to_owned() };
        let raw =
            [view("raw", b"all", Verdict::Infected, Some("B")), view("part 1", b"one", Verdict::Infected, Some("A"))];
        assert!(items(BlobId::of(b"all"), 3, &raw).contains(&whole));
        let before = [view("raw", b"all", Verdict::Clean, None), view("preamble", b"p", Verdict::Infected, Some("B"))];
        assert_eq!(items(BlobId::of(b"all"), 3, &before), [whole]);
    }

    #[test]
    fn a_doubt_takes_away_clean_and_nothing_else() {
        let doubts = [Doubt::Fragment, Doubt::Encrypted { what: "the archive" }];
        let mut clean = view("raw", b"", Verdict::Clean, None);
        doubted(&mut clean, &doubts);
        assert_eq!((clean.verdict, clean.detail.as_deref()), (Verdict::Encrypted, Some("the archive is encrypted")));
        let mut found = view("raw", b"", Verdict::Infected, Some("A"));
        doubted(&mut found, &doubts);
        assert_eq!((found.verdict, found.detail.as_deref()), (Verdict::Infected, Some("A")));
    }
}
