use super::Error;
use super::keep::Share;
use crate::store::Incoming;

/// An mbox file while it is read. A message begins at a line that begins with `From `, at the start or behind an empty
/// line; that line and the empty line are the file's, not the message's. Quoted `>From ` lines are kept as they are: which
/// of them were quoted by whom cannot be told.
#[derive(Default)]
pub(super) struct Mbox {
    message: Option<(Incoming, Share)>,
    /// An empty line that belongs to the file if a new message follows, else to the message.
    held: Vec<u8>,
    /// Whether the last line went on beyond what was read at once.
    in_line: bool,
    count: u32,
}

impl Mbox {
    /// Whether this line, or what was read of it at once, is the first of a new message.
    pub(super) fn begins(&self, line: &[u8]) -> bool {
        !self.in_line && (self.message.is_none() || !self.held.is_empty()) && line.starts_with(b"From ")
    }

    pub(super) fn begin(&mut self, message: (Incoming, Share)) {
        self.message = Some(message);
    }

    /// A line, or what was read of it at once, that begins no message.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let starts = !self.in_line;
        self.in_line = !line.ends_with(b"\n");
        let held = std::mem::take(&mut self.held);
        let Some((message, _)) = &mut self.message else { return Ok(()) };
        message.write(&held)?;
        if starts && matches!(line, b"\n" | b"\r\n") {
            self.held = line.to_vec();
            return Ok(());
        }
        Ok(message.write(line)?)
    }

    /// The message that ends here, with its place in the file, from 0.
    pub(super) fn end(&mut self) -> Option<(u32, Incoming, Share)> {
        self.held.clear();
        let (message, share) = self.message.take()?;
        let place = self.count;
        self.count += 1;
        Some((place, message, share))
    }
}
