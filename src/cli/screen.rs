//! How things look on a terminal: sizes, times, colours that never carry meaning alone, progress.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::daemon::Progress;
use crate::mail::Verdict;

/// Octets for people: `3.4 MiB`.
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// `12,345`.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 message`, `2 messages`.
pub(super) fn messages(number: u64) -> String {
    let noun = if number == 1 { "message" } else { "messages" };
    format!("{} {noun}", count(number))
}

/// `1 pack`, `2 packs`.
pub(super) fn packs(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "pack" } else { "packs" })
}

/// `1 message waits`, `2 messages wait`.
pub(super) fn messages_wait(number: u64) -> String {
    format!("{} {}", messages(number), if number == 1 { "waits" } else { "wait" })
}

/// The day and minute of an RFC 3339 time: `2026-11-22 12:49`.
pub(super) fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// Text from mail, fit for a terminal: nothing in it moves the cursor, and it stays on its line.
pub(super) fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// As [`tame`], for text of several lines.
pub(super) fn tame_lines(text: &str) -> String {
    text.chars()
        .filter(|letter| *letter != '\r')
        .map(|letter| if letter.is_control() && !matches!(letter, '\n' | '\t') { '\u{FFFD}' } else { letter })
        .collect()
}

/// At most so many characters, with an ellipsis where something is left out.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Styles, or nothing where stdout is no terminal.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    pub(super) fn stdout() -> Self {
        Self { on: std::io::stdout().is_terminal() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.style("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.style("2", text)
    }

    pub(super) fn verdict(self, verdict: Verdict) -> String {
        let style = match verdict {
            Verdict::Clean => "32",
            Verdict::Infected | Verdict::Suspicious => "1;31",
            _ => "33",
        };
        self.style(style, verdict.as_str())
    }

    fn style(self, style: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A snippet with what was found in it made bold; ranges in octets.
    pub(super) fn highlighted(self, text: &str, highlights: &[(usize, usize)]) -> String {
        let mut shown = String::new();
        let mut from = 0;
        for (start, end) in highlights {
            let (Some(before), Some(found)) = (text.get(from..*start), text.get(*start..*end)) else { continue };
            shown.push_str(&tame(before));
            shown.push_str(&self.bold(&tame(found)));
            from = *end;
        }
        shown.push_str(&tame(text.get(from..).unwrap_or_default()));
        shown
    }
}

/// Rows with their columns under each other.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A bar on stderr that follows a piece of work, until it is dropped.
pub(super) struct Bar {
    bar: ProgressBar,
    over: Arc<AtomicBool>,
    follower: Option<std::thread::JoinHandle<()>>,
}

impl Bar {
    /// Draws nothing unless `draws`.
    pub(super) fn follow(progress: Arc<Progress>, verb: &'static str, draws: bool) -> Self {
        let bar = if draws { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<10} {wide_bar} {pos}/{len}  {per_sec}") {
            bar.set_style(style);
        }
        bar.set_message(verb);
        let over = Arc::new(AtomicBool::new(false));
        let follower = draws.then(|| {
            let (bar, over) = (bar.clone(), over.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let (wanted, done, _) = progress.read();
                    bar.set_length(wanted);
                    bar.set_position(done);
                    bar.tick();
                    std::thread::sleep(Duration::from_millis(80));
                }
            })
        });
        Self { bar, over, follower }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(follower) = self.follower.take() {
            // A bar that could not be drawn is no reason to fail.
            drop(follower.join());
        }
        self.bar.finish_and_clear();
    }
}

/// A bar on stderr for what a check has read, until it is dropped.
pub(super) struct Checked(ProgressBar);

impl Checked {
    /// Draws nothing unless `draws`.
    pub(super) fn new(draws: bool) -> Self {
        Self(if draws { ProgressBar::new(0) } else { ProgressBar::hidden() })
    }

    /// Takes what [`crate::archive::Pace`] tells: octets done, and all.
    pub(super) fn follow(&self) -> impl FnMut(u64, u64) + use<> {
        let bar = self.0.clone();
        move |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        }
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line on stderr that shows that something is waited for, until it is dropped.
pub(super) struct Waiting(ProgressBar);

impl Waiting {
    /// Draws nothing unless `draws`.
    pub(super) fn show(what: &'static str, draws: bool) -> Self {
        let bar = if draws { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_cannot_speak_to_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(tame_lines("a\r\n\u{1b}b\u{9b}c"), "a\n\u{FFFD}b\u{FFFD}c");
        let paint = Paint { on: false };
        assert_eq!(paint.highlighted("x\u{1b}y", &[(1, 2)]), "x y");
    }

    #[test]
    fn one_message_is_not_plural() {
        assert_eq!([messages(1), messages(2_000)], ["1 message", "2,000 messages"]);
        assert_eq!([messages_wait(1), messages_wait(0)], ["1 message waits", "0 messages wait"]);
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(short("żółw", 4), "żółw");
        assert_eq!(short("żółwie", 4), "żół…");
    }
}
