use clap::Args;

use crate::archive::{FoundIn, ItemShown};
use crate::cli::outcome::{print, print_json};
use crate::cli::screen::{Paint, count, messages, minute, short, size, table, tame};
use crate::cli::{Code, Context};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Also what was released or destroyed
    #[arg(long)]
    all: bool,
}

impl List {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let items = context.archive()?.quarantine(self.all)?;
        if context.json {
            print_json(&items)?;
        } else if items.is_empty() {
            print(if self.all { "nothing was ever sealed off\n" } else { "nothing is sealed off\n" })?;
        } else {
            let rows: Vec<Vec<String>> = items.iter().map(row).collect();
            let number = items.len() as u64;
            let noun = if number == 1 { "item" } else { "items" };
            let sum = Paint::stdout().dim(&format!("{} {noun}", count(number)));
            print(&format!("{}{sum}\n", table(&rows)))?;
        }
        Ok(Code::Well)
    }
}

fn row(item: &ItemShown) -> Vec<String> {
    let asked = item.asked.as_ref().map(|asked| format!("release asked for by {}", tame(&asked.by)));
    vec![
        item.hash.short(),
        tame(&item.signature),
        minute(&item.since),
        item.state.as_str().to_owned(),
        size(item.size_bytes),
        messages(item.messages),
        item.newest.as_ref().map(place).unwrap_or_default(),
        asked.unwrap_or_default(),
    ]
}

/// Where it was found last, in a few words.
pub(super) fn place(found: &FoundIn) -> String {
    let from = found.from.as_deref().unwrap_or("(nobody)");
    let subject = found.subject.as_deref().unwrap_or("(no subject)");
    format!("{}: {}: {}", tame(&found.accounts.join(", ")), short(&tame(from), 40), short(&tame(subject), 60))
}
