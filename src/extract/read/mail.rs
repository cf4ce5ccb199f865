//! Messages in messages, web pages saved as messages, and what was signed.

use super::reading::{Reading, Trouble};
use crate::extract::Format;
use crate::mail::message::{self, Envelope};
use crate::mail::views::signed_content;

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let message = message::read(octets);
    envelope(&message.envelope, reading);
    for enclosed in &message.enclosed {
        envelope(&enclosed.envelope, reading);
    }
    for part in &message.parts {
        if reading.is_over() {
            break;
        }
        match part.readable().filter(|_| !part.is_attachment) {
            Some(text) => reading.paragraph(&text),
            None => reading.enclosed(part.filename.as_deref(), &part.content_type, &part.octets()),
        }
    }
    Ok(())
}

fn envelope(envelope: &Envelope, reading: &mut Reading<'_>) {
    reading.paragraph(&envelope.summary());
}

/// What a signature holds: mostly a message or a part of one.
pub(super) fn signed(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    const ENVELOPED: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
    let head = &octets[..octets.len().min(64)];
    if memchr::memmem::find(head, ENVELOPED).is_some() {
        return Err(Trouble::Encrypted);
    }
    let contents = signed_content(octets);
    if contents.is_empty() {
        return Err(Trouble::Unsupported);
    }
    contents.iter().try_for_each(|content| reading.document(Format::Eml, content))
}

#[cfg(test)]
mod tests {
    use crate::extract::{Format, Outcome, ReadLimits};

    #[test]
    fn people_text_and_attachments_are_read() {
        let mail = b"From: Ada <ada@example.org>\r\nSubject: Invoice\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\n\r\nhello\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=t.csv\r\n\r\none;two\r\n--b--\r\n";
        let read = super::super::read(Format::Eml, mail, &ReadLimits::default());
        for word in ["Ada", "Invoice", "hello", "t.csv", "one;two"] {
            assert!(read.text.contains(word), "{word} in {:?}", read.text);
        }
        assert_eq!(read.outcome, Outcome::Read);
    }
}
