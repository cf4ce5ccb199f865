//! Asks the name servers of this machine what its library does not tell: SRV and MX.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::mail::Nonce;
use crate::proto::dns::{self, Kind, Record};

/// Name servers, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameServers(pub Vec<SocketAddr>);

/// To one name server, for one question.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nobody sends more without being asked to (RFC 1035, section 4.2.1, and some to spare).
const DATAGRAM_OCTETS: usize = 4096;
const PORT: u16 = 53;

impl NameServers {
    /// Those that `/etc/resolv.conf` names.
    pub fn of_system() -> Self {
        Self::named(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    /// resolv.conf(5).
    fn named(text: &str) -> Self {
        let words = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.split_whitespace().next());
        Self(words.filter_map(|word| Some(SocketAddr::new(word.parse().ok()?, PORT))).collect())
    }

    /// The records of a name, best first; none where there are none, or where nobody answers.
    pub async fn look_up(&self, name: &str, kind: Kind) -> Vec<Record> {
        for server in &self.0 {
            if let Ok(Some(records)) = timeout(PATIENCE, ask(*server, name, kind)).await {
                return records;
            }
        }
        Vec::new()
    }
}

/// From a port and with an id that nobody can guess; only what comes from that server counts.
async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Option<Vec<Record>> {
    let [high, low, ..] = *Nonce::random().as_bytes();
    let id = u16::from_be_bytes([high, low]);
    let question = dns::question(id, name, kind)?;
    let here: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(&question).await.ok()?;
    let mut room = vec![0; DATAGRAM_OCTETS];
    loop {
        let length = socket.recv(&mut room).await.ok()?;
        if let Some(records) = dns::answer(&room[..length], id, kind) {
            return Some(records);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_as_the_system_writes_them() {
        let text = "# nameserver 1.1.1.1\nsearch example.org\nnameserver 10.0.0.1\n  nameserver\t2001:db8::1 # two\nnameserver x\n";
        let servers = NameServers::named(text);
        assert_eq!(servers.0, ["10.0.0.1:53", "[2001:db8::1]:53"].map(|server| server.parse().unwrap()));
    }

    #[tokio::test]
    async fn a_name_server_that_says_nothing_is_passed_over() {
        let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = NameServers(vec![deaf.local_addr().unwrap(), other.local_addr().unwrap()]);
        let answering = tokio::spawn(async move {
            let mut room = [0; 512];
            let (length, asker) = other.recv_from(&mut room).await.unwrap();
            let mut answer = room[..length].to_vec();
            (answer[2], answer[7]) = (0x81, 1);
            answer.extend([0xC0, 12, 0, 15, 0, 1, 0, 0, 0, 1, 0, 9, 0, 5, 4, b'm', b'a', b'i', b'l', 0xC0, 12]);
            other.send_to(b"nonsense", asker).await.unwrap();
            other.send_to(&answer, asker).await.unwrap();
        });
        let records = servers.look_up("example.org", Kind::Mx).await;
        answering.await.unwrap();
        assert_eq!(records.iter().map(|record| record.target.as_str()).collect::<Vec<_>>(), ["mail.example.org"]);
    }
}
