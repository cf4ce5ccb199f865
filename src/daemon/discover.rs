//! Where the POP3 server of an address may be: what the domain says, who takes its mail, and what such servers are called.
//! Knows nothing about passwords; nobody is named to a server here.

use std::time::Duration;

use crate::config::TlsMode;
use crate::net::dns::NameServers;
use crate::net::{probe, tls};
use crate::proto::dns::Kind;

/// A place worth a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
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

/// Looks for the server of a domain: one place after the other, the likeliest first.
pub async fn discover(domain: &str) -> Discovered {
    let mut discovered = Discovered::default();
    for place in places(domain, &NameServers::of_system()).await {
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

async fn places(domain: &str, servers: &NameServers) -> Vec<Place> {
    let mut places = Vec::new();
    for (service, tls) in [("_pop3s", TlsMode::Implicit), ("_pop3", TlsMode::StartTls)] {
        let records = servers.look_up(&format!("{service}._tcp.{domain}"), Kind::Srv).await;
        let records = records.into_iter().filter(|record| !record.target.is_empty() && record.port > 0);
        places.extend(records.map(|record| Place {
            host: record.target,
            port: record.port,
            tls,
            source: "the domain's SRV records",
        }));
    }
    places.extend(autoconfig(domain));
    let exchangers = servers.look_up(domain, Kind::Mx).await;
    let provider = exchangers.iter().find_map(|exchanger| provider(&exchanger.target));
    places.extend(provider.map(|host| Place {
        host: host.to_owned(),
        port: 995,
        tls: TlsMode::Implicit,
        source: "who takes the domain's mail",
    }));
    places.extend(usual(domain));
    places
}

/// `https://autoconfig.DOMAIN/mail/config-v1.1.xml`. Nothing, as long as there is nobody here to fetch it.
const fn autoconfig(_domain: &str) -> Option<Place> {
    None
}

fn provider(exchanger: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|(end, _)| is_trusted(exchanger, end)).map(|(_, host)| *host)
}

fn usual(domain: &str) -> impl Iterator<Item = Place> {
    let hosts = ["pop.", "pop3.", "mail.", ""].map(|front| format!("{front}{domain}"));
    let ways = [(995, TlsMode::Implicit), (110, TlsMode::StartTls)];
    ways.into_iter()
        .flat_map(move |(port, tls)| hosts.clone().map(|host| Place { host, port, tls, source: "a usual name" }))
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
        let places = places("example.org", &NameServers::default()).await;
        let names: Vec<String> = places.iter().map(|place| format!("{}:{}", place.host, place.port)).collect();
        assert_eq!(
            names[..5].join(" "),
            "pop.example.org:995 pop3.example.org:995 mail.example.org:995 example.org:995 pop.example.org:110"
        );
        assert!(places.iter().all(|place| place.tls != TlsMode::None));
    }

    #[test]
    fn providers_are_known_by_whole_names() {
        assert_eq!(provider("aspmx.l.google.com"), Some("pop.gmail.com"));
        assert_eq!(provider("mx.notgoogle.com"), None);
        assert!(is_trusted("POP.example.org", "example.org") && !is_trusted("example.org.evil.net", "example.org"));
    }
}
