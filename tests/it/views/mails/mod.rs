//! Mails that readers take apart in different ways, each with the test file where some reader finds it.

mod archives;
mod files;
mod readers;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use poplar::mail::eicar;

const TOP: &str = "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: about it\r\n\
                   Date: Tue, 02 Jan 2024 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n";
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n\r\nHello Bob,\r\nsee the attachment.\r\n";

pub(crate) type Mails = Vec<(String, Vec<u8>)>;

fn file() -> String {
    String::from_utf8(eicar()).unwrap()
}

fn encoded() -> String {
    STANDARD.encode(eicar()) + "\r\n"
}

fn attached() -> String {
    part("base64", &encoded())
}

fn part(encoding: &str, body: &str) -> String {
    format!(
        "Content-Type: application/octet-stream; name=\"a.com\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
    )
}

fn multi(boundary: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
    format!("{parts}--{boundary}--\r\n")
}

fn mixed(parts: &[&str]) -> String {
    format!("{TOP}Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n{}", multi("b1", parts))
}

fn with_type(content_type: &str, boundary: &str) -> String {
    format!("{TOP}Content-Type: {content_type}\r\n\r\n{}", multi(boundary, &[TEXT, &attached()]))
}

pub(crate) fn all() -> Mails {
    let parts = [boundaries(), structures(), frames(), line_ends(), encodings(), base64s()].concat();
    let files = [files::texts(), files::wrappers(), archives::all(), readers::all()].concat();
    [parts, files].concat()
}

/// The same archives, pages and documents that hide the test file, around one that nobody minds.
pub(crate) fn harmless() -> Mails {
    let file = b"Nothing to see here: 68 octets of plain text, as the test file has too";
    [archives::readable(file), readers::readable(file)].concat()
}

fn named(group: &str, mails: Vec<(&str, String)>) -> Mails {
    mails.into_iter().map(|(name, mail)| (format!("{group}: {name}"), mail.into_bytes())).collect()
}

/// How the boundary is declared, and which one is used.
fn boundaries() -> Mails {
    let declared = [
        ("multipart/mixed; boundary=b (a comment)", "b"),
        ("multipart/mixed; boundary (a comment) =b", "b"),
        ("multipart/mixed; (boundary=x) boundary=b", "b"),
        ("multipart/mixed (boundary=x); boundary=b", "b"),
        ("multipart/mixed; boundary*=us-ascii''%62", "b"),
        ("multipart/mixed; boundary=x; boundary*=us-ascii''b", "b"),
        ("multipart/mixed; boundary*0=b; boundary*1=c; boundary=x", "bc"),
        ("multipart/mixed; boundary*1=c; boundary*0=b", "bc"),
        ("multipart/mixed; BOUNDARY=x; boundary=b", "b"),
        ("multipart/mixed; BOUNDARY=b; boundary=x", "b"),
        ("multipart/mixed;\r\n\tboundary=x;\r\n\tboundary=b", "b"),
        ("multipart/mixed; boundary=\"b\\\"c\"", "b\"c"),
        ("multipart/mixed; boundary=\"b\\c\"", "bc"),
        ("multipart/mixed; boundary=\"b\\c\"", "b\\c"),
        ("multipart/mixed; boundary=b c", "b"),
        ("multipart/mixed; boundary=b c", "b c"),
        ("multipart/mixed; boundary=\"b\"c", "b"),
        ("multipart/mixed; boundary=\"b\"c", "bc"),
        ("multipart/mixed; boundary=\"b \"", "b"),
        ("multipart/mixed; boundary=\" b\"", "b"),
        ("multipart/mixed; boundary=\"b\r\n c\"", "b c"),
        ("multipart/mixed; boundary=\"b\r\n c\"", "bc"),
        ("multipart/mixed; boundary=\"=?us-ascii?Q?b?=\"", "b"),
        ("multipart/mixed; boundary==?us-ascii?Q?b?=", "b"),
        ("multipart/mixed; boundary", "b"),
        ("multipart/mixed; boundary=", "b"),
        ("multipart/mixed boundary=b", "b"),
        ("multipart/mixed, boundary=b", "b"),
        ("multipart/mixed; x=\"; boundary=x\"; boundary=b", "b"),
        ("multipart/mixed; x=\"; boundary=b", "b"),
        ("multipart/mixed; x=\"a\\\"; boundary=x; y=\"; boundary=b", "b"),
        ("multipart/mixed; boundary=b; charset=utf-16", "b"),
        ("multipart/mixed; boundary:b", "b"),
        ("multipart/mixed; boundary=\u{201c}b\u{201d}", "b"),
        ("multipart/mixed; boundary=b,x", "b"),
        ("multipart/mixed; boundary=b\0x", "b"),
        ("multipart/\0mixed; boundary=b", "b"),
        ("\"multipart/mixed\"; boundary=b", "b"),
        ("(a comment) multipart/mixed; boundary=b", "b"),
        ("multipart; boundary=b", "b"),
        ("multipart/; boundary=b", "b"),
        ("multipart /mixed; boundary=b", "b"),
        ("x-multipart/mixed; boundary=b", "b"),
        ("MULTIPART/RELATED; TYPE=x; BOUNDARY=\"b\"", "b"),
        ("text/plain; multipart/mixed; boundary=b", "b"),
        ("text/plain, multipart/mixed; boundary=b", "b"),
        ("=?us-ascii?Q?multipart/mixed?=; boundary=b", "b"),
    ];
    let mail = |(content_type, boundary): &(&str, &str)| {
        (format!("boundary: {content_type:?} with {boundary:?}"), with_type(content_type, boundary).into_bytes())
    };
    declared.iter().map(mail).collect()
}

