use std::path::Path;

use super::Error;

/// What a walk over an open pack could not read, place by place.
#[derive(Debug, Default)]
pub(super) struct Damage {
    places: Vec<(u64, String)>,
    more: u64,
}

/// Places that are told of one pack.
const TOLD: usize = 16;

impl Damage {
    /// `lost`: the first ordinal that cannot be read there, and the next one that can, as far as they are known.
    pub(super) fn add(&mut self, offset: u64, problem: String, lost: (Option<u32>, Option<u32>)) {
        if self.places.len() == TOLD {
            self.more += 1;
            return;
        }
        self.places.push((offset, problem + &told(lost)));
    }

    /// All of it as one error.
    pub(super) fn named(self, path: &Path) -> Result<(), Error> {
        let mut places = self.places.into_iter();
        let Some((first, mut problem)) = places.next() else { return Ok(()) };
        for (offset, more) in places {
            problem += &format!("; damaged at byte {offset}: {more}");
        }
        if self.more > 0 {
            problem += &format!("; and at {} more places", self.more);
        }
        Err(Error::damaged(path, first, problem))
    }
}

fn told(lost: (Option<u32>, Option<u32>)) -> String {
    match lost {
        (Some(from), Some(next)) if next > from.saturating_add(1) => {
            format!("; records {from} to {} cannot be read", next - 1)
        }
        (Some(from), Some(next)) if next > from => format!("; record {from} cannot be read"),
        (Some(from), None) => format!("; records from {from} on cannot be read"),
        _ => String::new(),
    }
}
