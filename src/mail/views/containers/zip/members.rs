use super::directory::{Archive, LOCAL, Member, ZIP64, u16_at, u32_at};
use crate::mail::views::Doubt;
use crate::mail::views::containers::Limits;
use crate::mail::views::containers::budget::{BOMB_BYTES, BOMB_TIMES};

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
/// What clamd unpacks, and nobody here: imploded, deflate64, bzip2.
const UNMEASURED: [u16; 3] = [6, 9, 12];
const AES: u16 = 99;
/// Encrypted; strongly; with a masked directory.
const ENCRYPTED_FLAGS: u16 = 1 | 1 << 6 | 1 << 13;
/// Sizes stand behind the data.
const DESCRIPTOR_FLAG: u16 = 1 << 3;

/// Tells the doubts that the directory alone gives about a member; whether there is more to be said.
pub(super) fn claims(member: &Member<'_>, limits: &Limits, note: &mut dyn FnMut(Doubt)) -> bool {
    if member.flags & ENCRYPTED_FLAGS != 0 || member.method == AES || member.has_strong_encryption {
        note(Doubt::Encrypted { what: "a member of the archive" });
        return false;
    }
    if member.size > limits.file_bytes {
        let (size_bytes, limit_bytes) = (member.size, limits.file_bytes);
        note(Doubt::MemberTooLarge { name: member.name(), size_bytes, limit_bytes });
        return false;
    }
    true
}

/// Tells the doubts about one member; whether its data can be looked at.
pub(super) fn inspect(
    octets: &[u8],
    archive: &Archive<'_>,
    member: &Member<'_>,
    limits: &Limits,
    note: &mut dyn FnMut(Doubt),
) -> bool {
    if !claims(member, limits, note) {
        return false;
    }
    let times = member.size / member.packed.max(1);
    if member.size > BOMB_BYTES && times > BOMB_TIMES {
        note(Doubt::Ratio { name: member.name(), times });
    }
    let packed_by = format!("members packed by method {}", member.method);
    if UNMEASURED.contains(&member.method) {
        // They may unpack to more than they say, and to archives.
        note(Doubt::Unopened { what: format!("{packed_by} to see what they unpack to") });
    } else if ![STORED, DEFLATED].contains(&member.method) {
        note(Doubt::Unopened { what: packed_by });
    }
    if member.method == STORED && member.size != member.packed {
        note(contradiction("a stored member has two sizes", member));
    }
    match disagreement(octets, archive, member) {
        Some(what) => note(contradiction(what, member)),
        None => return true,
    }
    false
}

fn contradiction(what: &'static str, member: &Member<'_>) -> Doubt {
    Doubt::Contradiction { what, name: member.name() }
}

/// How the header before the data differs from the directory.
fn disagreement(octets: &[u8], archive: &Archive<'_>, member: &Member<'_>) -> Option<&'static str> {
    let local = local(octets, archive, member)?;
    if !local.starts_with(LOCAL) {
        return Some("a member is not where the directory says");
    }
    let (flags, method) = (u16_at(local, 6)?, u16_at(local, 8)?);
    let (packed, size) = (u64::from(u32_at(local, 18)?), u64::from(u32_at(local, 22)?));
    let name = usize::from(u16_at(local, 26)?);
    let differs = |short: u64, long: u64| short != long && short != u64::from(u32::MAX);
    if method != member.method || (flags ^ member.flags) & ENCRYPTED_FLAGS != 0 {
        return Some("a member is packed in two ways");
    }
    if local.get(30..30 + name) != Some(member.name) {
        return Some("a member has two names");
    }
    let has_descriptor = (flags | member.flags) & DESCRIPTOR_FLAG != 0 && packed == 0 && size == 0;
    (!has_descriptor && (differs(packed, member.packed) || differs(size, member.size)))
        .then_some("a member has two sizes")
}

/// Whether anything about it is said in 64 bits: clamd opens no such member.
pub(super) fn is_long(octets: &[u8], archive: &Archive<'_>, member: &Member<'_>) -> bool {
    let said_before_it = || {
        let local = local(octets, archive, member)?;
        let extra = 30 + usize::from(u16_at(local, 26)?);
        let extra = local.get(extra..extra + usize::from(u16_at(local, 28)?))?;
        Some(u32_at(local, 18)? == u32::MAX || u32_at(local, 22)? == u32::MAX || has_field(extra, ZIP64))
    };
    archive.is_long || member.is_long || said_before_it() == Some(true)
}

fn has_field(mut extra: &[u8], wanted: u16) -> bool {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        if id == wanted {
            return true;
        }
        extra = extra.get(4 + usize::from(length)..).unwrap_or_default();
    }
    false
}

fn local<'o>(octets: &'o [u8], archive: &Archive<'_>, member: &Member<'_>) -> Option<&'o [u8]> {
    let at = usize::try_from(archive.begin.checked_add(member.offset)?).ok()?;
    Some(octets.get(at..).unwrap_or_default())
}

/// Where a member's header begins and its data ends.
fn extent(octets: &[u8], archive: &Archive<'_>, member: &Member<'_>) -> Option<(u64, u64)> {
    let local = local(octets, archive, member)?;
    let header = 30 + u64::from(u16_at(local, 26)?) + u64::from(u16_at(local, 28)?);
    let begin = archive.begin + member.offset;
    Some((begin, begin.checked_add(header)?.checked_add(member.packed)?))
}

/// A member's packed octets.
pub(super) fn data<'o>(octets: &'o [u8], archive: &Archive<'_>, member: &Member<'_>) -> Option<&'o [u8]> {
    let (_, end) = extent(octets, archive, member)?;
    let (begin, end) = (usize::try_from(end.checked_sub(member.packed)?).ok()?, usize::try_from(end).ok()?);
    octets.get(begin..end)
}

pub(super) const OVERLAP: &str = "members overlap";

/// Members that share octets, reach into the directory, or stand in the archive without standing in its directory.
pub(super) fn layout(octets: &[u8], archive: &Archive<'_>, before: u64) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut extents: Vec<(u64, u64, &Member<'_>)> = archive
        .members
        .iter()
        .filter_map(|member| extent(octets, archive, member).map(|(begin, end)| (begin, end, member)))
        .collect();
    extents.sort_by_key(|(begin, ..)| *begin);
    let mut reached = before;
    for (begin, end, member) in extents {
        if begin < reached {
            doubts.push(contradiction(OVERLAP, member));
            break;
        }
        if end > archive.directory as u64 {
            doubts.push(Doubt::Truncated { what: "a member reaches into the directory" });
            break;
        }
        if is_hidden(octets, reached, begin) {
            doubts.push(contradiction("a member before this one is not in the directory", member));
        }
        reached = end;
    }
    if is_hidden(octets, reached, archive.directory as u64) {
        doubts.push(Doubt::Contradiction { what: "a member is not in the directory", name: String::new() });
    }
    doubts.truncate(2);
    doubts
}

fn is_hidden(octets: &[u8], from: u64, to: u64) -> bool {
    let range = usize::try_from(from).unwrap_or(usize::MAX)..usize::try_from(to).unwrap_or(usize::MAX);
    octets.get(range).is_some_and(|gap| memchr::memmem::find(gap, LOCAL).is_some())
}
