use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::fetch::{self, interrupted};
use super::outcome::{print, print_json};
use super::screen::{Paint, messages, size, tame};
use super::search::line;
use super::{Code, Context};
use crate::archive::{Archive, Results, Search, Status};
use crate::daemon::Progress;
use crate::daemon::demo::Sample;
use crate::daemon::fetch::Outcome;
use crate::mail::{Clock, Verdict};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End when every message is archived, scanned and searchable
    #[arg(long)]
    once: bool,
}

/// Searches that show something, and what they show.
const SEARCHES: [(&str, &str); 3] = [
    ("kayu", "a word, in Indonesian mail"),
    ("from:marek mast", "a sender's name and a word"),
    ("subject:invoice has:attachment", "a subject, with an attachment"),
];

impl Demo {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        super::runtime()?.block_on(async {
            let stop = interrupted();
            let sample = Sample::start().await?;
            if !context.json && !context.quiet {
                print(&introduction(&sample))?;
            }
            let progress = Arc::new(Progress::default());
            let bars = Bars::follow(&sample, progress.clone(), context);
            let outcome = sample.archive(context.clock.clone(), progress, stop.clone()).await;
            bars.finish().await;
            let outcome = outcome?;
            if *stop.borrow() {
                return Ok(Code::Failed);
            }
            let code = code(&sample, &outcome);
            let archive = Archive::open(sample.data_dir(), context.clock.clone())?;
            let status = archive.status()?;
            if context.json {
                print_json(&serde_json::json!({ "accounts": outcome.accounts, "status": status }))?;
            } else {
                print(&summary(&archive, &status, &outcome)?)?;
            }
            if !self.once && !context.json {
                print(&next_steps(&sample))?;
                wait(stop).await;
            }
            Ok(code)
        })
    }
}

fn introduction(sample: &Sample) -> String {
    let paint = Paint::stdout();
    format!(
        "\n{}\nTwo mailboxes with {} wait on a POP3 server of its own; a clamd of its own scans them.\n",
        paint.bold("Poplar demo"),
        messages(sample.messages() as u64),
    )
}

fn code(sample: &Sample, outcome: &Outcome) -> Code {
    let code = fetch::code(outcome, false);
    let archived: u64 = outcome.accounts.iter().map(|account| account.counts.kept + account.counts.duplicates).sum();
    if archived == sample.messages() as u64 { code } else { Code::Failed }
}

fn summary(archive: &Archive, status: &Status, outcome: &Outcome) -> anyhow::Result<String> {
    let paint = Paint::stdout();
    let label = |word: &str| paint.bold(&format!("{word:<12}"));
    let listed: u64 = outcome.accounts.iter().map(|account| account.counts.listed).sum();
    let duplicates: u64 = outcome.accounts.iter().map(|account| account.counts.duplicates).sum();
    let scanned: Vec<String> =
        status.verdicts.iter().map(|(verdict, number)| format!("{number} {}", paint.verdict(*verdict))).collect();
    let infected = find(archive, "is:infected")?;
    let engine = infected.hits.first().map(|hit| engine(archive, &hit.id.to_string())).transpose()?;

    let mut text = format!(
        "\n{}{listed} listed, {} kept ({}), {duplicates} of them in both mailboxes and stored once\n",
        label("Archived"),
        messages(status.messages),
        size(status.raw_bytes),
    );
    text.push_str(&format!("{}{}\n", label("Scanned"), scanned.join(", ")));
    if let Some((engine, signatures, _)) = &engine {
        text.push_str(&format!("{}{engine}, signatures {signatures}\n", label("")));
    }
    for hit in &infected.hits {
        let (_, _, found) = engine.clone().unwrap_or_default();
        let subject = hit.subject.as_deref().unwrap_or("(no subject)");
        text.push_str(&format!(
            "{}{} \"{}\": {}\n",
            label("Quarantined"),
            paint.dim(&hit.id.short()),
            tame(subject),
            tame(&found),
        ));
    }
    text.push_str(&format!("{}all of it, in every language and attachment name\n", label("Searchable")));
    text.push_str(&examples(archive, paint)?);
    Ok(text)
}

