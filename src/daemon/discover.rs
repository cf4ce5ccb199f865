//! Where the POP3 server of an address may be: what the domain says, who takes its mail, and what such servers are called.
//! Knows nothing about passwords; who looks is named to the domain itself alone, over TLS.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::TlsMode;
use crate::net::dns::NameServers;
use crate::net::http::Http;
use crate::net::{probe, tls};
use crate::proto::autoconfig::{self, Security};
use crate::proto::dns::Kind;

/// A place worth a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    /// The login name, where the domain says.
    pub user: Option<String>,
    /// Why it is thought of, in words.
    pub source: &'static str,
}

/// Where there is an answer at last, and all that was tried before, with what came of it.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    pub place: Option<Place>,
    pub tried: Vec<(Place, String)>,
}

const PATIENCE: Duration = Duration::from_secs(5);
/// A file that names more has something else in mind.
const MOST_SERVERS: usize = 4;

/// Whose mail exchangers end so has its mailboxes there.
const PROVIDERS: [(&str, &str); 18] = [
    ("google.com", "pop.gmail.com"),
    ("googlemail.com", "pop.gmail.com"),
    ("outlook.com", "outlook.office365.com"),
    ("yahoodns.net", "pop.mail.yahoo.com"),
    ("messagingengine.com", "pop.fastmail.com"),
    ("zoho.com", "pop.zoho.com"),
    ("zoho.eu", "pop.zoho.eu"),
    ("gmx.net", "pop.gmx.net"),
    ("web.de", "pop3.web.de"),
    ("kundenserver.de", "pop.ionos.de"),
    ("rzone.de", "pop3.strato.de"),
    ("t-online.de", "securepop.t-online.de"),
    ("mail.ru", "pop.mail.ru"),
    ("yandex.net", "pop.yandex.com"),
    ("yandex.ru", "pop.yandex.ru"),
    ("secureserver.net", "pop.secureserver.net"),
    ("qq.com", "pop.qq.com"),
    ("163.com", "pop.163.com"),
];

/// Looks for the server of a mail address: one place after the other, the likeliest first.
pub async fn discover(address: &str) -> Discovered {
    let domain = domain(address);
    let (servers, files) = (NameServers::of_system(), files(address, domain));
    let said = async {
        match Http::new(&tls::Trust::Platform) {
            Ok(http) => in_files(&http.within(PATIENCE), &files, address).await,
            Err(_) => Vec::new(),
        }
    };
    let mut discovered = Discovered::default();
    for place in places(domain, &servers, said).await {
        match greets(&place).await {
            Ok(()) => {
                discovered.place = Some(place);
                break;
            }
            Err(why) => discovered.tried.push((place, why)),
        }
    }
    discovered
}

/// Whether the password may go to this host unasked. What name servers say can be forged, so only to one in the domain
/// itself, where TLS vouches for the name.
pub fn is_trusted(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_lowercase(), domain.to_lowercase());
    host == domain || host.ends_with(&format!(".{domain}"))
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// `said`: what the domain's own file names.
async fn places(domain: &str, servers: &NameServers, said: impl Future<Output = Vec<Place>>) -> Vec<Place> {
    let mut places = Vec::new();
    for (service, tls) in [("_pop3s", TlsMode::Implicit), ("_pop3", TlsMode::StartTls)] {
        let records = servers.look_up(&format!("{service}._tcp.{domain}"), Kind::Srv).await;
        let records = records.into_iter().filter(|record| !record.target.is_empty() && record.port > 0);
        places.extend(records.map(|record| Place {
            host: record.target,
            port: record.port,
            tls,
            user: None,
            source: "the domain's SRV records",
        }));
    }
    places.extend(said.await);
    let exchangers = servers.look_up(domain, Kind::Mx).await;
    let provider = exchangers.iter().find_map(|exchanger| provider(&exchanger.target));
    places.extend(provider.map(|host| Place {
        host: host.to_owned(),
        port: 995,
        tls: TlsMode::Implicit,
        user: None,
        source: "who takes the domain's mail",
    }));
    places.extend(usual(domain));
    places
}

/// Where a domain may have its file; the one that is made for this program's kind first.
fn files(address: &str, domain: &str) -> [String; 2] {
    let escaped = utf8_percent_encode(address, NON_ALPHANUMERIC);
    [
        format!("https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={escaped}"),
        format!("https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"),
    ]
}

/// The POP3 servers that the first of two files names; both are asked for at once. Trouble with them means that there are none.
pub async fn in_files(http: &Http, files: &[String; 2], address: &str) -> Vec<Place> {
    let read = async |file: &str| match http.get(file).await {
        Ok(reply) if reply.status == 200 => autoconfig::servers(&reply.body, address),
        _ => Vec::new(),
    };
    let (first, second) = tokio::join!(read(&files[0]), read(&files[1]));
    let servers = if first.is_empty() { second } else { first };
    servers.into_iter().take(MOST_SERVERS).map(place).collect()
}

fn place(server: autoconfig::Server) -> Place {
    let tls = match server.security {
        Security::Implicit => TlsMode::Implicit,
        Security::StartTls => TlsMode::StartTls,
    };
    let source = "the domain's autoconfig file";
    Place { host: server.host, port: server.port, tls, user: server.user, source }
}

fn provider(exchanger: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|(end, _)| is_trusted(exchanger, end)).map(|(_, host)| *host)
}

fn usual(domain: &str) -> impl Iterator<Item = Place> {
    let hosts = ["pop.", "pop3.", "mail.", ""].map(|front| format!("{front}{domain}"));
    let ways = [(995, TlsMode::Implicit), (110, TlsMode::StartTls)];
    ways.into_iter().flat_map(move |(port, tls)| {
        hosts.clone().map(|host| Place { host, port, tls, user: None, source: "a usual name" })
    })
}

async fn greets(place: &Place) -> Result<(), String> {
    let config = match place.tls {
        TlsMode::Implicit => Some(tls::client_config(&tls::Trust::Platform).map_err(|error| error.to_string())?),
        TlsMode::StartTls | TlsMode::None => None,
    };
    probe::greeting(&place.host, place.port, config, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn usual_names_are_tried_with_tls_first() {
        let places = places("example.org", &NameServers::default(), async { Vec::new() }).await;
        let names: Vec<String> = places.iter().map(|place| format!("{}:{}", place.host, place.port)).collect();
        assert_eq!(
            names[..5].join(" "),
            "pop.example.org:995 pop3.example.org:995 mail.example.org:995 example.org:995 pop.example.org:110"
        );
        assert!(places.iter().all(|place| place.tls != TlsMode::None));
    }

    #[tokio::test]
    async fn what_the_domain_says_comes_before_usual_names() {
        let place = Place {
            host: "mx".to_owned(),
            port: 995,
            tls: TlsMode::Implicit,
            user: Some("ana".to_owned()),
            source: "said",
        };
        let said = async { vec![place.clone()] };
        assert_eq!(places("example.org", &NameServers::default(), said).await[0], place);
    }

    #[test]
    fn an_address_is_told_to_its_own_domain_over_tls() {
        let address = "ana+x&y@example.org";
        let [first, second] = files(address, domain(address));
        assert_eq!(
            first,
            "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=ana%2Bx%26y%40example%2Eorg"
        );
        assert_eq!(second, "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml");
    }

    #[test]
    fn providers_are_known_by_whole_names() {
        assert_eq!(provider("aspmx.l.google.com"), Some("pop.gmail.com"));
        assert_eq!(provider("mx.notgoogle.com"), None);
        assert!(is_trusted("POP.example.org", "example.org") && !is_trusted("example.org.evil.net", "example.org"));
    }
}
