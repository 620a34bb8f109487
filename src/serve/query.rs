//! Percent-decoding: of a path's segments and of a query's pairs, each exactly once.

use std::borrow::Cow;

/// `text` with its escapes decoded; `None` for escapes that are none, and for what is not UTF-8 or
/// holds a NUL.
pub fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => byte,
        };
        if byte == 0 {
            return None;
        }
        out.push(byte);
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The names and values of a query; what cannot be decoded stays as it is.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (word(name), word(value))
    })
}

/// A `+` is a blank in a query.
fn word(text: &str) -> String {
    let text = text.replace('+', " ");
    match decoded(&text) {
        Some(decoded) => decoded.into_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        for (text, plain) in [
            ("iris", Some("iris")),
            ("a%20b", Some("a b")),
            ("a+b", Some("a+b")),
            ("%e4%bd%a0", Some("你")),
            ("%252e", Some("%2e")),
            ("%2F", Some("/")),
            ("%00", None),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(text).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn a_query_is_taken_apart() {
        let all: Vec<_> = pairs("top=3&outputs=a%2Cb&&x&keep=a+b&bad=%zz").collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            all,
            [
                pair("top", "3"),
                pair("outputs", "a,b"),
                pair("x", ""),
                pair("keep", "a b"),
                pair("bad", "%zz"),
            ]
        );
    }
}
