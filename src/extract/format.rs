use std::fmt;

/// What a document is to its reader. Which kind of Office document an archive or a compound file is, its members tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Pdf,
    Docx,
    Xlsx,
    Pptx,
    Odt,
    Ods,
    Odp,
    Epub,
    Zip,
    Doc,
    Xls,
    Ppt,
    /// A message saved by Outlook.
    Msg,
    Rtf,
    Html,
    Xml,
    /// Plain text of any kind: also tables, logs, JSON, programs.
    Text,
    /// Calendars (RFC 5545) and address cards (RFC 6350).
    Ics,
    Vcf,
    /// A message (RFC 5322), or web pages saved as one.
    Eml,
    /// A `winmail.dat` ([MS-OXTNEF]).
    Tnef,
    /// Signed content (RFC 5652).
    Signed,
    Gzip,
    Tar,
}

use Format::{
    Doc, Docx, Eml, Epub, Gzip, Html, Ics, Msg, Odp, Ods, Odt, Pdf, Ppt, Pptx, Rtf, Signed, Tar, Text, Tnef, Vcf, Xls,
    Xlsx, Xml, Zip,
};

impl Format {
    pub const ALL: [Self; 24] = [
        Pdf, Docx, Xlsx, Pptx, Odt, Ods, Odp, Epub, Zip, Doc, Xls, Ppt, Msg, Rtf, Html, Xml, Text, Ics, Vcf, Eml, Tnef,
        Signed, Gzip, Tar,
    ];

    /// The word used in JSON and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pdf => "pdf",
            Docx => "docx",
            Xlsx => "xlsx",
            Pptx => "pptx",
            Odt => "odt",
            Ods => "ods",
            Odp => "odp",
            Epub => "epub",
            Zip => "zip",
            Doc => "doc",
            Xls => "xls",
            Ppt => "ppt",
            Msg => "msg",
            Rtf => "rtf",
            Html => "html",
            Xml => "xml",
            Text => "text",
            Ics => "ics",
            Vcf => "vcf",
            Eml => "eml",
            Tnef => "tnef",
            Signed => "p7m",
            Gzip => "gzip",
            Tar => "tar",
        }
    }

    const fn is_package(self) -> bool {
        matches!(self, Docx | Xlsx | Pptx | Odt | Ods | Odp | Epub | Zip)
    }

    const fn is_compound(self) -> bool {
        matches!(self, Doc | Xls | Ppt | Msg)
    }

    /// Whether its octets are text that anybody may have written, so that only names tell what it is.
    const fn is_text(self) -> bool {
        matches!(self, Html | Xml | Text | Ics | Vcf | Eml)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

pub(super) const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// How formats begin that cannot be taken for anything else.
const BEGINNINGS: [(&[u8], Format); 7] = [
    (b"%PDF-", Pdf),
    (b"PK\x03\x04", Zip),
    (b"PK\x05\x06", Zip),
    (OLE, Doc),
    (b"{\\rtf", Rtf),
    (&[0x78, 0x9f, 0x3e, 0x22], Tnef),
    (&[0x1f, 0x8b, 8], Gzip),
];

/// How files begin that hold no words: pictures, sounds, films, programs, fonts, packed files that nobody here unpacks.
const WORDLESS: [&[u8]; 26] = [
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"fLaC",
    b"\x7fELF",
    b"MZ",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"wOFF",
    b"wOF2",
    b"\0\x01\0\0",
    b"OTTO",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"MSCF",
    b"\x1a\x45\xdf\xa3",
    b"%!PS",
];

const SAMPLE: usize = 4096;

/// What a document is, told from its declared type, its name and its first octets (4 KiB are enough). What the octets
/// say counts most. `None`: there is nothing to read in it, or nobody here can.
pub fn format_of(content_type: &str, filename: Option<&str>, start: &[u8]) -> Option<Format> {
    let sample = &start[..start.len().min(SAMPLE)];
    let content_type = content_type.trim().to_ascii_lowercase();
    let named = filename.and_then(by_name).or_else(|| by_type(&content_type));
    if let Some(format) = by_octets(sample, named) {
        return Some(format);
    }
    let is_media = ["image/", "audio/", "video/", "font/"].iter().any(|kind| content_type.starts_with(kind));
    let is_wordless = WORDLESS.iter().any(|begin| sample.starts_with(begin)) && !is_readable(sample);
    if sample.is_empty() || is_wordless || is_media && named.is_none() {
        return None;
    }
    match named {
        Some(Text) | None if is_markup(sample) => Some(Html),
        Some(format) if format.is_text() => is_readable(sample).then_some(format),
        // Not what its name says: plain text, perhaps; else its reader tells what is wrong.
        Some(Signed) => Some(Signed),
        Some(format) => Some(if is_readable(sample) { Text } else { format }),
        None => is_readable(sample).then_some(Text),
    }
}

fn by_octets(sample: &[u8], named: Option<Format>) -> Option<Format> {
    let begin = sample.trim_ascii_start();
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let known = BEGINNINGS.iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, format)| *format);
    match known {
        Some(Zip) => return Some(named.filter(|named| named.is_package()).unwrap_or(Zip)),
        Some(Doc) => return Some(named.filter(|named| named.is_compound()).unwrap_or(Doc)),
        Some(known) => return Some(known),
        None => {}
    }
    if sample.get(257..262) == Some(b"ustar") {
        return Some(Tar);
    }
    // Junk may stand before it.
    let is_late_pdf = memchr::memmem::find(&sample[..sample.len().min(1024)], b"%PDF-").is_some();
    if is_late_pdf && named.is_none_or(|named| !named.is_text()) {
        return Some(Pdf);
    }
    let starts = |word: &[u8]| begin.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    match () {
        () if starts(b"BEGIN:VCALENDAR") => Some(Ics),
        () if starts(b"BEGIN:VCARD") => Some(Vcf),
        () if starts(b"<!doctype html") || starts(b"<html") => Some(Html),
        () if starts(b"<?xml") && named != Some(Html) => Some(Xml),
        () => None,
    }
}

