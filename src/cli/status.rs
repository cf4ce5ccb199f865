use super::outcome::{print, print_json};
use super::screen::{Paint, count, messages, minute, size, table, tame};
use super::{Code, Context};
use crate::archive::{AccountState, StageStatus, Status};
use crate::daemon::account;
use crate::daemon::reserve::Reserve;

pub(super) fn run(context: &Context) -> anyhow::Result<Code> {
    let mut status = context.archive()?.status()?;
    let config = context.config()?.config;
    status.warnings.extend(account::warnings(&config, &status.accounts, context.clock.now()));
    status.warnings.extend(Reserve::of(&config).shortage().map(|shortage| shortage.to_string()));
    if context.json {
        print_json(&status)?;
    } else {
        print(&told(&status))?;
    }
    Ok(Code::Well)
}

fn told(status: &Status) -> String {
    let paint = Paint::stdout();
    let mut rows = vec![
        vec![
            paint.dim("archive"),
            format!(
                "{}, {} raw, {} stored{}",
                messages(status.messages),
                size(status.raw_bytes),
                size(status.stored_bytes),
                if status.destroyed > 0 {
                    format!("; {} destroyed", messages(status.destroyed))
                } else {
                    String::new()
                }
            ),
        ],
        vec![paint.dim("daemon"), status.owner.map_or("not running".to_owned(), |pid| format!("process {pid}"))],
        vec![paint.dim("scanner"), scanner(status)],
        vec![paint.dim("to scan"), stage(status.stages.scan)],
        vec![paint.dim("to index"), stage(status.stages.index)],
        vec![paint.dim("to read"), attachments(status)],
    ];
    if let Some(rescan) = &status.rescan {
        let (done, total) = (count(rescan.messages), count(rescan.total));
        let found = format!("{} changed, {} infected", count(rescan.changed), count(rescan.infected));
        rows.push(vec![paint.dim("rescan"), format!("{done} of {total}, {found}; {}", tame(&rescan.why))]);
    }
    let verdicts: Vec<String> =
        status.verdicts.iter().map(|(verdict, number)| format!("{} {verdict}", count(*number))).collect();
    if !verdicts.is_empty() {
        rows.push(vec![paint.dim("verdicts"), verdicts.join(", ")]);
    }
    let mut text = table(&rows);
    if !status.accounts.is_empty() {
        text.push('\n');
        text.push_str(&table(&accounts(status)));
    }
    for warning in &status.warnings {
        text.push_str(&format!("\n{} {}\n", paint.bold("warning:"), tame(warning)));
    }
    text
}

fn scanner(status: &Status) -> String {
    let scanner = &status.scanner;
    let named = [&scanner.engine, &scanner.signatures].map(|word| word.as_deref().unwrap_or_default()).join(" ");
    let memory = scanner.memory_bytes.map_or(String::new(), |bytes| format!(", {} of memory", size(bytes)));
    match named.trim() {
        "" => scanner.state.clone(),
        named => format!("{}: {named}{memory}", scanner.state),
    }
}

fn stage(stage: StageStatus) -> String {
    match stage.stuck {
        0 => count(stage.waiting),
        stuck => format!("{}, {} of them stuck", count(stage.waiting), count(stuck)),
    }
}

/// Attachments whose text is wanted for the index, and those of which it has none, or not all.
fn attachments(status: &Status) -> String {
    let waiting = status.stages.extract.waiting - status.stages.extract.stuck;
    let left_out = status.unread.iter().filter(|(why, _)| *why != "waiting");
    let left_out: Vec<String> = left_out.map(|(why, number)| format!("{} {why}", count(*number))).collect();
    match left_out.is_empty() {
        true => format!("{} attachments", count(waiting)),
        false => format!("{} attachments; not searched, or not all of them: {}", count(waiting), left_out.join(", ")),
    }
}

fn accounts(status: &Status) -> Vec<Vec<String>> {
    let time = |time: &Option<String>| time.as_deref().map_or("-".to_owned(), minute);
    let mut rows =
        vec![["ACCOUNT", "LISTED", "ARCHIVED", "LAST POLL", "NEXT POLL", "STATE"].map(str::to_owned).to_vec()];
    rows.extend(status.accounts.iter().map(|account| {
        vec![
            tame(&account.account),
            account.listed.map_or("-".to_owned(), count),
            count(account.kept),
            time(&account.last_poll),
            time(&account.next_poll),
            match account.state {
                AccountState::Active if account.last_error.is_some() => "failed".to_owned(),
                AccountState::Active => "well".to_owned(),
                state => state.as_str().to_owned(),
            },
        ]
    }));
    rows
}
