use clap::Args;

use super::outcome::{print, print_json};
use super::screen::{Paint, count, messages, size, table, tame};
use super::{Code, Context};
use crate::daemon::plan::{self, Forecast, Step};

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The account
    account: String,
}

impl Plan {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        loaded.check_secrets()?;
        let account = loaded.account(&self.account)?;
        let forecast = super::runtime()?.block_on(plan::plan(&loaded.config, account, &context.clock))?;
        if context.json {
            print_json(&forecast)?;
        } else {
            print(&told(&forecast))?;
        }
        Ok(Code::Well)
    }
}

/// Lines shown of each kind; `--json` has all.
const SHOWN: usize = 20;

fn told(forecast: &Forecast) -> String {
    let paint = Paint::stdout();
    let mut text =
        format!("{} at the server, {} of them in the archive\n", messages(forecast.listed), count(forecast.known));
    let kinds = [
        (
            format!("would fetch {}, {}", messages(forecast.fetch.len() as u64), size(forecast.fetch_bytes)),
            &forecast.fetch,
        ),
        (format!("would delete {} at the server", messages(forecast.delete.len() as u64)), &forecast.delete),
        (format!("would delete {} later", messages(forecast.delete_later.len() as u64)), &forecast.delete_later),
        (format!("would leave {} alone", messages(forecast.leave.len() as u64)), &forecast.leave),
    ];
    for (heading, steps) in kinds.iter().filter(|(_, steps)| !steps.is_empty()) {
        text.push_str(&format!("\n{}\n", paint.bold(heading)));
        text.push_str(&table(&steps.iter().take(SHOWN).map(row).collect::<Vec<_>>()));
        if steps.len() > SHOWN {
            text.push_str(&format!("… and {} more; --json shows all\n", count((steps.len() - SHOWN) as u64)));
        }
    }
    if kinds.iter().all(|(_, steps)| steps.is_empty()) {
        text.push_str("nothing to do\n");
    }
    text
}

fn row(step: &Step) -> Vec<String> {
    let bytes = step.listed_bytes.map_or("-".to_owned(), size);
    vec![format!("  {}", tame(&step.uidl)), bytes, tame(&step.why)]
}
