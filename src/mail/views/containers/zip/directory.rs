use memchr::memmem;

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const END: &[u8] = b"PK\x05\x06";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
/// The extra field with sizes of 64 bits.
pub(super) const ZIP64: u16 = 1;
/// Signs that look like an end of a directory are tried up to this many times.
pub(super) const MOST_ENDS: usize = 1000;
/// Members of all archives beyond this are counted, not read.
const MOST_MEMBERS: usize = 20_000;

/// One archive: where it begins in the octets, and what its directory lists.
#[derive(Debug)]
pub(super) struct Archive<'o> {
    /// What stands before it: offsets in it count from here.
    pub(super) begin: u64,
    /// Where its directory begins.
    pub(super) directory: usize,
    /// Where the record at its end ends: the comment begins there.
    pub(super) end: usize,
    pub(super) members: Vec<Member<'o>>,
    pub(super) count: u64,
    pub(super) contradictions: Vec<&'static str>,
    pub(super) truncated: Option<&'static str>,
    /// Its end is said in 64 bits.
    pub(super) is_long: bool,
}

#[derive(Debug)]
pub(super) struct Member<'o> {
    pub(super) name: &'o [u8],
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) has_strong_encryption: bool,
    /// Says something in 64 bits.
    pub(super) is_long: bool,
}

/// A name for people.
pub(in super::super) fn printable(name: &[u8]) -> String {
    const LONGEST: usize = 100;
    String::from_utf8_lossy(&name[..name.len().min(LONGEST)]).into_owned()
}

impl Member<'_> {
    pub(super) fn name(&self) -> String {
        printable(self.name)
    }
}

pub(in super::super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(in super::super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

pub(super) struct Found<'o> {
    pub(super) archives: Vec<Archive<'o>>,
    /// There may be more archives, or members, than these.
    pub(super) is_cut: bool,
}

/// All archives in the octets, by the ends of their directories.
pub(super) fn find(octets: &[u8]) -> Found<'_> {
    let mut found = Found { archives: Vec::new(), is_cut: false };
    // Overlapping directories must not make the work quadratic.
    let mut left = Left { bytes: octets.len().saturating_mul(2), members: MOST_MEMBERS };
    for (tried, at) in memmem::find_iter(octets, END).enumerate() {
        if tried >= MOST_ENDS || left.bytes == 0 {
            found.is_cut = true;
            break;
        }
        found.archives.extend(archive(octets, at, &mut left));
    }
    found.is_cut |= left.members == 0;
    found
}

/// What may still be read of directories.
struct Left {
    bytes: usize,
    members: usize,
}

