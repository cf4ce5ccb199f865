use std::cell::OnceCell;
use std::fmt;

use mail_parser::{Header, HeaderForm, HeaderName, HeaderValue, Headers, MessagePart, MessageRef};

use super::{clean, repair};
use crate::mail::Timestamp;

/// The headers people go by (RFC 5322, section 3.6), decoded and fit for a screen. Where a header stands more than
/// once, addresses are joined and of the rest the first counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The `Date` header, if it names a real moment.
    pub date: Option<Timestamp>,
    pub from: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub subject: Option<String>,
    /// Without angle brackets, like all message ids here.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// The mailing lists it came through (RFC 2919, RFC 2369): their names and addresses, as they stand.
    pub lists: Vec<String>,
}

/// A person or a list: at least one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: Option<String>,
}

/// `Ann Lee <ann@example.org>`, or the one half that is there. For reading, not for a header.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.address) {
            (Some(name), Some(address)) => write!(f, "{name} <{address}>"),
            (Some(only), None) | (None, Some(only)) => f.write_str(only),
            (None, None) => Ok(()),
        }
    }
}

impl Envelope {
    pub(super) fn of(message: &MessageRef<'_>) -> Self {
        let headers = message.headers();
        let reading = Reading { message, charset: OnceCell::new() };
        Self {
            date: headers.date().and_then(timestamp),
            from: reading.mailboxes(HeaderName::From),
            to: reading.mailboxes(HeaderName::To),
            cc: reading.mailboxes(HeaderName::Cc),
            bcc: reading.mailboxes(HeaderName::Bcc),
            reply_to: reading.mailboxes(HeaderName::ReplyTo),
            subject: reading.subject(),
            message_id: ids(&headers, HeaderName::MessageId).next(),
            in_reply_to: ids(&headers, HeaderName::InReplyTo).collect(),
            references: ids(&headers, HeaderName::References).collect(),
            lists: lists(&headers),
        }
    }

    /// Subject and people, a line each.
    pub fn summary(&self) -> String {
        let people = [&self.from, &self.to, &self.cc].into_iter().flatten().map(Mailbox::to_string);
        self.subject.clone().into_iter().chain(people).collect::<Vec<_>>().join("\n")
    }
}

fn timestamp(date: mail_parser::DateTime) -> Option<Timestamp> {
    date.is_valid().then(|| Timestamp::from_millis(date.to_timestamp().saturating_mul(1000)))
}

/// Reads headers of one message, mending those that came out torn.
struct Reading<'r, 'm> {
    message: &'r MessageRef<'m>,
    /// What the message's text is written in: looked for once, and only where a header is torn.
    charset: OnceCell<Option<String>>,
}

impl Reading<'_, '_> {
    fn mailboxes(&self, name: HeaderName<'static>) -> Vec<Mailbox> {
        let read = |value: HeaderValue<'_>| -> Vec<Mailbox> {
            value.as_address().map_or_else(Vec::new, |list| list.mailboxes().filter_map(mailbox).collect())
        };
        let is_torn = |found: &Vec<Mailbox>| {
            let mut texts = found.iter().flat_map(|mailbox| [&mailbox.name, &mailbox.address]).flatten();
            texts.any(|text| repair::is_torn(text))
        };
        let headers = self.message.headers();
        headers.all(name).flat_map(|header| self.value(&header, HeaderForm::Addresses, read, is_torn)).collect()
    }

    fn subject(&self) -> Option<String> {
        let read = |value: HeaderValue<'_>| value.as_text().and_then(clean::line);
        let is_torn = |found: &Option<String>| found.as_deref().is_some_and(repair::is_torn);
        let headers = self.message.headers();
        headers.all(HeaderName::Subject).find_map(|header| self.value(&header, HeaderForm::Text, read, is_torn))
    }

    fn value<T>(
        &self,
        header: &Header<'_>,
        form: HeaderForm,
        read: impl Fn(HeaderValue<'_>) -> T,
        is_torn: impl Fn(&T) -> bool,
    ) -> T {
        let found = read(header.value());
        if !is_torn(&found) {
            return found;
        }
        match repair::mended(header.raw_value(), self.charset()) {
            Some(mended) => read(form.parse(&mended).value()),
            None => found,
        }
    }

    fn charset(&self) -> Option<&str> {
        let look = || {
            let declared =
                |part: MessagePart<'_>| Some(part.content_type()?.attribute("charset")?.to_ascii_lowercase());
            self.message.parts().find_map(declared)
        };
        self.charset.get_or_init(look).as_deref()
    }
}

fn mailbox(parsed: mail_parser::Mailbox<'_>) -> Option<Mailbox> {
    let name = parsed.name().and_then(clean::line);
    let address = parsed.address().and_then(clean::line);
    (name.is_some() || address.is_some()).then_some(Mailbox { name, address })
}

/// `List-Id`, the address of `List-Post`, and what lists said before there was either.
fn lists(headers: &Headers<'_>) -> Vec<String> {
    let names = [HeaderName::ListId, HeaderName::ListPost, HeaderName::Other("X-Mailing-List".into())];
    let values = names.into_iter().flat_map(|name| headers.all(name)).map(|header| header.raw_value());
    let texts = values.filter_map(|raw| {
        let text = String::from_utf8_lossy(raw);
        let text = text.trim().trim_start_matches("<mailto:");
        clean::line(text.split('?').next().unwrap_or(text).trim_end_matches('>'))
    });
    texts.collect()
}

fn ids(headers: &Headers<'_>, name: HeaderName<'static>) -> impl Iterator<Item = String> {
    let lists = headers.all(name).filter_map(|header| header.value().as_text_list());
    lists.flat_map(|list| list.iter().filter_map(clean::line).collect::<Vec<_>>()).collect::<Vec<_>>().into_iter()
}
