//! An account that logs in with tokens of a provider.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::pop3_dovecot::token;
use crate::support::dovecot::{Dovecot, TOKEN_KEY};
use crate::support::poplar::{Account, Archive, mail};
use crate::support::token_server::{Answer, TokenServer};

#[test]
fn an_account_is_polled_with_tokens_and_keeps_the_new_refresh_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    server.deliver("tester", &mail("by token", "one"));
    let grant = json!({ "access_token": token("tester", 3_600, TOKEN_KEY), "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": "second" });
    let over = json!({ "error": "invalid_grant", "error_description": "revoked" });
    let provider = TokenServer::start(vec![Answer::Says(200, grant.to_string()), Answer::Says(400, over.to_string())]);
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let refresh = archive.path("refresh.token");
    fs::write(&refresh, "first\n").unwrap();
    fs::set_permissions(&refresh, fs::Permissions::from_mode(0o600)).unwrap();
    let oauth = format!(
        "[account.oauth]\ntoken_url = {:?}\nclient_id = \"poplar\"\nrefresh_token = {{ file = {refresh:?} }}",
        provider.url()
    );
    archive.configure(&[Account::implicit(&server, "tester").without_password().with(&oauth)]);

    let fetched = archive.fetch(&["--keep-only"]);
    assert_eq!(fetched["kept"], 1, "{fetched}");
    assert_eq!(provider.asked()[0]["refresh_token"], "first");
    assert_eq!(fs::read_to_string(&refresh).unwrap().trim(), "second");

    let refused = archive.run(&["--json", "fetch", "--keep-only"]);
    refused.assert_said(1, "invalid_grant");
    assert_eq!(provider.asked()[1]["refresh_token"], "second");
    assert!(!archive.well(&["status"]).text().contains("second"), "a token is shown");
}

#[test]
fn an_account_whose_refresh_token_is_void_rests_after_two_tries() {
    let over = json!({ "error": "invalid_grant", "error_description": "revoked" }).to_string();
    let provider = TokenServer::start((0..3).map(|_| Answer::Says(400, over.clone())).collect());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let refresh = archive.path("refresh.token");
    fs::write(&refresh, "first\n").unwrap();
    fs::set_permissions(&refresh, fs::Permissions::from_mode(0o600)).unwrap();
    let oauth = format!(
        "[account.oauth]\ntoken_url = {:?}\nclient_id = \"poplar\"\nrefresh_token = {{ file = {refresh:?} }}",
        provider.url()
    );
    archive.configure(&[Account::plain(1, "tester").without_password().with(&oauth)]);
    for state in ["active", "resting"] {
        archive.run(&["--json", "fetch", "--keep-only"]).assert_said(1, "Sign in again with poplar account login");
        assert_eq!(archive.status()["accounts"][0]["state"], state);
    }
}
