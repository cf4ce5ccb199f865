use clap::Args;

use super::list::place;
use crate::archive::{FoundIn, ItemTold};
use crate::cli::outcome::{print, print_json};
use crate::cli::screen::{Paint, minute, size, table, tame};
use crate::cli::{Code, Context};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The first 8 digits or more of an item's hash, or of a message's id: then all that was found in it
    id: String,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let items = context.archive()?.quarantined(&self.id)?;
        if context.json {
            print_json(&items)?;
        } else {
            print(&items.iter().map(page).collect::<Vec<_>>().join("\n"))?;
        }
        Ok(Code::Well)
    }
}

fn page(told: &ItemTold) -> String {
    let (item, paint) = (&told.item, Paint::stdout());
    let mut rows = vec![
        vec![paint.dim("hash"), item.hash.to_string()],
        vec![paint.dim("found"), format!("{}, {}", tame(&item.signature), minute(&item.since))],
        vec![paint.dim("state"), format!("{} since {}", item.state.as_str(), minute(&item.changed))],
        vec![paint.dim("size"), size(item.size_bytes)],
    ];
    for release in &told.releases {
        let asked = release.asked_by.as_ref().map(|who| format!(", asked for by {who}")).unwrap_or_default();
        let said =
            format!("{} by {}{asked}, for {}: {}", minute(&release.at), release.by, release.signature, release.reason);
        rows.push(vec![paint.dim("released"), tame(&said)]);
    }
    if let Some(asked) = &item.asked {
        let said = format!("{} by {}: {}; a second person has to agree", minute(&asked.at), asked.by, asked.reason);
        rows.push(vec![paint.dim("asked"), tame(&said)]);
    }
    rows.extend(told.found_in.iter().flat_map(|found| found_rows(found, paint)));
    table(&rows)
}

fn found_rows(found: &FoundIn, paint: Paint) -> Vec<Vec<String>> {
    let parts: Vec<String> = found.parts.iter().map(|part| format!(", part {part}")).collect();
    let name = found.name.as_deref().map(|name| format!(" {}", tame(name))).unwrap_or_default();
    let destroyed = found.destroyed.as_ref().map(|at| format!(", destroyed {}", minute(at))).unwrap_or_default();
    let whole = format!("{}{}{name}{destroyed}", found.id.short(), parts.concat());
    let mut rows =
        vec![vec![paint.dim("in"), whole], vec![String::new(), format!("{}, {}", minute(&found.date), place(found))]];
    rows.extend(found.readings.iter().map(|read| {
        let why = read.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let said = format!("{} {} by {}, {}{why}", minute(&read.at), read.kind, read.by, read.what);
        vec![String::new(), tame(&said)]
    }));
    rows
}
