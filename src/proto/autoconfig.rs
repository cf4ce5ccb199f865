//! What a domain says of its mail servers in a file `config-v1.1.xml`, the form that Mozilla gave it
//! (<https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat>). Believes nothing of it but POP3 servers with TLS.
//! Knows nothing about where the file is.

use roxmltree::{Document, Node, ParsingOptions};

/// A POP3 server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A host name; it holds nothing but letters, digits, hyphens and dots.
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// The login name, where the domain says.
    pub user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet.
    Implicit,
    /// By STLS.
    StartTls,
}

/// Elements, attributes and texts. Real files have some hundred.
const MOST_NODES: u32 = 4096;
const LONGEST_HOST: usize = 253;
const LONGEST_USER: usize = 320;

/// The POP3 servers for this mail address, in the order of the file, which is the domain's preference. None where the file
/// cannot be read: it is a guess among others.
pub fn servers(file: &[u8], address: &str) -> Vec<Server> {
    let Ok(text) = std::str::from_utf8(file) else { return Vec::new() };
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(text, options) else { return Vec::new() };
    let providers = children(document.root_element(), "emailProvider");
    let incoming = providers.flat_map(|provider| children(provider, "incomingServer"));
    incoming
        .filter(|server| server.attribute("type") == Some("pop3"))
        .filter_map(|node| server(node, address))
        .collect()
}

fn server(node: Node<'_, '_>, address: &str) -> Option<Server> {
    let security = match text(node, "socketType")? {
        "SSL" => Security::Implicit,
        "STARTTLS" => Security::StartTls,
        _ => return None,
    };
    let host = filled_in(text(node, "hostname")?, address);
    let user = text(node, "username").map(|user| filled_in(user, address));
    Some(Server {
        host: Some(host).filter(|host| is_host(host))?,
        port: text(node, "port")?.parse().ok().filter(|port| *port > 0)?,
        security,
        user: user.filter(|user| is_user(user)),
    })
}

fn children<'a, 'input: 'a>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    children(node, name).next()?.text().map(str::trim)
}

fn filled_in(text: &str, address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or(("", address));
    let whole = text.replace("%EMAILLOCALPART%", local).replace("%EMAILDOMAIN%", domain);
    whole.replace("%EMAILADDRESS%", address)
}

fn is_host(host: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    host.len() <= LONGEST_HOST && host.split('.').all(is_label)
}

/// A percent sign that is left stands for something that nobody knows here.
fn is_user(user: &str) -> bool {
    let is_sendable = |letter: char| !letter.is_control() && letter != '%';
    (1..=LONGEST_USER).contains(&user.len()) && user.chars().all(is_sendable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(servers: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\"><emailProvider id=\"example.org\">\
             <domain>example.org</domain>{servers}</emailProvider></clientConfig>"
        )
    }

    fn entry(kind: &str, host: &str, port: &str, socket: &str, user: &str) -> String {
        format!(
            "<incomingServer type=\"{kind}\"><hostname>{host}</hostname><port>{port}</port>\
             <socketType>{socket}</socketType>\n<username> {user} </username></incomingServer>"
        )
    }

    fn read(servers_text: &str) -> Vec<Server> {
        servers(file(servers_text).as_bytes(), "ana@example.org")
    }

    #[test]
    fn pop3_servers_with_tls_are_taken_in_their_order() {
        let all = [
            entry("imap", "imap.example.org", "993", "SSL", "%EMAILADDRESS%"),
            entry("pop3", "a.%EMAILDOMAIN%", "110", "STARTTLS", "%EMAILLOCALPART%"),
            entry("pop3", "b.example.org", "995", "SSL", "%EMAILADDRESS%"),
            entry("pop3", "c.example.org", "110", "plain", "x"),
        ];
        let server = |host: &str, port, security, user: &str| Server {
            host: host.to_owned(),
            port,
            security,
            user: Some(user.to_owned()),
        };
        let expected = [
            server("a.example.org", 110, Security::StartTls, "ana"),
            server("b.example.org", 995, Security::Implicit, "ana@example.org"),
        ];
        assert_eq!(read(&all.concat()), expected);
    }

    #[test]
    fn what_is_no_server_is_left_out() {
        for (host, port) in
            [("", "995"), ("a b", "995"), ("a/b", "995"), ("h", "0"), ("h", "65536"), ("h", ""), ("a..b", "1")]
        {
            assert_eq!(read(&entry("pop3", host, port, "SSL", "x")), [], "{host}:{port}");
        }
        assert_eq!(read(&entry("pop3", "h", "995", "SSL", "%REALNAME%"))[0].user, None);
        assert_eq!(servers(b"<html><body>not found</body></html>", "a@b"), []);
        let entities = "<!DOCTYPE a [<!ENTITY h \"evil.example.org\">]>";
        let text = file(&entry("pop3", "&h;", "995", "SSL", "x")).replace("?>\n", &format!("?>\n{entities}"));
        assert_eq!(servers(text.as_bytes(), "a@b"), []);
    }

    #[test]
    fn a_deep_file_is_no_trouble() {
        let deep = "<a>".repeat(20_000);
        assert_eq!(servers(deep.as_bytes(), "a@b"), []);
        assert_eq!(servers(format!("{deep}{}", "</a>".repeat(20_000)).as_bytes(), "a@b"), []);
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_not(octets in proptest::collection::vec(any::<u8>(), 0..300), address in any::<String>()) {
            prop_assert!(servers(&octets, &address).iter().all(|server| is_host(&server.host)));
        }

        #[test]
        fn what_is_taken_is_fit_to_be_asked(
            host in "(\\PC|%EMAILDOMAIN%|[a-z.])*", user in "(\\PC|%EMAILADDRESS%)*", address in any::<String>(),
        ) {
            let text = file(&entry("pop3", &host, "995", "SSL", &user));
            for server in servers(text.as_bytes(), &address) {
                prop_assert!(is_host(&server.host) && server.user.is_none_or(|user| is_user(&user)));
            }
        }
    }
}
