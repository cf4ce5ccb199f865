//! Rich Text Format (version 1.9.1): one pass over groups, control words and octets in many charsets. Knows nothing about looks.

mod charset;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::reading::{Reading, Trouble, broken};
use charset::of_charset;
pub(super) use charset::of_page;

/// Groups in groups beyond this are counted, not remembered.
const DEEPEST: usize = 1000;
/// Octets that wait for their charset.
const MOST_PENDING: usize = 4096;

/// Destinations that hold no words.
const WORDLESS: [&[u8]; 30] = [
    b"fonttbl",
    b"colortbl",
    b"stylesheet",
    b"pict",
    b"objdata",
    b"objclass",
    b"themedata",
    b"colorschememapping",
    b"datastore",
    b"latentstyles",
    b"listtable",
    b"listoverridetable",
    b"revtbl",
    b"rsidtbl",
    b"generator",
    b"xmlnstbl",
    b"mmathPr",
    b"filetbl",
    b"fontemb",
    b"fontfile",
    b"panose",
    b"falt",
    b"operator",
    b"creatim",
    b"revtim",
    b"printim",
    b"bkmkstart",
    b"bkmkend",
    b"pgdsctbl",
    b"pntxta",
];
/// Destinations marked as unknown to old programs that do hold words.
const KEPT: [&[u8]; 15] = [
    b"shptxt",
    b"annotation",
    b"atnauthor",
    b"fldinst",
    b"footnote",
    b"shpinst",
    b"shp",
    b"company",
    b"manager",
    b"nonesttables",
    b"ftnsep",
    b"hlinkbase",
    b"category",
    b"userprops",
    b"nesttableprops",
];

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let mut rtf = Rtf {
        octets,
        at: 0,
        group: Group::default(),
        groups: Vec::new(),
        beyond: 0,
        fonts: Fonts::default(),
        pending: Vec::new(),
        skip: 0,
        high: None,
        reading,
    };
    rtf.run();
    let is_open = !rtf.groups.is_empty() || rtf.beyond > 0;
    rtf.flush();
    if !octets.trim_ascii_start().starts_with(b"{\\rtf") {
        return Err(broken("it is no rich text"));
    }
    if is_open {
        rtf.reading.fall_short("it is cut off");
    }
    Ok(())
}

/// What ends with its group.
#[derive(Clone, Copy)]
struct Group {
    is_unread: bool,
    is_font_table: bool,
    /// Characters that stand behind a Unicode one for programs that know none.
    substitutes: u32,
    font: Option<u32>,
}

impl Default for Group {
    fn default() -> Self {
        Self { is_unread: false, is_font_table: false, substitutes: 1, font: None }
    }
}

/// Which charset a font asks for.
#[derive(Default)]
struct Fonts {
    known: std::collections::HashMap<u32, &'static Encoding>,
    page: Option<&'static Encoding>,
    default: Option<u32>,
}

impl Fonts {
    fn encoding(&self, font: Option<u32>) -> &'static Encoding {
        let font = font.or(self.default).and_then(|font| self.known.get(&font).copied());
        font.or(self.page).unwrap_or(WINDOWS_1252)
    }
}

struct Rtf<'o, 'r, 'l> {
    octets: &'o [u8],
    at: usize,
    group: Group,
    groups: Vec<Group>,
    /// Groups open beyond those remembered.
    beyond: usize,
    fonts: Fonts,
    /// Octets of one charset, not decoded yet: a character can have two.
    pending: Vec<u8>,
    /// Substitutes still to be passed over.
    skip: u32,
    /// The first half of a character of two.
    high: Option<u16>,
    reading: &'r mut Reading<'l>,
}

