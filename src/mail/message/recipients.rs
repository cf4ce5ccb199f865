use super::{Enclosed, Message, clean};

/// Who had a message, by the envelope it came in rather than by what it says of itself. Mail of a mailbox that collects
/// the mail of many says so in headers that servers add, or in the report that Exchange wraps around the original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participants {
    pub senders: Vec<String>,
    /// Each once, in the order in which they stand there.
    pub recipients: Vec<String>,
    /// Whether the message is a journal report; the original is `enclosed[0]`.
    pub is_report: bool,
}

/// Headers with the envelope recipient, by the names that servers give them. Anybody may write them into a message: whom it
/// was for is only as sure as the server that collects.
const HEADERS: [&str; 4] = ["x-envelope-to", "delivered-to", "x-original-to", "envelope-to"];
/// The lines of a report that name recipients; an address may be followed by `, Expanded:` or `, Forwarded:` and another.
const LINES: [&str; 4] = ["recipient", "to", "cc", "bcc"];
const SENDERS: [&str; 2] = ["sender", "on-behalf-of"];
/// More are left out; a distribution list may be long, but not endless.
const MOST: usize = 10_000;
/// RFC 5321, section 4.5.3.1: local part, domain, and the sign between.
const LONGEST_ADDRESS: usize = 64 + 1 + 255;

/// Reads who had a message from its octets, which [`super::read`] has made a [`Message`] of.
pub fn participants(octets: &[u8], message: &Message<'_>) -> Participants {
    let mut participants = Participants::default();
    let block = String::from_utf8_lossy(super::header_block(octets));
    for (name, value) in fields(&block) {
        let name = name.to_ascii_lowercase();
        if HEADERS.contains(&name.as_str()) {
            add(&mut participants.recipients, &value);
        } else if name == "received" {
            received_for(&value).into_iter().for_each(|address| add(&mut participants.recipients, address));
        }
    }
    if let Some(report) = report(message) {
        participants.is_report = true;
        for (name, value) in fields(&report) {
            let name = name.to_ascii_lowercase();
            if LINES.contains(&name.as_str()) {
                add(&mut participants.recipients, &value);
            } else if SENDERS.contains(&name.as_str()) {
                add(&mut participants.senders, &value);
            }
        }
    }
    participants
}

impl Message<'_> {
    /// The original inside a journal report.
    pub fn reported(&self, participants: &Participants) -> Option<&Enclosed> {
        self.enclosed.first().filter(|_| participants.is_report)
    }
}

/// The first text of a message that encloses another one, if it is what Exchange writes there: a sender first, and
/// somebody who received it.
fn report(message: &Message<'_>) -> Option<String> {
    let first =
        message.parts.first().filter(|part| part.content_type == "text/plain" && !message.enclosed.is_empty())?;
    let text = first.text()?;
    let names: Vec<String> = fields(&text).map(|(name, _)| name.to_ascii_lowercase()).collect();
    let is_report = names.first()? == "sender" && names.iter().any(|name| LINES.contains(&name.as_str()));
    is_report.then(|| text.into_owned())
}

/// `Name: value` lines, those that begin with a blank joined to the one before (RFC 5322, section 2.2.3).
fn fields(text: &str) -> impl Iterator<Item = (&str, String)> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r')).peekable();
    std::iter::from_fn(move || {
        loop {
            let Some((name, value)) = lines.next()?.split_once(':') else { continue };
            if name.is_empty() || name.contains(char::is_whitespace) {
                continue;
            }
            let mut value = value.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
                value.push_str(more);
            }
            return Some((name, value));
        }
    })
}

/// The address of the `for` clause (RFC 5321, section 4.4), which ends with the date.
fn received_for(value: &str) -> Option<&str> {
    let clauses = value.rsplit_once(';').map_or(value, |(clauses, _)| clauses);
    let mut words = clauses.split_whitespace();
    let mut depth = 0_usize;
    loop {
        let word = words.next()?;
        // A comment may have the same word in it.
        if depth == 0 && word.eq_ignore_ascii_case("for") {
            return words.next();
        }
        let count = |sign: char| word.matches(sign).count();
        depth = (depth + count('(')).saturating_sub(count(')'));
    }
}

