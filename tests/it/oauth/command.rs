//! Tokens from a command.

use std::fs;
use std::thread;
use std::time::Duration;

use poplar::net::oauth::{Cause, Command, Tokens};

use super::granted;

fn script(text: &str) -> Command {
    Command::new(["sh", "-c", text].map(str::to_owned).to_vec())
}

#[tokio::test]
async fn the_first_line_of_a_command_is_the_token() {
    for text in ["echo token", "echo token; echo more", "printf token", "printf 'token\\r\\n'"] {
        assert_eq!(granted(&Tokens::from_command(script(text))).await, "token", "{text}");
    }
}

#[tokio::test]
async fn a_command_that_fails_is_quoted_without_its_token() {
    let failing = script("echo sekrit; echo first >&2; echo 'no sekrit today' >&2; exit 3");
    let error = Tokens::from_command(failing).access().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("no <redacted> today") && shown.contains("exit status: 3"), "{shown}");
    assert!(!shown.contains("sekrit") && !shown.contains("first") && error.is_transient(), "{shown}");
}

#[tokio::test]
async fn a_command_without_a_token_is_an_error() {
    let silent = Tokens::from_command(script("echo 'log in first' >&2")).access().await.unwrap_err();
    assert!(silent.to_string().contains("printed no token (log in first)"), "{silent}");
    let spaced = Tokens::from_command(script("echo 'not a token'")).access().await.unwrap_err();
    assert!(matches!(spaced.cause, Cause::Unsendable) && !spaced.to_string().contains("not a token"), "{spaced}");
    let absent = Command::new(vec!["/nonexistent/program".to_owned()]);
    let absent = Tokens::from_command(absent).access().await.unwrap_err();
    assert!(matches!(absent.cause, Cause::Start(_)) && absent.to_string().contains("/nonexistent"), "{absent}");
    let flood = Tokens::from_command(script("exec yes")).access().await.unwrap_err();
    assert!(matches!(flood.cause, Cause::Failed { .. }), "{flood}");
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let text = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
    let error = Tokens::from_command(script(&text).within(Duration::from_secs(1))).access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Hung(_)) && error.is_transient(), "{error}");
    let stat = format!("/proc/{}/stat", fs::read_to_string(pid_file).unwrap().trim());
    // Gone, or a zombie that nobody has collected yet; the kernel may take a moment.
    while fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        thread::sleep(Duration::from_millis(5));
    }
}
