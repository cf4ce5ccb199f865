use clap::{Args, ValueEnum};

use super::outcome::{complain, print, print_json};
use super::screen::{Paint, messages, minute, short, size, tame};
use super::{Code, Context};
use crate::archive::{self, Hit, Order, Results};
use crate::mail::Verdict;

#[derive(Debug, Args)]
pub(super) struct Search {
    /// Words, "phrases", from: to: subject: filename: account: date: after: before: has:attachment is: and more; all
    /// messages without it. Write -- before a query that begins with a dash
    query: Vec<String>,
    /// How many hits to show
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// How many hits to skip
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// date: oldest first; -date: newest first
    #[arg(long, value_enum, default_value = "-date", allow_hyphen_values = true)]
    sort: Sort,
    /// Print the number of hits only
    #[arg(long)]
    count: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    #[value(name = "date")]
    Oldest,
    #[value(name = "-date")]
    Newest,
    Relevance,
}

impl Search {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let order = match self.sort {
            Sort::Oldest => Order::Oldest,
            Sort::Newest => Order::Newest,
            Sort::Relevance => Order::Relevance,
        };
        let limit = if self.count { 0 } else { self.limit };
        let search = archive::Search { query: self.query.join(" "), order, offset: self.offset, limit };
        let results = context.archive()?.search(&search)?;
        if context.json {
            print_json(&results)?;
            return Ok(Code::Well);
        }
        for note in &results.notes {
            complain(&tame(note));
        }
        if self.count {
            print(&format!("{}\n", results.total))?;
        } else {
            print(&told(&results, self.offset))?;
        }
        if results.skipped.unindexed > 0 {
            complain(&format!("{} are not indexed yet", messages(results.skipped.unindexed)));
        }
        Ok(Code::Well)
    }
}

fn told(results: &Results, offset: usize) -> String {
    let paint = Paint::stdout();
    let mut text: String = results.hits.iter().map(|hit| line(hit, paint)).collect();
    let shown = results.hits.len() as u64;
    let last = offset as u64 + shown;
    if shown < results.total {
        text.push_str(&paint.dim(&format!("{shown} of {} (to {last})", messages(results.total))));
    } else {
        text.push_str(&paint.dim(&messages(results.total)));
    }
    text.push('\n');
    text
}

/// Of a snippet, what fits on a line of most terminals.
const SNIPPET_COLUMNS: usize = 100;

/// A hit in two or three lines: id, time and people; subject; where it was found.
pub(super) fn line(hit: &Hit, paint: Paint) -> String {
    let from = hit.from.as_deref().unwrap_or("(nobody)");
    let subject = hit.subject.as_deref().unwrap_or("(no subject)");
    let mut text = format!(
        "{}  {}  {}\n    {}",
        paint.dim(&hit.id.short()),
        minute(&hit.date),
        short(&tame(from), 48),
        paint.bold(&short(&tame(subject), 90)),
    );
    if hit.verdict != Verdict::Clean {
        text.push_str(&format!("  [{}]", paint.verdict(hit.verdict)));
    }
    for attachment in &hit.attachments {
        let name = attachment.name.as_deref().unwrap_or(&attachment.content_type);
        text.push_str(&paint.dim(&format!("  {} ({})", short(&tame(name), 40), size(attachment.size_bytes))));
    }
    text.push('\n');
    if !hit.snippet.trim().is_empty() {
        let snippet = short(hit.snippet.trim_end(), SNIPPET_COLUMNS);
        text.push_str(&format!("    {}\n", paint.highlighted(&snippet, &hit.highlights)));
    }
    text
}
