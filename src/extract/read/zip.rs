//! ZIP archives (PKWARE APPNOTE 6.3.10), by their directory; where it is missing, by the headers of their members.
//! Knows nothing about what lies in them.

use memchr::memmem;

use super::reading::Reading;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// More than any office writes.
const MOST_MEMBERS: usize = 20_000;

/// A file in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member<'o> {
    pub(super) name: String,
    pub(super) is_encrypted: bool,
    method: u16,
    packed: &'o [u8],
}

/// The files of an archive, in the order of its directory; and whether there are more, or it is cut off.
pub(super) fn members(octets: &[u8]) -> (Vec<Member<'_>>, bool) {
    match listed(octets) {
        Some(members) if !members.is_empty() || octets.starts_with(END) => {
            let is_cut = members.len() >= MOST_MEMBERS;
            (members, is_cut)
        }
        _ => (found(octets), true),
    }
}

impl Member<'_> {
    /// What it unpacks to, as far as the budget reaches. `None` where nobody here can unpack it.
    pub(super) fn unpacked(&self, reading: &mut Reading<'_>) -> Option<Vec<u8>> {
        match self.method {
            _ if self.is_encrypted => None,
            STORED => Some(reading.unpack(self.packed)),
            DEFLATED => Some(reading.inflate(self.packed)),
            _ => None,
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?).into())
}

fn u32_at(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

/// By the directory before the last end. An archive that something stands before is read all the same.
fn listed(octets: &[u8]) -> Option<Vec<Member<'_>>> {
    let end = memmem::rfind(octets, END)?;
    let (size, offset) = (u32_at(octets, end + 12)?, u32_at(octets, end + 16)?);
    let directory = end.checked_sub(size).filter(|at| octets[*at..].starts_with(CENTRAL));
    let directory =
        directory.or_else(|| Some(offset).filter(|at| octets.get(*at..).is_some_and(|rest| rest.starts_with(CENTRAL))));
    let Some(mut at) = directory else { return (size == 0).then(Vec::new) };
    let before = at.saturating_sub(offset);
    let mut members = Vec::new();
    while octets[at.min(octets.len())..].starts_with(CENTRAL) && members.len() < MOST_MEMBERS {
        let (name, extra, comment) = (u16_at(octets, at + 28)?, u16_at(octets, at + 30)?, u16_at(octets, at + 32)?);
        let local = before.checked_add(u32_at(octets, at + 42)?)?;
        let entry = Entry {
            flags: u16_at(octets, at + 8)?,
            method: u16_at(octets, at + 10)?,
            packed: u32_at(octets, at + 20)?,
            name: octets.get(at + 46..at + 46 + name)?,
        };
        members.extend(entry.member(octets, local));
        at += 46 + name + extra + comment;
    }
    Some(members)
}

struct Entry<'o> {
    flags: usize,
    method: usize,
    packed: usize,
    name: &'o [u8],
}

impl<'o> Entry<'o> {
    /// `local`: where the member's own header begins.
    fn member(&self, octets: &'o [u8], local: usize) -> Option<Member<'o>> {
        const AES: usize = 99;
        const UTF8: usize = 1 << 11;
        let data = local + 30 + u16_at(octets, local.checked_add(26)?)? + u16_at(octets, local + 28)?;
        let rest = octets.get(data..)?;
        let name = match self.flags & UTF8 == 0 && std::str::from_utf8(self.name).is_err() {
            // What most programs of today's offices write that do not say so.
            true => super::plain::decoded(self.name, None),
            false => String::from_utf8_lossy(self.name).into_owned(),
        };
        Some(Member {
            name,
            is_encrypted: self.flags & 1 != 0 || self.method == AES,
            method: u16::try_from(self.method).ok()?,
            packed: &rest[..self.packed.min(rest.len())],
        })
    }
}

/// By the members' own headers, each up to the next. What is not there any more is left out.
fn found(octets: &[u8]) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let mut at = 0;
    while let Some(next) = octets.get(at..).and_then(|rest| memmem::find(rest, LOCAL)) {
        let local = at + next;
        at = local + LOCAL.len();
        let Some(entry) = local_entry(octets, local) else { continue };
        let packed = entry.packed;
        if let Some(member) = entry.member(octets, local) {
            // Where it says its length, what follows is no place for another member.
            at = if packed < octets.len() { (local + 30 + packed).min(octets.len()) } else { at };
            members.push(member);
        }
        if members.len() >= MOST_MEMBERS {
            break;
        }
    }
    members
}

fn local_entry(octets: &[u8], local: usize) -> Option<Entry<'_>> {
    const SIZES_BEHIND: usize = 1 << 3;
    let flags = u16_at(octets, local + 6)?;
    let packed = u32_at(octets, local + 18)?;
    Some(Entry {
        flags,
        method: u16_at(octets, local + 8)?,
        packed: if packed == 0 && flags & SIZES_BEHIND != 0 { usize::MAX } else { packed },
        name: octets.get(local + 30..local + 30 + u16_at(octets, local + 26)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stored member; its header, its directory entry, the end.
    fn archive(name: &str, data: &[u8]) -> [Vec<u8>; 3] {
        let sizes = u32::try_from(data.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common = [&[0; 4][..], &[0; 8], &sizes, &sizes, &length, &[0, 0]].concat();
        let local = [LOCAL, &[20, 0], &common, name.as_bytes(), data].concat();
        let central = [CENTRAL, &[20, 0, 20, 0], &common, &[0; 14], name.as_bytes()].concat();
        let (size, offset) = (u32::try_from(central.len()).unwrap(), u32::try_from(local.len()).unwrap());
        let end = [END, &[0; 4], &[1, 0, 1, 0], &size.to_le_bytes(), &offset.to_le_bytes(), &[0, 0]].concat();
        [local, central, end]
    }

    #[test]
    fn members_are_listed_whatever_stands_before_the_archive() {
        let whole = archive("a.txt", b"words").concat();
        for octets in [whole.clone(), [b"junk before it", &whole[..]].concat()] {
            let (members, is_cut) = members(&octets);
            assert_eq!((members[0].name.as_str(), members[0].packed, is_cut), ("a.txt", &b"words"[..], false));
        }
    }

    #[test]
    fn members_are_found_where_the_directory_is_cut_off() {
        let [local, central, end] = archive("a.txt", b"words");
        let whole = [local.clone(), local.clone(), central, end].concat();
        for length in [local.len() - 2, local.len(), local.len() * 2, whole.len() - 8] {
            let (members, is_cut) = members(&whole[..length]);
            assert!(is_cut && members.iter().any(|member| member.packed.starts_with(b"wor")), "cut at {length}");
        }
    }
}
