//! Accounts that log in with tokens: the sign-in by device code in `account add`, and once more by `account login`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::pop3_dovecot::token;
use crate::support::dovecot::{Dovecot, TOKEN_KEY};
use crate::support::poplar::{Account, Archive, Ended, mail, until};
use crate::support::token_server::{Answer, TokenServer};

struct Scene {
    _folder: tempfile::TempDir,
    server: Dovecot,
    archive: Archive,
    provider: TokenServer,
}

fn scene(script: Vec<Answer>) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    Scene { _folder: folder, server, archive, provider: TokenServer::start(script) }
}

impl Scene {
    /// `account add` for tester, who signs in with the scripted provider.
    fn arguments(&self) -> Vec<String> {
        let (port, url) = (self.server.pop3s_port.to_string(), self.provider.url());
        let ca_file = self.server.ca_file.to_str().unwrap();
        let words = ["account", "add", "--non-interactive", "--address", "tester@example.org", "--name", "new"];
        let place = ["--user", "tester", "--host", "127.0.0.1", "--port", &port, "--ca-file", ca_file];
        let tokens = ["--oauth", &url, "--device-url", &url, "--client-id", "poplar", "--scope", "mail offline"];
        words.into_iter().chain(place).chain(tokens).map(str::to_owned).collect()
    }

    fn add(&self) -> Ended {
        let arguments = self.arguments();
        self.archive.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn assert_untouched(&self, before: &str) {
        assert_eq!(fs::read_to_string(self.archive.config_file()).unwrap(), before);
        assert!(!self.archive.path("new.token").exists());
    }
}

fn says(status: u16, body: &Value) -> Answer {
    Answer::Says(status, body.to_string())
}

fn device() -> Answer {
    let (code, uri) = ("device-sekrit", "https://example.org/device");
    let body = json!({ "device_code": code, "user_code": "ABCD-EFGH", "verification_uri": uri, "expires_in": 900,
        "interval": 0 });
    says(200, &body)
}

fn denies(code: &str) -> Answer {
    says(400, &json!({ "error": code }))
}

fn grants(refresh: &str) -> Answer {
    let access = token("tester", 3_600, TOKEN_KEY);
    says(200, &json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh }))
}

#[test]
fn an_account_is_added_once_somebody_has_signed_in_for_it() {
    let script = vec![device(), denies("slow_down"), grants("first"), grants("second"), grants("third")];
    let scene = scene(script);
    let Scene { server, archive, provider, .. } = &scene;
    server.deliver("tester", &mail("by token", "one"));
    let before = fs::read_to_string(archive.config_file()).unwrap().replace("[scan]", "# theirs\n[scan]");
    fs::write(archive.config_file(), &before).unwrap();

    let added = scene.add();
    added.assert_said(0, "https://example.org/device\n    ABCD-EFGH\n");
    assert!(added.text().contains("[account.oauth]\n"), "{added}");
    assert!(!added.to_string().contains("sekrit") && !added.to_string().contains("second"), "a secret shows: {added}");
    let text = fs::read_to_string(archive.config_file()).unwrap();
    assert!(before.lines().all(|line| text.contains(line)), "{text}");
    assert!(text.contains("refresh_token = { file = \"new.token\" }") && !text.contains("second"), "{text}");
    let kept = archive.path("new.token");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "second\n");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o7777, 0o600);
    let asked = provider.asked();
    assert_eq!((asked[0]["client_id"].as_str(), asked[0]["scope"].as_str()), ("poplar", "mail offline"));
    assert_eq!((asked[2]["device_code"].as_str(), asked[3]["refresh_token"].as_str()), ("device-sekrit", "first"));

    assert_eq!(archive.fetch(&["--keep-only", "new"])["kept"], 1);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "third\n");
}

#[test]
fn an_account_that_nobody_signs_in_for_is_not_added() {
    for (code, sentence) in [("access_denied", "said no"), ("expired_token", "Start the sign-in again")] {
        let scene = scene(vec![device(), denies(code)]);
        let before = fs::read_to_string(scene.archive.config_file()).unwrap();
        scene.add().assert_said(1, sentence);
        scene.assert_untouched(&before);
    }
}

#[test]
fn a_token_that_does_not_let_in_is_not_left_behind() {
    let stranger = json!({ "access_token": token("tester", 3_600, b"of somebody else"), "expires_in": 3600 });
    let scene = scene(vec![device(), grants("first"), says(200, &stranger), says(200, &stranger)]);
    let before = fs::read_to_string(scene.archive.config_file()).unwrap();
    scene.add().assert_said(1, "nothing was written");
    scene.assert_untouched(&before);
}