fn by_name(filename: &str) -> Option<Format> {
    let (_, ending) = filename.trim_end_matches([' ', '.']).rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "pdf" => Pdf,
        "docx" | "docm" | "dotx" | "dotm" => Docx,
        "xlsx" | "xlsm" | "xltx" | "xltm" => Xlsx,
        "pptx" | "pptm" | "potx" | "ppsx" | "ppsm" => Pptx,
        "odt" | "ott" | "odm" => Odt,
        "ods" | "ots" => Ods,
        "odp" | "otp" | "odg" => Odp,
        "epub" => Epub,
        "zip" | "jar" => Zip,
        "doc" | "dot" => Doc,
        "xls" | "xlt" | "xla" => Xls,
        "ppt" | "pot" | "pps" => Ppt,
        "msg" => Msg,
        "rtf" => Rtf,
        "htm" | "html" | "xhtml" | "shtml" => Html,
        "xml" | "xsd" | "xsl" | "svg" | "rss" | "fodt" | "fods" | "fodp" | "kml" | "gpx" => Xml,
        "txt" | "text" | "csv" | "tsv" | "json" | "log" | "md" | "rst" | "ini" | "conf" | "yaml" | "yml" | "toml"
        | "tex" | "sql" | "diff" | "patch" | "asc" | "srt" => Text,
        "ics" | "ifb" | "vcs" => Ics,
        "vcf" | "vcard" => Vcf,
        "eml" | "mht" | "mhtml" => Eml,
        "p7m" => Signed,
        "gz" | "tgz" => Gzip,
        "tar" => Tar,
        _ => return None,
    })
}

