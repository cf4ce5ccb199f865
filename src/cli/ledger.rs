use std::io::Write;

use clap::Args;

use super::outcome::{print, print_json};
use super::screen::{Paint, count, minute, size, table, tame};
use super::{Code, Context};
use crate::archive::{LedgerShown, LineShown, SessionShown};
use crate::mail::Fate;

#[derive(Debug, Args)]
pub(super) struct Ledger {
    /// The account, also one that was removed
    account: String,
    /// Only lines with this fate: kept, duplicate, oversize, failed, interrupted, deferred or vanished
    #[arg(long, value_parser = fate)]
    fate: Option<Fate>,
    /// The last sessions with the server instead, each with what became of its listing
    #[arg(long)]
    sessions: bool,
}

fn fate(word: &str) -> Result<Fate, String> {
    let all = || Fate::ALL.map(Fate::as_str).join(", ");
    word.parse().map_err(|()| format!("not a fate; there are {}", all()))
}

impl Ledger {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let mut ledger = context.archive()?.ledger(&self.account)?;
        ledger.lines.retain(|line| self.fate.is_none_or(|fate| line.fate == fate));
        if context.json {
            print_json(&ledger)?;
        } else if self.sessions {
            print(&sessions(&ledger))?;
        } else {
            lines(&ledger)?;
        }
        Ok(Code::Well)
    }
}

fn lines(ledger: &LedgerShown) -> anyhow::Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let paint = Paint::stdout();
    writeln!(stdout, "{}", paint.dim("FATE         LISTED FIRST      SIZE       MESSAGE   UNIQUE-ID"))?;
    for line in &ledger.lines {
        let bytes = line.listed_bytes.map_or("-".to_owned(), size);
        let id = line.id.map_or("-".to_owned(), |id| id.to_string().chars().take(8).collect());
        let fate = line.fate;
        writeln!(stdout, "{fate:<12} {}  {bytes:<10} {id:<8}  {}", minute(&line.seen), named(line))?;
    }
    let gone = ledger.lines.iter().filter(|line| line.gone.is_some()).count() as u64;
    writeln!(
        stdout,
        "{} lines, {} of them not listed any more; times are UTC. The last sessions: --sessions",
        count(ledger.lines.len() as u64),
        count(gone)
    )?;
    Ok(stdout.flush()?)
}

/// The unique-id, and what else there is to say of it.
fn named(line: &LineShown) -> String {
    let mut more = Vec::new();
    more.extend(line.reason.clone());
    more.extend((line.attempts > 0).then(|| format!("tried {} times", line.attempts)));
    more.extend(match (&line.deleting, &line.gone) {
        (Some(_), Some(gone)) => Some(format!("deleted at the server, gone {}", minute(gone))),
        (Some(at), None) => Some(format!("DELE sent {}", minute(at))),
        (None, Some(gone)) => Some(format!("not listed any more since {}", minute(gone))),
        (None, None) => None,
    });
    let more = if more.is_empty() { String::new() } else { format!("  ({})", more.join("; ")) };
    tame(&format!("{}{more}", line.uidl))
}

fn sessions(ledger: &LedgerShown) -> String {
    let head =
        ["ENDED", "LISTED", "KNOWN", "KEPT", "DUPLICATES", "OVERSIZE", "FAILED", "DEFERRED", "VANISHED", "DELETED", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(ledger.sessions.iter().map(row));
    table(&rows)
}

fn row(session: &SessionShown) -> Vec<String> {
    let told = &session.counts;
    let counts = [
        told.listed,
        told.known,
        told.kept,
        told.duplicates,
        told.oversize,
        told.failed,
        told.deferred,
        told.vanished,
        told.deleted,
    ];
    let mut row = vec![minute(&session.ended)];
    row.extend(counts.map(count));
    let doubt = (!session.adds_up).then(|| "the counts do not add up".to_owned());
    row.push(tame(&session.error.clone().or(doubt).unwrap_or_default()));
    row
}
