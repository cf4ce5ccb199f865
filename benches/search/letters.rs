//! Made-up mail that is like mail to an index: words as frequent as those of a language, the most frequent those of English,
//! people who write more or less, ten years of it.

/// A letter is the same whenever it is asked for.
pub(crate) struct Letters {
    words: Vec<String>,
}

const VOCABULARY: u64 = 200_000;
const SENDERS: u64 = 2_000;
const YEARS_S: u64 = 10 * 365 * 24 * 3600;
/// 2015-01-01.
const FIRST_S: i64 = 1_420_070_400;

/// Without any, the text would be in no language, and be compared with all there are.
const FREQUENT: &str = "the of and to a in for is on that by this with you it not or be are from at as your all have was we \
                        will can us if my has but our one do no they he which";

impl Letters {
    pub(crate) fn new() -> Self {
        let known = FREQUENT.split(' ').map(str::to_owned);
        Self { words: known.chain((0..VOCABULARY).map(word)).take(usize::try_from(VOCABULARY).unwrap()).collect() }
    }

    /// The word that is the `rank`th most frequent.
    pub(crate) fn word(&self, rank: u64) -> &str {
        &self.words[usize::try_from(rank % VOCABULARY).unwrap()]
    }

    pub(crate) fn letter(&self, number: u64) -> Vec<u8> {
        let mut dice = Dice(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (from, to) = (dice.skewed(SENDERS), dice.skewed(SENDERS));
        let moment = FIRST_S + i64::try_from(dice.next() % YEARS_S).unwrap();
        let date = jiff::Timestamp::from_second(moment).unwrap();
        let date = date.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let subject = self.sentence(&mut dice, 5);
        let count = 40 + dice.next() % 80;
        let body: Vec<String> = (0..count / 10).map(|_| self.sentence(&mut dice, 10)).collect();
        format!(
            "From: Person {from} <person{from}@dept{}.poplar.example>\r\nTo: Person {to} <person{to}@poplar.example>\r\n\
             Date: {date}\r\nSubject: {subject}\r\nMessage-ID: <{number}@poplar.example>\r\n\r\n{}\r\n",
            from % 37,
            body.join("\r\n"),
        )
        .into_bytes()
    }

    fn sentence(&self, dice: &mut Dice, words: usize) -> String {
        (0..words).map(|_| self.word(dice.skewed(VOCABULARY))).collect::<Vec<_>>().join(" ")
    }
}

/// Pronounceable, and another one for every rank.
fn word(rank: u64) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprst";
    const VOWELS: &[u8] = b"aeiou";
    let mut rest = rank + 60;
    let mut word = String::new();
    while rest > 0 {
        let syllable = usize::try_from(rest % 60).unwrap();
        word.push(char::from(CONSONANTS[syllable / 5]));
        word.push(char::from(VOWELS[syllable % 5]));
        rest /= 60;
    }
    word
}

/// xorshift64*: the same numbers everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// Below `most`; the lower the likelier, as words are (Zipf): the logarithm is evenly spread.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "dice")]
    pub(crate) fn skewed(&mut self, most: u64) -> u64 {
        let share = (self.next() as f64) / ((1u64 << 53) as f64);
        ((most as f64).powf(share) as u64).saturating_sub(1).min(most - 1)
    }
}
