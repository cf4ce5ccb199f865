use std::borrow::Cow;

use mail_parser::{Encoding, MessagePart};

use super::{charset, clean, html};

/// One leaf of the tree. Its octets and its text are decoded when asked for.
#[derive(Debug, Clone)]
pub struct Part<'x> {
    /// Counts from 1 over all leaves of the message: what `show --part` takes.
    pub number: u32,
    /// `type/subtype` in lower case; `text/plain` where the part does not say.
    pub content_type: String,
    /// As declared, in lower case.
    pub charset: Option<String>,
    /// Without a path and fit for a screen (RFC 2183, RFC 2231, RFC 2047).
    pub filename: Option<String>,
    /// The `Content-ID` without angle brackets, by which HTML shows a picture.
    pub id: Option<String>,
    /// Whether the sender attached it: neither text of the message, nor shown inside it, nor a signature.
    pub is_attachment: bool,
    encoding: Encoding,
    raw: Cow<'x, [u8]>,
}

impl<'x> Part<'x> {
    /// The decoded octets: borrowed where there was nothing to decode. Broken base64 gives what could be decoded.
    pub fn octets(&self) -> Cow<'_, [u8]> {
        self.encoding.decode(&self.raw)
    }

    /// As [`octets`](Self::octets), but borrowed from the message itself.
    pub(in crate::mail) fn decoded(&self) -> Cow<'x, [u8]> {
        match &self.raw {
            Cow::Borrowed(raw) => self.encoding.decode(raw),
            Cow::Owned(raw) => Cow::Owned(self.encoding.decode(raw).into_owned()),
        }
    }

    /// The octets as text in a charset, whatever the part says it is.
    pub(in crate::mail) fn text_in(&self, charset: &str) -> Option<String> {
        Some(charset::decode(Some(charset), &self.octets(), false).into_owned()).filter(|text| !text.is_empty())
    }

    /// The body before transfer decoding.
    pub(in crate::mail) const fn raw(&self) -> &Cow<'x, [u8]> {
        &self.raw
    }

    pub(in crate::mail) const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How many [`octets`](Self::octets) there are, mostly without decoding them.
    pub fn size_bytes(&self) -> u64 {
        self.encoding.decoded_len(&self.raw) as u64
    }

    /// The text of a text part in Unicode, HTML with its markup; `None` for all other parts.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.is_text().then(|| match self.octets() {
            Cow::Borrowed(octets) => charset::decode(self.charset.as_deref(), octets, self.is_html()),
            Cow::Owned(octets) => {
                Cow::Owned(charset::decode(self.charset.as_deref(), &octets, self.is_html()).into_owned())
            }
        })
    }

    /// The text of a text part as a person reads it: HTML without its markup.
    pub fn readable(&self) -> Option<Cow<'_, str>> {
        let text = self.text()?;
        Some(if self.is_html() { Cow::Owned(html::to_text(&text)) } else { text })
    }

    pub fn is_html(&self) -> bool {
        matches!(self.content_type.as_str(), "text/html" | "application/xhtml+xml")
    }

    /// Whether the part is meant to be read as it is. Reports about mail (`message/delivery-status`) are.
    pub fn is_text(&self) -> bool {
        self.is_html() || is_text(&self.content_type)
    }

    pub(super) fn of(number: u32, part: &MessagePart<'_>, raw: Cow<'x, [u8]>) -> Self {
        let content_type = content_type(part);
        let charset = part.content_type().and_then(|header| header.attribute("charset").and_then(clean::line));
        let filename = part.attachment_name().and_then(clean::filename);
        let id = part.content_id().and_then(clean::line);
        Self {
            number,
            is_attachment: is_attachment(part, &content_type, filename.is_some(), id.is_some()),
            content_type,
            charset: charset.map(|name| name.to_ascii_lowercase()),
            filename,
            id,
            encoding: part.encoding(),
            raw,
        }
    }

    /// Octets that are no message, as one part.
    pub(super) fn plain(number: u32, octets: &'x [u8]) -> Self {
        Self {
            number,
            content_type: PLAIN.to_owned(),
            charset: None,
            filename: None,
            id: None,
            is_attachment: false,
            encoding: Encoding::None,
            raw: Cow::Borrowed(octets),
        }
    }
}

const PLAIN: &str = "text/plain";

/// Signatures stand beside the text for programs, not for readers (RFC 8551, RFC 3156).
pub(super) const SIGNATURES: [&str; 3] =
    ["application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"];

fn is_attachment(part: &MessagePart<'_>, content_type: &str, has_name: bool, has_id: bool) -> bool {
    let is_attached = part.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    let is_shown = has_id && part.is_inline() && is_media(content_type);
    if SIGNATURES.contains(&content_type) || is_shown && !is_attached {
        return false;
    }
    is_attached || has_name || !is_text(content_type)
}

fn is_media(content_type: &str) -> bool {
    ["image/", "audio/", "video/"].iter().any(|kind| content_type.starts_with(kind))
}

fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/") || content_type.starts_with("message/")
}

fn content_type(part: &MessagePart<'_>) -> String {
    let Some(header) = part.content_type() else { return PLAIN.to_owned() };
    match (header.ctype(), header.subtype()) {
        ("text", None) => PLAIN.to_owned(),
        (_, None) => "application/octet-stream".to_owned(),
        (kind, Some(subtype)) => clean::line(&format!("{kind}/{subtype}")).unwrap_or_else(|| PLAIN.to_owned()),
    }
}
