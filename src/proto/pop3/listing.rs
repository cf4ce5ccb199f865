use std::collections::HashMap;

/// The messages of a maildrop as UIDL and LIST tell (RFC 1939 sections 5 and 7). UIDL is the truth; a size is a hint,
/// and LIST lines without a UIDL line are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the server. Two may have the same UID: the RFC allows it for equal messages.
    pub messages: Vec<Listed>,
    /// UIDL lines that name no usable message: the account has mail that cannot be asked for.
    pub unreadable_lines: u64,
    positions: HashMap<u32, usize>,
    without_uids: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// 1 to 2^31, valid in this session only.
    pub number: u32,
    /// 1 to 512 octets; opaque, with blanks inside and 8-bit octets where the server has them. None from a server
    /// without UIDL.
    pub uid: Vec<u8>,
    /// What LIST claims. Some servers claim nonsense.
    pub size_bytes: Option<u64>,
}

impl Listing {
    /// For a server without UIDL: LIST tells which messages there are.
    pub fn without_uids() -> Self {
        Self { without_uids: true, ..Self::default() }
    }

    pub fn add_uid(&mut self, line: &[u8]) {
        let entry = split_number(line).filter(|(_, uid)| (1..=MAX_UID_OCTETS).contains(&uid.len()));
        match entry {
            Some((number, uid)) if !self.positions.contains_key(&number) => {
                self.positions.insert(number, self.messages.len());
                self.messages.push(Listed { number, uid: uid.to_vec(), size_bytes: None });
            }
            _ => self.unreadable_lines += 1,
        }
    }

    /// The unique-id of a message that the server gave none.
    pub fn name(&mut self, number: u32, uid: &[u8]) {
        if let Some(&at) = self.positions.get(&number) {
            self.messages[at].uid = uid.to_vec();
        }
    }

    pub fn add_size(&mut self, line: &[u8]) {
        let Some((number, rest)) = split_number(line) else { return };
        if self.without_uids && !self.positions.contains_key(&number) {
            self.positions.insert(number, self.messages.len());
            self.messages.push(Listed { number, uid: Vec::new(), size_bytes: None });
        }
        if let Some(&at) = self.positions.get(&number) {
            let size = rest.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            self.messages[at].size_bytes = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok());
        }
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
    fn lines_that_name_no_message_are_counted_not_believed() {
        let too_long = [b"3 ".as_slice(), &[b'x'; 513]].concat();
        let lines: [&[u8]; 9] =
            [b"1 a", b"1 again", b"0 zero", b"-2 minus", b"+4 plus", b"4294967299 far", b"7", b"", &too_long];
        let listing = listing(&lines, &[]);
        assert_eq!(listing.messages.len(), 1);
        assert_eq!(listing.unreadable_lines, 8);
    }

    #[test]
    fn without_unique_ids_the_sizes_tell_what_there_is() {
        let mut listing = Listing::without_uids();
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
        assert_eq!(sizes, [Some(120), None, None, Some(77)]);
    }
}