/// Where parts stand and how their headers end.
fn structures() -> Mails {
    let (attached, file) = (attached(), file());
    let multipart = "Content-Type: multipart/mixed; boundary=\"b1\"\r\n";
    let body = multi("b1", &[TEXT, &attached]);
    let plain = multi("b1", &[TEXT]);
    let nested = format!("Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n{}", multi("b1", &[&attached]));
    named(
        "structure",
        vec![
            ("same boundary inside", mixed(&[TEXT, &nested])),
            ("leading blank before the boundary", mixed(&[TEXT, &attached]).replace("\r\n--b1", "\r\n --b1")),
            ("signs behind the boundary", mixed(&[TEXT, &attached]).replace("--b1\r\n", "--b1 x\r\n")),
            (
                "letters behind the boundary",
                mixed(&[TEXT, &attached]).replace("--b1\r\nContent-Type: app", "--b1x\r\nContent-Type: app"),
            ),
            ("closed before it opens", format!("{TOP}{multipart}\r\n--b1--\r\n{body}")),
            ("closed twice", format!("{TOP}{multipart}\r\n{plain}{body}")),
            (
                "text behind the close",
                format!(
                    "{TOP}{multipart}\r\n{}",
                    body.replace("--b1\r\nContent-Type: app", "--b1--x\r\nContent-Type: app")
                ),
            ),
            ("three hyphens", mixed(&[TEXT, &attached]).replace("--b1\r\n", "---b1\r\n")),
            ("no header in the part", mixed(&[TEXT, &format!("\r\n{file}")])),
            (
                "no boundary line at all",
                format!("{TOP}{multipart}Content-Transfer-Encoding: base64\r\n\r\n{}", encoded()),
            ),
            ("part without a blank line", mixed(&[TEXT, &attached.replace("\r\n\r\n", "\r\n")])),
            ("blanks instead of the blank line", mixed(&[TEXT, &attached.replace("\r\n\r\n", "\r\n \t\r\n")])),
            ("junk in the part's headers", mixed(&[TEXT, &attached.replace("Content-Tr", "no header\r\nContent-Tr")])),
            ("junk in the headers", format!("{TOP}no header\r\n{multipart}\r\n{body}")),
            (
                "junk that ends the headers",
                format!("{TOP}Content-Transfer-Encoding: base64\r\nno header\r\n\r\n{}", encoded()),
            ),
            (
                "From_ in the headers",
                format!("From: x\r\nFrom a@b Tue Jan  2 03:04:05 2024\r\n{TOP}{multipart}\r\n{body}"),
            ),
            (">From_ first", format!(">From a@b Tue Jan  2 03:04:05 2024\r\n{TOP}{multipart}\r\n{body}")),
            ("blank line first", format!("\r\n\r\n{TOP}{multipart}\r\n{body}")),
            ("blank first", format!(" {TOP}{multipart}\r\n{body}")),
            ("mark of UTF-8 first", format!("\u{feff}{TOP}{multipart}\r\n{body}")),
            ("blank before the colon", format!("{TOP}{}\r\n{body}", multipart.replace(':', " :"))),
            ("NUL in the name", format!("{TOP}{}\r\n{body}", multipart.replace("Content-", "Content\0-"))),
            ("no colon", format!("{TOP}{}\r\n{body}", multipart.replace(':', ""))),
            ("a line of blanks in the value", format!("{TOP}{}\r\n{body}", multipart.replace("; ", ";\r\n \r\n "))),
            ("not folded", format!("{TOP}{}\r\n{body}", multipart.replace("; ", ";\r\n"))),
            ("two types, text first", format!("{TOP}Content-Type: text/plain\r\n{multipart}\r\n{body}")),
            ("two types, text last", format!("{TOP}{multipart}Content-Type: text/plain\r\n\r\n{body}")),
            ("two types, far apart", format!("{multipart}{TOP}Content-Type: text/html\r\n\r\n{body}")),
            (
                "two boundaries, first used",
                format!("{TOP}{multipart}Content-Type: multipart/mixed; boundary=x\r\n\r\n{body}"),
            ),
            (
                "two boundaries, last used",
                format!("{TOP}Content-Type: multipart/mixed; boundary=x\r\n{multipart}\r\n{body}"),
            ),
        ],
    )
}

