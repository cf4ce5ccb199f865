//! A query's text into lexemes of which every operator has what it operates on. All others have become words.

/// More of a query is left out.
const LONGEST_BYTES: usize = 16 << 10;
const MOST_LEXEMES: usize = 512;

/// Deeper parentheses are passed over.
const DEEPEST: usize = 24;

/// All quotes are one: pasted text has typographic ones.
const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];

/// The fields of the language. What stands before any other colon is text.
const FIELDS: [&str; 25] = [
    "account",
    "after",
    "attachment",
    "bcc",
    "before",
    "body",
    "cc",
    "date",
    "filename",
    "from",
    "has",
    "id",
    "is",
    "lang",
    "list",
    "msgid",
    "newer",
    "older",
    "size",
    "subject",
    "tag",
    "thread",
    "to",
    "type",
    "with",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lexeme {
    Open,
    Close,
    And,
    Or,
    Not,
    /// `-` right before something.
    Minus,
    /// `name:` in lower case; its value follows.
    Field(&'static str),
    Text(String),
    Quoted(String),
}

/// Whether a value would not be read back as one lexeme.
pub(super) fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.contains(is_separator)
}

/// Whether `text` standing alone is one word and nothing else.
pub(super) fn is_plain(text: &str) -> bool {
    let (lexemes, _) = lexemes(text);
    matches!(&lexemes[..], [Lexeme::Text(only)] if only == text)
}

/// The lexemes, and what was not taken as written. Parentheses are balanced, operators have operands.
pub(super) fn lexemes(text: &str) -> (Vec<Lexeme>, Vec<String>) {
    let mut lexer = Lexer { rest: text, found: Vec::new(), notes: Vec::new(), depth: 0, passed_over: 0 };
    if text.len() > LONGEST_BYTES {
        lexer.rest = &text[..text.floor_char_boundary(LONGEST_BYTES)];
        lexer.note("The query is very long; its end was left out.");
    }
    lexer.run();
    let found = std::mem::take(&mut lexer.found);
    let found = lexer.settle_prefixes(found);
    let found = lexer.settle_joints(found);
    (found, lexer.notes)
}

const fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '(' | ')' | '"' | '“' | '”' | '„' | '«' | '»')
}

impl Lexeme {
    const fn begins_operand(&self) -> bool {
        !matches!(self, Self::Close | Self::And | Self::Or)
    }

    const fn ends_operand(&self) -> bool {
        matches!(self, Self::Close | Self::Text(_) | Self::Quoted(_))
    }
}

struct Lexer<'t> {
    rest: &'t str,
    found: Vec<Lexeme>,
    notes: Vec<String>,
    depth: usize,
    /// Open parentheses that were too deep.
    passed_over: usize,
}

