//! Values from a model file as people read them on one line: safe, short, with units.

use crate::error::escape_controls;

/// Whether `c` does something to a terminal: a newline does not.
pub(super) fn drives_terminal(c: char) -> bool {
    c != '\n' && !escape_controls(c.encode_utf8(&mut [0; 4])).starts_with(c)
}

/// `text` on one line, cut to `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    // What is cut off need not be escaped; a value may be as long as the file.
    let start: String = text.chars().take(most + 1).collect();
    let line = escape_controls(&start);
    if start.len() == text.len() && line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}

/// `text` on one line, of at most a few thousand characters.
pub(super) fn whole(text: &str) -> String {
    cut(text, 4_000)
}

/// A number of a model in four digits: `0.1234`, `-12.34`, `1.235e10`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    if value.fract() == 0.0 {
        return format!("{value}");
    }
    let digits = 3 - size.log10().floor() as i32;
    format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
}

/// Names after commas, as many as fit into `width` characters: `a, b, c and 27 more`.
pub(crate) fn names<S: AsRef<str>>(names: &[S], width: usize) -> String {
    shortened(names, width, quoted)
}

/// As [`names`], but of texts that a comma does not make ambiguous.
pub(crate) fn list<S: AsRef<str>>(items: &[S], width: usize) -> String {
    shortened(items, width, str::to_owned)
}

fn shortened<S: AsRef<str>>(names: &[S], width: usize, shown: fn(&str) -> String) -> String {
    let mut text = String::new();
    // The list as it ends where something must be left out.
    let mut short = String::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        text = text + comma + &shown(&cut(name.as_ref(), LONGEST_NAME));
        let rest = names.len() - index - 1;
        if rest == 0 {
            break;
        }
        let ended = format!("{text} and {} more", grouped(rest));
        if index == 0 || self::width(&ended) <= width {
            short = ended;
        }
        if self::width(&text) > width {
            return short;
        }
    }
    if self::width(&text) <= width || names.len() == 1 {
        text
    } else {
        short
    }
}

/// A name in quotes, where it could be taken for several or for none.
fn quoted(name: &str) -> String {
    if name.is_empty() || name.contains(',') || name.trim() != name {
        return format!("\"{name}\"");
    }
    name.to_owned()
}

/// Longer names are cut; the JSON has them whole.
pub(crate) const LONGEST_NAME: usize = 60;

/// `34.5 kB`; the units are powers of 1000, as file managers show them.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    scaled(bytes, &["kB", "MB", "GB", "TB", "PB", "EB"])
}

/// `9,999`, `12.3 k`, `4.5 M`.
pub(super) fn count(count: u64) -> String {
    if count < 10_000 {
        return grouped(count as usize);
    }
    scaled(count, &["k", "M", "G", "T", "P", "E"])
}

fn scaled(number: u64, units: &[&str]) -> String {
    let mut value = number as f64;
    let mut unit = "";
    for next in units {
        value /= 1000.0;
        unit = next;
        // What would be rounded to 1000 belongs to the next unit.
        if value < 999.5 {
            break;
        }
    }
    if value < 99.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// `1 tree`, `2,000 trees`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// All digits, in groups of three: `12,345`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let comma = |(at, digit): (usize, char)| {
        let starts_a_group = at > 0 && (digits.len() - at).is_multiple_of(3);
        starts_a_group.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// `0.08 ms`, `1.2 ms`, `123 ms`.
pub(crate) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

/// How many columns of a terminal `text` takes: most characters one, those of East Asian scripts
/// and emoji two, combining accents none.
pub(crate) fn width(text: &str) -> usize {
    let columns = |c: char| match u32::from(c) {
        0x300..=0x36f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_that_people_read() {
        for (number, as_bytes, as_count) in [
            (0, "0 B", "0"),
            (999, "999 B", "999"),
            (1_000, "1.0 kB", "1,000"),
            (9_999, "10.0 kB", "9,999"),
            (34_465, "34.5 kB", "34.5 k"),
            (999_600, "1.0 MB", "1.0 M"),
            (123_456_789, "123 MB", "123 M"),
            (u64::MAX, "18.4 EB", "18.4 E"),
        ] {
            assert_eq!(
                (bytes(number).as_str(), count(number).as_str()),
                (as_bytes, as_count)
            );
        }
    }

    #[test]
    fn numbers_of_a_model_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_45, "0.1235"),
            (-12.345_6, "-12.35"),
            (0.000_123_45, "0.0001234"),
            (0.000_012_345, "1.234e-5"),
            (123_456.7, "123457"),
            (65_535.0, "65535"),
            (1.5e12, "1.500e12"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn exact_numbers_keep_all_digits() {
        for (number, text) in [
            (1, "1 row"),
            (0, "0 rows"),
            (999, "999 rows"),
            (1_000, "1,000 rows"),
            (1_234_567, "1,234,567 rows"),
        ] {
            assert_eq!(plural(number, "row"), text);
        }
    }

    #[test]
    fn lists_are_cut_to_the_width() {
        let list = ["alpha", "beta", "gamma", "delta"];
        for (width, text) in [
            (100, "alpha, beta, gamma, delta"),
            (25, "alpha, beta, gamma, delta"),
            (24, "alpha, beta and 2 more"),
            (1, "alpha and 3 more"),
        ] {
            assert_eq!(names(&list, width), text);
        }
        assert_eq!(names(&["a\nb\u{1b}"], 10), "a\\nb\\x1b");
        assert_eq!(names(&["a, b", "", "c d"], 100), "\"a, b\", \"\", c d");
    }

    #[test]
    fn long_and_many_line_values_become_one_short_line() {
        for (text, shown) in [
            ("short", "short"),
            ("two\nlines", "two\\nlin…"),
            ("exactly  ten"[..9].as_ref(), "exactly  "),
            ("0123456789", "01234567…"),
        ] {
            assert_eq!(cut(text, 9), shown, "{text:?}");
        }
    }

    #[test]
    fn wide_and_combining_characters_count_as_a_terminal_counts_them() {
        for (text, columns) in [("größe", 5), ("年齢", 4), ("e\u{301}", 1), ("", 0)] {
            assert_eq!(width(text), columns, "{text}");
        }
    }
}
