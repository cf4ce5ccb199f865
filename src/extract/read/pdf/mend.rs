//! A PDF whose table of objects is broken or missing, given a new one: objects are found by the words they begin with.
//! Line ends that were changed on the way, octets lost or put before it are the usual reasons.

use std::collections::BTreeMap;
use std::fmt::Write;

use memchr::memmem;

/// Numbers of objects beyond this are no numbers of objects.
const MOST_OBJECTS: u32 = 1 << 23;

/// The octets with a table and a trailer behind them; `None` where no root is found, or it is encrypted and nothing tells how.
pub(super) fn mended(octets: &[u8]) -> Option<Vec<u8>> {
    let begin = memmem::find(octets, b"%PDF-").unwrap_or_default();
    let octets = &octets[begin..];
    let objects = objects(octets);
    let root = reference(octets, b"/Root").or_else(|| catalog(octets, &objects))?;
    let encryption = reference(octets, b"/Encrypt");
    if encryption.is_none() && memmem::find(octets, b"/Encrypt").is_some() {
        return None;
    }
    let mut tail = "\nxref\n0 1\n0000000000 65535 f \n".to_owned();
    for (number, (offset, generation)) in &objects {
        write!(tail, "{number} 1\n{offset:010} {generation:05} n \n").ok()?;
    }
    let size = objects.last_key_value().map_or(0, |(number, _)| number + 1);
    write!(tail, "trailer\n<< /Size {size} /Root {root}").ok()?;
    for (name, value) in [("Encrypt", encryption), ("Info", reference(octets, b"/Info")), ("ID", identity(octets))] {
        if let Some(value) = value {
            write!(tail, " /{name} {value}").ok()?;
        }
    }
    write!(tail, " >>\nstartxref\n{}\n%%EOF\n", octets.len() + 1).ok()?;
    Some([octets, tail.as_bytes()].concat())
}

/// Where `N G obj` stands; the last of a number counts.
fn objects(octets: &[u8]) -> BTreeMap<u32, (usize, u32)> {
    let mut objects = BTreeMap::new();
    for at in memmem::find_iter(octets, b" obj") {
        let Some((generation, behind_number)) = number_before(octets, at) else { continue };
        let space = octets[..behind_number].trim_ascii_end().len();
        let Some((number, start)) = number_before(octets, space).filter(|_| space < behind_number) else { continue };
        if number < MOST_OBJECTS {
            objects.insert(number, (start, generation));
        }
    }
    objects
}

/// A number that ends there, and where it begins.
fn number_before(octets: &[u8], end: usize) -> Option<(u32, usize)> {
    const LONGEST: usize = 10;
    let digits = octets[..end].iter().rev().take(LONGEST).take_while(|octet| octet.is_ascii_digit()).count();
    let number = std::str::from_utf8(&octets[end - digits..end]).ok()?.parse().ok()?;
    Some((number, end - digits))
}

/// The last `/Name N G R`.
fn reference(octets: &[u8], name: &[u8]) -> Option<String> {
    const LONGEST: usize = 40;
    let at = memmem::rfind(octets, name)? + name.len();
    let rest = octets[at..octets.len().min(at + LONGEST)].trim_ascii_start();
    let text = std::str::from_utf8(rest).or_else(|odd| std::str::from_utf8(&rest[..odd.valid_up_to()])).ok()?;
    let mut words = text
        .split(|letter: char| letter.is_ascii_whitespace() || letter == '/' || letter == '>')
        .filter(|word| !word.is_empty());
    let (number, generation): (u32, u32) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next()? == "R").then(|| format!("{number} {generation} R"))
}

/// Encryption needs it.
fn identity(octets: &[u8]) -> Option<String> {
    const LONGEST: usize = 200;
    let at = memmem::rfind(octets, b"/ID")? + 3;
    let rest = octets[at..octets.len().min(at + LONGEST)].trim_ascii_start();
    let end = memchr::memchr(b']', rest).filter(|_| rest.starts_with(b"["))?;
    let text = std::str::from_utf8(&rest[..=end]).ok()?;
    text.chars().all(|letter| letter.is_ascii_hexdigit() || "[]<> \r\n".contains(letter)).then(|| text.to_owned())
}

/// The object in which `/Catalog` stands.
fn catalog(octets: &[u8], objects: &BTreeMap<u32, (usize, u32)>) -> Option<String> {
    let at = memmem::rfind(octets, b"/Catalog")?;
    let before = objects.iter().filter(|(_, (offset, _))| *offset < at);
    let (number, (_, generation)) = before.max_by_key(|(_, (offset, _))| *offset)?;
    Some(format!("{number} {generation} R"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_are_found_and_the_last_of_a_number_counts() {
        let broken =
            b"junk %PDF-1.4\n1 0 obj <<>> endobj\r\n2 0 obj <<>> 1 0 obj <<>> 12 3 obj <</Type/Catalog/Pages 2 0 R>>";
        let found = objects(broken);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 2, 12]);
        assert!(broken[found[&1].0..].starts_with(b"1 0 obj <<>> 12") && found[&12].1 == 3);
        let mended = String::from_utf8(mended(broken).unwrap()).unwrap();
        assert!(mended.starts_with("%PDF") && mended.contains("/Size 13 /Root 12 3 R"), "{mended}");
    }

    #[test]
    fn what_is_encrypted_in_an_unknown_way_is_left_alone() {
        assert_eq!(mended(b"%PDF-1.4\n1 0 obj <</Type/Catalog>> /Encrypt <<>>"), None);
        let known = mended(b"%PDF-1.4\n1 0 obj <</Type/Catalog>> trailer <</Encrypt 9 0 R/ID[<00><00>]>>").unwrap();
        assert!(String::from_utf8(known).unwrap().contains("/Encrypt 9 0 R /ID [<00><00>]"));
    }

    proptest! {
        #[test]
        fn any_octets_are_looked_through(text in "(/Root|/Encrypt|/ID|\\[|\\]|<| obj|[0-9]{1,12}| |R|/Catalog|é){0,60}") {
            mended(text.as_bytes());
        }
    }
}
