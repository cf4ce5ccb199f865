use std::time::Duration;

const PERIODS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Larger units first, binary before decimal: a size is printed in the first one that divides it.
const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A whole number of seconds, minutes, hours or days: `90s`, `5m`, `1h`, `30d`.
pub fn parse_period(text: &str) -> Option<Duration> {
    parse(text, &PERIODS).map(Duration::from_secs)
}

/// What [`parse_period`] reads back as the same duration. Parts of a second are left out.
pub fn show_period(period: Duration) -> String {
    show(period.as_secs(), &PERIODS, "s")
}

/// A whole number of octets, in units of 1000 (`10MB`) or of 1024 (`256MiB`).
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// What [`parse_size`] reads back as the same number.
pub fn show_size(octets: u64) -> String {
    show(octets, &SIZES, "B")
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(number: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let fitting = units.iter().find(|(_, factor)| number != 0 && number.is_multiple_of(*factor));
    fitting.map_or_else(|| format!("{number}{smallest}"), |(unit, factor)| format!("{}{unit}", number / factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h", 3_600), ("30d", 2_592_000), ("0s", 0)] {
            assert_eq!(parse_period(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "m", "5 m", " 5m", "5M", "-5m", "1.5h", "5min", "1h30m", "99999999999999999999s", "٣m"] {
            assert_eq!(parse_period(text), None, "{text:?}");
        }
        assert_eq!(parse_period("999999999999999999d"), None, "too large to count in seconds");
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        for (text, octets) in [("0B", 0), ("7B", 7), ("10MB", 10_000_000), ("256MiB", 268_435_456), ("2kB", 2_000)] {
            assert_eq!(parse_size(text), Some(octets), "{text}");
        }
        for text in ["", "5", "MiB", "5 MB", "5mb", "5M", "-1B", "0.5GiB", "18446744073709551616B", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_largest_unit_that_divides_is_printed() {
        assert_eq!(show_period(Duration::from_secs(90)), "90s");
        assert_eq!(show_period(Duration::from_secs(7_200)), "2h");
        assert_eq!(show_period(Duration::ZERO), "0s");
        assert_eq!(show_size(268_435_456), "256MiB");
        assert_eq!(show_size(10_000_000), "10MB");
        assert_eq!(show_size(0), "0B");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(number in any::<u64>(), power in 0_u32..40) {
            let number = (number >> power) << power;
            prop_assert_eq!(parse_size(&show_size(number)), Some(number));
            let period = Duration::from_secs(number);
            prop_assert_eq!(parse_period(&show_period(period)), Some(period));
        }

        #[test]
        fn no_text_makes_it_stumble(text in ".*") {
            let _ = (parse_size(&text), parse_period(&text));
        }
    }
}