impl Rtf<'_, '_, '_> {
    fn run(&mut self) {
        while let Some(octet) = self.octets.get(self.at).copied() {
            self.at += 1;
            match octet {
                b'{' => self.open(),
                b'}' => self.close(),
                b'\\' => self.control(),
                b'\r' | b'\n' | 0 => {}
                octet => self.octet(octet),
            }
            if self.reading.is_over() {
                // The rest is of no use; what is open counts as closed.
                self.groups.clear();
                self.beyond = 0;
                return;
            }
        }
    }

    fn open(&mut self) {
        self.flush();
        self.skip = 0;
        if self.groups.len() < DEEPEST {
            self.groups.push(self.group);
        } else {
            self.beyond += 1;
        }
    }

    fn close(&mut self) {
        self.flush();
        self.skip = 0;
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(group) = self.groups.pop() {
            self.group = group;
        }
    }

    /// A control word, or a control symbol.
    fn control(&mut self) {
        let Some(first) = self.octets.get(self.at).copied() else { return };
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            return self.symbol(first);
        }
        let rest = &self.octets[self.at..];
        let length = rest.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
        let (word, behind) = rest.split_at(length);
        let minus = usize::from(behind.first() == Some(&b'-'));
        let digits = behind[minus..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        let number = std::str::from_utf8(&behind[..minus + digits]).ok().and_then(|digits| digits.parse::<i64>().ok());
        self.at += length + if digits > 0 { minus + digits } else { 0 };
        self.at += usize::from(self.octets.get(self.at) == Some(&b' '));
        self.word(word, number);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let digits = self.octets.get(self.at..self.at + 2).and_then(|digits| std::str::from_utf8(digits).ok());
                if let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    self.at += 2;
                    self.octet(octet);
                }
            }
            b'*' => self.destination(),
            b'\\' | b'{' | b'}' => self.octet(symbol),
            b'~' => self.text(" "),
            b'_' => self.text("-"),
            b'\r' | b'\n' => self.line(),
            _ => {}
        }
    }

    /// What follows `\*` is passed over, unless it is known.
    fn destination(&mut self) {
        let rest = &self.octets[self.at.min(self.octets.len())..];
        let word = rest.trim_ascii_start().strip_prefix(b"\\").unwrap_or_default();
        let length = word.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
        if !KEPT.contains(&&word[..length]) {
            self.flush();
            self.group.is_unread = true;
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i64>) {
        let value = number.and_then(|number| u32::try_from(number).ok());
        match word {
            b"u" => self.unicode(number.unwrap_or_default()),
            b"uc" => self.group.substitutes = value.unwrap_or(1).min(100),
            b"bin" => self.at = self.at.saturating_add(value.unwrap_or_default() as usize),
            b"ansicpg" => self.fonts.page = value.and_then(of_page),
            b"mac" => self.fonts.page = Some(encoding_rs::MACINTOSH),
            b"deff" => self.fonts.default = value,
            b"fonttbl" => (self.group.is_font_table, self.group.is_unread) = (true, true),
            b"f" => {
                self.flush();
                self.group.font = value;
            }
            b"plain" => {
                self.flush();
                self.group.font = None;
            }
            b"fcharset" | b"cpg" if self.group.is_font_table => {
                let encoding =
                    value.and_then(|number| if word == b"cpg" { of_page(number) } else { of_charset(number) });
                if let (Some(font), Some(encoding)) = (self.group.font, encoding) {
                    self.fonts.known.insert(font, encoding);
                }
            }
            b"par" | b"line" | b"row" | b"sect" | b"page" | b"column" | b"nestrow" | b"title" | b"subject"
            | b"author" | b"keywords" | b"doccomm" | b"footnote" | b"annotation" | b"header" | b"footer"
            | b"shptxt" => self.line(),
            b"tab" | b"cell" | b"nestcell" | b"fldinst" | b"fldrslt" | b"emspace" | b"enspace" | b"qmspace" => {
                self.blank()
            }
            _ if WORDLESS.contains(&word) => {
                self.flush();
                self.group.is_unread = true;
            }
            _ => sign(word).into_iter().for_each(|sign| self.text(sign)),
        }
    }

    fn unicode(&mut self, number: i64) {
        self.flush();
        self.skip = self.group.substitutes;
        // Numbers above 32767 are written as negative ones, or not; larger ones are characters of their own.
        let unit = match number {
            -32768..0 => u16::try_from(number + 65536).ok(),
            number => u16::try_from(number).ok(),
        };
        let letter = match (self.high.take(), unit) {
            (_, None) => u32::try_from(number).ok().and_then(char::from_u32),
            (_, Some(unit @ 0xd800..0xdc00)) => {
                self.high = Some(unit);
                return;
            }
            (Some(high), Some(low)) => char::decode_utf16([high, low]).next().and_then(Result::ok),
            // Symbol fonts lie in the private area; their letters do not matter.
            (None, Some(unit)) => char::from_u32(unit.into()),
        };
        if let Some(letter) = letter.filter(|letter| *letter != '\0') {
            self.text(letter.encode_utf8(&mut [0; 4]));
            self.skip = self.group.substitutes;
        }
    }

    fn octet(&mut self, octet: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if !self.group.is_unread {
            self.pending.push(octet);
            if self.pending.len() >= MOST_PENDING {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let encoding = self.fonts.encoding(self.group.font);
            self.reading.push(&encoding.decode_without_bom_handling(&self.pending).0);
            self.pending.clear();
        }
    }

    fn text(&mut self, text: &str) {
        self.flush();
        if !self.group.is_unread {
            self.reading.push(text);
        }
    }

    fn line(&mut self) {
        self.flush();
        self.skip = 0;
        if !self.group.is_unread {
            self.reading.line();
        }
    }

    fn blank(&mut self) {
        self.flush();
        if !self.group.is_unread {
            self.reading.blank();
        }
    }
}

/// Words that stand for a sign.
fn sign(word: &[u8]) -> Option<&'static str> {
    Some(match word {
        b"emdash" => "\u{2014}",
        b"endash" => "\u{2013}",
        b"bullet" => "\u{2022}",
        b"lquote" | b"rquote" => "'",
        b"ldblquote" | b"rdblquote" => "\"",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::extract::{Extracted, Format, Outcome, ReadLimits};

    fn read(rtf: &[u8]) -> Extracted {
        super::super::read(Format::Rtf, rtf, &ReadLimits::default())
    }

    fn text(rtf: &[u8]) -> String {
        read(rtf).text
    }

    #[test]
    fn formatting_breaks_no_word_and_paragraphs_and_cells_do() {
        assert_eq!(
            text(b"{\\rtf1\\ansi Inv{\\b oi}ce\\par due\\tab now\\cell next\\\r\nline}"),
            "Invoice\ndue now next\nline"
        );
        assert_eq!(text(b"{\\rtf1 a\\~b\\_c d\\-e \\{x\\}}"), "a b-c de {x}");
    }

    #[test]
    fn letters_come_in_the_charset_of_their_font_and_as_unicode() {
        assert_eq!(text(b"{\\rtf1\\ansi\\ansicpg1252 Gr\\'f6\\'dfe}"), "Größe");
        let fonts =
            b"{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Arial;}{\\f2\\fcharset128 M;}}\
            \\f1 \\'ce\\'f2\\f2\\'90\\'bf\\f0 \\'fc}";
        assert_eq!(text(fonts), "От請ü");
        assert_eq!(
            text(b"{\\rtf1\\uc1 \\u8364?5 \\u-10179?\\u-8704? {\\uc2 \\u252\\'81\\'fcx}\\uc0\\u233 e}"),
            "€5 😀 üxée"
        );
    }

    #[test]
    fn tables_pictures_and_unknown_destinations_are_passed_over() {
        let rtf = b"{\\rtf1{\\stylesheet{\\s1 Heading;}}{\\info{\\title The title}{\\creatim\\yr2020}}{\\*\\unknown hidden{\\b too}}\
            {\\pict\\bin3 }}}}{\\shpinst{\\*\\shptxt box}}{\\field{\\*\\fldinst HYPERLINK \"http://x\"}{\\fldrslt here}} end}";
        let read = read(rtf);
        assert_eq!(
            (read.text.as_str(), read.outcome),
            ("The title\nbox HYPERLINK \"http://x\" here end", Outcome::Read)
        );
    }

    #[test]
    fn what_is_cut_off_is_told() {
        assert_eq!(read(b"{\\rtf1 some words").outcome, Outcome::Partial("it is cut off".to_owned()));
        assert_eq!(read("{".repeat(100_000).as_bytes()).outcome.as_str(), "failed");
    }

    proptest! {
        #[test]
        fn any_octets_are_read(rtf in "(\\{|\\}|\\\\|\\\\u|\\\\'|\\\\bin|\\\\f|\\\\fonttbl|\\\\\\*|-?[0-9]{1,9}| |\\PC){0,80}") {
            read(format!("{{\\rtf{rtf}").as_bytes());
        }
    }
}