fn by_type(content_type: &str) -> Option<Format> {
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    Some(match essence {
        "application/pdf" | "application/x-pdf" => Pdf,
        "application/rtf" | "text/rtf" | "text/richtext" => Rtf,
        "application/msword" => Doc,
        "application/vnd.ms-excel" => Xls,
        "application/vnd.ms-powerpoint" => Ppt,
        "application/vnd.ms-outlook" => Msg,
        "application/ms-tnef" | "application/vnd.ms-tnef" => Tnef,
        "application/zip" | "application/x-zip-compressed" => Zip,
        "application/epub+zip" => Epub,
        "application/gzip" | "application/x-gzip" => Gzip,
        "application/x-tar" => Tar,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => Signed,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Docx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Xlsx,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => Pptx,
        "application/vnd.oasis.opendocument.text" => Odt,
        "application/vnd.oasis.opendocument.spreadsheet" => Ods,
        "application/vnd.oasis.opendocument.presentation" => Odp,
        "text/html" | "application/xhtml+xml" => Html,
        "text/xml" | "application/xml" => Xml,
        "text/calendar" | "application/ics" => Ics,
        "text/vcard" | "text/x-vcard" | "text/directory" => Vcf,
        "message/rfc822" | "message/global" | "multipart/related" => Eml,
        "application/json" => Text,
        _ if essence.ends_with("+xml") => Xml,
        _ if essence.starts_with("text/") || essence.starts_with("message/") => Text,
        _ => return None,
    })
}

/// Whether octets are text, in any charset: few control characters, or every other octet NUL.
fn is_readable(sample: &[u8]) -> bool {
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    if super::read::wide_text(sample).is_some() {
        return true;
    }
    let is_odd = |octet: &&u8| **octet < 0x20 && !matches!(octet, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    sample.iter().filter(is_odd).count() * 100 <= sample.len() && !sample.contains(&0)
}

fn is_markup(sample: &[u8]) -> bool {
    let lower = sample.to_ascii_lowercase();
    ["<html", "<body", "<head>", "<!doctype html"]
        .iter()
        .any(|tag| memchr::memmem::find(&lower, tag.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_count_more_than_names_and_names_more_than_types() {
        assert_eq!(format_of("text/plain", Some("a.txt"), b"%PDF-1.4"), Some(Pdf));
        assert_eq!(format_of("application/octet-stream", Some("a.docx"), b"PK\x03\x04"), Some(Docx));
        assert_eq!(format_of("application/pdf", None, b"PK\x03\x04"), Some(Zip));
        assert_eq!(format_of("application/msword", Some("a.xls"), OLE), Some(Xls));
        assert_eq!(format_of("application/msword", None, b"{\\rtf1"), Some(Rtf));
        assert_eq!(format_of("text/plain", Some("a.ics"), b"\xef\xbb\xbfbegin:vcalendar"), Some(Ics));
        assert_eq!(format_of("application/octet-stream", None, b"<!DOCTYPE HTML>"), Some(Html));
        assert_eq!(format_of("text/csv", None, b"a;b"), Some(Text));
        assert_eq!(format_of("", None, b"just words"), Some(Text));
        assert_eq!(format_of("", None, b"j\0u\0s\0t\0 \0w\0o\0r\0d\0s\0"), Some(Text));
        assert_eq!(format_of("application/msword", Some("a.doc"), b"just words"), Some(Text));
        assert_eq!(format_of("application/msword", Some("a.doc"), b"\x01\x02\x03\0"), Some(Doc));
    }

    #[test]
    fn there_are_no_words_in_pictures_and_programs() {
        for (content_type, start) in [
            ("image/png", &b"\x89PNG\r\n\x1a\n\0\0"[..]),
            ("application/octet-stream", b"\x7fELF\x02\x01\x01\0\0"),
            ("text/plain", b"\0\x01\x02\x03"),
            ("audio/mpeg", b"words"),
            ("text/plain", b""),
        ] {
            assert_eq!(format_of(content_type, None, start), None, "{content_type}");
        }
    }
}
