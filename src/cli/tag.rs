use clap::{Args, Subcommand};

use super::outcome::{complain, print, print_json};
use super::screen::{count, messages, table, tame};
use super::{Code, Context, reader};
use crate::mail::Label;

#[derive(Debug, Subcommand)]
pub(super) enum Tag {
    /// Puts a tag on a message, or on all that a query finds
    Add(Which),
    /// Takes a tag off again
    Remove(Which),
    /// All tags, and on how many messages each is
    List,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The tag; poplar search tag:NAME finds what it is on
    name: Label,
    /// A message's id, or its first 8 digits or more; or a query in the language of `poplar search`
    #[arg(required = true)]
    query: Vec<String>,
}

impl Tag {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::Add(which) => which.change(context, true),
            Self::Remove(which) => which.change(context, false),
            Self::List => list(context),
        }
    }
}

impl Which {
    fn change(self, context: &Context, adds: bool) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        let (of, by) = (self.query.join(" "), reader());
        let outcome = if adds { archive.tag(&self.name, &of, &by)? } else { archive.untag(&self.name, &of, &by)? };
        if context.json {
            print_json(&outcome)?;
            return Ok(Code::Well);
        }
        outcome.notes.iter().for_each(|note| complain(&tame(note)));
        let (done, before) = if adds { ("tagged", "already were") } else { ("tagged no more", "were not") };
        let same = outcome.messages - outcome.changed;
        let same = if same > 0 { format!(", {} {before}", count(same)) } else { String::new() };
        print(&format!("{} {done} {}{same}\n", messages(outcome.changed), tame(self.name.as_str())))?;
        Ok(Code::Well)
    }
}

fn list(context: &Context) -> anyhow::Result<Code> {
    let tags = context.archive()?.tags()?;
    if context.json {
        print_json(&tags)?;
    } else if tags.is_empty() {
        print("no message has a tag\n")?;
    } else {
        let rows: Vec<Vec<String>> = tags.iter().map(|tag| vec![tame(&tag.tag), messages(tag.messages)]).collect();
        print(&table(&rows))?;
    }
    Ok(Code::Well)
}
