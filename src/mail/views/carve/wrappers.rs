//! Files that wrap one file, or a few, without hiding it.

/// Pieces taken out of one wrapper.
const MOST: usize = 200;

/// What was taken out of a wrapper, and whether there is more.
type Unwrapped = (Vec<Vec<u8>>, bool);

fn u32_le(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

fn u32_be(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

/// As much of the octets from `at` on as there is.
fn piece(octets: &[u8], at: usize, length: usize) -> &[u8] {
    let rest = octets.get(at..).unwrap_or_default();
    &rest[..length.min(rest.len())]
}

/// The attachments in a `winmail.dat` ([MS-OXTNEF], section 2.1.3).
pub(super) fn tnef(octets: &[u8]) -> Unwrapped {
    const SIGNATURE: &[u8] = &[0x78, 0x9f, 0x3e, 0x22];
    const ATTACH_DATA: usize = 0x0006_800f;
    const ATTACHMENT: usize = 0x0006_9005;
    const BODY: usize = 0x0002_800c;
    let mut found = Vec::new();
    if !octets.starts_with(SIGNATURE) {
        return (found, false);
    }
    let mut at = 6;
    while let (Some(id), Some(length)) = (u32_le(octets, at + 1), u32_le(octets, at + 5)) {
        if [ATTACH_DATA, ATTACHMENT, BODY].contains(&id) && length > 0 {
            if found.len() == MOST {
                return (found, true);
            }
            found.push(piece(octets, at + 9, length).to_vec());
        }
        let Some(next) = (at + 9 + 2).checked_add(length) else { break };
        at = next;
    }
    (found, false)
}

/// The forks in AppleSingle and AppleDouble files (RFC 1740, appendix A).
pub(super) fn apple_single(octets: &[u8]) -> Unwrapped {
    const ENTRIES: usize = 16;
    let is_apple = octets.starts_with(&[0, 5, 0x16, 0]) || octets.starts_with(&[0, 5, 0x16, 7]);
    let entries = if is_apple { octets.get(24..26) } else { None };
    let count = entries.map_or(0, |count| usize::from(u16::from_be_bytes([count[0], count[1]])));
    let entry = |at: usize| {
        let (id, offset, length) = (u32_be(octets, at)?, u32_be(octets, at + 4)?, u32_be(octets, at + 8)?);
        Some(piece(octets, offset, length)).filter(|fork| id <= 2 && !fork.is_empty())
    };
    // Entries can lie over each other.
    let (mut found, mut left) = (Vec::new(), octets.len());
    for fork in (0..count.min(ENTRIES)).filter_map(|number| entry(26 + 12 * number)) {
        let Some(rest) = left.checked_sub(fork.len()) else { return (found, true) };
        left = rest;
        found.push(fork.to_vec());
    }
    (found, count > ENTRIES)
}

/// What an OLE 1.0 object embeds ([MS-OLEDS], section 2.2.5), and the file in a "Package".
pub(super) fn ole1(octets: &[u8]) -> Vec<Vec<u8>> {
    const EMBEDDED: usize = 2;
    let native = || {
        if *octets.get(1)? != 5 || u32_le(octets, 4)? != EMBEDDED {
            return None;
        }
        let mut at = 8;
        for _ in 0..3 {
            at += 4 + u32_le(octets, at).filter(|length| *length < 300)?;
        }
        Some(piece(octets, at + 4, u32_le(octets, at)?))
    };
    let Some(native) = native() else { return Vec::new() };
    let mut found = vec![native.to_vec()];
    found.extend(package(native).map(<[u8]>::to_vec));
    found
}

/// Label and path, each ended by NUL, a few numbers and another path, then the file.
fn package(native: &[u8]) -> Option<&[u8]> {
    let text = |from: usize| memchr::memchr(0, native.get(from..)?).map(|end| from + end + 1);
    let path = text(2)?;
    let numbers = text(path)?;
    let command = numbers + 8 + u32_le(native, numbers + 4)?;
    Some(piece(native, command.checked_add(4)?, u32_le(native, command)?)).filter(|file| !file.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
        [&[2][..], &id.to_le_bytes(), &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &[0, 0]].concat()
    }

    #[test]
    fn attachments_of_a_winmail_are_found_even_if_it_is_cut() {
        let whole =
            [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &attribute(0x8010, b"name"), &attribute(0x0006_800f, b"file")]
                .concat();
        assert_eq!(tnef(&whole).0, [b"file"]);
        assert_eq!(tnef(&whole[..whole.len() - 4]), (vec![b"fi".to_vec()], false));
        let many = attribute(0x0006_800f, b"file").repeat(MOST + 1);
        assert_eq!(tnef(&[&whole[..6], &many[..many.len() - 15]].concat()), (vec![b"file".to_vec(); MOST], false));
        assert_eq!(tnef(&[&whole[..6], &many[..]].concat()), (vec![b"file".to_vec(); MOST], true));
    }

    #[test]
    fn the_data_fork_is_found() {
        let header =
            [&[0, 5, 0x16, 0, 0, 2, 0, 0][..], &[0; 16], &[0, 1], &[0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 4]].concat();
        assert_eq!(apple_single(&[&header[..], b"file"].concat()), (vec![b"file".to_vec()], false));
        let entry = [&[0, 0, 0, 1][..], &[0; 4], &[0, 0, 0, 60]].concat();
        let all_over_each_other = [&header[..24], &[0, 3], &entry.repeat(3)].concat();
        let (found, is_cut) = apple_single(&all_over_each_other);
        assert_eq!((found.len(), is_cut), (1, true));
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            for magic in [&[0x78, 0x9f, 0x3e, 0x22][..], &[0, 5, 0x16, 0], &[1, 5, 0, 0, 2, 0, 0, 0]] {
                let octets = [magic, &octets].concat();
                tnef(&octets);
                apple_single(&octets);
                ole1(&octets);
            }
        }
    }
}
