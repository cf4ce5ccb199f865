use std::io::{IsTerminal, Write};

use clap::Args;

use super::outcome::{complain, print, print_json};
use super::screen::{Paint, messages, minute, short, size, table, tame, tame_lines};
use super::{Code, Context, note, reader};
use crate::archive::{Access, Archive, Message, PartText, Shown, Stub};

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The message's id, or its first 8 digits or more
    id: String,
    #[command(flatten)]
    what: What,
    /// Hand out also what is withheld: not scanned, infected, encrypted …
    #[arg(long)]
    quarantined: bool,
    /// Why what is withheld is handed out; it stands in the journal
    #[arg(long, value_name = "TEXT", requires = "quarantined", value_parser = super::quarantine::reason)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct What {
    /// The exact octets, as they came from the server
    #[arg(long)]
    raw: bool,
    /// The header block
    #[arg(long)]
    headers: bool,
    /// The text a person reads
    #[arg(long)]
    text: bool,
    /// The decoded octets of one part
    #[arg(long, value_name = "N")]
    part: Option<u32>,
}

impl Show {
    /// The option that asks for octets instead of a document, if one was given.
    pub(super) const fn writes_octets(&self) -> Option<&'static str> {
        match self.what {
            What { raw: true, .. } => Some("--raw"),
            What { headers: true, .. } => Some("--headers"),
            What { text: true, .. } => Some("--text"),
            What { part: Some(_), .. } => Some("--part"),
            _ => None,
        }
    }

    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        let row = archive.find(&self.id)?;
        let access = if self.quarantined { Access::Quarantined } else { Access::Ordinary };
        let reason = self.reason.as_deref();
        let mut stdout = std::io::stdout();
        match self.what {
            What { raw: true, .. } => {
                let octets = archive.raw(&row)?;
                let access = if archive.holds_back(&row)? { Access::Quarantined } else { access };
                on_record(&archive, &row, "raw", (access, reason))?;
                octets.write_to(&mut stdout)??;
                stdout.flush()?;
            }
            // For a person: what somebody wrote there must not steer the terminal.
            What { headers: true, .. } if stdout.is_terminal() => {
                print(&tame_lines(&String::from_utf8_lossy(&archive.header_block(&row)?)))?;
            }
            What { headers: true, .. } => stdout.write_all(&archive.header_block(&row)?)?,
            What { part: Some(number), .. } => {
                let octets = archive.part(&row, number, access)?;
                on_record(&archive, &row, &format!("part {number}"), (access, reason))?;
                stdout.write_all(&octets)?;
            }
            What { text: true, .. } => print(&text(&archive, &row, (access, reason))?)?,
            _ => {
                let shown = archive.show(&row)?;
                match (context.json, &shown.destroyed) {
                    // What is known of it, and none of its text.
                    (true, _) => print_json(&shown)?,
                    (false, Some(_)) => print(&told(&shown, ""))?,
                    (false, None) => print(&told(&shown, &text(&archive, &row, (access, reason))?))?,
                }
            }
        }
        Ok(Code::Well)
    }
}

/// Before anything is handed out. What everybody may read is handed out also when that cannot be put on record.
fn on_record(
    archive: &Archive,
    row: &Message,
    what: &str,
    (access, reason): (Access, Option<&str>),
) -> anyhow::Result<()> {
    match access {
        Access::Quarantined => archive.viewing_withheld(row, what, &reader(), reason)?,
        Access::Ordinary => {
            if let Err(error) = archive.viewed(row, what, &reader()) {
                complain(&format!("that this was read is not on record: {error}"));
            }
        }
    }
    Ok(())
}

fn text(archive: &Archive, row: &Message, asked: (Access, Option<&str>)) -> anyhow::Result<String> {
    let parts = archive.text(row, asked.0)?;
    on_record(archive, row, "text", asked)?;
    let pieces = parts.into_iter().map(|part| match part {
        PartText::Text(text) => tame_lines(text.trim_end()),
        PartText::Withheld(stub) => told_of(row, &stub),
    });
    let mut text = pieces.collect::<Vec<_>>().join("\n\n");
    text.push('\n');
    Ok(text)
}

