//! Decimal numbers read in place, from the bytes of a record: the inner loop of the whole program.
//!
//! Takes the plain numbers that make up nearly all data, by the grammar of JSON, and declines
//! everything else (`+5`, `.5`, `nan`, twenty digits...), which the exact reader in `element` then
//! takes. What it takes it rounds correctly, so that it never matters which of the two was used.

/// A number as it is written: `mantissa * 10^exponent`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
}

/// Most digits that always fit a `u64`.
const MOST_DIGITS: usize = 19;

// Called for each number of each record from one place: out of line it costs a quarter of the loop.
/// The number at the start of `text` and the bytes that it takes; what follows is for the caller to
/// check. `None` for no number, and for one that is not plain.
#[inline(always)]
pub(super) fn scan(text: &[u8]) -> Option<(Decimal, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let (whole, after_whole) = few_digits(text, start);
    let whole_digits = after_whole - start;
    if whole_digits == 0 || whole_digits > 1 && text.get(start) == Some(&b'0') {
        return None;
    }
    let mut decimal = Decimal {
        negative,
        mantissa: whole,
        exponent: 0,
    };
    let mut at = after_whole;
    let mut count = whole_digits;
    if text.get(at) == Some(&b'.') {
        let (mantissa, end) = digits(text, at + 1, whole)?;
        let fraction = end - at - 1;
        count += fraction;
        decimal.mantissa = mantissa;
        decimal.exponent = -i32::try_from(fraction).ok()?;
        at = end;
    }
    if count > MOST_DIGITS {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let (exponent, end) = exponent(text, at + 1)?;
        decimal.exponent += exponent;
        at = end;
    }
    Some((decimal, at))
}

/// Whether all of `text` is a plain number.
pub(super) fn is_plain(text: &str) -> bool {
    scan(text.as_bytes()).is_some_and(|(_, length)| length == text.len())
}

/// The run of digits from `at` on, one by one, and where it ends: a whole part is seldom longer than
/// one digit or two. Measured on numbers such as `-0.132105`: 7 ns each instead of 10 ns with both
/// parts read in words.
#[inline(always)]
fn few_digits(text: &[u8], mut at: usize) -> (u64, usize) {
    let mut value = 0_u64;
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (value, at)
}

/// The run of digits from `at` on, appended to `before`, and where it ends; `None` where there is no
/// digit. More than [`MOST_DIGITS`] wrap, which the caller finds by their count.
#[inline(always)]
fn digits(text: &[u8], mut at: usize, before: u64) -> Option<(u64, usize)> {
    let start = at;
    let mut value = before;
    loop {
        let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            return digits_one_by_one(text, start, at, value);
        };
        let word = u64::from_le_bytes(*word) ^ 0x3030_3030_3030_3030;
        let count = leading_digits(word);
        if count == 8 {
            value = value
                .wrapping_mul(100_000_000)
                .wrapping_add(eight_digits(word));
            at += 8;
            continue;
        }
        if count > 0 {
            // Leading zeros in the place of what is not a digit.
            let aligned = word << (64 - 8 * count);
            let power = POWERS_OF_TEN.get(count).copied().unwrap_or(1);
            value = value
                .wrapping_mul(power)
                .wrapping_add(eight_digits(aligned));
            at += count;
        }
        return (at > start).then_some((value, at));
    }
}

/// Within eight bytes of the end of the text.
#[cold]
fn digits_one_by_one(
    text: &[u8],
    start: usize,
    mut at: usize,
    mut value: u64,
) -> Option<(u64, usize)> {
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (at > start).then_some((value, at))
}

const POWERS_OF_TEN: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// How many of the bytes of `word`, lowest first, are digits; each byte is a digit's value or more
/// than nine. A carry out of a byte that is no digit only reaches later ones.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    let above_nine = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    (above_nine.trailing_zeros() / 8) as usize
}

/// The number that eight digits' values say, the first digit in the lowest byte: pairs, then fours,
/// then all eight are put together by one multiplication each.
#[inline(always)]
fn eight_digits(word: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let odd = (pairs & PAIRS).wrapping_mul(0x000f_4240_0000_0064);
    let even = ((pairs >> 16) & PAIRS).wrapping_mul(0x0000_2710_0000_0001);
    odd.wrapping_add(even) >> 32
}

