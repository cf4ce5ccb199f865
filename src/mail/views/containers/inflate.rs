//! Inflates (RFC 1951) as much as is asked for. For sizes and for archives in archives; nobody gets the octets.

/// The farthest a match may lie back.
const WINDOW: usize = 32 << 10;

pub(super) struct Inflated {
    pub(super) octets: Vec<u8>,
    /// There is more than was asked for.
    pub(super) is_cut: bool,
    /// How much of the data that was.
    pub(super) read: usize,
}

pub(in crate::mail::views) struct Length {
    pub(in crate::mail::views) octets: u64,
    pub(in crate::mail::views) is_cut: bool,
    /// How much of the data that was.
    pub(in crate::mail::views) read: usize,
}

/// At most `most` octets of what the data inflates to; broken data ends where it breaks.
pub(super) fn inflate(data: &[u8], most: usize) -> Inflated {
    let mut out = Out { octets: Vec::new(), written: 0, most: most as u64, keeps_all: true };
    let mut bits = Bits::new(data);
    let is_cut = bits.blocks(&mut out) == Some(End::Full);
    Inflated { octets: out.octets, is_cut, read: bits.read(data) }
}

/// How many octets the data inflates to, counted no further than `most`.
pub(in crate::mail::views) fn length(data: &[u8], most: u64) -> Length {
    let mut out = Out { octets: Vec::new(), written: 0, most, keeps_all: false };
    let mut bits = Bits::new(data);
    let is_cut = bits.blocks(&mut out) == Some(End::Full);
    Length { octets: out.written, is_cut, read: bits.read(data) }
}

#[derive(PartialEq, Eq)]
enum End {
    Done,
    Full,
}

struct Out {
    octets: Vec<u8>,
    written: u64,
    most: u64,
    keeps_all: bool,
}

impl Out {
    /// `Err` once there is more than was asked for.
    fn push(&mut self, octet: u8) -> Result<(), End> {
        if self.written >= self.most {
            return Err(End::Full);
        }
        self.written += 1;
        self.octets.push(octet);
        self.forget();
        Ok(())
    }

    fn copy(&mut self, length: usize, distance: usize) -> Result<bool, End> {
        let Some(from) = self.octets.len().checked_sub(distance) else { return Ok(false) };
        for at in from..from + length {
            let octet = self.octets[at];
            if self.written >= self.most {
                return Err(End::Full);
            }
            self.written += 1;
            self.octets.push(octet);
        }
        self.forget();
        Ok(true)
    }

    fn forget(&mut self) {
        if !self.keeps_all && self.octets.len() > 8 * WINDOW {
            self.octets.drain(..self.octets.len() - WINDOW);
        }
    }
}

struct Bits<'o> {
    data: &'o [u8],
    held: u64,
    count: u32,
}

impl<'o> Bits<'o> {
    const fn new(data: &'o [u8]) -> Self {
        Self { data, held: 0, count: 0 }
    }

    /// How much of the data has been read.
    const fn read(&self, data: &[u8]) -> usize {
        data.len() - self.data.len() - self.count as usize / 8
    }

    fn fill(&mut self) {
        while self.count <= 48
            && let Some((octet, rest)) = self.data.split_first()
        {
            self.held |= u64::from(*octet) << self.count;
            self.count += 8;
            self.data = rest;
        }
    }

    fn take(&mut self, count: u32) -> Option<usize> {
        self.fill();
        if self.count < count {
            return None;
        }
        let value = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        usize::try_from(value).ok()
    }

    /// `None` where the data is broken.
    fn blocks(&mut self, out: &mut Out) -> Option<End> {
        let mut fixed = None;
        loop {
            let is_last = self.take(1)? == 1;
            let end = match self.take(2)? {
                0 => self.stored(out)?,
                1 => {
                    if fixed.is_none() {
                        fixed = Some(Codes::fixed()?);
                    }
                    let (lengths, distances) = fixed.as_ref()?;
                    self.block(out, lengths, distances)?
                }
                2 => {
                    let (lengths, distances) = self.dynamic()?;
                    self.block(out, &lengths, &distances)?
                }
                _ => return None,
            };
            if is_last || end == End::Full {
                return Some(end);
            }
        }
    }

    fn stored(&mut self, out: &mut Out) -> Option<End> {
        self.take(self.count % 8)?;
        let (length, inverse) = (self.take(16)?, self.take(16)?);
        if length != inverse ^ 0xffff {
            return None;
        }
        for _ in 0..length {
            let octet = u8::try_from(self.take(8)?).ok()?;
            if let Err(full) = out.push(octet) {
                return Some(full);
            }
        }
        Some(End::Done)
    }

