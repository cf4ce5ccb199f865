//! Excel 5 to 2003 ([MS-XLS], BIFF5 and BIFF8), and as far as texts go the versions before: cells, names of sheets, notes,
//! headers and footers, texts in shapes.

use super::super::sheet::without_codes;
use super::{Reading, Trouble, u16_at, u32_at, wide};
use crate::extract::read::rtf::of_page;

/// More strings than a file can hold are not made room for.
const MOST_STRINGS: usize = 4 << 20;

const CONTINUE: u16 = 0x003c;

pub(super) fn sheets(stream: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let mut book = Book { is_wide: true, page: encoding_rs::WINDOWS_1252, strings: Vec::new(), row: None };
    let mut records = Records { stream, at: 0 };
    while let Some((kind, data)) = records.next() {
        match kind {
            0x002f => return Err(Trouble::Encrypted),
            0x00fc => book.shared(data, &mut records),
            _ => book.record(kind, data, &mut records, reading),
        }
        if reading.is_over() {
            break;
        }
    }
    Ok(())
}

struct Records<'s> {
    stream: &'s [u8],
    at: usize,
}

impl<'s> Records<'s> {
    fn peek(&self) -> Option<(u16, &'s [u8])> {
        let (kind, length) = (u16_at(self.stream, self.at)?, u16_at(self.stream, self.at + 2)?);
        let data = self.stream.get(self.at + 4..)?;
        Some((kind, &data[..usize::from(length).min(data.len())]))
    }

    fn next(&mut self) -> Option<(u16, &'s [u8])> {
        let (kind, data) = self.peek()?;
        self.at += 4 + data.len();
        Some((kind, data))
    }

    /// What goes on in records of its own because one was too short.
    fn continued(&mut self) -> Option<&'s [u8]> {
        let (kind, data) = self.peek()?;
        (kind == CONTINUE).then(|| self.next())?;
        Some(data)
    }
}

struct Book {
    /// BIFF8: strings are Unicode and say how they are kept.
    is_wide: bool,
    page: &'static encoding_rs::Encoding,
    strings: Vec<String>,
    row: Option<u16>,
}

impl Book {
    fn record(&mut self, kind: u16, data: &[u8], records: &mut Records<'_>, reading: &mut Reading<'_>) {
        match kind {
            // The beginning of a stream, of all versions.
            0x0009 | 0x0209 | 0x0409 => self.is_wide = false,
            0x0809 => self.is_wide = u16_at(data, 0) == Some(0x0600),
            0x0042 => self.page = u16_at(data, 0).and_then(|page| of_page(page.into())).unwrap_or(self.page),
            0x0085 => self.named(data, 6, 1, reading),
            0x00fd => {
                let string = u32_at(data, 6).and_then(|number| self.strings.get(number).cloned());
                self.cell(data, string, reading);
            }
            0x0204 | 0x00d6 => self.cell(data, self.string(data, 6, 2), reading),
            // One octet of length, and attributes of three, in the versions before.
            0x0004 => self.cell(data, self.string(data, 7, 1), reading),
            0x0207 => self.string(data, 0, 2).into_iter().for_each(|text| reading.paragraph(&text)),
            0x0203 | 0x0006 => self.cell(data, number(data, 6), reading),
            0x027e => self.cell(data, u32_at(data, 6).map(short), reading),
            0x00bd => self.cells(data, reading),
            0x0014 | 0x0015 => {
                let length = if self.is_wide { 2 } else { 1 };
                self.string(data, 0, length).into_iter().for_each(|text| reading.paragraph(&without_codes(&text)));
            }
            // A note of the versions before; those of today are shapes.
            0x001c if !self.is_wide => {
                let text = data.get(6..).map(|text| self.page.decode_without_bom_handling(text).0.into_owned());
                text.into_iter().for_each(|text| reading.paragraph(&text));
            }
            0x01b6 => {
                let letters = u16_at(data, 10).unwrap_or_default();
                self.shape(letters, records, reading);
            }
            _ => {}
        }
    }

    fn named(&self, data: &[u8], at: usize, length: usize, reading: &mut Reading<'_>) {
        self.string(data, at, length).into_iter().for_each(|name| reading.paragraph(&name));
    }

    fn cell(&mut self, data: &[u8], text: Option<String>, reading: &mut Reading<'_>) {
        let row = u16_at(data, 0);
        if row == self.row {
            reading.blank()
        } else {
            reading.line()
        }
        self.row = row;
        text.into_iter().for_each(|text| reading.push(&text));
    }

    /// Numbers side by side: a format and a short number each.
    fn cells(&mut self, data: &[u8], reading: &mut Reading<'_>) {
        for at in (4..data.len().saturating_sub(6)).step_by(6) {
            self.cell(data, u32_at(data, at + 2).map(short), reading);
        }
    }

    /// A string with its length in so many octets.
    fn string(&self, data: &[u8], at: usize, length: usize) -> Option<String> {
        let letters = if length == 1 { usize::from(*data.get(at)?) } else { usize::from(u16_at(data, at)?) };
        let rest = data.get(at + length..)?;
        if !self.is_wide {
            return Some(self.page.decode_without_bom_handling(&rest[..letters.min(rest.len())]).0.into_owned());
        }
        let (flags, rest) = rest.split_first()?;
        Some(letters_of(rest, letters, flags & 1 != 0))
    }

