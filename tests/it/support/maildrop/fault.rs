use std::time::Duration;

/// What the server does wrong. A command is meant by what it begins with; the greeting is the command `""`.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Closes the connection after so many octets of the session.
    CutAfterOctets(usize),
    /// Says nothing more after so many octets of the session, and keeps the connection.
    StallAfterOctets(usize),
    /// Closes the connection after so many octets of this answer.
    CutIn(&'static str, usize),
    /// Says nothing more after so many octets of this answer, and keeps the connection.
    StallIn(&'static str, usize),
    /// Sends this answer in pieces of so many octets, with this pause before each.
    DripIn(&'static str, usize, Duration),
    /// Says this in place of the answer.
    Answer(&'static str, Vec<u8>),
    /// Says the answer, and then this.
    After(&'static str, Vec<u8>),
    /// Says +OK, and then this over and over until the client leaves.
    Endless(&'static str, &'static [u8]),
    /// Hands out the next message in place of this one and of those behind it.
    OffByOne(usize),
    /// Shows the first so many messages only.
    Window(usize),
    /// Every message has this size in LIST.
    ListLies(&'static str),
    /// UIDL has one line more than there are messages.
    UidlHasOneMore,
    /// Closes the connection at QUIT, and deletes nothing.
    QuitDropped,
    /// Deletes everything at QUIT, and closes the connection without a word.
    QuitUnanswered,
    /// Says +OK to DELE and QUIT, and keeps everything.
    QuitKeepsAll,
    /// Deletes the first so many of what was to go, and says -ERR.
    QuitErr(usize),
    /// What RETR gave is listed no more after QUIT.
    QuitHidesWhatWasFetched,
    /// The header block that TOP gives has a line more than that of RETR.
    TopDiffersFromRetr,
    /// Closes the connection when a command waits behind the one it answers.
    PipeliningBreaks,
    /// Forgets the dot at the end of a message when a command waits behind the one it answers.
    PipeliningLosesDots,
}

/// Refuses this command with these words.
pub(crate) fn refuse(command: &'static str, reply: &str) -> Fault {
    Fault::Answer(command, format!("-ERR {reply}\r\n").into_bytes())
}