    fn block(&mut self, out: &mut Out, lengths: &Codes, distances: &Codes) -> Option<End> {
        const BASE: [usize; 29] = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
            227, 258,
        ];
        const EXTRA: [u32; 29] =
            [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
        loop {
            let symbol = self.symbol(lengths)?;
            let Some(at) = symbol.checked_sub(257) else {
                if symbol == 256 {
                    return Some(End::Done);
                }
                if let Err(full) = out.push(u8::try_from(symbol).ok()?) {
                    return Some(full);
                }
                continue;
            };
            let length = BASE.get(at)? + self.take(EXTRA[at])?;
            let distance = self.distance(distances)?;
            match out.copy(length, distance) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(full) => return Some(full),
            }
        }
    }

    fn distance(&mut self, codes: &Codes) -> Option<usize> {
        let symbol = self.symbol(codes)?;
        if symbol < 4 {
            return Some(symbol + 1);
        }
        let extra = u32::try_from(symbol / 2 - 1).ok().filter(|extra| *extra <= 13)?;
        Some(1 + ((2 + symbol % 2) << extra) + self.take(extra)?)
    }

    fn dynamic(&mut self) -> Option<(Codes, Codes)> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (literals, distances, used) = (257 + self.take(5)?, 1 + self.take(5)?, 4 + self.take(4)?);
        let mut code_lengths = [0_u8; 19];
        for at in &ORDER[..used] {
            code_lengths[*at] = u8::try_from(self.take(3)?).ok()?;
        }
        let codes = Codes::new(&code_lengths)?;
        let mut lengths = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let (value, times) = match self.symbol(&codes)? {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.extend(std::iter::repeat_n(value, times));
        }
        let distance_lengths = lengths.get(literals..literals + distances)?;
        Some((Codes::new(&lengths[..literals])?, Codes::new(distance_lengths)?))
    }

    fn symbol(&mut self, codes: &Codes) -> Option<usize> {
        self.fill();
        let (symbol, length) = codes.look_up(self.held)?;
        if length > self.count {
            return None;
        }
        self.held >>= length;
        self.count -= length;
        Some(symbol)
    }
}

/// A canonical Huffman code. Short codes are looked up, longer ones counted out: a table of all would cost more than
/// the smallest block has octets.
#[derive(Clone)]
struct Codes {
    short: [(u16, u8); 1 << Self::SHORT],
    /// How many codes there are of each length.
    counts: [u16; Self::LONGEST + 1],
    /// In the order of their codes.
    symbols: Vec<u16>,
}

impl Codes {
    const SHORT: usize = 8;
    const LONGEST: usize = 15;

    fn fixed() -> Option<(Self, Self)> {
        let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
        Some((Self::new(&lengths)?, Self::new(&[5; 30])?))
    }

    /// `None` where more codes are asked for than there are.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut codes = Self { short: [(0, 0); 1 << Self::SHORT], counts: [0; Self::LONGEST + 1], symbols: Vec::new() };
        let mut code = 0_usize;
        for length in 1..=Self::LONGEST {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| usize::from(**own) == length) {
                if code >= 1 << length {
                    return None;
                }
                let symbol = u16::try_from(symbol).ok()?;
                codes.symbols.push(symbol);
                codes.counts[length] += 1;
                if length <= Self::SHORT {
                    let reversed = code.reverse_bits() >> (usize::BITS as usize - length);
                    let places = codes.short.iter_mut().skip(reversed).step_by(1 << length);
                    places.for_each(|place| *place = (symbol, length as u8));
                }
                code += 1;
            }
            code <<= 1;
        }
        Some(codes)
    }

    /// The symbol that the bits begin with, and how many bits it has.
    fn look_up(&self, bits: u64) -> Option<(usize, u32)> {
        let (symbol, length) = self.short[(bits & ((1 << Self::SHORT) - 1)) as usize];
        if length > 0 {
            return Some((usize::from(symbol), length.into()));
        }
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for length in 1..=Self::LONGEST {
            code |= (bits >> (length - 1) & 1) as usize;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return Some((usize::from(*self.symbols.get(index + code - first)?), length as u32));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Stored blocks, as any deflater may write them.
    fn stored(octets: &[u8]) -> Vec<u8> {
        let length = u16::try_from(octets.len()).unwrap();
        [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), octets].concat()
    }

    #[test]
    fn all_kinds_of_blocks_are_inflated() {
        // Made with zlib: fixed codes, then a dynamic block.
        let fixed = [0x4b, 0x4c, 0xc4, 0x04, 0x00];
        assert_eq!(inflate(&fixed, 99).octets, b"aaaaaaaaaaaaaaaaaaaa");
        assert_eq!(inflate(&stored(b"hello"), 99).octets, b"hello");
    }

    proptest! {
        #[test]
        fn no_more_than_asked_for(octets in prop::collection::vec(any::<u8>(), 0..300), most in 0_usize..400) {
            let cut = inflate(&stored(&octets), most);
            prop_assert_eq!(&cut.octets, &octets[..most.min(octets.len())]);
            prop_assert_eq!(cut.is_cut, most < octets.len());
            prop_assert_eq!(length(&stored(&octets), most as u64).octets, cut.octets.len() as u64);
        }

        #[test]
        fn any_octets_are_inflated(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(inflate(&octets, 1000).octets.len() <= 1000);
        }
    }
}