    /// The text of a shape lies in the records that follow.
    fn shape(&self, letters: u16, records: &mut Records<'_>, reading: &mut Reading<'_>) {
        let mut left = usize::from(letters);
        let mut text = String::new();
        while left > 0
            && let Some((flags, data)) = records.continued().and_then(<[u8]>::split_first)
        {
            let piece = letters_of(data, left, flags & 1 != 0);
            left -= piece.encode_utf16().count().min(left).max(1);
            text.push_str(&piece);
        }
        reading.paragraph(&text);
    }

    /// The strings that cells share (section 2.4.265). Where one goes on in another record, it says anew how it is kept.
    fn shared<'s>(&mut self, data: &'s [u8], records: &mut Records<'s>) {
        let count = u32_at(data, 4).unwrap_or_default().min(MOST_STRINGS);
        let mut source = Source { data: data.get(8..).unwrap_or_default(), records };
        for _ in 0..count {
            let Some(string) = source.string() else { return };
            self.strings.push(string);
        }
    }
}

/// Octets that go on over records.
struct Source<'r, 's> {
    data: &'s [u8],
    records: &'r mut Records<'s>,
}

impl<'s> Source<'_, 's> {
    /// Numbers and flags are not cut in two.
    fn take(&mut self, length: usize) -> Option<&'s [u8]> {
        if self.data.is_empty() {
            self.data = self.records.continued()?;
        }
        let (taken, rest) = self.data.split_at_checked(length)?;
        self.data = rest;
        Some(taken)
    }

    fn skip(&mut self, mut length: usize) -> Option<()> {
        while length > self.data.len() {
            length -= self.data.len();
            self.data = self.records.continued()?;
        }
        self.data = &self.data[length..];
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        const WIDE: u8 = 1;
        const PHONETIC: u8 = 4;
        const RUNS: u8 = 8;
        let head = self.take(3)?;
        let (mut left, flags) = (usize::from(u16_at(head, 0)?), head[2]);
        let runs = if flags & RUNS == 0 { 0 } else { usize::from(u16_at(self.take(2)?, 0)?) };
        let phonetic = if flags & PHONETIC == 0 { 0 } else { u32_at(self.take(4)?, 0)? };
        let mut is_wide = flags & WIDE != 0;
        let mut text = String::new();
        loop {
            let width = if is_wide { 2 } else { 1 };
            let letters = left.min(self.data.len() / width);
            text.push_str(&letters_of(self.data, letters, is_wide));
            self.data = &self.data[letters * width..];
            left -= letters;
            if left == 0 {
                break;
            }
            let (flags, data) = self.records.continued()?.split_first()?;
            (is_wide, self.data) = (flags & WIDE != 0, data);
        }
        self.skip(runs * 4 + phonetic)?;
        Some(text)
    }
}

fn letters_of(data: &[u8], letters: usize, is_wide: bool) -> String {
    match is_wide {
        true => wide(&data[..(letters * 2).min(data.len())]),
        false => encoding_rs::mem::decode_latin1(&data[..letters.min(data.len())]).into_owned(),
    }
}

fn number(data: &[u8], at: usize) -> Option<String> {
    let octets: [u8; 8] = data.get(at..at + 8)?.try_into().ok()?;
    // A formula whose result is no number says so with the highest octets.
    (octets[6..] != [0xff, 0xff]).then(|| f64::from_le_bytes(octets).to_string())
}

/// A number in thirty bits (section 2.5.218): an integer or the upper half of a float, perhaps a hundredfold.
fn short(number: usize) -> String {
    let bits = number as u32;
    let value = match bits & 2 {
        0 => f64::from_bits(u64::from(bits & !3) << 32),
        _ => f64::from(bits.cast_signed() >> 2),
    };
    (if bits & 1 == 0 { value } else { value / 100.0 }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::ReadLimits;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    }

    fn text(stream: &[u8]) -> String {
        let limits = ReadLimits::default();
        let mut reading = Reading::new(&limits);
        let ended = sheets(stream, &mut reading);
        reading.finish(ended).text
    }

    #[test]
    fn a_shared_string_goes_on_in_the_next_record_in_another_width() {
        let first = [&[1, 0, 0, 0, 1, 0, 0, 0][..], &[5, 0, 0], b"Gr"].concat();
        let rest: Vec<u8> = [1].into_iter().chain("öße".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let cell = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let stream =
            [record(0x0809, &[0, 6]), record(0x00fc, &first), record(CONTINUE, &rest), record(0x00fd, &cell)].concat();
        assert_eq!(text(&stream), "Größe");
    }

    #[test]
    fn numbers_stand_in_their_rows() {
        let rk = |row: u8, bits: u32| record(0x027e, &[&[row, 0, 0, 0, 0, 0][..], &bits.to_le_bytes()].concat());
        let float = record(0x0203, &[&[1, 0, 0, 0, 0, 0][..], &1.5_f64.to_le_bytes()].concat());
        assert_eq!(text(&[rk(0, 42 << 2 | 2), rk(0, 1234 << 2 | 3), float].concat()), "42 12.34\n1.5");
    }
}
