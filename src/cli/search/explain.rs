use crate::archive::{Explanation, Piece};
use crate::cli::screen::{Paint, tame};

/// The query as it was understood, a piece a line, those of a piece below it.
pub(super) fn told(explanation: &Explanation) -> String {
    let paint = Paint::stdout();
    let query = if explanation.query.is_empty() { "(everything)" } else { &explanation.query };
    let mut text = format!("Read as: {}\n", paint.bold(&tame(query)));
    for note in &explanation.notes {
        text.push_str(&format!("Note: {}\n", tame(note)));
    }
    if let Some(id) = &explanation.id {
        let verdict = match (explanation.pieces.matches, &explanation.problem) {
            (_, Some(problem)) => format!("cannot be found: {problem}"),
            (Some(true), None) => "is a hit".to_owned(),
            _ => "is no hit".to_owned(),
        };
        text.push_str(&format!("Message {} {}\n", id.short(), paint.bold(&verdict)));
    }
    text.push('\n');
    tell(&explanation.pieces, 0, &mut text);
    text
}

fn tell(piece: &Piece, depth: usize, text: &mut String) {
    let answer = match piece.matches {
        Some(true) => "yes  ",
        Some(false) => "no   ",
        None => "",
    };
    let place = match piece.found_in.is_empty() {
        true => String::new(),
        false => format!(" (found in: {})", piece.found_in.join(", ")),
    };
    let query = if piece.pieces.is_empty() { format!("{}: ", tame(&piece.query)) } else { String::new() };
    text.push_str(&format!("{answer}{}{query}{}{place}\n", "    ".repeat(depth), tame(&piece.means)));
    for inner in &piece.pieces {
        tell(inner, depth + 1, text);
    }
}