impl Left {
    fn read(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Without those that lie inside another: they are members of it, and are found as such.
pub(super) fn outermost(archives: Vec<Archive<'_>>) -> Vec<Archive<'_>> {
    let mut outer: Vec<Archive<'_>> = Vec::new();
    // An archive ends behind all that it holds, so it comes after them.
    for archive in archives {
        let begin = archive.members.iter().map(|member| archive.begin.saturating_add(member.offset)).min();
        let begin = begin.unwrap_or(archive.directory as u64);
        outer.retain(|inner| inner.begin < begin || inner.directory < usize::try_from(begin).unwrap_or(usize::MAX));
        outer.push(archive);
    }
    outer
}

/// What the record at the end of a directory says.
struct End {
    count: u64,
    size: u64,
    offset: u64,
    /// Where the directory ends.
    at: usize,
    is_one_disk: bool,
    is_long: bool,
    is_contradictory: bool,
}

fn end(octets: &[u8], at: usize, left: &mut Left) -> Option<End> {
    let (disks, here) = (u16_at(octets, at + 4)?, u16_at(octets, at + 8)?);
    let (count, size, offset) = (u16_at(octets, at + 10)?, u32_at(octets, at + 12)?, u32_at(octets, at + 16)?);
    let mut end = End {
        count: count.into(),
        size: size.into(),
        offset: offset.into(),
        at,
        is_one_disk: disks == 0 || disks == u16::MAX,
        is_long: false,
        is_contradictory: here != count,
    };
    let locator = at.checked_sub(20).filter(|at| octets[*at..].starts_with(LOCATOR64));
    if let Some(locator) = locator {
        let end64 = memmem::rfind(&octets[..locator], END64);
        left.read(locator - end64.unwrap_or(0));
        let end64 = end64?;
        let values = (u64_at(octets, end64 + 32)?, u64_at(octets, end64 + 40)?, u64_at(octets, end64 + 48)?);
        let agrees = |short: u64, most: u64, long: u64| short == most || short == long;
        end.is_contradictory |= !(agrees(end.count, u16::MAX.into(), values.0)
            && agrees(end.size, u32::MAX.into(), values.1)
            && agrees(end.offset, u32::MAX.into(), values.2));
        (end.count, end.size, end.offset) = values;
        end.at = end64;
        end.is_long = true;
    }
    Some(end)
}

fn archive<'o>(octets: &'o [u8], at: usize, left: &mut Left) -> Option<Archive<'o>> {
    let end = end(octets, at, left)?;
    let size = usize::try_from(end.size).ok()?;
    let directory = end.at.checked_sub(size);
    let directory = directory.filter(|at| end.count == 0 || octets[*at..].starts_with(CENTRAL));
    let Some(directory) = directory else {
        // Not where it should be: cut off, or only the signs of an end.
        let is_archive = octets.starts_with(LOCAL) || octets.starts_with(END);
        return is_archive.then(|| Archive {
            begin: 0,
            directory: at,
            end: at + 22,
            members: Vec::new(),
            count: end.count,
            contradictions: Vec::new(),
            truncated: Some("its directory is not where it says"),
            is_long: false,
        });
    };
    let mut archive = Archive {
        begin: (directory as u64).saturating_sub(end.offset),
        directory,
        end: at + 22,
        members: Vec::new(),
        count: end.count,
        contradictions: Vec::new(),
        truncated: (!end.is_one_disk).then_some("it is one volume of several"),
        is_long: end.is_long,
    };
    if end.is_contradictory {
        archive.contradictions.push("it counts its members in two ways");
    }
    if end.offset > directory as u64 {
        archive.truncated = Some("something before its directory is missing");
    }
    archive.read(&octets[directory..end.at], left);
    Some(archive)
}

impl<'o> Archive<'o> {
    fn read(&mut self, mut rest: &'o [u8], left: &mut Left) {
        let mut count = 0;
        left.read(rest.len());
        while rest.starts_with(CENTRAL) {
            let Some((member, after)) = member(rest) else {
                self.truncated = Some("its directory breaks off");
                return;
            };
            rest = after;
            count += 1;
            if left.members > 0 {
                left.members -= 1;
                self.members.push(member);
            }
        }
        if count != self.count {
            self.contradictions.push("its directory is longer or shorter than it says");
            self.count = self.count.max(count);
        }
    }
}

fn member(record: &[u8]) -> Option<(Member<'_>, &[u8])> {
    let length = |at| u16_at(record, at).map(usize::from);
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let extra_field = record.get(46 + name..46 + name + extra)?;
    let mut member = Member {
        name: record.get(46..46 + name)?,
        flags: u16_at(record, 8)?,
        method: u16_at(record, 10)?,
        packed: u32_at(record, 20)?.into(),
        size: u32_at(record, 24)?.into(),
        offset: u32_at(record, 42)?.into(),
        has_strong_encryption: false,
        is_long: false,
    };
    member.extra(extra_field);
    Some((member, record.get(46 + name + extra + comment..)?))
}

impl Member<'_> {
    /// Sizes of 64 bits, and how it is encrypted.
    fn extra(&mut self, mut rest: &[u8]) {
        const STRONG: u16 = 0x17;
        const AES: u16 = 0x9901;
        while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let length = usize::from(length);
            let Some(data) = rest.get(4..4 + length) else { return };
            rest = &rest[4 + length..];
            self.has_strong_encryption |= matches!(id, STRONG | AES);
            if id == ZIP64 {
                self.is_long = true;
                let mut at = 0;
                for value in [&mut self.size, &mut self.packed, &mut self.offset] {
                    if *value == u64::from(u32::MAX)
                        && let Some(long) = u64_at(data, at)
                    {
                        *value = long;
                        at += 8;
                    }
                }
            }
        }
    }
}
