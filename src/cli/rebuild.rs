use std::sync::Arc;

use clap::Args;

use super::fetch::interrupted;
use super::outcome::{complain, print, print_json};
use super::screen::{Bar, count, messages, packs, tame};
use super::{Code, Context};
use crate::daemon::Progress;
use crate::daemon::rebuild::{self, Outcome, What};

#[derive(Debug, Args)]
pub(super) struct Rebuild {
    /// Leave the catalog as it is
    #[arg(long)]
    index_only: bool,
}

impl Rebuild {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let what = if self.index_only { What::Index } else { What::CatalogAndIndex };
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "rebuilding", context.draws());
        let outcome = super::runtime()?.block_on(async {
            rebuild::rebuild(&loaded.config, what, context.clock.clone(), progress, interrupted()).await
        })?;
        drop(bar);
        if context.json {
            print_json(&outcome)?
        } else {
            print(&told(&outcome, what))?
        }
        for damage in &outcome.damage {
            complain(&format!("damage: {}: {}", tame(&damage.object), tame(&damage.problem)));
        }
        if outcome.interrupted {
            complain("interrupted; the next start goes on with the index");
        }
        Ok(if outcome.damage.is_empty() && !outcome.interrupted { Code::Well } else { Code::Failed })
    }
}

fn told(outcome: &Outcome, what: What) -> String {
    let indexed = format!("{} of {} indexed\n", count(outcome.indexed), messages(outcome.messages));
    match what {
        What::Index => indexed,
        What::CatalogAndIndex => format!(
            "the catalog is made anew from {} and {} journal entries{}; {indexed}",
            packs(outcome.packs),
            count(outcome.entries),
            match outcome.adopted {
                0 => String::new(),
                adopted => format!(", and {} that no checkpoint covered yet", count(adopted)),
            },
        ),
    }
}
