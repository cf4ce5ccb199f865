//! yEnc: eight-bit octets in text between `=ybegin` and `=yend`.

use memchr::memmem;

/// Every block, and all blocks joined where there are several: the pieces of one file.
pub(in crate::mail::views) fn files(octets: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: &[u8] = b"=ybegin ";
    let starts: Vec<usize> = memmem::find_iter(octets, BEGIN).collect();
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    let mut files: Vec<Vec<u8>> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| block(&octets[*start..end]))
        .filter(|file| !file.is_empty())
        .collect();
    if files.len() > 1 {
        files.push(files.concat());
    }
    files
}

fn block(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for line in octets.split(|octet| *octet == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"=yend") {
            break;
        }
        if line.starts_with(b"=ypart ") {
            continue;
        }
        let mut is_escaped = false;
        for octet in line {
            if *octet == b'=' && !is_escaped {
                is_escaped = true;
                continue;
            }
            let shift = if std::mem::take(&mut is_escaped) { 42 + 64 } else { 42 };
            out.push(octet.wrapping_sub(shift));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(octets: &[u8]) -> Vec<u8> {
        let mut out = b"=ybegin line=128 size=1 name=a b\r\n".to_vec();
        for octet in octets {
            match octet.wrapping_add(42) {
                critical @ (0 | b'\n' | b'\r' | b'=') => out.extend([b'=', critical.wrapping_add(64)]),
                plain => out.push(plain),
            }
        }
        out.extend_from_slice(b"\r\n=yend size=1\r\n");
        out
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(one in prop::collection::vec(any::<u8>(), 1..99), two in prop::collection::vec(any::<u8>(), 1..99)) {
            let text = [b"Hello\r\n".to_vec(), encoded(&one), encoded(&two)].concat();
            prop_assert_eq!(files(&text), vec![one.clone(), two.clone(), [one, two].concat()]);
        }
    }
}