/// What lies before, behind and inside parts.
fn frames() -> Mails {
    let (attached, file) = (attached(), file());
    let multipart = "Content-Type: multipart/mixed; boundary=\"b1\"\r\n";
    let body = multi("b1", &[TEXT, &attached]);
    let plain = multi("b1", &[TEXT]);
    named(
        "frame",
        vec![
            ("preamble is a part", format!("{TOP}{multipart}\r\n{attached}\r\n{plain}")),
            ("preamble is the file", format!("{TOP}{multipart}\r\n{file}\r\n{plain}")),
            ("epilogue is a part", format!("{TOP}{multipart}\r\n{plain}{attached}")),
            ("epilogue is the file", format!("{TOP}{multipart}\r\n{plain}{file}")),
            (
                "epilogue of the inner multipart",
                mixed(&[
                    TEXT,
                    &format!("Content-Type: multipart/mixed; boundary=b2\r\n\r\n{}{attached}", multi("b2", &[TEXT])),
                ]),
            ),
            (
                "multipart in base64",
                format!("{TOP}{multipart}Content-Transfer-Encoding: base64\r\n\r\n{}", STANDARD.encode(&body)),
            ),
            (
                "multipart in quoted-printable",
                format!(
                    "{TOP}{multipart}Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                    body.replace("--b1", "=2D=2Db1")
                ),
            ),
            ("no headers but base64", format!("\r\n{}", encoded())),
            ("message in the text", format!("{TOP}Content-Type: text/plain\r\n\r\n{}", mixed(&[&attached]))),
            (
                "one piece of several",
                format!(
                    "{TOP}Content-Type: message/partial; number=1; total=2; id=a\r\n\r\n{}",
                    &mixed(&[&attached])[..400]
                ),
            ),
            (
                "elsewhere",
                mixed(&[
                    "Content-Type: message/external-body; access-type=anon-ftp; site=example.org; name=a.com\r\n\r\nContent-Type: application/x\r\n\r\n",
                ]),
            ),
            (
                "message in base64",
                mixed(&[&format!(
                    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                    STANDARD.encode(with_type("multipart/mixed; boundary=x; boundary=b", "b"))
                )]),
            ),
            (
                "message in quoted-printable",
                mixed(&[&format!(
                    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}",
                    mixed(&[&attached]).replace('=', "=3D")
                )]),
            ),
            (
                "message behind a blank line",
                mixed(&[&format!("Content-Type: message/rfc822\r\n\r\n\r\n{}", mixed(&[&attached]))]),
            ),
        ],
    )
}

fn line_ends() -> Mails {
    let mail = mixed(&[TEXT, &attached()]);
    let (headers, body) = mail.split_once("\r\n\r\n").unwrap();
    named(
        "line ends",
        vec![
            ("CR only", mail.replace("\r\n", "\r")),
            ("CR in the headers", format!("{}\r\n\r\n{body}", headers.replace("\r\n", "\r"))),
            ("CR in the body", format!("{headers}\r\n\r\n{}", body.replace("\r\n", "\r"))),
            ("CR CR LF", mail.replace("\r\n", "\r\r\n")),
            ("LF CR", mail.replace("\r\n", "\n\r")),
            ("LF in the headers", format!("{}\n\n{body}", headers.replace("\r\n", "\n"))),
            ("CR around the boundary", mail.replace("\r\n--b1\r\n", "\r--b1\r")),
            ("CR before the type", mail.replace("\r\nContent-Type: multipart", "\rContent-Type: multipart")),
            ("form feed", mail.replace("\r\n--b1\r\n", "\x0c--b1\r\n")),
            ("line separators", mail.replace("\r\n--b1\r\n", "\u{2028}--b1\u{2028}")),
            ("CR ends the part's headers", mail.replace("base64\r\n\r\n", "base64\r\r")),
            ("NUL behind the boundary", mail.replace("--b1\r\n", "--b1\0\r\n")),
            ("wide", String::from_utf8(mail.encode_utf16().flat_map(u16::to_le_bytes).collect()).unwrap()),
        ],
    )
}

