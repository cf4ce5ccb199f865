//! Questions to a name server about SRV and MX records, and what it answers (RFC 1035, RFC 2782). One datagram each.
//! Believes an answer no further than its octets go, and knows nothing about which server is asked.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mx,
    Srv,
}

/// Where a service is, or where mail goes: `port` is 0 for MX. The lower the preference, the better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub preference: u16,
    pub weight: u16,
    pub port: u16,
    /// Lower case, without the dot at the end; empty where the domain says that there is no such service.
    pub target: String,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Self::Mx => 15,
            Self::Srv => 33,
        }
    }
}

/// More pointers than this lead nowhere.
const MOST_JUMPS: u32 = 32;
const LONGEST_NAME: usize = 253;
const HEADER_OCTETS: usize = 12;

/// The datagram that asks for `name`; `None` where that is no name. `id` is for telling answers apart.
pub fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut octets = id.to_be_bytes().to_vec();
    // Recursion desired; one question.
    octets.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.len() > LONGEST_NAME {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length) && label.is_ascii())?;
        octets.push(length);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets.extend(kind.code().to_be_bytes());
    octets.extend([0, 1]);
    Some(octets)
}

/// The records of an answer to the question with this id, best first; `None` if the datagram is no answer to it. A name that
/// is not there has no records.
pub fn answer(octets: &[u8], id: u16, kind: Kind) -> Option<Vec<Record>> {
    let is_answer = octets.get(2)? & 0x80 != 0;
    let code = octets.get(3)? & 0x0F;
    // 3: there is no such name.
    if short(octets, 0)? != id || !is_answer || !matches!(code, 0 | 3) {
        return None;
    }
    let (questions, answers) = (short(octets, 4)?, short(octets, 6)?);
    let mut at = HEADER_OCTETS;
    for _ in 0..questions {
        at = name(octets, at)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        let head = name(octets, at)?.1;
        let length = usize::from(short(octets, head + 8)?);
        let data = head + 10;
        if short(octets, head)? == kind.code() {
            records.push(record(octets, data, kind)?);
        }
        at = data + length;
    }
    records.sort_by(|one, other| (one.preference, other.weight).cmp(&(other.preference, one.weight)));
    Some(records)
}

fn record(octets: &[u8], at: usize, kind: Kind) -> Option<Record> {
    let preference = short(octets, at)?;
    Some(match kind {
        Kind::Mx => Record { preference, weight: 0, port: 0, target: name(octets, at + 2)?.0 },
        Kind::Srv => Record {
            preference,
            weight: short(octets, at + 2)?,
            port: short(octets, at + 4)?,
            target: name(octets, at + 6)?.0,
        },
    })
}

fn short(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

/// A name, and where what follows it stands (RFC 1035, section 4.1.4).
fn name(octets: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let (mut behind, mut jumps, mut length) = (None, 0, 0);
    loop {
        let head = *octets.get(at)?;
        match head {
            0 => return Some((labels.join("."), behind.unwrap_or(at + 1))),
            0xC0.. => {
                jumps += 1;
                behind.get_or_insert(at + 2);
                at = usize::from(short(octets, at)? & 0x3FFF);
                if jumps > MOST_JUMPS {
                    return None;
                }
            }
            1..64 => {
                let label = octets.get(at + 1..at + 1 + usize::from(head))?;
                length += label.len() + 1;
                let is_plain = label.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet));
                if length > LONGEST_NAME || !is_plain {
                    return None;
                }
                labels.push(label.iter().map(|octet| char::from(octet.to_ascii_lowercase())).collect());
                at += 1 + label.len();
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to the question, with these records behind it; names point back at the one that was asked for.
    fn answered(question: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = question.to_vec();
        (octets[2], octets[3]) = (0x81, 0x80);
        octets[7] = u8::try_from(records.len()).unwrap();
        records.iter().for_each(|record| octets.extend(record));
        octets
    }

    fn resource(kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(data.len()).unwrap();
        [&[0xC0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, length], data].concat()
    }

    #[test]
    fn records_come_best_first_with_their_names_put_together() {
        let asked = question(7, "_pop3s._tcp.example.org", Kind::Srv).unwrap();
        // `Pop` and a pointer to `example.org` in the question.
        let target = |name: &[u8]| [&[u8::try_from(name.len()).unwrap()], name, &[0xC0, 24]].concat();
        let srv = |rank: u8, weight: u8, name: &[u8]| {
            resource(33, &[&[0, rank, 0, weight, 0x03, 0xE3][..], &target(name)].concat())
        };
        let none = resource(5, &[0]);
        let octets = answered(&asked, &[srv(20, 0, b"last"), none, srv(10, 1, b"light"), srv(10, 9, b"Pop")]);
        let records = answer(&octets, 7, Kind::Srv).unwrap();
        let names: Vec<(&str, u16)> = records.iter().map(|record| (record.target.as_str(), record.port)).collect();
        assert_eq!(names, [("pop.example.org", 995), ("light.example.org", 995), ("last.example.org", 995)]);
        assert_eq!(answer(&octets, 8, Kind::Srv), None, "another question's");
        assert_eq!(answer(&asked, 7, Kind::Srv), None, "the question itself");
    }

    #[test]
    fn names_that_lead_in_a_circle_lead_nowhere() {
        let asked = question(7, "example.org", Kind::Mx).unwrap();
        let here = u8::try_from(asked.len()).unwrap();
        let circle = [&[0, 10, 0xC0][..], &[here + 14]].concat();
        assert_eq!(answer(&answered(&asked, &[resource(15, &circle)]), 7, Kind::Mx), None);
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in ["", ".", "a..b", "bücher.de", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(question(1, name, Kind::Mx), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_stumble(mut octets in prop::collection::vec(any::<u8>(), 0..200), at in 0..4_u8) {
            octets.splice(0..octets.len().min(8), [0, 7, 0x81, 0x80, 0, at / 2, 0, 3]);
            for kind in [Kind::Mx, Kind::Srv] {
                for record in answer(&octets, 7, kind).unwrap_or_default() {
                    prop_assert!(record.target.len() <= LONGEST_NAME);
                }
            }
        }
    }
}
