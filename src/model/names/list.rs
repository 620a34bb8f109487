//! Names as authors write them into metadata: JSON, Python or commas, all as one list.

use serde_json::Value as Json;

/// Metadata longer than this is no list of names.
const LONGEST: usize = 4 << 20;

/// The names in `text`: a JSON list or object, a Python list or dict, or a comma list.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let names = if text.starts_with(['[', '{', '(']) {
        let json = serde_json::from_str(text)
            .ok()
            .or_else(|| serde_json::from_str(&python_to_json(text)).ok())?;
        json_list(&json)?
    } else {
        text.split(',').map(|name| name.trim().to_owned()).collect()
    };
    let is_named = !names.is_empty() && names.iter().all(|name| !name.is_empty());
    is_named.then_some(names)
}

/// A list of strings and numbers, or an object that numbers its names (`{"0": "cat"}`) or names
/// its numbers (`{"cat": 0}`), in the order of the numbers.
pub(super) fn json_list(json: &Json) -> Option<Vec<String>> {
    match json {
        Json::Array(items) => items.iter().map(json_text).collect(),
        Json::Object(entries) => {
            let pair = |(key, value): (&String, &Json)| match (key.parse::<u64>(), value) {
                (Ok(number), value) => Some((number, json_text(value)?)),
                (Err(_), value) => Some((value.as_u64()?, key.clone())),
            };
            let mut pairs: Vec<(u64, String)> = entries.iter().map(pair).collect::<Option<_>>()?;
            pairs.sort();
            let is_count = pairs.iter().zip(0..).all(|((number, _), i)| *number == i);
            is_count.then(|| pairs.into_iter().map(|(_, name)| name).collect())
        }
        _ => None,
    }
}

fn json_text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A Python list, tuple or dict of strings and integers as JSON, as Ultralytics' `names` is:
/// `{0: 'cat', 1: "dog's"}`. Anything else becomes JSON that does not parse.
fn python_to_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let is_dict = text.starts_with('{');
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => python_string(c, &mut chars, &mut json),
            '(' => json.push('['),
            ')' => json.push(']'),
            ',' => {
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
                // A trailing comma is Python, but not JSON.
                if !matches!(chars.peek(), Some(']' | ')' | '}')) {
                    json.push(',');
                }
            }
            '0'..='9' | '-' if is_dict => {
                let mut number = String::from(c);
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                // Python's keys may be numbers, those of JSON may not.
                let is_key = chars.clone().find(|c| !c.is_whitespace()) == Some(':');
                let quote = if is_key { "\"" } else { "" };
                json.push_str(&format!("{quote}{number}{quote}"));
            }
            c => json.push(c),
        }
    }
    json
}

/// Copies a Python string up to its closing `quote` as a JSON string.
fn python_string(
    quote: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    json: &mut String,
) {
    json.push('"');
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => break,
            '"' => json.push_str("\\\""),
            '\\' => match chars.next() {
                Some('\'') => json.push('\''),
                Some(escaped) => json.extend(['\\', escaped]),
                None => break,
            },
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_json_python_and_comma_lists() {
        let cases: [(&str, Option<&[&str]>); 15] = [
            (r#"["cat", "dog"]"#, Some(&["cat", "dog"])),
            ("[7, 3]", Some(&["7", "3"])),
            ("cat, dog ,owl", Some(&["cat", "dog", "owl"])),
            ("one", Some(&["one"])),
            (
                r#"{0: 'cat', 1: "dog's", 2: 'ow\'l',}"#,
                Some(&["cat", "dog's", "ow'l"]),
            ),
            (r#"{"1": "b", "0": "a"}"#, Some(&["a", "b"])),
            (r#"{"b": 1, "a": 0}"#, Some(&["a", "b"])),
            ("{'b': 1, 'a': 0}", Some(&["a", "b"])),
            ("['a', 'say \"hi\"']", Some(&["a", "say \"hi\""])),
            ("('a', 'b',)", Some(&["a", "b"])),
            (r#"{"0": "a", "2": "b"}"#, None),
            ("[[1], 2]", None),
            ("['a', os.system('x')]", None),
            ("a,,b", None),
            ("", None),
        ];
        for (text, names) in cases {
            let names = names.map(|names| names.iter().map(ToString::to_string).collect());
            assert_eq!(list(text), names, "{text}");
        }
    }
}
