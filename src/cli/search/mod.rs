//! `poplar search`: hits, counts, and how a query was understood. Knows nothing about how they are found.

mod explain;
mod facets;

use clap::{Args, ValueEnum};

use super::outcome::{complain, print, print_json};
use super::screen::{Paint, count, messages, minute, short, size, tame};
use super::{Code, Context};
use crate::archive::{self, Archive, Hit, Order, Results, Skipped};
use crate::mail::{Label, Verdict};

#[derive(Debug, Args)]
pub(super) struct Search {
    /// Words, "phrases", from: to: subject: attachment: account: date: has:attachment is: and more; all messages without it.
    /// Write -- before a query that begins with a dash
    query: Vec<String>,
    /// What the search of this name finds (see poplar saved), and of that only what QUERY finds too
    #[arg(long, value_name = "NAME")]
    saved: Option<Label>,
    /// How many hits to show
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// How many hits to skip
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// Show the hits behind this message: the id of the last one of the page before
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// date: oldest first; -date: newest first
    #[arg(long, value_enum, default_value = "-date", allow_hyphen_values = true)]
    sort: Sort,
    /// Print the number of hits only
    #[arg(long)]
    count: bool,
    /// Count all hits by account, sender, year, type of attachment and verdict
    #[arg(long)]
    facets: bool,
    /// Show how the query is understood; with the id of a message, why that is a hit or is none
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = ["count", "facets", "after"])]
    explain: Option<Option<String>>,
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
    pub(super) fn run(mut self, context: &Context) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        if let Some(name) = &self.saved {
            self.query = vec![archive.saved_query_with(name, &self.query.join(" "))?];
        }
        if let Some(id) = self.explain.take() {
            return self.explained(&archive, id, context.json);
        }
        let order = match self.sort {
            Sort::Oldest => Order::Oldest,
            Sort::Newest => Order::Newest,
            Sort::Relevance => Order::Relevance,
        };
        let search = archive::Search {
            query: self.query.join(" "),
            order,
            after: self.after,
            offset: self.offset,
            limit: if self.count { 0 } else { self.limit },
            with_facets: self.facets,
        };
        let results = archive.search(&search)?;
        // Behind a message nobody counted how many there are before it.
        let last = search.after.is_none().then_some(self.offset as u64 + results.hits.len() as u64);
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
            print(&told(&results, last))?;
        }
        if let Some(counted) = &results.facets {
            print(&facets::told(counted))?;
        }
        for sentence in left_out(results.skipped) {
            complain(&sentence);
        }
        Ok(Code::Well)
    }

    /// What follows `--explain` is a word of the query, where it cannot be an id.
    fn explained(mut self, archive: &Archive, id: Option<String>, is_json: bool) -> anyhow::Result<Code> {
        let is_id = |text: &str| text.len() >= 8 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        let (id, word): (Option<String>, Option<String>) = match id {
            Some(text) if is_id(&text) => (Some(text), None),
            other => (None, other),
        };
        self.query.splice(0..0, word);
        let explanation = archive.explain(&self.query.join(" "), id.as_deref())?;
        if is_json {
            print_json(&explanation)?;
        } else {
            print(&explain::told(&explanation))?;
        }
        Ok(Code::Well)
    }
}

/// What could not be looked into, a sentence each.
fn left_out(skipped: Skipped) -> Vec<String> {
    let Skipped { unindexed, unextracted, encrypted } = skipped;
    let are = |count: u64, what: &str| {
        (count > 0).then(|| format!("{} {} {what}", messages(count), if count == 1 { "is" } else { "are" }))
    };
    let have = |count: u64, what: &str| {
        (count > 0).then(|| format!("{} {} {what}", messages(count), if count == 1 { "has" } else { "have" }))
    };
    let sentences = [
        are(unindexed, "not indexed yet, or about to be indexed again"),
        have(unextracted, "attachments whose text cannot be searched, or not all of it (see `poplar status`)"),
        have(encrypted, "something encrypted in them, which cannot be searched"),
    ];
    sentences.into_iter().flatten().collect()
}

fn told(results: &Results, last: Option<u64>) -> String {
    let paint = Paint::stdout();
    let mut text: String = results.hits.iter().map(|hit| line(hit, paint)).collect();
    let shown = results.hits.len() as u64;
    if shown < results.total {
        let last = last.map_or_else(String::new, |last| format!(" (to {last})"));
        text.push_str(&paint.dim(&format!("{shown} of {}{last}", messages(results.total))));
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
    for tag in &hit.tags {
        text.push_str(&format!("  #{}", tame(tag)));
    }
    if hit.thread.messages > 1 {
        text.push_str(&paint.dim(&format!("  (thread of {})", count(hit.thread.messages))));
    }
    for attachment in &hit.attachments {
        let name = attachment.name.as_deref().unwrap_or(&attachment.content_type);
        text.push_str(&paint.dim(&format!("  {} ({})", short(&tame(name), 40), size(attachment.size_bytes))));
    }
    text.push('\n');
    if !hit.snippet.trim().is_empty() {
        let snippet = short(hit.snippet.trim_end(), SNIPPET_COLUMNS);
        let source = hit.snippet_part.map_or_else(String::new, |part| paint.dim(&format!("{}: ", name_of(hit, part))));
        text.push_str(&format!("    {source}{}\n", paint.highlighted(&snippet, &hit.highlights)));
    } else if !hit.found_in.is_empty() {
        text.push_str(&format!("    {}\n", paint.dim(&format!("found in: {}", hit.found_in.join(", ")))));
    }
    text
}

fn name_of(hit: &Hit, part: u32) -> String {
    let attachment = hit.attachments.iter().find(|attachment| attachment.part == part);
    let name =
        attachment.map_or("attachment", |attachment| attachment.name.as_deref().unwrap_or(&attachment.content_type));
    short(&tame(name), 40)
}
