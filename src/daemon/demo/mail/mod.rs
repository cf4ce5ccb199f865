//! The mail of the demonstration: a yard for wooden boats, and its office.
//! Knows nothing of servers or archives; nothing in these files is of a real person or place of business.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What one POP3 account holds.
pub struct SampleMailbox {
    /// The account's name in the configuration.
    pub account: &'static str,
    /// The name to log in with.
    pub user: &'static str,
    /// Unique id (RFC 1939 section 7) and octets of each message, oldest delivery first. Lines end in CRLF.
    pub messages: Vec<(Vec<u8>, Arc<[u8]>)>,
}

/// Both accounts. `eicar` is the test file that scanners know, which must not lie on a disk and is therefore put into
/// its message here.
pub fn mailboxes(eicar: &[u8]) -> Vec<SampleMailbox> {
    let mailbox = |account, user, letters: &[&[Letter]]| SampleMailbox {
        account,
        user,
        messages: letters.concat().into_iter().map(|letter| letter.served(eicar)).collect(),
    };
    vec![
        mailbox("ana", "ana@poplar.example", &[ANA, BOTH]),
        mailbox("office", "office@poplar.example", &[OFFICE, BOTH]),
    ]
}

/// The line, in one message, that the test file replaces.
const EICAR_PLACE: &[u8] = b"@EICAR@\n";
const BASE64_LINE: usize = 76;

#[derive(Clone, Copy)]
struct Letter {
    /// Folder and file name without its ending; serves as the unique id.
    name: &'static str,
    /// With LF line ends and the place for the test file, as the file in this folder has it.
    text: &'static [u8],
}

impl Letter {
    fn served(self, eicar: &[u8]) -> (Vec<u8>, Arc<[u8]>) {
        let mut octets = Vec::with_capacity(self.text.len() + self.text.len() / 16);
        for line in self.text.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\n") {
                _ if line == EICAR_PLACE => octets.extend(attached(eicar)),
                Some(line) => octets.extend([line, b"\r\n"].concat()),
                None => octets.extend(line),
            }
        }
        (self.name.into(), octets.into())
    }
}

fn attached(file: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(file);
    encoded.as_bytes().chunks(BASE64_LINE).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

macro_rules! letters {
    ($($name:literal,)+) => { &[$(Letter { name: $name, text: include_bytes!(concat!($name, ".eml")) }),+] };
}

const ANA: &[Letter] = letters![
    "ana/01-welcome",
    "ana/02-kayu-ulin",
    "ana/03-eichenholz",
    "ana/04-voiles",
    "ana/05-motor",
    "ana/06-regata",
    "ana/07-konopie",
    "ana/08-bakir-civi",
    "ana/09-syros",
    "ana/10-arkhangelsk",
    "ana/11-teak",
    "ana/12-haifa",
    "ana/13-mumbai",
    "ana/14-phuket",
    "ana/15-osaka",
    "ana/16-shenzhen",
    "ana/17-busan",
    "ana/18-hoi-an",
    "ana/19-mast",
    "ana/20-mast-owner",
    "ana/21-mast-answer",
    "ana/22-mast-scarf",
    "ana/23-mast-done",
    "ana/24-tar-pot",
    "ana/25-launch-invitation",
    "ana/26-first-sail",
    "ana/27-no-date",
    "ana/28-torn",
    "ana/29-half-model",
    "ana/30-caulking",
    "ana/31-dots",
    "ana/32-raw-subject",
];

const OFFICE: &[Letter] = letters![
    "office/01-invoice",
    "office/02-fasteners",
    "office/03-survey",
    "office/04-timesheets",
    "office/05-infected",
    "office/06-forwarded",
    "office/07-bounce",
    "office/08-tamozhnya",
    "office/09-pajak",
    "office/10-gergaji",
    "office/11-tjaere",
    "office/12-forsakring",
    "office/13-nimi",
    "office/14-taipei",
    "office/15-order",
    "office/16-no-subject",
    "office/17-read-receipt",
    "office/18-empty",
    "office/19-minutes",
    "office/20-vcard",
    "office/21-emoji",
    "office/22-livraison",
    "office/23-long-subject",
    "office/24-ukrainian",
    "office/25-quarterly-order",
];

/// The same octets arrive in both accounts.
const BOTH: &[Letter] = letters!["both/harbour-closed",];

#[cfg(test)]
mod tests;