impl Lexer<'_> {
    fn run(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(letter) = self.rest.chars().next() else { break };
            if self.found.len() >= MOST_LEXEMES {
                self.note("The query has very many words; the last ones were left out.");
                break;
            }
            match letter {
                '(' => self.open(),
                ')' => self.close(),
                '-' => self.minus(),
                _ if QUOTES.contains(&letter) => self.quoted(letter.len_utf8()),
                _ => self.bare(),
            }
        }
        if self.depth > 0 {
            self.note("A parenthesis is not closed; it was taken to close at the end.");
            self.found.extend(std::iter::repeat_n(Lexeme::Close, self.depth));
        }
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn open(&mut self) {
        self.rest = &self.rest[1..];
        if self.depth == DEEPEST {
            self.passed_over += 1;
            self.note("Parentheses are nested very deeply; the inner ones were passed over.");
        } else {
            self.depth += 1;
            self.found.push(Lexeme::Open);
        }
    }

    fn close(&mut self) {
        self.rest = &self.rest[1..];
        if self.passed_over > 0 {
            self.passed_over -= 1;
        } else if self.depth > 0 {
            self.depth -= 1;
            self.found.push(Lexeme::Close);
        } else {
            self.note("A parenthesis closes nothing; it was passed over.");
        }
    }

    /// Any number of hyphens right before something is one NOT; apart from anything they are punctuation.
    fn minus(&mut self) {
        self.rest = self.rest.trim_start_matches('-');
        if self.rest.chars().next().is_some_and(|next| !next.is_whitespace() && next != ')') {
            self.found.push(Lexeme::Minus);
        }
    }

    fn quoted(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        let Some(end) = self.rest.find(QUOTES) else {
            self.note("A quotation mark is not closed; what follows was searched as words.");
            return;
        };
        self.found.push(Lexeme::Quoted(self.rest[..end].to_owned()));
        let closing = self.rest[end..].chars().next().map_or(0, char::len_utf8);
        self.rest = &self.rest[end + closing..];
    }

    fn bare(&mut self) {
        let end = self.rest.find(is_separator).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "OR" => self.found.push(Lexeme::Or),
            "AND" => self.found.push(Lexeme::And),
            "NOT" => self.found.push(Lexeme::Not),
            _ => self.word(text),
        }
    }

    fn word(&mut self, text: &str) {
        let Some((name, value)) = text.split_once(':') else {
            return self.found.push(Lexeme::Text(text.to_owned()));
        };
        let known = FIELDS.iter().find(|known| known.eq_ignore_ascii_case(name));
        if let Some(known) = known {
            self.found.push(Lexeme::Field(known));
            if !value.is_empty() {
                self.found.push(Lexeme::Text(value.to_owned()));
            }
            return;
        }
        if name.len() > 1 && name.bytes().all(|octet| octet.is_ascii_alphabetic()) && !value.starts_with('/') {
            self.note(&format!("`{name}:` is no search field; it was searched as words."));
        }
        self.found.push(Lexeme::Text(text.to_owned()));
    }

    /// What stands before an operand without one: from the right, as each depends on what follows it.
    fn settle_prefixes(&mut self, found: Vec<Lexeme>) -> Vec<Lexeme> {
        let mut settled: Vec<Lexeme> = Vec::with_capacity(found.len());
        for lexeme in found.into_iter().rev() {
            let next = settled.last();
            let has_operand = match lexeme {
                Lexeme::Not | Lexeme::Minus => next.is_some_and(Lexeme::begins_operand),
                Lexeme::Field(_) => matches!(next, Some(Lexeme::Text(_) | Lexeme::Quoted(_) | Lexeme::Open)),
                _ => true,
            };
            match lexeme {
                Lexeme::Not if !has_operand => settled.push(self.as_word("NOT")),
                Lexeme::Field(name) if !has_operand => settled.push(self.as_word(name)),
                Lexeme::Minus if !has_operand => {}
                lexeme => settled.push(lexeme),
            }
        }
        settled.reverse();
        settled
    }

    /// What stands between operands without two. AND that has them goes without saying.
    fn settle_joints(&mut self, found: Vec<Lexeme>) -> Vec<Lexeme> {
        let mut settled: Vec<Lexeme> = Vec::with_capacity(found.len());
        let mut rest = found.into_iter().peekable();
        while let Some(lexeme) = rest.next() {
            let is_joint =
                settled.last().is_some_and(Lexeme::ends_operand) && rest.peek().is_some_and(Lexeme::begins_operand);
            match lexeme {
                Lexeme::And if is_joint => {}
                Lexeme::And => settled.push(self.as_word("AND")),
                Lexeme::Or if !is_joint => settled.push(self.as_word("OR")),
                lexeme => settled.push(lexeme),
            }
        }
        settled
    }

    /// In quotes, so that it stays a word when the query is printed.
    fn as_word(&mut self, word: &str) -> Lexeme {
        self.note(&format!("`{word}` has nothing to work on; it was searched as a word."));
        Lexeme::Quoted(word.to_owned())
    }
}
