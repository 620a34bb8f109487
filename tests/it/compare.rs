//! Whether two texts are the same but for the last digits of their floats, which depend on the
//! processor and on the size of a batch.

/// Holds `found` to `expected`: numbers with a point or an exponent within 1e-6 absolute or 1e-5
/// relative, all other characters exactly.
///
/// # Errors
/// The first line that differs.
pub(crate) fn texts(found: &str, expected: &str) -> Result<(), String> {
    let mut found_lines = found.split('\n');
    for (index, expected) in expected.split('\n').enumerate() {
        let line = index + 1;
        let Some(found) = found_lines.next() else {
            return Err(format!("line {line}: expected {expected:?}, found the end"));
        };
        if !lines_match(found, expected) {
            return Err(format!(
                "line {line}: expected {expected:?}, found {found:?}"
            ));
        }
    }
    match found_lines.next() {
        Some(more) => Err(format!("expected the end, found {more:?}")),
        None => Ok(()),
    }
}

fn lines_match(found: &str, expected: &str) -> bool {
    if found == expected {
        return true;
    }
    let (found, expected) = (pieces(found), pieces(expected));
    found.len() == expected.len()
        && found
            .iter()
            .zip(&expected)
            .all(|(found, expected)| pieces_match(found, expected))
}

fn pieces_match(found: &str, expected: &str) -> bool {
    // A whole number is a label, an id or a count: it has no last digits to be lenient about.
    let is_whole = expected.parse::<i128>().is_ok();
    match (found.parse::<f64>(), expected.parse::<f64>()) {
        _ if found == expected => true,
        (Ok(found), Ok(expected)) if !is_whole => {
            let difference = (found - expected).abs();
            difference <= 1e-6 || difference <= 1e-5 * expected.abs()
        }
        _ => false,
    }
}

/// Cuts a line into numbers and what stands between them. A digit after a letter or `_` belongs to
/// a name.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((start, length)) = next_number(rest) {
        let (before, from) = rest.split_at(start);
        let (number, after) = from.split_at(length);
        pieces.extend([before, number]);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Where the first number of `text` starts, and its length.
fn next_number(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    let starts_number = |at: &usize| {
        let digit = if bytes[*at] == b'-' { at + 1 } else { *at };
        bytes.get(digit).is_some_and(u8::is_ascii_digit) && (*at == 0 || !is_word(bytes[at - 1]))
    };
    let start = (0..bytes.len()).find(starts_number)?;
    let mut end = start + 1;
    while let Some(byte) = bytes.get(end) {
        let after_exponent = matches!(bytes[end - 1], b'e' | b'E');
        let is_part = byte.is_ascii_digit()
            || matches!(byte, b'.' | b'e' | b'E')
            || (after_exponent && matches!(byte, b'+' | b'-'));
        if !is_part {
            break;
        }
        end += 1;
    }
    Some((start, end - start))
}

/// `text` with `in _ s (_ rows/s)` for the figures that differ from run to run.
pub(crate) fn without_speed(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let figures = line.split_once(" in ").and_then(|(before, rest)| {
            let (_, after) = rest.split_once(" rows/s)")?;
            Some(format!("{before} in _ s (_ rows/s){after}"))
        });
        figures.unwrap_or_else(|| line.to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn only_the_last_digits_of_floats_may_differ() {
    for (found, expected, same) in [
        ("a,0.5", "a,0.5000001", true),
        ("a,0.5", "a,0.50001", false),
        ("3.74413e-7", "3.74413e-07", true),
        ("1000000.5", "1000001.5", true),
        ("1,2", "1,2", true),
        ("1,3", "1,2", false),
        ("1.0", "1", false),
        ("1", "1.0", true),
        ("a_1", "a_2", false),
        ("007", "7", false),
        ("0.5,b", "0.5,c", false),
        ("0.5", "0.5,", false),
        ("", "0.5", false),
        ("[[-2.0,1]]", "[[-2.0000001,1]]", true),
        ("9223372036854775807", "9223372036854775806", false),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
    ] {
        let result = texts(found, expected);
        assert_eq!(result.is_ok(), same, "{found:?} {expected:?}");
    }
}

#[test]
fn the_speed_of_a_run_is_no_part_of_its_output() {
    let text = "note: in time\n344 rows in 0.01 s (24,887 rows/s), 19 missing values\n";
    let expected = "note: in time\n344 rows in _ s (_ rows/s), 19 missing values\n";
    assert_eq!(without_speed(text), expected);
}
