//! What one program reads where others do not: each holds a packed test file, so that nothing of it stands there as it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poplar::mail::eicar;

use super::archives::gzip;
use super::files::{uu, uuencoded, yenc};
use super::{Mails, TEXT, TOP, mixed, part};

pub(super) fn all() -> Mails {
    [readable(&eicar()), unread()].concat()
}

/// Such that all readers together find the file in.
pub(super) fn readable(file: &[u8]) -> Mails {
    let packed = gzip(file);
    [transfers(&packed), pages(&packed), documents(&packed), charsets(file)].concat()
}

fn attached(octets: &[u8]) -> Vec<u8> {
    mixed(&[TEXT, &part("base64", &(STANDARD.encode(octets) + "\r\n"))]).into_bytes()
}

fn text(body: &[u8]) -> Vec<u8> {
    [TOP.as_bytes(), b"\r\nHello,\r\n\r\n", body].concat()
}

fn named(mails: Vec<(&str, Vec<u8>)>) -> Mails {
    mails.into_iter().map(|(name, mail)| (format!("reader: {name}"), mail)).collect()
}

/// Encodings for transfer.
fn transfers(packed: &[u8]) -> Mails {
    let lines = uuencoded(packed, uu);
    let end = "`\r\nend\r\n";
    let begins =
        ["begin 6 a", "begin -644 a", "begin +644 a", "begin 0o644 a", "begin a", "begin-encoded 644 YQ==", "-- "];
    let mut all: Mails = begins
        .iter()
        .map(|begin| {
            (format!("reader: uuencode behind {begin:?}"), text(format!("{begin}\r\n{lines}{end}").as_bytes()))
        })
        .collect();
    let (first, rest) = lines.split_once("\r\n").unwrap();
    let quoted = lines.replace("\r\n", "\r\n> ");
    let base64 = STANDARD.encode(packed);
    let (begin, end_of_it) = base64.split_at(41);
    let block = |number: usize, piece: &[u8]| {
        let head =
            format!("=ybegin part={number} total=2 line=128 size={} name=a.gz\r\n=ypart begin=1\r\n", packed.len());
        [head.as_bytes(), &yenc(piece), b"\r\n=yend size=1\r\n"].concat()
    };
    let (head, tail) = packed.split_at(30);
    let doubled: String = packed
        .iter()
        .map(|octet| match octet {
            b'=' => "==".to_owned(),
            b'!'..=b'~' => char::from(*octet).to_string(),
            octet => format!("={octet:02X}"),
        })
        .collect();
    let escaped: String = packed.iter().map(|octet| format!("={octet:02X}=\rjunk\n")).collect();
    all.extend(named(vec![
        (
            "uuencode with a sentence inside",
            text(format!("begin 644 a\r\n{first}\r\nHere it is.\r\n{rest}{end}").as_bytes()),
        ),
        ("uuencode quoted", text(format!("> begin 644 a\r\n> {quoted}{end}").as_bytes())),
        (
            "uuencode in two parts",
            mixed(&[&format!("\r\nbegin 644 a\r\n{first}"), &format!("\r\n{rest}{end}")]).into_bytes(),
        ),
        ("yEnc, last piece first", text(&[block(2, tail), block(1, head)].concat())),
        ("base64 with odd padding and signs", mixed(&[&part("base64", &format!("{begin}=-{end_of_it}"))]).into_bytes()),
        ("quoted-printable with = for itself", mixed(&[&part("quoted-printable", &doubled)]).into_bytes()),
        ("quoted-printable with junk behind CR", mixed(&[&part("quoted-printable", &escaped)]).into_bytes()),
    ]));
    all
}

/// Pages and scripts.
fn pages(packed: &[u8]) -> Mails {
    let base64 = STANDARD.encode(packed);
    let each = |write: fn(&u8) -> String, between: &str| packed.iter().map(write).collect::<Vec<_>>().join(between);
    let cut = |length: usize, between: &str| {
        let pieces: Vec<&str> =
            base64.as_bytes().chunks(length).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        pieces.join(between)
    };
    let percents = each(|octet| format!("%{octet:02X}"), "");
    let references = |text: &str| text.bytes().map(|octet| format!("&#x{octet:x}")).collect::<String>();
    let pages = vec![
        ("address behind a named comma", format!("<a href=\"data:x/y&comma;{percents}\">x</a>")),
        ("address with a broken scheme", format!("<a href=\"da\nta:x/y,{percents}\">x</a>")),
        ("address in references", format!("<a href=\"{}\">x</a>", references(&format!("data:x/y;base64,{base64}")))),
        ("strings put together", format!("<script>b=\"{}\";</script>", cut(40, "\"+\r\n\""))),
        ("a list of strings", format!("{{\"data\":[\"{}\"]}}", cut(40, "\\n\",\n\""))),
        ("escaped octets", format!("<script>u=\"{}\"</script>", each(|octet| format!("\\x{octet:02x}"), ""))),
        ("escaped signs", format!("<script>u=\"{}\"</script>", each(|octet| format!("\\u{octet:04x}"), ""))),
        ("numbers", format!("<script>u=new Uint8Array([{}])</script>", each(u8::to_string, ","))),
    ];
    named(pages.into_iter().map(|(name, page)| (name, attached(page.as_bytes()))).collect())
}