/// What stands in the place of a part, and how to get at it.
fn told_of(row: &Message, stub: &Stub) -> String {
    let name = stub.name.as_deref().map(|name| format!(" {}", tame(name))).unwrap_or_default();
    let detail = stub.detail.as_deref().map(|detail| format!(" ({})", tame(detail))).unwrap_or_default();
    let (id, hash, part) = (row.message.id.short(), stub.hash.short(), stub.part);
    let mut told =
        format!("[part {part}{name}, {}, SHA-256 {hash}: withheld, {}{detail}", size(stub.size_bytes), stub.verdict);
    if let Some(sealed) = &stub.sealed {
        told.push_str(&format!("; sealed off since {}", minute(&sealed.since)));
        told.push_str(&format!("; see poplar quarantine show {}", sealed.hash.short()));
    }
    told.push_str(&format!(". To get it all the same: poplar show {id} --part {part} --quarantined]"));
    told
}

fn told(shown: &Shown, text: &str) -> String {
    let paint = Paint::stdout();
    let mut rows = vec![vec![paint.dim("id"), shown.id.to_string()]];
    let envelope = &shown.envelope;
    let people = [("from", &envelope.from), ("to", &envelope.to), ("cc", &envelope.cc)];
    let people = people.into_iter().filter(|(_, who)| !who.is_empty()).map(|(name, who)| (name, who.join(", ")));
    let date = envelope.date.as_deref().map(|date| ("date", minute(date)));
    let subject = envelope.subject.clone().map(|subject| ("subject", subject));
    rows.extend(date.into_iter().chain(people).chain(subject).map(|(name, value)| vec![paint.dim(name), tame(&value)]));
    if !shown.recipients.is_empty() {
        rows.push(vec![paint.dim("for"), tame(&shown.recipients.join(", "))]);
    }
    rows.extend(shown.enclosed.iter().map(|enclosed| {
        let words = [&enclosed.from.join(", "), enclosed.subject.as_deref().unwrap_or("no subject")];
        vec![paint.dim("encloses"), tame(&words.map(str::trim).join(": "))]
    }));
    rows.extend(belonging(shown, paint));
    rows.push(vec![paint.dim("verdict"), paint.verdict(shown.verdict)]);
    rows.push(vec![
        paint.dim("kept"),
        format!("{}, {}, journal entry {}", minute(&shown.kept), size(shown.size_bytes), shown.journal),
    ]);
    if let Some(destroyed) = &shown.destroyed {
        let (by, reason) = (tame(&destroyed.by), tame(&destroyed.reason));
        rows.push(vec![paint.dim("destroyed"), format!("{} by {by}: {reason}", minute(&destroyed.at))]);
    }
    for met in &shown.sightings {
        let gone = met.gone.as_ref().map(|at| format!(", deleted at the server {}", minute(at))).unwrap_or_default();
        let uidl = short(&tame(&met.uidl), 60);
        rows.push(vec![paint.dim(&met.fate), format!("{} {uidl}{gone}", tame(&met.account))]);
    }
    if !shown.problems.is_empty() {
        rows.push(vec![paint.dim("unread"), shown.problems.join(", ")]);
    }
    let mut page = table(&rows);
    if !shown.notes.is_empty() {
        page.push('\n');
        page.extend(shown.notes.iter().map(note::told));
    }
    if !text.is_empty() {
        page.push('\n');
        page.push_str(text);
    }
    if shown.parts.len() > 1 || shown.parts.iter().any(|part| part.attachment) {
        page.push('\n');
        page.push_str(&parts(shown, paint));
    }
    page
}

/// Its thread, if it is not alone, and its tags.
fn belonging(shown: &Shown, paint: Paint) -> impl Iterator<Item = Vec<String>> {
    let (count, id) = (shown.thread.messages, shown.thread.id.short());
    let thread = (count > 1).then(|| ("thread", format!("{}; poplar search thread:{id}", messages(count))));
    let tags = (!shown.tags.is_empty()).then(|| ("tags", tame(&shown.tags.join(", "))));
    thread.into_iter().chain(tags).map(move |(name, value)| vec![paint.dim(name), value])
}

fn parts(shown: &Shown, paint: Paint) -> String {
    let rows: Vec<Vec<String>> = shown
        .parts
        .iter()
        .map(|part| {
            let mut verdict = paint.verdict(part.verdict);
            if let Some(detail) = &part.detail {
                verdict.push_str(&format!(" ({})", tame(detail)));
            }
            if part.sealed.is_some() {
                verdict.push_str(", sealed off");
            } else if part.verdict.is_withheld() && !part.withheld {
                verdict.push_str(", released");
            }
            let name = part.name.as_deref().map(tame).unwrap_or_default();
            vec![format!("part {}", part.part), part.content_type.clone(), size(part.size_bytes), name, verdict]
        })
        .collect();
    table(&rows)
}
