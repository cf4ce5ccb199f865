use std::collections::VecDeque;

/// A message to be retrieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retrieve {
    pub number: u32,
    /// What LIST claimed. It decides how many are asked for at once, and whether a reply in a message is one.
    pub size_hint: Option<u64>,
}

/// Which RETR goes out when: at most 64 commands and 4 MiB are outstanding, a message over 1 MiB travels alone, and
/// without PIPELINING everything does.
#[derive(Debug)]
pub struct Window {
    waiting: VecDeque<Retrieve>,
    sent: VecDeque<Retrieve>,
    sent_bytes: u64,
    max_commands: usize,
}

const MAX_BYTES: u64 = 4 << 20;
const ALONE_BYTES: u64 = 1 << 20;
/// For messages whose size is unknown: a common size of mail with a picture.
const ASSUMED_BYTES: u64 = 64 << 10;

impl Window {
    /// Commands that may be outstanding where the server pipelines.
    pub const COMMANDS: usize = 64;

    pub const fn new(max_commands: usize) -> Self {
        Self { waiting: VecDeque::new(), sent: VecDeque::new(), sent_bytes: 0, max_commands }
    }

    pub fn queue(&mut self, wanted: impl IntoIterator<Item = Retrieve>) {
        self.waiting.extend(wanted);
    }

    /// The next message to ask for now, if there is room; it counts as sent.
    pub fn open(&mut self) -> Option<Retrieve> {
        let next = *self.waiting.front()?;
        if !self.has_room(bytes(next)) {
            return None;
        }
        self.waiting.pop_front();
        self.sent.push_back(next);
        self.sent_bytes += bytes(next);
        Some(next)
    }

    /// Messages asked for and not answered yet.
    pub fn outstanding(&self) -> usize {
        self.sent.len()
    }

    /// The message whose reply comes next.
    pub fn oldest(&self) -> Option<Retrieve> {
        self.sent.front().copied()
    }

    /// The oldest one has its answer.
    pub fn close(&mut self) {
        if let Some(done) = self.sent.pop_front() {
            self.sent_bytes -= bytes(done);
        }
    }

    /// Whether all that was sent is answered and nothing waits.
    pub fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Takes back what was not sent.
    pub fn stop(&mut self) -> Vec<Retrieve> {
        self.waiting.drain(..).collect()
    }

    fn has_room(&self, wanted: u64) -> bool {
        let alone = wanted > ALONE_BYTES || self.sent_bytes > MAX_BYTES - wanted.min(MAX_BYTES);
        let behind_large = self.sent.back().is_some_and(|last| bytes(*last) > ALONE_BYTES);
        self.sent.is_empty() || (self.sent.len() < self.max_commands && !alone && !behind_large)
    }
}

/// Bounded, so that a server's lie cannot overflow the sum.
fn bytes(retrieve: Retrieve) -> u64 {
    retrieve.size_hint.unwrap_or(ASSUMED_BYTES).min(MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(max_commands: usize, sizes: &[u64]) -> Window {
        let mut window = Window::new(max_commands);
        window.queue((1..).zip(sizes).map(|(number, &size)| Retrieve { number, size_hint: Some(size) }));
        window
    }

    fn opened(window: &mut Window) -> Vec<u32> {
        std::iter::from_fn(|| window.open()).map(|retrieve| retrieve.number).collect()
    }

    #[test]
    fn small_ones_go_together_up_to_the_count() {
        let mut window = window(3, &[10, 10, 10, 10, 10]);
        assert_eq!(opened(&mut window), [1, 2, 3]);
        window.close();
        assert_eq!(opened(&mut window), [4]);
        assert_eq!(window.stop().len(), 1);
        assert!(!window.is_drained());
    }

    #[test]
    fn bytes_are_bounded_and_large_ones_travel_alone() {
        let mut window = window(64, &[1 << 20, 1 << 20, 1 << 20, 1 << 20, 10, u64::MAX, 10]);
        assert_eq!(opened(&mut window), [1, 2, 3, 4]);
        window.close();
        assert_eq!(opened(&mut window), [5]);
        (0..4).for_each(|_| window.close());
        assert_eq!(opened(&mut window), [6]);
        window.close();
        assert_eq!(opened(&mut window), [7]);
        window.close();
        assert!(window.is_drained());
    }
}
