//! `account test` and `account add`, against a real server.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::dovecot::USERS;
use crate::support::poplar::{Account, Archive, Ended, mail};
use crate::support::scene::Scene;

fn scene() -> Scene {
    let scene = Scene::without_scanner();
    scene.archive.configure(&[Account::implicit(&scene.server, "alice")]);
    scene
}

fn password(user: &str) -> &'static str {
    USERS.iter().find(|(known, _)| *known == user).unwrap().1
}

fn secret(archive: &Archive, user: &str) -> PathBuf {
    let file = archive.path("new.secret");
    fs::write(&file, password(user)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    file
}

/// `account add` for bob, with this password file and these options.
fn add(scene: &Scene, file: &str, options: &[&str]) -> Ended {
    let port = scene.server.pop3s_port.to_string();
    let ca_file = scene.server.ca_file.to_str().unwrap().to_owned();
    let mut arguments = vec!["account", "add", "--non-interactive", "--address", "bob@example.org", "--user", "bob"];
    arguments.extend(["--host", "127.0.0.1", "--port", &port, "--ca-file", &ca_file, "--password-file", file]);
    arguments.extend(options);
    scene.archive.run(&arguments)
}

#[test]
fn a_test_tells_what_the_server_is_like_and_what_a_poll_would_do() {
    let Scene { server, archive, .. } = &scene();
    server.deliver("alice", &mail("first", "one"));
    archive.fetch(&["--keep-only"]);
    server.deliver("alice", &mail("second", "two"));
    let tested = archive.json(&["account", "test", "alice"]);
    assert_eq!((&tested["messages"], &tested["error"]), (&json!(2), &json!(null)));
    assert!(tested["tls"].as_str().unwrap().starts_with("TLS 1.3, "), "{tested}");
    assert_eq!(tested["mechanism"], "SCRAM-SHA-256");
    assert_eq!(tested["certificate"]["names"], json!(["localhost", "127.0.0.1"]));
    assert_eq!(tested["next"], "a poll would fetch 1 new message of 2 and leave all on the server", "{tested}");
    assert!(tested["capabilities"].as_array().unwrap().contains(&json!("UIDL")), "{tested}");
    let told = archive.well(&["account", "test", "alice"]);
    assert!(told.text().contains("TLS 1.3") && told.text().contains("2 messages"), "{told}");
    // Nothing was marked as read, deleted or kept by it.
    assert_eq!(archive.status()["messages"], 1);
}

#[test]
fn a_test_counts_what_is_too_large_whether_the_ledger_knows_it_or_not() {
    let Scene { server, archive, .. } = &scene();
    archive.configure(&[Account::implicit(server, "alice").with("max_message_bytes = \"1KiB\"")]);
    let next = |new: &str, listed: u64| {
        format!(
            "a poll would fetch {new} of {listed} (1 more are larger than max_message_bytes) and leave all on the server"
        )
    };
    server.deliver("alice", &mail("too large", &"much ".repeat(2_000)));
    server.deliver("alice", &mail("small", "one"));
    assert_eq!(archive.json(&["account", "test", "alice"])["next"], next("1 new message", 2));
    archive.fetch(&["--keep-only"]);
    assert_eq!(archive.json(&["account", "test", "alice"])["next"], next("0 new messages", 2));
}

#[test]
fn a_test_that_fails_says_what_to_mend() {
    let Scene { server, archive, .. } = &scene();
    archive.configure(&[Account::implicit(server, "alice").with_password("wrong"), Account::plain(1, "bob")]);
    archive.run(&["account", "test", "alice"]).assert_said(1, "account alice: ");
    archive.run(&["account", "test", "bob"]).assert_said(1, "Check host, port and firewall");
    archive.run(&["account", "test", "bobb"]).assert_said(2, "did you mean \"bob\"?");
}

#[test]
fn an_added_account_stands_in_the_file_behind_all_that_was_there() {
    let scene = scene();
    let Scene { server, archive, .. } = &scene;
    let before = fs::read_to_string(archive.config_file()).unwrap().replace("[scan]", "# theirs\n[scan]");
    fs::write(archive.config_file(), &before).unwrap();
    fs::set_permissions(archive.config_file(), Permissions::from_mode(0o640)).unwrap();
    server.deliver("bob", &mail("for bob", "one"));
    let file = secret(archive, "bob");
    let added = add(&scene, file.to_str().unwrap(), &["--name", "bob.1"]);
    assert_eq!(added.code, 0, "{added}");
    assert!(added.text().contains("[[account]]\nname = \"bob.1\"\n"), "{added}");
    let text = fs::read_to_string(archive.config_file()).unwrap();
    assert!(before.lines().all(|line| text.contains(line)) && !text.contains(password("bob")), "{text}");
    assert_eq!(fs::metadata(archive.config_file()).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(archive.fetch(&["--keep-only", "bob.1"])["kept"], 1);
    add(&scene, file.to_str().unwrap(), &["--name", "BOB.1"]).assert_said(2, "an account is called \"BOB.1\" already");
}

#[test]
fn an_account_that_cannot_log_in_is_not_added() {
    let scene = scene();
    let before = fs::read_to_string(scene.archive.config_file()).unwrap();
    let file = secret(&scene.archive, "alice");
    let file = file.to_str().unwrap();
    add(&scene, file, &[]).assert_said(1, "nothing was written");
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    add(&scene, file, &[]).assert_said(1, "can be read by others");
    let missing = ["account", "add", "--non-interactive"];
    scene.archive.run(&missing).assert_said(2, "--address is missing");
    let none = [&missing[..], &["--address", "bob"]].concat();
    scene.archive.run(&none).assert_said(2, "\"bob\" is no mail address");
    assert_eq!(fs::read_to_string(scene.archive.config_file()).unwrap(), before);
}

#[test]
fn what_is_not_given_is_asked_for_and_a_password_goes_into_a_file_of_its_own() {
    let Scene { server, archive, .. } = &scene();
    let file = archive.path("asked.secret");
    let mut child = Command::new(env!("CARGO_BIN_EXE_poplar"))
        .arg("-c")
        .arg(archive.config_file())
        .args(["account", "add", "--host", "127.0.0.1", "--port", &server.pop3s_port.to_string()])
        .arg("--ca-file")
        .arg(&server.ca_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let answers = format!("nonsense\nbob@example.org\n\nbob\n{}\n{}\n", file.display(), password("bob"));
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let ended = Ended::of(child);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("\"nonsense\" is no mail address"), "{ended}");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n", password("bob")));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(archive.json(&["account", "list"])[1]["account"], "bob@example.org");
}