/// The exponent after `e`, and where it ends.
#[cold]
fn exponent(text: &[u8], at: usize) -> Option<(i32, usize)> {
    let (negative, start) = match text.get(at) {
        Some(b'-') => (true, at + 1),
        Some(b'+') => (false, at + 1),
        _ => (false, at),
    };
    let (value, end) = digits(text, start, 0)?;
    if end - start > 4 {
        return None;
    }
    let value = i32::try_from(value).ok()?;
    Some((if negative { -value } else { value }, end))
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

impl Decimal {
    /// The nearest double, where one rounding gives it: the mantissa and the power of ten are exact
    /// (Clinger, "How to read floating point numbers accurately", 1990).
    #[inline]
    pub(super) fn to_f64(self) -> Option<f64> {
        if self.mantissa > 1 << 53 {
            return None;
        }
        self.near_f64()
    }

    /// The nearest single. The double beside it is at most two units in its last place off, one for
    /// the mantissa and one for the power; unless it lies so close to the middle between two
    /// singles, both round alike.
    #[inline]
    pub(super) fn to_f32(self) -> Option<f32> {
        const CUT: u64 = (1 << 29) - 1;
        const MIDDLE: u64 = 1 << 28;
        let double = self.near_f64()?;
        let off_middle = (double.to_bits() & CUT).abs_diff(MIDDLE);
        // Subnormal singles lose more bits; they start below 1.2e-38, and zero is exact.
        let is_normal = double == 0.0 || double.abs() > 1e-30;
        (off_middle > 4 && is_normal && double.abs() < 3e38).then_some(double as f32)
    }

    /// The double next to the number, off by at most two units in its last place.
    #[inline]
    fn near_f64(self) -> Option<f64> {
        let mantissa = self.mantissa as f64;
        let power = *EXACT_POWERS.get(self.exponent.unsigned_abs() as usize)?;
        let double = if self.exponent < 0 {
            mantissa / power
        } else {
            mantissa * power
        };
        // Half of all numbers have a sign: no branch.
        Some(f64::from_bits(
            double.to_bits() | u64::from(self.negative) << 63,
        ))
    }

    /// The integer, where it is written as one.
    #[inline]
    pub(super) fn to_integer(self) -> Option<i128> {
        let value = i128::from(self.mantissa);
        (self.exponent == 0).then_some(if self.negative { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of numbers that need not be good, only the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
    }

    #[test]
    fn plain_numbers_are_taken_apart_and_their_length_is_known() {
        for (text, negative, mantissa, exponent) in [
            ("0", false, 0, 0),
            ("-0", true, 0, 0),
            ("7", false, 7, 0),
            ("12345678", false, 12_345_678, 0),
            ("123456789", false, 123_456_789, 0),
            ("1234567890123456789", false, 1_234_567_890_123_456_789, 0),
            ("0.5", false, 5, -1),
            ("-12.0625", true, 120_625, -4),
            ("3.00000000000000001", false, 300_000_000_000_000_001, -17),
            ("1e3", false, 1, 3),
            ("1.5E-7", false, 15, -8),
            ("2e+2", false, 2, 2),
        ] {
            let expected = Decimal {
                negative,
                mantissa,
                exponent,
            };
            for after in ["", ",", "\n1234567890", ",0.123456789012345", "}", " "] {
                let longer = format!("{text}{after}");
                let found = scan(longer.as_bytes());
                assert_eq!(found, Some((expected, text.len())), "{longer}");
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_exact_reader() {
        for text in [
            "",
            "-",
            "+5",
            ".5",
            "5.",
            "007",
            "-01",
            "nan",
            "inf",
            "x",
            " 1",
            "1e",
            "1e+",
            "12345678901234567890",
            "1.2345678901234567890",
            "1e99999",
        ] {
            assert_eq!(scan(text.as_bytes()), None, "{text}");
        }
        for (text, length) in [("1.2.3", 3), ("1-2", 1), ("1 ", 1), ("12:4", 2), ("0x1", 1)] {
            let found = scan(text.as_bytes()).map(|(_, length)| length);
            assert_eq!(found, Some(length), "{text}");
        }
    }

    /// What is read must be what the standard library reads, bit for bit.
    #[track_caller]
    fn check(text: &str) {
        let Some((decimal, length)) = scan(text.as_bytes()) else {
            return;
        };
        assert_eq!(length, text.len(), "{text}");
        if let Some(double) = decimal.to_f64() {
            let expected: f64 = text.parse().expect("a number");
            assert_eq!(double.to_bits(), expected.to_bits(), "{text}");
        }
        if let Some(single) = decimal.to_f32() {
            let expected: f32 = text.parse().expect("a number");
            assert_eq!(single.to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn millions_of_random_texts_are_rounded_correctly() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut taken = 0_u64;
        for _ in 0..700_000 {
            let (bits, shape) = (numbers.next(), numbers.next());
            let whole = bits >> (shape % 64);
            let fraction = numbers.next() >> (shape / 64 % 64);
            let exponent = (shape / 4096 % 90) as i64 - 45;
            for text in [
                format!("{whole}.{fraction}"),
                format!("-{}.{fraction}", whole % 100),
                format!("{whole}e{exponent}"),
                format!("{:.*}", (shape % 12) as usize, f64::from(bits as u32) / 1e5),
                format!("{}", f32::from_bits(bits as u32)),
            ] {
                if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                    check(&text);
                    taken += u64::from(scan(text.as_bytes()).is_some());
                }
            }
        }
        assert!(taken > 2_000_000, "{taken}");
    }

    #[test]
    fn the_middle_between_two_singles_and_its_neighbours_are_rounded_correctly() {
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        for _ in 0..200_000 {
            let single = f32::from_bits(numbers.next() as u32).abs();
            if !single.is_finite() {
                continue;
            }
            let above = f32::from_bits(single.to_bits() + 1);
            let middle = (f64::from(single) + f64::from(above)) / 2.0;
            for double in [middle, middle.next_up(), middle.next_down()] {
                for digits in 6..18 {
                    check(&format!("{double:.digits$e}"));
                    check(&format!("{double:.digits$}"));
                }
            }
        }
        // The middle itself in decimal digits, and one unit to each side of it.
        for base in (1_u64 << 24..1 << 25).step_by(101) {
            for text in [
                format!("{}", 2 * base + 1),
                format!("{}.5", base),
                format!("{}.50000000001", base),
                format!("{}.49999999999", base),
            ] {
                check(&text);
            }
        }
    }
}
