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

/// The attachments in a `winmail.dat` ([MS-OXTNEF], section 2.1.3), also those that stand in properties.
pub(super) fn tnef(octets: &[u8]) -> Unwrapped {
    const SIGNATURE: &[u8] = &[0x78, 0x9f, 0x3e, 0x22];
    const ATTACH_DATA: usize = 0x0006_800f;
    const ATTACHMENT: usize = 0x0006_9005;
    const PROPERTIES: usize = 0x0006_9003;
    const BODY: usize = 0x0002_800c;
    let (mut found, mut is_cut) = (Vec::new(), false);
    if !octets.starts_with(SIGNATURE) {
        return (found, false);
    }
    let mut at = 6;
    while let (Some(id), Some(length)) = (u32_le(octets, at + 1), u32_le(octets, at + 5)) {
        if [ATTACH_DATA, ATTACHMENT, BODY].contains(&id) && length > 0 {
            found.push(piece(octets, at + 9, length).to_vec());
        }
        if [ATTACHMENT, PROPERTIES].contains(&id) {
            let (values, values_are_cut) = properties(piece(octets, at + 9, length));
            found.extend(values);
            is_cut |= values_are_cut;
        }
        if found.len() > MOST {
            found.truncate(MOST);
            return (found, true);
        }
        let Some(next) = (at + 9 + 2).checked_add(length) else { break };
        at = next;
    }
    (found, is_cut)
}

/// What attachments and bodies hold as properties ([MS-OXTNEF], section 2.1.3.4), known by their tags: files, embedded
/// messages and objects behind the name of their interface, packed RTF.
fn properties(list: &[u8]) -> Unwrapped {
    const BINARY: &[u8] = &[0x02, 0x01, 0x01, 0x37];
    const OBJECT: &[u8] = &[0x0d, 0x00, 0x01, 0x37];
    const PACKED_RTF: &[u8] = &[0x02, 0x01, 0x09, 0x10];
    const INTERFACE: usize = 16;
    let mut found = Vec::new();
    // What only looks like a tag may claim anything.
    let (mut left, mut is_cut) = (list.len().saturating_mul(4), false);
    for (tag, skipped) in [(BINARY, 0), (OBJECT, INTERFACE), (PACKED_RTF, 0)] {
        for at in memchr::memmem::find_iter(list, tag) {
            // A count, which is one; a length.
            let Some(length) = u32_le(list, at + 8) else { continue };
            let value = piece(list, at + 12, length).get(skipped..).unwrap_or_default();
            match left.checked_sub(value.len()) {
                Some(rest) => left = rest,
                None => {
                    is_cut = true;
                    continue;
                }
            }
            found.extend((!value.is_empty()).then(|| value.to_vec()));
            if found.len() > MOST {
                return (found, true);
            }
        }
    }
    (found, is_cut)
}

/// The forks of a MacBinary file: a NUL, a name of up to 63 octets, more NULs at two places, and two lengths.
pub(super) fn mac_binary(octets: &[u8]) -> Vec<Vec<u8>> {
    const HEADER: usize = 128;
    let Some(header) = octets.get(..HEADER) else { return Vec::new() };
    let is_named =
        (1..64).contains(&header[1]) && header[2..2 + usize::from(header[1])].iter().all(|sign| *sign >= b' ');
    let (Some(data), Some(resource)) = (u32_be(header, 83), u32_be(header, 87)) else { return Vec::new() };
    let is_sound = header[0] == 0 && header[74] == 0 && header[82] == 0 && is_named;
    if !is_sound || data > octets.len() {
        return Vec::new();
    }
    // MacBinary II has a second header, of a length of its own.
    let more = usize::from(u16::from_be_bytes([header[120], header[121]])).next_multiple_of(HEADER);
    let first = HEADER + more;
    let forks = [piece(octets, first, data), piece(octets, first + data.next_multiple_of(HEADER), resource)];
    forks.iter().filter(|fork| !fork.is_empty()).map(|fork| fork.to_vec()).collect()
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
    const LONGEST_NAME: usize = 1 << 16;
    let native = || {
        if u32_le(octets, 4)? != EMBEDDED {
            return None;
        }
        let mut at = 8;
        for _ in 0..3 {
            at += 4 + u32_le(octets, at).filter(|length| *length < LONGEST_NAME)?;
        }
        Some(piece(octets, at + 4, u32_le(octets, at)?))
    };
    let Some(native) = native() else {
        // Alone, behind its length: a stream of a compound file ([MS-OLEDS], section 2.3.6).
        let is_native = u32_le(octets, 0).is_some_and(|length| length.abs_diff(octets.len()) <= 8) && octets.len() > 8;
        return is_native.then(|| package(&octets[4..])).flatten().map(<[u8]>::to_vec).into_iter().collect();
    };
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
        let tag = [&[2, 1, 1, 0x37, 1, 0, 0, 0, 1, 0, 0, 0][..], b"x"].concat();
        let many = attribute(0x0006_9005, &tag.repeat(MOST + 1));
        assert!(tnef(&[&whole[..6], &many].concat()).1);
        let greedy = [&tag[..8], &[0xff; 4], b"x"].concat();
        assert!(tnef(&[&whole[..6], &attribute(0x0006_9005, &greedy.repeat(20))].concat()).1);
    }

    #[test]
    fn attachments_in_properties_are_found() {
        let property = |tag: &[u8], value: &[u8]| {
            [tag, &[1, 0, 0, 0], &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
        };
        let list =
            [property(&[2, 1, 1, 0x37], b"file"), property(&[0x0d, 0, 1, 0x37], &[&[7; 16], &b"message"[..]].concat())];
        let whole = [&[0x78, 0x9f, 0x3e, 0x22, 1, 0][..], &attribute(0x0006_9005, &list.concat())].concat();
        assert_eq!(tnef(&whole).0[1..], [b"file".to_vec(), b"message".to_vec()]);
    }

    #[test]
    fn the_forks_of_a_mac_binary_are_found() {
        let mut file = vec![0; 256];
        file[1..6].copy_from_slice(b"\x04name");
        (file[86], file[90]) = (5, 3);
        file[128..133].copy_from_slice(b"hello");
        file.extend(b"abc");
        assert_eq!(mac_binary(&file), [&b"hello"[..], b"abc"]);
        assert!(mac_binary(&file[..200]).len() < 2 && mac_binary(&[0; 300]).is_empty());
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
                properties(&octets);
                mac_binary(&octets);
                apple_single(&octets);
                ole1(&octets);
            }
        }
    }
}
