use clap::{Args, Subcommand};

use super::outcome::{print, print_json};
use super::screen::{minute, table, tame};
use super::{Code, Context, reader};
use crate::mail::Label;

#[derive(Debug, Subcommand)]
pub(super) enum Saved {
    /// Gives a search a name; poplar search --saved NAME carries it out
    Add(Add),
    /// The searches that have names
    List,
    /// Forgets a search
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name; a search that has it already is replaced
    name: Label,
    /// In the language of `poplar search`
    #[arg(required = true)]
    query: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    name: Label,
}

impl Saved {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        match &self {
            Self::Add(add) => archive.save_search(&add.name, &add.query.join(" "), &reader())?,
            Self::Remove(Remove { name }) => archive.forget_search(name, &reader())?,
            Self::List => {}
        }
        let searches = archive.saved_searches()?;
        if context.json {
            print_json(&searches)?;
        } else if searches.is_empty() {
            print("no search is saved\n")?;
        } else {
            let row = |name: &str, query: &str, by: &str, at: &str| {
                vec![tame(name), tame(query), format!("saved {} by {}", minute(at), tame(by))]
            };
            let rows = searches.iter().map(|search| row(&search.name, &search.query, &search.by, &search.at));
            print(&table(&rows.collect::<Vec<_>>()))?;
        }
        Ok(Code::Well)
    }
}
