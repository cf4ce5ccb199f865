use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much goes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// Warnings and failures: for commands.
    Normal,
    /// What happens to accounts and messages: for the daemon.
    Talking,
    /// Everything of ours.
    Verbose,
}

/// Sends the log to stderr from here on. The second call of a process changes nothing.
pub fn start(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet => LevelFilter::ERROR,
        Verbosity::Normal => LevelFilter::WARN,
        Verbosity::Talking => LevelFilter::INFO,
        Verbosity::Verbose => LevelFilter::DEBUG,
    };
    // Libraries have their say only when something is wrong.
    let levels = Targets::new().with_default(LevelFilter::ERROR).with_target("poplar", level);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal).with_target(false);
    drop(tracing_subscriber::registry().with(levels).with(layer).try_init());
}
