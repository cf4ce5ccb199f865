//! Access tokens: when they are asked for, and what becomes of rotated refresh tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use poplar::net::oauth::{Cause, Grant, Provider};
use tokio::sync::Notify;

use super::{Answer, Bench, CLIENT_SECRET, denies, granted, grants, put, rotates};

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

/// Each has its own memory, as two processes have.
#[tokio::test]
async fn two_processes_that_renew_at_once_do_so_one_after_the_other() {
    let dawdles = Box::new(|| thread::sleep(Duration::from_millis(300)));
    let bench = Bench::new(vec![Answer::After(dawdles, Box::new(rotates(1))), rotates(2)]);
    let (one, other) = (bench.tokens(), bench.tokens());
    let mut got = <[String; 2]>::from(tokio::join!(granted(&one), granted(&other)));
    got.sort_unstable();
    assert_eq!(got, ["access-1", "access-2"]);
    let sent: Vec<String> = bench.server.asked().iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["refresh-0", "refresh-1"]);
    assert_eq!(bench.kept(), "refresh-2\n");
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
