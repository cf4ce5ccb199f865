//! Files inside texts and inside other files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poplar::mail::eicar;

use super::{Mails, TEXT, TOP, encoded, file, mixed, named, part};

pub(super) fn uuencoded(octets: &[u8], value: fn(u8) -> char) -> String {
    let line = |chunk: &[u8]| {
        let mut line = String::from(value(u8::try_from(chunk.len()).unwrap()));
        for group in chunk.chunks(3) {
            let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
            (0..4).rev().for_each(|at| line.push(value((bits >> (6 * at) & 63) as u8)));
        }
        line + "\r\n"
    };
    octets.chunks(45).map(line).collect()
}

pub(super) fn uu(value: u8) -> char {
    if value == 0 { '`' } else { char::from(value + 32) }
}

fn xx(value: u8) -> char {
    char::from(b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[usize::from(value)])
}

/// Files that stand in the text of mails.
pub(super) fn texts() -> Mails {
    let data = uuencoded(&eicar(), uu);
    let plain = |body: &str| format!("{}\r\n{body}", TOP.replace("MIME-Version: 1.0\r\n", ""));
    let html = |body: &str| format!("{TOP}Content-Type: text/html\r\n\r\n<html><a href=\"{body}\">x</a></html>\r\n");
    let percent: String = eicar().iter().map(|octet| format!("%{octet:02X}")).collect();
    let entities: String = encoded().trim_end().chars().map(|sign| format!("&#{};", u32::from(sign))).collect();
    named(
        "text",
        vec![
            ("uuencode without an end", plain(&format!("Hello,\r\n\r\nbegin 644 a.com\r\n{data}"))),
            ("uuencode without a name", plain(&format!("begin 0644\r\n{data}`\r\nend\r\n"))),
            ("uuencode in upper case", plain(&format!("BEGIN 644 A.COM\r\n{data}`\r\nEND\r\n"))),
            (
                "uuencode with blank lines",
                plain(&format!("begin 644 a.com\r\n\r\n{}", data.replace("\r\n", "\r\n\r\n"))),
            ),
            ("uuencode quoted", plain(&format!("> begin 644 a.com\r\n{data}`\r\nend\r\n"))),
            (
                "uuencode with checksums",
                plain(&format!("begin 644 a.com\r\n{}`\r\nend\r\n", data.replace("\r\n", "x\r\n"))),
            ),
            ("uuencode without a begin", mixed(&[&part("x-uuencode", &data)])),
            ("uuencode in a text part", mixed(&[&format!("{TEXT}begin 666 a b.com\r\n{data} \r\nend\r\n")])),
            ("uuencode behind the end", format!("{}begin 644 a.com\r\n{data}`\r\nend\r\n", mixed(&[TEXT]))),
            ("xxencode", plain(&format!("begin 644 a.com\r\n{}+\r\nend\r\n", uuencoded(&eicar(), xx)))),
            ("begin-base64", plain(&format!("begin-base64 644 a.com\r\n{}====\r\n", encoded()))),
            ("base64 in the text", plain(&format!("Save this:\r\n\r\n{}\r\nBye\r\n", encoded()))),
            ("base64 behind words", plain(&format!("Save\r\nthis\r\n{}Bye\r\n", encoded()))),
            (
                "base64 in a script",
                html(&format!("x\"><script>var a = atob('{}');</script><a href=\"", encoded().trim_end())),
            ),
            (
                "calendar",
                mixed(&[&format!(
                    "Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:{}\r\n {}END:VEVENT\r\n",
                    &encoded()[..30],
                    &encoded()[30..]
                )]),
            ),
            ("data address in percents", html(&format!("data:application/octet-stream,{percent}"))),
            (
                "data address in base64 in percents",
                html(&format!("data:x;base64,{}", encoded().trim_end().replace('W', "%57"))),
            ),
            ("data address in entities", html(&format!("data:x;base64,{entities}"))),
            (
                "UTF-7",
                format!(
                    "{TOP}Content-Type: text/plain; charset=utf-7\r\n\r\n{}",
                    file().replace('+', "+-").replace("EICAR", "+AEUASQBDAEEAUg-")
                ),
            ),
            (
                "escapes of ISO-2022",
                format!(
                    "{TOP}Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n{}",
                    file().replace("EICAR", "EI\x1b(BCAR")
                ),
            ),
            (
                "wide text",
                mixed(&[&format!(
                    "Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                    STANDARD.encode(file().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
                )]),
            ),
            (
                "wide text of base64",
                mixed(&[&format!(
                    "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                    STANDARD.encode(encoded().encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>())
                )]),
            ),
        ],
    )
}

pub(super) fn yenc(octets: &[u8]) -> Vec<u8> {
    octets
        .iter()
        .flat_map(|octet| match octet.wrapping_add(42) {
            critical @ (0 | 10 | 13 | b'=') => vec![b'=', critical.wrapping_add(64)],
            plain => vec![plain],
        })
        .collect()
}

/// Files around the file, and what nobody can look into.
pub(super) fn wrappers() -> Mails {
    let attached = |octets: &[u8]| mixed(&[TEXT, &part("base64", &STANDARD.encode(octets))]).into_bytes();
    let length = 68_u32;
    let tnef =
        [&[0x78, 0x9f, 0x3e, 0x22, 1, 0, 2, 0x0f, 0x80, 6, 0][..], &length.to_le_bytes(), &eicar(), &[0, 0]].concat();
    let apple =
        [&[0, 5, 0x16, 0, 0, 2, 0, 0][..], &[0; 16], &[0, 1, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 68], &eicar()].concat();
    let wide: Vec<u8> = encoded().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let signed = [
        &[
            0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2, 0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0,
            0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1, 0xa0, 0x80, 0x24, 0x80, 4, 30,
        ][..],
        &eicar()[..30],
        &[4, 38],
        &eicar()[30..],
        &[0; 8],
    ]
    .concat();
    let enveloped =
        [&[0x30, 0x80, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3, 0xa0, 0x80][..], &[7; 60]].concat();
    let block = |octets: &[u8]| {
        [b"=ybegin part=1 line=128 size=68 name=a.com\r\n=ypart begin=1 end=34\r\n", &yenc(octets)[..], b"\r\n"]
            .concat()
    };
    let text = |body: &[u8]| [TOP.as_bytes(), b"\r\n", body].concat();
    let mails = [
        ("winmail", attached(&tnef)),
        ("winmail cut off", attached(&tnef[..tnef.len() - 2])),
        ("AppleSingle", attached(&apple)),
        ("wide base64", attached(&wide)),
        ("signed", attached(&signed)),
        ("encrypted for somebody", attached(&enveloped)),
        ("PGP", text(b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n")),
        (
            "yEnc in two pieces",
            text(
                &[
                    block(&eicar()[..34]),
                    b"=yend size=34\r\n".to_vec(),
                    block(&eicar()[34..]),
                    b"=yend size=34\r\n".to_vec(),
                ]
                .concat(),
            ),
        ),
        ("yEnc without an end", text(&block(&eicar()))),
        ("zstd", attached(&zstd::bulk::compress(&eicar(), 3).unwrap())),
    ];
    mails.into_iter().map(|(name, mail)| (format!("wrapper: {name}"), mail)).collect()
}