/// Every address in a text, once.
fn add(addresses: &mut Vec<String>, text: &str) {
    let words = text.split(|letter: char| letter.is_whitespace() || ",;<>()\"[]".contains(letter));
    for word in words {
        let Some((local, domain)) = word.rsplit_once('@') else { continue };
        // `SMTP:` stands before addresses of Exchange.
        let local = local.rsplit_once(':').map_or(local, |(_, local)| local);
        let Some(address) = clean::line(&format!("{local}@{domain}")) else { continue };
        let is_address = !local.is_empty() && !domain.is_empty() && address.len() <= LONGEST_ADDRESS;
        if is_address && addresses.len() < MOST && !addresses.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            addresses.push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(octets: &str) -> Participants {
        participants(octets.as_bytes(), &super::super::read(octets.as_bytes()))
    }

    #[test]
    fn envelope_headers_of_all_servers_are_known() {
        let mail = "X-Envelope-To: <post@example.org>\r\nDelivered-To: ana@example.org\r\nX-Original-To: Sales@example.org\r\n\
                    Envelope-to: bob@example.org,\r\n carl@example.org\r\ndelivered-to: ANA@example.org\r\n\
                    Received: from mx (HELO for x@evil.net) by mail with ESMTP\r\n\tfor <dora@example.org>; Sun, 22 Nov 2026\r\n\
                    Received: by mx; for nobody@example.org\r\nTo: list@example.net\r\n\r\nX-Original-To: body@example.org\r\n";
        let found = of(mail);
        let expected = ["post", "ana", "Sales", "bob", "carl", "dora"].map(|local| format!("{local}@example.org"));
        assert_eq!((found.recipients, found.is_report), (expected.to_vec(), false));
    }

    const REPORT: &str = "From: Microsoft Exchange <postmaster@example.org>\r\nTo: journal@example.org\r\nSubject: offer\r\n\
        X-MS-Journal-Report:\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n--edge\r\n\
        Content-Type: text/plain; charset=us-ascii\r\n\r\nSender: ana@example.org\r\nSubject: offer to be@example.net\r\n\
        Message-Id: <1@example.org>\r\nRecipient: bob@example.net, Expanded: sales@example.net\r\n\
        Bcc: secret@example.net\r\nTo: SMTP:carl@example.net\r\n\r\n--edge\r\nContent-Type: message/rfc822\r\n\r\n\
        From: Ana <ana@example.org>\r\nTo: sales@example.net\r\nSubject: offer\r\n\r\nthe original\r\n--edge--\r\n";

    #[test]
    fn a_journal_report_names_all_who_had_the_original() {
        let found = of(REPORT);
        let expected = ["bob", "sales", "secret", "carl"].map(|local| format!("{local}@example.net"));
        assert_eq!((found.recipients, found.senders), (expected.to_vec(), vec!["ana@example.org".to_owned()]));
        assert!(found.is_report);
        let message = super::super::read(REPORT.as_bytes());
        let original = message.reported(&of(REPORT)).unwrap();
        assert_eq!(original.envelope.from[0].address.as_deref(), Some("ana@example.org"));
    }

    #[test]
    fn a_text_that_quotes_a_report_is_none() {
        for changed in [
            REPORT.replace("Sender: ana", "Hi\r\nSubject: re\r\nSender: ana"),
            REPORT.replace("message/rfc822", "text/plain"),
        ] {
            let found = of(&changed);
            assert_eq!((found.is_report, found.recipients), (false, vec![]), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_stumble(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            participants(&octets, &super::super::read(&octets));
        }

        #[test]
        fn what_it_finds_are_addresses_each_once(text in "(Delivered-To:|Received:| for |<|>|,|;|\\(|\\)|@|a|b\\.c|\r\n|:| ){0,60}") {
            let found = of(&text).recipients;
            for (at, address) in found.iter().enumerate() {
                prop_assert!(address.contains('@') && !address.contains([' ', '<', '>', ',', ';']), "{address:?}");
                prop_assert!(!found[..at].contains(address), "{found:?}");
            }
        }
    }
}
