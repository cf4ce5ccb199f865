//! The file in which a domain names its servers, from a web server of our own over TLS.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use poplar::config::TlsMode;
use poplar::daemon::discover::{Place, in_files};
use poplar::net::http::Http;
use poplar::net::tls::Trust;
use rustls::{ServerConnection, StreamOwned};

use crate::oauth::certified;

const ADDRESS: &str = "ana@example.org";
const MAILBOXES: &str = include_str!("../autoconfig/mailboxes.xml");
const IMAP_ONLY: &str = include_str!("../autoconfig/imap-only.xml");

/// What is at a path.
enum Page {
    Is(u16, String),
    /// Begins to answer, and no more.
    Stalls,
}

struct Web {
    port: u16,
    http: Http,
    /// The first line of every request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves two pages, at `/first` and at `/second`.
    fn start(first: Page, second: Page) -> Self {
        let (config, authority) = certified(&["127.0.0.1"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, authority).unwrap();
        let http = Http::new(&Trust::File(file)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, pages) = (Arc::clone(&asked), Arc::new([first, second]));
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), tcp.unwrap());
                let (heard, pages) = (Arc::clone(&heard), Arc::clone(&pages));
                // Who does not trust us, or has enough, goes away in the middle.
                thread::spawn(move || drop(serve(stream, &pages, &heard)));
            }
        });
        Self { port, http, asked }
    }

    async fn places(&self) -> Vec<Place> {
        let file = |name: &str| format!("https://127.0.0.1:{}/{name}?emailaddress=ana%40example%2Eorg", self.port);
        in_files(&self.http.clone().within(Duration::from_secs(1)), &[file("first"), file("second")], ADDRESS).await
    }
}

fn serve(stream: impl Read + Write, pages: &[Page; 2], heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let page = &pages[usize::from(first.starts_with("GET /second"))];
    heard.lock().unwrap().push(first);
    let stream = reader.get_mut();
    match page {
        Page::Is(status, body) => {
            write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            stream.flush()
        }
        Page::Stalls => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n<?xml")?;
            stream.flush()?;
            stream.read(&mut [0]).map(drop)
        }
    }
}

fn is(body: &str) -> Page {
    Page::Is(200, body.to_owned())
}

fn names(places: &[Place]) -> Vec<(&str, u16, TlsMode, Option<&str>)> {
    places.iter().map(|place| (place.host.as_str(), place.port, place.tls, place.user.as_deref())).collect()
}

fn mailboxes() -> Vec<(&'static str, u16, TlsMode, Option<&'static str>)> {
    vec![
        ("pop.example.org", 995, TlsMode::Implicit, Some("ana")),
        ("pop.example.org", 110, TlsMode::StartTls, Some("ana@example.org")),
    ]
}

#[tokio::test]
async fn a_domain_names_its_servers() {
    let web = Web::start(is(MAILBOXES), is(IMAP_ONLY));
    assert_eq!(names(&web.places().await), mailboxes());
    let asked = web.asked.lock().unwrap();
    assert!(asked.iter().any(|line| line == "GET /first?emailaddress=ana%40example%2Eorg HTTP/1.1\r\n"), "{asked:?}");
}

#[tokio::test]
async fn a_file_that_is_of_no_use_leaves_it_to_the_other() {
    let long = format!("{MAILBOXES}{}", " ".repeat(64 << 10));
    for useless in [
        is(IMAP_ONLY),
        is("<html>"),
        is(&long),
        Page::Is(404, MAILBOXES.to_owned()),
        Page::Is(302, String::new()),
        Page::Stalls,
    ] {
        let web = Web::start(useless, is(MAILBOXES));
        assert_eq!(names(&web.places().await), mailboxes());
    }
}

#[tokio::test]
async fn a_stranger_is_not_believed() {
    let web = Web::start(is(MAILBOXES), is(MAILBOXES));
    let other = Web::start(is(MAILBOXES), is(MAILBOXES));
    let deceived = Web { http: other.http, ..web };
    assert_eq!(deceived.places().await, []);
    assert!(deceived.asked.lock().unwrap().is_empty());
}