fn examples(archive: &Archive, paint: Paint) -> anyhow::Result<String> {
    let mut text = String::new();
    for (query, shows) in SEARCHES {
        let results = find(archive, query)?;
        text.push_str(&format!("\n{} {}\n", paint.bold(&format!("poplar search '{query}'")), paint.dim(shows)));
        text.extend(results.hits.iter().map(|hit| line(hit, paint)));
        text.push_str(&format!("    {}\n", paint.dim(&messages(results.total))));
    }
    Ok(text)
}

fn find(archive: &Archive, query: &str) -> anyhow::Result<Results> {
    let search = Search { query: query.to_owned(), limit: 2, ..Search::default() };
    Ok(archive.search(&search)?)
}

/// Engine, signatures, and what was found in a message.
fn engine(archive: &Archive, id: &str) -> anyhow::Result<(String, String, String)> {
    let shown = archive.show(&archive.find(id)?)?;
    let worst = shown.scans.into_iter().max_by_key(|scan| (scan.verdict, scan.view != "raw"));
    Ok(worst.map_or_else(Default::default, |scan| {
        let found = scan.detail.unwrap_or_else(|| Verdict::Infected.to_string());
        (scan.engine, scan.signatures, format!("{} in {}", found, scan.view))
    }))
}

fn next_steps(sample: &Sample) -> String {
    let paint = Paint::stdout();
    let folder = sample.data_dir().display().to_string();
    // As it was called, so that what is printed can be typed.
    let program = std::env::args().next().unwrap_or_else(|| "poplar".to_owned());
    format!(
        "\n{}\n    The archive stays until Ctrl-C. In another terminal:\n\
         \n      {program} --data-dir {folder} search is:infected\
         \n      {program} --data-dir {folder} show ID\
         \n      {program} --data-dir {folder} status\n\
         \n    What it ran with: {}\n    Your own accounts: see README.md, \"A first real account\".\n",
        paint.bold("Where to go next"),
        sample.config_file().display(),
    )
}

async fn wait(mut stop: tokio::sync::watch::Receiver<bool>) {
    while !*stop.borrow() && stop.changed().await.is_ok() {}
}

/// Three bars: what was fetched, scanned and indexed, of all.
struct Bars {
    task: Option<tokio::task::JoinHandle<()>>,
    over: tokio::sync::watch::Sender<bool>,
}

impl Bars {
    fn follow(sample: &Sample, progress: Arc<Progress>, context: &Context) -> Self {
        let (over, ended) = tokio::sync::watch::channel(false);
        let all = sample.messages() as u64;
        let (folder, clock) = (sample.data_dir().to_owned(), context.clock.clone());
        let task = context.draws().then(|| tokio::spawn(draw(all, folder, clock, progress, ended)));
        Self { task, over }
    }

    async fn finish(self) {
        self.over.send_replace(true);
        if let Some(task) = self.task {
            drop(task.await);
        }
    }
}

async fn draw(
    all: u64,
    folder: impl AsRef<Path>,
    clock: Clock,
    progress: Arc<Progress>,
    mut ended: tokio::sync::watch::Receiver<bool>,
) {
    let bars = MultiProgress::new();
    let [fetched, scanned, indexed] = ["fetching", "scanning", "indexing"].map(|verb| bar(&bars, all, verb));
    loop {
        let over = *ended.borrow();
        fetched.set_position(progress.read().1);
        // Opened anew each time: at first there is none.
        if let Ok(archive) = Archive::open(folder.as_ref(), clock.clone())
            && let (Ok(status), Ok(waiting)) = (archive.status(), archive.backlogs())
        {
            scanned.set_position(status.messages.saturating_sub(waiting.scan.waiting));
            indexed.set_position(status.messages.saturating_sub(waiting.index.waiting));
            for bar in [&scanned, &indexed] {
                bar.set_length(if over { status.messages } else { all });
            }
        }
        if over {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(60)) => {}
            _ = ended.changed() => {}
        }
    }
    for bar in [&fetched, &scanned, &indexed] {
        bar.abandon();
    }
}

fn bar(bars: &MultiProgress, all: u64, verb: &'static str) -> ProgressBar {
    // Added before anything is said of it: a bar on its own would draw itself at once.
    let bar = bars.add(ProgressBar::new(all));
    if let Ok(style) = ProgressStyle::with_template("  {msg:<9} {bar:40} {pos:>3} of {len}") {
        bar.set_style(style);
    }
    bar.set_message(verb);
    bar
}
