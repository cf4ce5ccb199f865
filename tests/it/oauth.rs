//! Tokens: what a provider or a command gives is used, kept and asked for again as it should be; everything else is
//! an error that tells whether a retry helps, and that never shows a secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use poplar::mail::{Clock, Secret, Timestamp};
use poplar::net::oauth::{Cause, Command, Error, Grant, Http, Poll, Provider, Tokens, device_code};
use poplar::net::tls::Trust;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::token_server::{Answer, TokenServer};

const CLIENT_SECRET: &str = "client+secret&of=ours";

/// A folder with a refresh token, a provider, and a clock that the test turns.
struct Bench {
    _folder: tempfile::TempDir,
    file: PathBuf,
    server: TokenServer,
    now: Arc<AtomicI64>,
}

impl Bench {
    fn new(script: Vec<Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refresh");
        put(&file, "refresh-0");
        Self { _folder: folder, file, server: TokenServer::start(script), now: Arc::default() }
    }

    fn provider(&self) -> Provider {
        Provider {
            token_url: self.server.url(),
            device_url: Some(self.server.url()),
            client_id: "poplar".to_owned(),
            client_secret: Some(Secret::new(CLIENT_SECRET.to_owned())),
            scope: Some("mail offline".to_owned()),
            grant: Grant::RefreshToken { file: self.file.clone() },
        }
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Clock::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)))
    }

    fn tokens(&self) -> Tokens {
        self.tokens_of(self.provider())
    }

    fn tokens_of(&self, provider: Provider) -> Tokens {
        Tokens::from_provider(provider, http(), self.clock()).unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn kept(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

fn http() -> Http {
    // The authorities of the machine matter to nobody here, and a machine may have none.
    let (_, authority) = certified(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority).unwrap();
    Http::new(&Trust::File(file)).unwrap()
}

fn put(file: &Path, token: &str) {
    fs::write(file, format!("{token}\n")).unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
}

fn grants(number: u32) -> Answer {
    Answer::Says(200, json!({"access_token": format!("access-{number}"), "expires_in": 3600}).to_string())
}

fn rotates(number: u32) -> Answer {
    let (access, refresh) = (format!("access-{number}"), format!("refresh-{number}"));
    let body = json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 3600});
    Answer::Says(200, body.to_string())
}

fn denies(code: &str) -> Answer {
    Answer::Says(400, json!({"error": code, "error_description": "so it is"}).to_string())
}

async fn granted(tokens: &Tokens) -> String {
    tokens.access().await.unwrap().reveal().clone()
}

async fn refused(script: Vec<Answer>) -> Error {
    Bench::new(script).tokens().access().await.unwrap_err()
}

#[tokio::test]
async fn a_refresh_token_brings_an_access_token() {
    let bench = Bench::new(vec![grants(1)]);
    assert_eq!(granted(&bench.tokens()).await, "access-1");
    let asked = bench.server.asked();
    let expected = [
        ("client_id", "poplar"),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", "refresh-0"),
        ("scope", "mail offline"),
    ];
    assert_eq!(asked, [expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()]);
    assert_eq!(bench.kept(), "refresh-0\n");
}

#[tokio::test]
async fn client_credentials_need_no_file() {
    let bench = Bench::new(vec![rotates(1)]);
    let provider = Provider { grant: Grant::ClientCredentials, ..bench.provider() };
    assert_eq!(granted(&bench.tokens_of(provider)).await, "access-1");
    assert_eq!(bench.server.asked()[0]["grant_type"], "client_credentials");
    assert_eq!(bench.kept(), "refresh-0\n");
}

#[tokio::test]
async fn a_token_is_used_until_a_minute_before_its_end() {
    let bench = Bench::new(vec![grants(1), grants(2)]);
    let tokens = bench.tokens();
    assert_eq!(granted(&tokens).await, "access-1");
    bench.pass(3539);
    assert_eq!(granted(&tokens).await, "access-1");
    bench.pass(1);
    assert_eq!(granted(&tokens).await, "access-2");
    assert_eq!(bench.server.asked().len(), 2);
}

