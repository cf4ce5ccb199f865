use std::collections::HashMap;

/// The messages of a maildrop as UIDL and LIST tell (RFC 1939 sections 5 and 7). A size is a hint. A message that only
/// LIST tells of, or whose unique-id is none, has no name; it is mail all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the server. Two may have the same UID: the RFC allows it for equal messages.
    pub messages: Vec<Listed>,
    /// UIDL lines without a usable number or unique-id.
    pub unreadable_lines: u64,
    positions: HashMap<u32, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// 1 to 2^31, valid in this session only.
    pub number: u32,
    /// 1 to 512 octets; opaque, with blanks inside and 8-bit octets where the server has them. Empty where the server gave
    /// none, or one that is none.
    pub uid: Vec<u8>,
    /// What LIST claims. Some servers claim nonsense.
    pub size_bytes: Option<u64>,
}

impl Listing {
    pub fn add_uid(&mut self, line: &[u8]) {
        let entry = split_number(line).filter(|(number, _)| !self.positions.contains_key(number));
        let uid = entry.map_or(&b""[..], |(_, uid)| uid);
        let is_usable = (1..=MAX_UID_OCTETS).contains(&uid.len());
        if let Some((number, _)) = entry {
            self.add(number, if is_usable { uid } else { b"" });
        }
        self.unreadable_lines += u64::from(!is_usable);
    }

    /// The numbers of the messages without a unique-id.
    pub fn nameless(&self) -> impl Iterator<Item = u32> + '_ {
        self.messages.iter().filter(|listed| listed.uid.is_empty()).map(|listed| listed.number)
    }

    /// The unique-id of a message that the server gave none.
    pub fn name(&mut self, number: u32, uid: &[u8]) {
        if let Some(&at) = self.positions.get(&number) {
            self.messages[at].uid = uid.to_vec();
        }
    }

    pub fn add_size(&mut self, line: &[u8]) {
        let Some((number, rest)) = split_number(line) else { return };
        if !self.positions.contains_key(&number) {
            self.add(number, b"");
        }
        if let Some(&at) = self.positions.get(&number) {
            let size = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            self.messages[at].size_bytes = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok());
        }
    }

    fn add(&mut self, number: u32, uid: &[u8]) {
        self.positions.insert(number, self.messages.len());
        self.messages.push(Listed { number, uid: uid.to_vec(), size_bytes: None });
    }
}

const MAX_UID_OCTETS: usize = 512;
const MAX_NUMBER: u32 = 1 << 31;

/// `7  rest` as (7, rest), with any number of blanks around.
fn split_number(line: &[u8]) -> Option<(u32, &[u8])> {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()?;
    (1..=MAX_NUMBER).contains(&number).then(|| (number, rest.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(uids: &[&[u8]], sizes: &[&[u8]]) -> Listing {
        let mut listing = Listing::default();
        uids.iter().for_each(|line| listing.add_uid(line));
        sizes.iter().for_each(|line| listing.add_size(line));
        listing
    }

    #[test]
    fn uids_are_opaque() {
        let longest = [b"5 ".as_slice(), &[b'x'; 512]].concat();
        let listing = listing(&[b"1 a/b", b"2    a b c", b"3 \xe9\xff", b"4 a/b", &longest], &[]);
        let uids: Vec<&[u8]> = listing.messages.iter().map(|listed| listed.uid.as_slice()).collect();
        assert_eq!(uids, [b"a/b".as_slice(), b"a b c", b"\xe9\xff", b"a/b", &[b'x'; 512]]);
        assert_eq!(listing.unreadable_lines, 0);
    }

    #[test]
    fn lines_without_number_or_unique_id_are_counted_and_a_number_is_mail() {
        let too_long = [b"3 ".as_slice(), &[b'x'; 513]].concat();
        let lines: [&[u8]; 9] =
            [b"1 a", b"1 again", b"0 zero", b"-2 minus", b"+4 plus", b"4294967299 far", b"7", b"", &too_long];
        let listing = listing(&lines, &[]);
        let named: Vec<(u32, usize)> =
            listing.messages.iter().map(|listed| (listed.number, listed.uid.len())).collect();
        assert_eq!(named, [(1, 1), (7, 0), (3, 0)]);
        assert_eq!(listing.nameless().collect::<Vec<_>>(), [7, 3]);
        assert_eq!(listing.unreadable_lines, 8);
    }

    #[test]
    fn without_unique_ids_the_sizes_tell_what_there_is() {
        let mut listing = Listing::default();
        [&b"1 120"[..], b"2 -1", b"1 99", b"junk"].into_iter().for_each(|line| listing.add_size(line));
        let messages: Vec<_> = listing.messages.iter().map(|listed| (listed.number, listed.size_bytes)).collect();
        assert_eq!(messages, [(1, Some(99)), (2, None)]);
        assert!(listing.messages.iter().all(|listed| listed.uid.is_empty()));
    }

    #[test]
    fn sizes_are_hints() {
        let listing = listing(
            &[b"1 a", b"2 b", b"3 c", b"4 d"],
            &[b"1 120", b"2 -1", b"3 99999999999999999999999", b"9 10", b"junk", b"4 77 octets"],
        );
        let sizes: Vec<Option<u64>> = listing.messages.iter().map(|listed| listed.size_bytes).collect();
        assert_eq!(sizes, [Some(120), None, None, Some(77), Some(10)]);
        assert_eq!(listing.nameless().collect::<Vec<_>>(), [9]);
    }
}
