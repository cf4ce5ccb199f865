use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Looks for a line in a message that begins as a reply does. Where such a message has not the size it was listed with,
/// two may have run together: some servers lose the end of a message, or say one thing too many, when commands wait.
#[derive(Clone, Copy, Debug)]
pub struct Seam {
    /// The last octets that came, for a line that comes in pieces.
    last: [u8; BEFORE],
    found: bool,
}

static REPLIES: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new(b"\r\n+OK"), Finder::new(b"\r\n-ERR")]);
/// One less than the longest of them has.
const BEFORE: usize = 5;

impl Default for Seam {
    /// The front of a message is the front of a line.
    fn default() -> Self {
        Self { last: *b"   \r\n", found: false }
    }
}

impl Seam {
    /// The octets that follow those seen before.
    pub fn see(&mut self, text: &[u8]) {
        if self.found {
            return;
        }
        let mut joint = [0; 2 * BEFORE];
        let fresh = text.len().min(BEFORE);
        joint[..BEFORE].copy_from_slice(&self.last);
        joint[BEFORE..BEFORE + fresh].copy_from_slice(&text[..fresh]);
        let has = |octets: &[u8]| REPLIES.iter().any(|reply| reply.find(octets).is_some());
        self.found = has(&joint[..BEFORE + fresh]) || has(text);
        match text.last_chunk() {
            Some(last) => self.last = *last,
            None => self.last.copy_from_slice(&joint[fresh..fresh + BEFORE]),
        }
    }

    pub const fn found(&self) -> bool {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reply_at_the_front_of_a_line_is_found_however_it_is_cut(text in "([+-]|OK|ERR|\r\n|\r|\n|x){0,12}", cut in 1usize..8) {
            let mut seam = Seam::default();
            text.as_bytes().chunks(cut).for_each(|piece| seam.see(piece));
            let lines = format!("\r\n{text}");
            prop_assert_eq!(seam.found(), lines.contains("\r\n+OK") || lines.contains("\r\n-ERR"));
        }
    }
}