#[tokio::test]
async fn a_token_that_the_server_refused_is_not_used_again() {
    let bench = Bench::new(vec![grants(1), grants(2)]);
    let tokens = bench.tokens();
    let first = tokens.access().await.unwrap();
    tokens.forget(&first).await;
    assert_eq!(granted(&tokens).await, "access-2");
    tokens.forget(&first).await;
    assert_eq!(granted(&tokens).await, "access-2");
}

#[tokio::test]
async fn two_who_ask_at_once_cost_one_request() {
    let bench = Bench::new(vec![grants(1), grants(2)]);
    let tokens = bench.tokens();
    let (one, other) = tokio::join!(granted(&tokens), granted(&tokens));
    assert_eq!([one.as_str(), other.as_str()], ["access-1"; 2]);
    assert_eq!(bench.server.asked().len(), 1);
}

#[tokio::test]
async fn a_rotated_refresh_token_replaces_the_old_one() {
    let bench = Bench::new(vec![rotates(1), rotates(2)]);
    let tokens = bench.tokens();
    assert_eq!(granted(&tokens).await, "access-1");
    assert_eq!(bench.kept(), "refresh-1\n");
    assert_eq!(fs::metadata(&bench.file).unwrap().permissions().mode() & 0o777, 0o600);
    bench.pass(3600);
    assert_eq!(granted(&tokens).await, "access-2");
    assert_eq!(bench.server.asked()[1]["refresh_token"], "refresh-1");
}

#[tokio::test]
async fn no_access_token_is_used_before_the_rotated_one_is_stored() {
    let bench = Bench::new(vec![rotates(1)]);
    let tokens = bench.tokens();
    // Where the new file would be written first.
    let in_the_way = bench.file.with_file_name("refresh.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let error = tokens.access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Store { .. }) && error.is_transient(), "{error}");
    assert_eq!(bench.kept(), "refresh-0\n");

    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(granted(&tokens).await, "access-1");
    assert_eq!(bench.kept(), "refresh-1\n");
    assert_eq!(bench.server.asked().len(), 1);
}

#[tokio::test]
async fn whoever_reads_the_file_finds_a_whole_token() {
    const ROTATIONS: u32 = 40;
    let bench = Bench::new((1..=ROTATIONS).map(rotates).collect());
    let (file, done) = (bench.file.clone(), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&done);
    let reader = thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let text = fs::read_to_string(&file).unwrap();
            let number = text.strip_prefix("refresh-").and_then(|rest| rest.strip_suffix('\n'));
            assert!(number.is_some_and(|digits| digits.parse::<u32>().is_ok()), "{text:?}");
        }
    });
    let tokens = bench.tokens();
    for number in 1..=ROTATIONS {
        assert_eq!(granted(&tokens).await, format!("access-{number}"));
        bench.pass(3600);
    }
    done.store(true, Ordering::SeqCst);
    reader.join().unwrap();
}

#[tokio::test]
async fn a_caller_that_gives_up_loses_no_rotated_token() {
    let arrived = Arc::new(Notify::new());
    let (given_up, wait_for_it) = mpsc::channel::<()>();
    let holds_back = Box::new({
        let arrived = Arc::clone(&arrived);
        move || {
            arrived.notify_one();
            wait_for_it.recv().unwrap();
        }
    });
    let bench = Bench::new(vec![Answer::After(holds_back, Box::new(rotates(1)))]);
    let tokens = bench.tokens();
    tokio::select! {
        result = tokens.access() => panic!("answered already: {result:?}"),
        () = arrived.notified() => {}
    }
    given_up.send(()).unwrap();
    assert_eq!(granted(&tokens).await, "access-1");
    assert_eq!(bench.kept(), "refresh-1\n");
    assert_eq!(bench.server.asked().len(), 1);
}

#[tokio::test]
async fn a_refresh_token_replaced_while_it_was_on_its_way_is_no_trouble() {
    let file = Arc::new(OnceLock::new());
    let signs_in_again = Box::new({
        let file: Arc<OnceLock<PathBuf>> = Arc::clone(&file);
        move || put(file.get().unwrap(), "refresh-new")
    });
    let bench = Bench::new(vec![Answer::After(signs_in_again, Box::new(denies("invalid_grant"))), grants(1)]);
    file.set(bench.file.clone()).unwrap();
    assert_eq!(granted(&bench.tokens()).await, "access-1");
    let sent: Vec<String> = bench.server.asked().iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["refresh-0", "refresh-new"]);
}