#[test]
fn a_token_that_is_there_already_is_not_replaced() {
    let scene = scene(vec![]);
    let file = scene.archive.path("new.token");
    fs::write(&file, "of another account\n").unwrap();
    scene.add().assert_said(2, "is there already");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of another account\n");
    assert!(scene.provider.asked().is_empty());
}

#[test]
fn a_sign_in_can_be_given_up() {
    let pending = || denies("authorization_pending");
    let scene = scene(std::iter::once(device()).chain(std::iter::repeat_with(pending).take(100)).collect());
    let before = fs::read_to_string(scene.archive.config_file()).unwrap();
    let arguments = scene.arguments();
    let adding = scene.archive.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    until("it does not ask whether somebody has signed in", || (scene.provider.asked().len() > 1).then_some(()));
    rustix::process::kill_process(rustix::process::Pid::from_child(&adding), Signal::INT).unwrap();
    Ended::of(adding).assert_said(1, "interrupted before anybody had signed in");
    scene.assert_untouched(&before);
}

#[test]
fn a_sign_in_needs_a_client_id_and_says_where_it_comes_from() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let place = ["account", "add", "--address", "a@example.org", "--name", "a", "--user", "a", "--host"];
    let microsoft = [&place[..], &["outlook.office365.com"]].concat();
    let silent = [&microsoft[..], &["--non-interactive"]].concat();
    archive.run(&silent).assert_said(2, "takes no passwords");
    archive.run(&[&silent[..], &["--oauth", "microsoft"]].concat()).assert_said(2, "--client-id is missing");
    archive.run(&[&silent[..], &["--oauth", "http://example.org"]].concat()).assert_said(2, "begins with https://");
    let other = ["--oauth", "https://example.org/token", "--client-id", "x"];
    archive.run(&[&silent[..], &other].concat()).assert_said(2, "--device-url is missing");
    // Nobody answers here, but it is asked for.
    let asked = archive.run(&microsoft);
    assert!(asked.stderr.contains("App registrations") && asked.stderr.contains("Client id: "), "{asked}");
    assert_ne!(asked.code, 0);
    let google = archive.run(&[&place[..], &["pop.gmail.com"]].concat());
    assert!(google.stderr.contains("app password"), "{google}");
}

/// An account that the daemon was refused for twice, with these answers of the provider, is then in this state; signed in
/// again, it is polled at once.
fn assert_signed_in_again(refused: [Answer; 2], state: &str, sentence: &str) {
    let granted = [device(), grants("first"), grants("second"), grants("third")];
    let Scene { server, archive, provider, _folder } = scene(refused.into_iter().chain(granted).collect());
    server.deliver("tester", &mail("by token", "one"));
    let kept = archive.path("old.token");
    fs::write(&kept, "void\n").unwrap();
    fs::set_permissions(&kept, PermissionsExt::from_mode(0o600)).unwrap();
    let url = provider.url();
    let oauth = format!(
        "[account.oauth]\ntoken_url = {url:?}\ndevice_url = {url:?}\nclient_id = \"poplar\"\n\
         refresh_token = {{ file = {kept:?} }}"
    );
    archive.configure(&[Account::implicit(&server, "tester").without_password().with(&oauth)]);
    let _daemon = archive.start(&[]);
    let listed = || archive.json(&["account", "list"])[0].clone();
    until("it is not refused", || listed()["last_error"].is_string().then_some(()));
    archive.run(&["fetch", "tester"]).assert_said(1, sentence);
    until("it is in another state", || (listed()["state"] == state).then_some(()));

    let signed_in = archive.run(&["--json", "account", "login", "tester"]);
    signed_in.assert_said(0, "ABCD-EFGH");
    assert_eq!(signed_in.json()["messages"], 1, "{signed_in}");
    until("it is not polled", || (listed()["kept"] == 1).then_some(()));
    assert_eq!((listed()["state"].as_str(), provider.asked().len()), (Some("active"), 6));
    assert_eq!(fs::read_to_string(&kept).unwrap(), "third\n");
}

#[test]
fn an_account_whose_refresh_token_is_void_is_signed_in_again() {
    let void = || denies("invalid_grant");
    assert_signed_in_again([void(), void()], "resting", "Sign in again with poplar account login");
}

#[test]
fn an_account_that_rests_because_of_its_tokens_is_signed_in_again() {
    let stranger = || {
        let access = token("tester", 3_600, b"of somebody else");
        says(200, &json!({ "access_token": access, "expires_in": 3600 }))
    };
    assert_signed_in_again([stranger(), stranger()], "resting", "");
}

#[test]
fn an_account_with_a_password_has_nobody_to_sign_in() {
    let Scene { server, archive, provider, _folder } = scene(vec![]);
    archive.configure(&[Account::implicit(&server, "alice")]);
    archive.run(&["account", "login", "alice"]).assert_said(2, "there is nowhere to sign in");
    assert!(provider.asked().is_empty());
}
