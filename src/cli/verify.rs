use clap::Args;

use super::outcome::{complain, print, print_json};
use super::screen::{Checked, count, messages, packs, size, tame};
use super::{Code, Context};
use crate::archive::{Depth, Pace};
use crate::config::parse_size;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Check the catalog and the lengths of the packs only
    #[arg(long)]
    quick: bool,
    /// Read no more of mail and records in a second than this, for example 20MiB
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    rate: Option<u64>,
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        let bar = Checked::new(context.draws());
        let depth = if self.quick { Depth::Quick } else { Depth::Full };
        let report = archive.verify(depth, &mut Pace::new(self.rate, &mut bar.follow()));
        drop(bar);
        if context.json {
            print_json(&report)?;
        } else {
            let checked = report.checked;
            print(&format!(
                "{} and {} journal records in {} ({}) read and hashed; {} journal entries up to the signed root; {} in the \
                 index\n",
                messages(checked.messages),
                count(checked.records),
                packs(checked.packs),
                size(checked.bytes),
                count(checked.entries),
                count(checked.indexed)
            ))?;
        }
        for damage in &report.damage {
            complain(&format!("damage: {}: {}", tame(&damage.object), tame(&damage.problem)));
        }
        for left_over in &report.left_over {
            complain(&left_over.to_string());
        }
        if let Some(why) = &report.unrecorded {
            complain(&format!("that this was checked is not on record: {why}"));
        }
        Ok(if report.damage.is_empty() && report.unrecorded.is_none() { Code::Well } else { Code::Failed })
    }
}

fn rate(text: &str) -> Result<u64, String> {
    parse_size(text).filter(|rate| *rate > 0).ok_or_else(|| "write a number and a unit, for example 20MiB".to_owned())
}
