//! The values of fields: times and sizes. Each prints as it is read.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::mail::Timestamp;

/// A condition on a message's date. Days are those of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    In(Period),
    /// Both ends included; an open end is `None`.
    Between(Option<Period>, Option<Period>),
    /// Before the period begins.
    Before(Period),
    /// From the period's first moment on.
    After(Period),
    Newer(Span),
    Older(Span),
}

/// A year, a month or a day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Year(i16),
    Month(i16, i8),
    Day(i16, i8, i8),
}

/// A length of time back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub count: u32,
    pub unit: Unit,
}

/// A month is 30 days here, a year 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// A condition on the octets of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub comparison: Comparison,
    pub size_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    AtMost,
    AtLeast,
    Greater,
}

const DAWN: Timestamp = Timestamp::from_millis(i64::MIN);
const DUSK: Timestamp = Timestamp::from_millis(i64::MAX);

impl When {
    /// `2024`, `2024-03`, `2024-03-05` or two of them with `..` between, of which one may be missing.
    pub(super) fn parse_date(text: &str) -> Option<Self> {
        let Some((start, end)) = text.split_once("..") else {
            return Period::parse(text).map(Self::In);
        };
        let bound = |text: &str| if text.is_empty() { Some(None) } else { Period::parse(text).map(Some) };
        let (start, end) = (bound(start)?, bound(end)?);
        (start.is_some() || end.is_some()).then_some(Self::Between(start, end))
    }

    /// The moments that are meant, seen from `now`.
    pub fn range(&self, now: Timestamp) -> Range<Timestamp> {
        match *self {
            Self::In(period) => period.start()..period.end(),
            Self::Between(start, end) => start.map_or(DAWN, Period::start)..end.map_or(DUSK, Period::end),
            Self::Before(period) => DAWN..period.start(),
            Self::After(period) => period.start()..DUSK,
            Self::Newer(span) => span.before(now)..DUSK,
            Self::Older(span) => DAWN..span.before(now),
        }
    }
}

impl Period {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['-', '/']).map(|digits| {
            let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            if is_number { digits.parse::<i16>().ok() } else { None }
        });
        let year = numbers.next()??;
        let month = numbers.next().map(|month| month.and_then(|month| i8::try_from(month).ok()));
        let day = numbers.next().map(|day| day.and_then(|day| i8::try_from(day).ok()));
        let period = match (month, day, numbers.next()) {
            (None, None, None) => Self::Year(year),
            (Some(month), None, None) => Self::Month(year, month?),
            (Some(month), Some(day), None) => Self::Day(year, month?, day?),
            _ => return None,
        };
        (year >= 1000 && period.first_day().is_some()).then_some(period)
    }

    pub fn start(self) -> Timestamp {
        self.first_day().and_then(midnight).unwrap_or(DAWN)
    }

    /// The first moment after it.
    pub fn end(self) -> Timestamp {
        let next = self.first_day().and_then(|first| match self {
            Self::Year(_) => Date::new(first.year() + 1, 1, 1).ok(),
            Self::Month(..) => first.last_of_month().tomorrow().ok(),
            Self::Day(..) => first.tomorrow().ok(),
        });
        next.and_then(midnight).unwrap_or(DUSK)
    }

    fn first_day(self) -> Option<Date> {
        let (year, month, day) = match self {
            Self::Year(year) => (year, 1, 1),
            Self::Month(year, month) => (year, month, 1),
            Self::Day(year, month, day) => (year, month, day),
        };
        Date::new(year, month, day).ok()
    }
}

fn midnight(day: Date) -> Option<Timestamp> {
    let moment = day.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(moment.timestamp().as_millisecond()))
}

impl Span {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (at, letter) = text.char_indices().next_back()?;
        let unit = Unit::ALL.into_iter().find(|unit| unit.letter() == letter.to_ascii_lowercase())?;
        let digits = &text[..at];
        let count = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some(Self { count, unit })
    }

    fn before(self, now: Timestamp) -> Timestamp {
        let millis = i64::from(self.count).saturating_mul(self.unit.hours() * 3_600_000);
        Timestamp::from_millis(now.as_millis().saturating_sub(millis))
    }
}

impl Unit {
    const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    const fn letter(self) -> char {
        match self {
            Self::Hour => 'h',
            Self::Day => 'd',
            Self::Week => 'w',
            Self::Month => 'm',
            Self::Year => 'y',
        }
    }

    const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
            Self::Year => 365 * 24,
        }
    }
}

/// Names of sizes, the exact one to print with first. Without a name a number is octets.
const SIZES: [(&str, u64); 14] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
    ("", 1),
];

impl Size {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (comparison, rest) = Comparison::ALL.into_iter().find_map(|comparison| {
            text.strip_prefix(comparison.as_str()).map(|rest| (comparison, rest.trim_start()))
        })?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let name = rest[end..].trim_start();
        let (_, unit) = SIZES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let size_bytes = rest[..end].parse::<u64>().ok()?.checked_mul(*unit)?;
        Some(Self { comparison, size_bytes })
    }

    /// The sizes that are meant, both ends included; `None` if there are none.
    pub fn range(&self) -> Option<(u64, u64)> {
        match self.comparison {
            Comparison::Less => Some((0, self.size_bytes.checked_sub(1)?)),
            Comparison::AtMost => Some((0, self.size_bytes)),
            Comparison::AtLeast => Some((self.size_bytes, u64::MAX)),
            Comparison::Greater => Some((self.size_bytes.checked_add(1)?, u64::MAX)),
        }
    }
}

impl Comparison {
    /// Those of two characters first, as one begins like the other.
    const ALL: [Self; 4] = [Self::AtMost, Self::AtLeast, Self::Less, Self::Greater];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(period) => write!(f, "date:{period}"),
            Self::Between(start, end) => {
                f.write_str("date:")?;
                start.iter().try_for_each(|period| period.fmt(f))?;
                f.write_str("..")?;
                end.iter().try_for_each(|period| period.fmt(f))
            }
            Self::Before(period) => write!(f, "before:{period}"),
            Self::After(period) => write!(f, "after:{period}"),
            Self::Newer(span) => write!(f, "newer:{span}"),
            Self::Older(span) => write!(f, "older:{span}"),
        }
    }
}

impl Display for Period {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Day(year, month, day) => write!(f, "{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.letter())
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_exact = |unit: u64| self.size_bytes >= unit && self.size_bytes.is_multiple_of(unit);
        let named = SIZES.iter().find(|(_, unit)| is_exact(*unit));
        let (name, unit) = named.copied().unwrap_or(("B", 1));
        write!(f, "size:{}{}{name}", self.comparison.as_str(), self.size_bytes / unit)
    }
}
