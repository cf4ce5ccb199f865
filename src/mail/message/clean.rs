//! Strings from mail made fit for a screen: one line, nothing that moves the cursor or turns the reading direction.

/// Longer names and header lines are cut; in characters.
const LONGEST: usize = 4096;
const LONGEST_FILENAME: usize = 255;

/// One clean line, `None` if nothing is left. White space and control characters become single spaces.
pub(super) fn line(text: &str) -> Option<String> {
    bounded(text, LONGEST)
}

/// A file's name without its path. It is for showing and searching: whoever writes files chooses a name himself.
pub(super) fn filename(text: &str) -> Option<String> {
    let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
    bounded(name, LONGEST_FILENAME).filter(|name| name.chars().any(|letter| letter != '.'))
}

fn bounded(text: &str, longest: usize) -> Option<String> {
    let mut clean = String::with_capacity(text.len().min(longest));
    let mut is_space_due = false;
    for letter in text.chars().filter(|letter| !turns_direction(*letter)).take(longest) {
        if letter.is_control() || letter.is_whitespace() {
            is_space_due = true;
            continue;
        }
        if std::mem::take(&mut is_space_due) && !clean.is_empty() {
            clean.push(' ');
        }
        clean.push(letter);
    }
    (!clean.is_empty()).then_some(clean)
}

/// Unicode's explicit directional formatting characters (UAX #9, section 2) and the byte order mark.
const fn turns_direction(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filename_cannot_lie_about_its_ending_or_name_a_path() {
        assert_eq!(filename("bill\u{202e}fdp.exe").as_deref(), Some("billfdp.exe"));
        assert_eq!(filename("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(filename("C:\\windows\\a\r\n b.pdf").as_deref(), Some("a b.pdf"));
        assert_eq!(filename(".."), None);
        assert_eq!(filename("x/"), None);
        assert_eq!(filename(&"n".repeat(9999)).map(|name| name.len()), Some(LONGEST_FILENAME));
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line(" a\r\n\tb\u{1b}[2Jc\u{0} ").as_deref(), Some("a b [2Jc"));
        assert_eq!(line("\r\n"), None);
    }
}