/// Documents, and what mail programs wrap attachments in.
fn documents(packed: &[u8]) -> Mails {
    let length = |octets: &[u8]| u32::try_from(octets.len()).unwrap().to_le_bytes();
    let hex = |between: &str| packed.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(between);
    let attribute = |id: u32, data: &[u8]| [&[2][..], &id.to_le_bytes(), &length(data), data, &[0, 0]].concat();
    let winmail = |list: &[u8]| [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &attribute(0x0006_9005, list)].concat();
    let property =
        |tag: [u8; 4], value: &[u8]| [&[1, 0, 0, 0][..], &tag, &[1, 0, 0, 0], &length(value), value].concat();
    let inner = [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &attribute(0x0006_800f, packed)].concat();
    let rtf = format!("{{\\rtf1 {{\\object{{\\*\\objdata {}}}}}}}", hex(" "));
    // Every octet stands for itself.
    let literal: Vec<u8> = rtf.as_bytes().chunks(8).flat_map(|eight| [&[0], eight].concat()).collect();
    let lzfu = [&[0; 8][..], b"LZFu", &[0; 4], &literal].concat();
    let mut macintosh = [0; 128];
    macintosh[1..6].copy_from_slice(b"\x04a.gz");
    macintosh[83..87].copy_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
    let oid = |last: &[u8]| [&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1][..], last].concat();
    let algorithms = [&[0x31, 0x80][..], &[0x30, 4, 6, 2, 0x2a, 3].repeat(200), &[0, 0]].concat();
    let signed = [
        &[&[0x30, 0x80][..], &oid(&[7, 2]), &[0xa0, 0x80, 0x30, 0x80, 2, 1, 1], &algorithms].concat()[..],
        &[&[0x30, 0x80][..], &oid(&[9, 4]), &[0xa0, 0x80, 0x24, 0x80, 4, 20], &packed[..20]].concat(),
        &[&[4, 0x86, 0, 0, 0, 0, 0], &length(&packed[20..])[..1], &packed[20..], &[0; 8]].concat(),
    ]
    .concat();
    let card = packed.iter().map(|octet| format!("={octet:02X}")).collect::<String>();
    named(vec![
        ("RTF behind blank lines", attached(format!("\r\n\r\n {rtf}").as_bytes())),
        (
            "RTF with binary data",
            attached(&[format!("{{\\rtf1 {{\\*\\objdata \\bin{} ", packed.len()).as_bytes(), packed, b"}}"].concat()),
        ),
        ("RTF with escapes", attached(format!("{{\\rtf1 \\objdata \\'{}}}", hex("\\'")).as_bytes())),
        ("property of a winmail", attached(&winmail(&property([2, 1, 1, 0x37], packed)))),
        ("message in a winmail", attached(&winmail(&property([0x0d, 0, 1, 0x37], &[&[7; 16][..], &inner].concat())))),
        ("packed RTF of a winmail", attached(&winmail(&property([2, 1, 9, 0x10], &lzfu)))),
        ("MacBinary", attached(&[&macintosh[..], packed].concat())),
        ("signed by many", attached(&signed)),
        ("card in quoted-printable", attached(format!("BEGIN:VCARD\r\nNOTE:{card}\r\nEND:VCARD\r\n").as_bytes())),
    ])
}

fn in_charset(name: &str, octets: &[u8]) -> (String, Vec<u8>) {
    let body = STANDARD.encode(octets);
    let part =
        format!("Content-Type: text/plain; charset={name}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n");
    (format!("reader: charset {name}"), mixed(&[TEXT, &part]).into_bytes())
}

fn charsets(file: &[u8]) -> Mails {
    let wide: Vec<u8> = file.iter().flat_map(|octet| u32::from(*octet).to_le_bytes()).collect();
    let seven = |octet: &u8| format!("+{}-", STANDARD.encode([0, *octet]).trim_end_matches('='));
    let seven: String = file.iter().map(seven).collect();
    let wide = ["utf-32le", "UCS4", "ISO-10646-UCS-4"].map(|name| in_charset(name, &wide));
    let seven = ["u7", "utf_7", "UNICODE-1-1-UTF-7"].map(|name| in_charset(name, seven.as_bytes()));
    wide.into_iter().chain(seven).collect()
}

/// What nobody reads without a key, or clamd not at all.
fn unread() -> Mails {
    let armour = "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n";
    let rar = b"Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0";
    let foreign = ["cp037", "ibm-1140", "IBM01140", "EBCDIC-CP-US", "037", "unicode_escape"];
    let foreign = foreign.iter().map(|name| in_charset(name, b"\xe7\xf5\xd6")).collect();
    let files = named(vec![
        ("PGP behind text", text(armour.as_bytes())),
        ("PGP quoted", text(armour.replace("\r\n", "\r\n> ").as_bytes())),
        ("PGP without armour", attached(&[&[0xd2, 40, 1][..], &[7; 39]].concat())),
        ("salted", attached(&[&b"Salted__"[..], &[7; 40]].concat())),
        ("RAR behind a picture", attached(&[&b"\xff\xd8\xff\xe0"[..], &[7; 90], rar, &[9; 90]].concat())),
        ("Debian package", attached(b"!<arch>\ndebian-binary   1410122664  0     0     100644  4         `\n2.0\n")),
        (
            "skippable frame first",
            attached(&[&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0][..], &[0x28, 0xb5, 0x2f, 0xfd]].concat()),
        ),
        ("compressed by 12 bits", attached(b"\x1f\x9d\x8cX")),
    ]);
    [foreign, files].concat()
}
