use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks on stderr and reads a line; an empty one is the default, where there is one. Asked again for what `check` refuses.
pub(super) fn ask<T>(
    question: &str,
    default: Option<&str>,
    check: impl Fn(&str) -> Result<T, String>,
) -> io::Result<T> {
    loop {
        let hint = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        say(&format!("{question}{hint}: "))?;
        let line = line()?;
        let given = if line.is_empty() { default.unwrap_or_default() } else { &line };
        match check(given) {
            Ok(answer) => return Ok(answer),
            Err(why) => say(&format!("{why}\n"))?,
        }
    }
}

/// Reads a line that does not show on the terminal.
pub(super) fn ask_secretly(question: &str) -> io::Result<String> {
    say(&format!("{question}: "))?;
    let stdin = io::stdin();
    let before = stdin.is_terminal().then(|| tcgetattr(&stdin)).transpose()?;
    if let Some(before) = &before {
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    }
    let read = line();
    if let Some(before) = &before {
        tcsetattr(&stdin, OptionalActions::Flush, before)?;
        say("\n")?;
    }
    read
}

pub(super) fn say(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "there is nobody to answer; give what is asked for as options",
        ));
    }
    Ok(line.trim_end_matches(['\r', '\n']).trim().to_owned())
}