#[tokio::test]
async fn what_needs_a_person_says_what_to_do() {
    for (code, advice) in [
        ("invalid_grant", "Sign in again"),
        ("invalid_client", "Check client_id and client_secret"),
        ("unauthorized_client", "what its registration allows"),
        ("invalid_scope", "Check scope"),
    ] {
        let error = refused(vec![denies(code)]).await;
        assert!(!error.is_transient(), "{error}");
        let shown = error.to_string();
        assert!(shown.contains(code) && shown.contains("so it is") && shown.contains(advice), "{shown}");
    }
}

#[tokio::test]
async fn what_passes_is_transient() {
    let long = Answer::Says(200, " ".repeat((64 << 10) + 1));
    for answer in [
        Answer::Says(503, "no".to_owned()),
        Answer::Says(429, json!({"error": "rate_limited"}).to_string()),
        Answer::Says(500, json!({"error": "invalid_grant"}).to_string()),
        Answer::Says(200, "{\"access_token\": ".to_owned()),
        denies("temporarily_unavailable"),
        Answer::Endless,
        Answer::HangsUp,
        long,
    ] {
        let error = refused(vec![answer]).await;
        assert!(error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let bench = Bench::new(vec![]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = Provider { token_url: format!("http://{free}/token"), ..bench.provider() };
    let error = bench.tokens_of(provider).access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Connect(_)) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let bench = Bench::new(vec![Answer::Stalls]);
    let http = http().within(Duration::from_millis(300));
    let error = Tokens::from_provider(bench.provider(), http, bench.clock()).unwrap().access().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Deadline(_)) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_token_with_a_line_end_is_not_used_nor_shown() {
    let bad = json!({"access_token": "sekrit\r\nDELE 1", "expires_in": 3600});
    let error = refused(vec![Answer::Says(200, bad.to_string())]).await;
    assert!(matches!(error.cause, Cause::Unsendable) && !error.is_transient(), "{error}");
    assert!(!format!("{error}{error:?}").contains("sekrit"));
}

#[tokio::test]
async fn no_error_repeats_a_secret_that_the_provider_repeats() {
    let sentence = format!("no client with refresh-0 and {CLIENT_SECRET}\u{1b}[2J");
    let error =
        refused(vec![Answer::Says(400, json!({"error": "invalid_grant", "error_description": sentence}).to_string())])
            .await;
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("no client with <redacted> and <redacted>"), "{shown}");
    assert!(
        !shown.contains(CLIENT_SECRET) && !shown.contains("refresh-0") && !error.to_string().contains('\u{1b}'),
        "{shown}"
    );
}

#[tokio::test]
async fn a_file_that_is_missing_empty_or_open_to_others_is_an_error_for_a_person() {
    let bench = Bench::new(vec![]);
    fs::set_permissions(&bench.file, PermissionsExt::from_mode(0o640)).unwrap();
    let open = bench.tokens().access().await.unwrap_err();
    assert!(open.to_string().contains("can be read by others") && !open.is_transient(), "{open}");
    put(&bench.file, "");
    let empty = bench.tokens().access().await.unwrap_err();
    assert!(matches!(empty.cause, Cause::Empty { .. }) && !empty.is_transient(), "{empty}");
    fs::remove_file(&bench.file).unwrap();
    let missing = bench.tokens().access().await.unwrap_err();
    assert!(missing.to_string().contains("Sign in first") && !missing.is_transient(), "{missing}");
    assert!(bench.server.asked().is_empty());
}

#[tokio::test]
async fn tls_is_spoken_to_those_we_trust_only() {
    let (config, authority) = certified(&["127.0.0.1"]);
    let server = TokenServer::start_tls(vec![grants(1), grants(2)], config);
    let bench = Bench::new(vec![]);
    let provider = Provider { token_url: format!("https://127.0.0.1:{}/token", server.port), ..bench.provider() };

    let stranger = bench.tokens_of(provider.clone()).access().await.unwrap_err();
    assert!(matches!(stranger.cause, Cause::Tls(_)) && !stranger.is_transient(), "{stranger}");
    assert!(server.asked().is_empty());

    let ca_file = bench.file.with_file_name("ca.pem");
    fs::write(&ca_file, authority).unwrap();
    let trusting = Http::new(&Trust::File(ca_file)).unwrap();
    let tokens = Tokens::from_provider(provider, trusting, bench.clock()).unwrap();
    assert_eq!(granted(&tokens).await, "access-2");
}

#[test]
fn secrets_are_not_sent_in_the_clear() {
    let bench = Bench::new(vec![]);
    let provider = Provider { token_url: "http://example.org/token".to_owned(), ..bench.provider() };
    let error = Tokens::from_provider(provider, http(), bench.clock()).unwrap_err();
    assert!(error.to_string().contains("https://") && !error.is_transient(), "{error}");
}

fn device(expires_in: u32) -> Answer {
    let body = json!({
        "device_code": "device-sekrit", "user_code": "ABCD-EFGH", "verification_uri": "https://example.org/device",
        "expires_in": expires_in, "interval": 0,
    });
    Answer::Says(200, body.to_string())
}

#[tokio::test]
async fn a_sign_in_waits_for_its_person_at_the_pace_it_is_told() {
    let pending = || denies("authorization_pending");
    let bench = Bench::new(vec![device(900), pending(), denies("slow_down"), pending(), rotates(1)]);
    fs::remove_file(&bench.file).unwrap();
    let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
    assert_eq!(sign_in.prompt().user_code, "ABCD-EFGH");
    assert_eq!(sign_in.prompt().verification_uri, "https://example.org/device");
    let pace = sign_in.interval();

    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert_eq!(sign_in.interval(), pace);
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert_eq!(sign_in.interval(), pace + Duration::from_secs(5));
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Pending);
    assert!(!bench.file.exists());
    assert_eq!(sign_in.poll().await.unwrap(), Poll::Done);

    assert_eq!(bench.kept(), "refresh-1\n");
    let asked = bench.server.asked();
    assert_eq!(asked[0]["scope"], "mail offline");
    assert_eq!(asked[4]["device_code"], "device-sekrit");
    assert_eq!(asked[4]["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert!(!format!("{sign_in:?}").contains("sekrit"));
}

#[tokio::test]
async fn a_sign_in_can_be_waited_for() {
    let bench = Bench::new(vec![device(900), rotates(1)]);
    device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap().wait().await.unwrap();
    assert_eq!(bench.kept(), "refresh-1\n");
}

#[tokio::test]
async fn a_sign_in_that_fails_leaves_the_file_alone() {
    for (answer, advice) in [
        (denies("expired_token"), "Start the sign-in again"),
        (denies("access_denied"), "said no"),
        (grants(1), "no refresh token"),
    ] {
        let bench = Bench::new(vec![device(900), answer]);
        let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
        let error = sign_in.poll().await.unwrap_err();
        assert!(error.to_string().contains(advice) && !error.is_transient(), "{error}");
        assert_eq!(bench.kept(), "refresh-0\n");
    }
}

#[tokio::test]
async fn a_sign_in_ends_with_its_code() {
    let bench = Bench::new(vec![device(60), rotates(1)]);
    let mut sign_in = device_code(&bench.provider(), &http(), &bench.clock()).await.unwrap();
    bench.pass(60);
    assert!(matches!(sign_in.poll().await.unwrap_err().cause, Cause::SignInExpired));
}

#[tokio::test]
async fn a_provider_without_device_sign_in_says_so() {
    let bench = Bench::new(vec![]);
    let provider = Provider { device_url: None, ..bench.provider() };
    let error = device_code(&provider, &http(), &bench.clock()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoSignIn), "{error}");
}

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

/// A certificate for `names` that is its own authority: the server's side, and the PEM to trust.
fn certified(names: &[&str]) -> (Arc<ServerConfig>, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (Arc::new(config), certificate.pem())
}
