//! COMMANDS: one file a verb. Arguments in, text or JSON out. stdout is data, stderr is talk.
//! Knows nothing about how anything is done.

mod account;
mod backup;
mod config;
mod demo;
mod extract_worker;
mod fetch;
mod import;
mod journal;
mod ledger;
mod memory;
mod note;
mod outcome;
mod plan;
mod quarantine;
mod rebuild;
mod rescan;
mod restore;
mod run;
mod saved;
mod screen;
mod seal;
mod search;
mod show;
mod status;
mod tag;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::archive::{self, Archive};
use crate::config::{Config, Environment, LoadOptions, Loaded, person};
use crate::daemon::reserve::Reserve;
use crate::mail::Clock;
use crate::telemetry::{self, Verbosity};

pub use outcome::Code;

/// Keeps the mail of POP3 accounts byte for byte, has it scanned for viruses, and finds it again.
#[derive(Debug, Parser)]
#[command(name = "poplar", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    /// The configuration file [default: $POPLAR_CONFIG, ~/.config/poplar/poplar.toml or /etc/poplar/poplar.toml]
    #[arg(short = 'c', long = "config", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the archive, whatever the configuration says
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but failures
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Exit status: 0 all well; 1 something failed, the reason is on stderr; 2 wrong usage or configuration;
75 try again later (the archive is in use, the disk has too little room for mail, or mail is kept but not scanned or
not indexed yet).

To see it work with nothing configured: poplar demo";

#[derive(Debug, Subcommand)]
enum Verb {
    /// The daemon: polls all accounts until SIGTERM or SIGINT
    Run,
    /// Polls accounts now; returns when everything kept is scanned and indexed
    Fetch(fetch::Fetch),
    /// Brings in .eml and mbox files, Maildirs, and folders of them
    Import(import::Import),
    /// Finds messages
    Search(search::Search),
    /// Shows a message: its headers, text, parts, or exact octets
    Show(show::Show),
    /// Puts tags on messages, takes them off, and lists them
    #[command(subcommand)]
    Tag(tag::Tag),
    /// Writes about messages, and reads what was written
    #[command(subcommand)]
    Note(note::Note),
    /// Searches with names
    #[command(subcommand)]
    Saved(saved::Saved),
    /// How the archive, its accounts and its scanner are
    Status,
    /// What became of everything that an account ever listed
    Ledger(ledger::Ledger),
    /// What the next session with an account would fetch and delete, and why, without doing it
    Plan(plan::Plan),
    /// Scans again, with the signatures of today
    Rescan(rescan::Rescan),
    /// Gives messages that could not be scanned or indexed another try
    Requeue(rescan::Requeue),
    /// What is sealed off because something was found in it
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Checks everything against everything
    Verify(verify::Verify),
    /// What happened, and the proofs of it
    #[command(subcommand)]
    Journal(journal::Journal),
    /// Seals the pack that grows, and all that are not sealed yet, now
    Seal(seal::Seal),
    /// Makes catalog and index anew, from packs and journal alone
    Rebuild(rebuild::Rebuild),
    /// Copies the archive as it is at one moment, also while it runs; the second time only what is new
    Backup(backup::Backup),
    /// Makes an archive from a backup, in a data_dir that is empty or not there
    Restore(restore::Restore),
    /// Lists, tests, adds, signs in, pauses, renames and removes accounts
    #[command(subcommand)]
    Account(account::Account),
    /// Checks or shows the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Archives sample mail from a server of its own, with nothing configured
    Demo(demo::Demo),
    #[command(hide = true)]
    ExtractWorker(extract_worker::ExtractWorker),
}

/// What every verb is given.
struct Context {
    load: LoadOptions,
    json: bool,
    quiet: bool,
    clock: Clock,
}

impl Context {
    fn config(&self) -> anyhow::Result<Loaded> {
        Ok(Config::load(&self.load)?)
    }

    fn archive(&self) -> anyhow::Result<Archive> {
        self.archive_in(&self.config()?.config)
    }

    fn archive_in(&self, config: &Config) -> anyhow::Result<Archive> {
        // Reading needs some room too: for what a reader shares with the others, and for what is on record of it.
        Reserve::of(config).make_way();
        let archive = Archive::open(&config.data_dir, self.clock.clone())?;
        Ok(archive.with_stemming(config.search.stemming.clone()))
    }

    /// Whether a person watches, so that progress is worth drawing.
    fn draws(&self) -> bool {
        !self.json && !self.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr())
    }
}

/// Who runs this, as the journal is told.
fn reader() -> String {
    person(&Environment::process())
}

/// The program: arguments from the command line, the exit code for `main`.
pub fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no failure; all else is wrong usage.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { Code::Usage as u8 } else { Code::Well as u8 });
        }
    };
    memory::give_back();
    telemetry::start(verbosity(&arguments));
    archive::tell_no_caught_panics();
    let context = Context {
        load: LoadOptions { file: arguments.config, data_dir: arguments.data_dir },
        json: arguments.json,
        quiet: arguments.quiet,
        clock: Clock::system(),
    };
    let outcome = match arguments.verb {
        Verb::Run => run::run(&context),
        Verb::Fetch(fetch) => fetch.run(&context),
        Verb::Import(import) => import.run(&context),
        Verb::Search(search) => search.run(&context),
        Verb::Show(show) => show.run(&context),
        Verb::Tag(tag) => tag.run(&context),
        Verb::Note(note) => note.run(&context),
        Verb::Saved(saved) => saved.run(&context),
        Verb::Status => status::run(&context),
        Verb::Ledger(ledger) => ledger.run(&context),
        Verb::Plan(plan) => plan.run(&context),
        Verb::Quarantine(quarantine) => quarantine.run(&context),
        Verb::Verify(verify) => verify.run(&context),
        Verb::Journal(journal) => journal.run(&context),
        Verb::Rescan(rescan) => rescan.run(&context),
        Verb::Requeue(requeue) => requeue.run(&context),
        Verb::Seal(seal) => seal.run(&context),
        Verb::Rebuild(rebuild) => rebuild.run(&context),
        Verb::Backup(backup) => backup.run(&context),
        Verb::Restore(restore) => restore.run(&context),
        Verb::Account(account) => account.run(&context),
        Verb::Config(config) => config.run(&context),
        Verb::Demo(demo) => demo.run(&context),
        Verb::ExtractWorker(worker) => Ok(worker.run()),
    };
    outcome::exit(outcome)
}

impl Arguments {
    /// From the command line, with the one rule that clap cannot be told: it does not see an option for all verbs and
    /// one of a single verb side by side.
    fn read() -> Result<Self, clap::Error> {
        let arguments = Self::try_parse()?;
        if arguments.json
            && let Verb::Show(show) = &arguments.verb
            && let Some(option) = show.writes_octets()
        {
            let sentence = format!("--json cannot be used with {option}, which writes octets as they are");
            return Err(Self::command().error(clap::error::ErrorKind::ArgumentConflict, sentence));
        }
        Ok(arguments)
    }
}

const fn verbosity(arguments: &Arguments) -> Verbosity {
    match (arguments.quiet, arguments.verbose, &arguments.verb) {
        (true, ..) => Verbosity::Quiet,
        (_, true, _) => Verbosity::Verbose,
        (_, _, Verb::Run) => Verbosity::Talking,
        (_, _, Verb::Fetch(_) | Verb::Import(_) | Verb::Demo(_)) => Verbosity::Quiet,
        _ => Verbosity::Normal,
    }
}

/// One thread serves sockets and timers, because all that takes long is done elsewhere: a second one is woken, and put to
/// sleep again, more than it does.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("poplar").build()?)
}