/// What the transfer encoding is called, over the data that it is.
fn encodings() -> Mails {
    const CALLED: [&str; 22] = [
        "base 64",
        "=?us-ascii?Q?base64?=",
        "base64\0",
        "BASE-64",
        "x-base64",
        "bas(x)e64",
        "base\r\n 64",
        "binary, base64",
        "base64, 7bit",
        "\"base64",
        "'base64'",
        "8bit",
        "quoted-printable",
        "",
        "\t",
        "64",
        "base64\r\n 7bit",
        "7bit\r\nContent-Transfer-Encoding: base64",
        "base64\r\nContent-Transfer-Encoding: quoted-printable",
        "x-uuencode",
        "base64 base64",
        "b",
    ];
    let base64 = CALLED
        .iter()
        .map(|called| (format!("encoding: {called:?}"), mixed(&[TEXT, &part(called, &encoded())]).into_bytes()));
    let quoted: String = eicar().iter().map(|octet| format!("={octet:02x}")).collect();
    let broken = file().replace("EICAR", "EI=\r\nCAR");
    let quoted = named(
        "encoding",
        vec![
            ("7bit over quoted-printable", mixed(&[&part("7bit", &quoted)])),
            ("base64 over quoted-printable", mixed(&[&part("base64", &quoted)])),
            ("quoted printable", mixed(&[&part("quoted printable", &broken)])),
            ("quoted-printable twice", mixed(&[&part("8bit\r\nContent-Transfer-Encoding: quoted-printable", &broken)])),
            ("blanks behind the soft break", mixed(&[&part("quoted-printable", &broken.replace("=\r", "= \t\r"))])),
            ("soft break by LF", mixed(&[&part("quoted-printable", &broken.replace("=\r", "="))])),
            ("soft break by CR", mixed(&[&part("quoted-printable", &broken.replace("=\r\n", "=\r"))])),
            ("stray escape", mixed(&[&part("quoted-printable", &file().replace("EICAR", "EIC=AR"))])),
            ("broken escape", mixed(&[&part("quoted-printable", &file().replace("EICAR", "EI=ZZCAR"))])),
            ("base64 in quoted-printable", mixed(&[&part("quoted-printable", &encoded().replace('W', "=57"))])),
            ("base64 twice", mixed(&[&part("base64", &STANDARD.encode(encoded()))])),
        ],
    );
    base64.chain(quoted).collect()
}

/// The data itself is odd.
fn base64s() -> Mails {
    let whole = encoded();
    let padded: String = eicar().chunks(4).map(|chunk| STANDARD.encode(chunk) + "\r\n").collect();
    // Has both signs in which the alphabets differ.
    let odd = [&eicar()[..], &[0xfb, 0xff, 0xbf, 0xfe]].concat();
    let mails = [
        ("padding in each line", padded.clone()),
        ("padding inside one line", padded.replace("\r\n", "")),
        ("padding that means nothing", format!("{}={}", &whole[..40], &whole[40..])),
        ("padding first", format!("===={whole}")),
        ("tags inside", whole.replace('U', "U<b>").replace("<b>", "<>")),
        ("quoted", format!("> {}\r\n> {}", &whole[..44], &whole[44..])),
        ("blanks everywhere", whole.chars().map(|sign| format!("{sign} ")).collect()),
        ("a line of text inside", format!("{}\r\n--- cut here ---\r\n{}", &whole[..44], &whole[44..])),
        ("a line of text first", format!("begin of file:\r\n{whole}")),
        ("lines of odd lengths", format!("{}\r\n{}\r\n{}", &whole[..41], &whole[41..60], &whole[60..])),
        ("the other alphabet", URL_SAFE.encode(&odd)),
        ("signs of the other alphabet between", whole.replace('U', "-U_")),
        ("without padding and with a sign too much", format!("{}A", whole.trim_end().trim_end_matches('='))),
        ("eight-bit signs inside", whole.replace('U', "U\u{e4}")),
        ("escaped slashes", URL_SAFE.encode(&odd).replace('_', "\\/")),
        ("headers inside", format!("X-Note: a\r\n\r\n{whole}")),
    ];
    mails
        .into_iter()
        .map(|(name, body)| (format!("base64: {name}"), mixed(&[TEXT, &part("base64", &body)]).into_bytes()))
        .collect()
}
