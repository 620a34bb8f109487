//! Texts and numbers as a page shows them.

use crate::error::escape_controls;

/// `text` for HTML, between tags or in a quoted attribute; control characters and bidirectional
/// overrides, which could forge what is around them, are written out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in escape_controls(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A count with commas between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in few characters: `1.2 M`, `34.5 k`.
pub(super) fn short_count(value: f64) -> String {
    match value {
        large if large >= 1e9 => format!("{:.1} G", large / 1e9),
        large if large >= 1e6 => format!("{:.1} M", large / 1e6),
        large if large >= 1e4 => format!("{:.0} k", large / 1e3),
        large if large >= 1e3 => format!("{:.1} k", large / 1e3),
        small => format!("{small:.0}"),
    }
}

/// A number in four significant digits.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs().log10().floor() as i32;
    if !(-4..7).contains(&size) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.*}", (3 - size).max(0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `part` of `whole` in per cent; more than nothing never looks like nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let share = share(part, whole) * 100.0;
    match share {
        0.0 => "0%".to_owned(),
        tiny if tiny < 0.1 => "&lt;0.1%".to_owned(),
        share if share < 10.0 => format!("{share:.1}%"),
        share => format!("{share:.0}%"),
    }
}

/// `part` of `whole`, from 0 to 1.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// A duration: `0.42 s`, `3 min 12 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        short if short < 10.0 => format!("{short:.2} s"),
        short if short < 60.0 => format!("{short:.1} s"),
        long if long < 3600.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A size in bytes: `31 MB`.
pub(super) fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.0} kB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", size as f64 / 1e6),
        _ => format!("{:.1} GB", size as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_files_cannot_leave_their_place() {
        for (text, shown) in [
            ("a<b>&\"c\"'", "a&lt;b&gt;&amp;&quot;c&quot;&#39;"),
            ("</style><script>", "&lt;/style&gt;&lt;script&gt;"),
            ("a\u{202e}b\0", "a\\u{202e}b\\x00"),
            ("größe", "größe"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn numbers_are_as_people_read_them() {
        for (value, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(value), shown);
        }
        for (value, shown) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (-12.3456, "-12.35"),
            (123_456.7, "123457"),
            (1e-9, "1.00e-9"),
            (3e12, "3.00e12"),
            (0.00123456, "0.001235"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(value), shown);
        }
        for (part, whole, shown) in [
            (0, 9, "0%"),
            (1, 9_999, "&lt;0.1%"),
            (1, 40, "2.5%"),
            (1, 2, "50%"),
        ] {
            assert_eq!(percent(part, whole), shown);
        }
        for (seconds, shown) in [
            (0.417, "0.42 s"),
            (192.0, "3 min 12 s"),
            (7_500.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
    }
}
