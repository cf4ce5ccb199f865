use memchr::memchr;

use super::fault::{Fault, excerpt};

/// How the lines of this session end. RFC 1939 says CR LF; the few servers that send bare LF do so from their first
/// line on, and only then, and until a status line ends in CR LF, does a bare LF end anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    CrLf,
    Lf,
}

/// As [`take`], of a status line. One that ends in CR LF is no line of a server that sends bare LF, whatever its greeting
/// ended in: from then on no bare LF ends anything.
pub(super) fn take_status<'i>(
    input: &mut &'i [u8],
    ending: &mut Option<Ending>,
    limit_octets: usize,
) -> Result<Option<&'i [u8]>, Fault> {
    let octets = *input;
    let line = take(input, ending, limit_octets)?;
    if line.is_some_and(|line| octets.get(line.len()) == Some(&b'\r')) {
        *ending = Some(Ending::CrLf);
    }
    Ok(line)
}

/// Takes one whole line from the front of `input`, without its ending. `None`: it is not whole yet, nothing was taken.
/// `ending` is learnt from the first line.
pub(super) fn take<'i>(
    input: &mut &'i [u8],
    ending: &mut Option<Ending>,
    limit_octets: usize,
) -> Result<Option<&'i [u8]>, Fault> {
    let octets = *input;
    let end = memchr(b'\n', octets);
    if end.unwrap_or(octets.len()) > limit_octets {
        return Err(Fault::LineTooLong { limit_octets });
    }
    let Some(end) = end else { return Ok(None) };
    let line = &octets[..end];
    *input = &octets[end + 1..];
    match (line.strip_suffix(b"\r"), *ending) {
        (None, Some(Ending::CrLf)) => Err(Fault::BareLf(excerpt(line))),
        (None, _) => {
            *ending = Some(Ending::Lf);
            Ok(Some(line))
        }
        (Some(line), known) => {
            *ending = known.or(Some(Ending::CrLf));
            Ok(Some(line))
        }
    }
}
