//! Versions of a model: their order, and which of those that are there are served.

use std::cmp::Ordering;
use std::fmt;

/// Compares versions as people count them: by number where both are numbers, numbers before words.
pub fn compare(one: &str, other: &str) -> Ordering {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// The number that a version is. `01` is none: a folder of that name is no version in any repository
/// layout, and two spellings of one version would be two.
pub fn number(version: &str) -> Option<u64> {
    let is_plain = version.bytes().all(|byte| byte.is_ascii_digit())
        && !version.is_empty()
        && !version.starts_with('0');
    is_plain.then(|| version.parse().ok()).flatten()
}

/// Which versions of a model are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// The highest, this many.
    Latest(usize),
    All,
    /// These, whatever else there is.
    Listed(Vec<String>),
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::Latest(1)
    }
}

impl Policy {
    /// Reads `latest`, `latest N`, `all`, or versions after commas.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn read(text: &str) -> Result<Policy, String> {
        let wrong =
            || format!("expected latest, latest N, all, or versions such as 1,3; found \"{text}\"");
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("all"), None, None) => Ok(Policy::All),
            (Some("latest"), None, None) => Ok(Policy::default()),
            (Some("latest"), Some(count), None) => match count.parse() {
                Ok(count @ 1..) => Ok(Policy::Latest(count)),
                _ => Err(wrong()),
            },
            (Some(_), ..) => {
                let listed = text.split(',').map(|version| version.trim().to_owned());
                let listed: Vec<String> = listed.collect();
                let is_version = |version: &String| number(version).is_some();
                match listed.iter().all(is_version) {
                    true => Ok(Policy::Listed(listed)),
                    false => Err(wrong()),
                }
            }
            (None, ..) => Err(wrong()),
        }
    }

    /// Those of `versions`, in ascending order, that are served.
    pub fn chosen<'v>(&self, versions: &[&'v str]) -> Vec<&'v str> {
        let mut sorted = versions.to_vec();
        sorted.sort_by(|one, other| compare(one, other));
        match self {
            Policy::All => sorted,
            Policy::Latest(count) => sorted.split_off(sorted.len().saturating_sub(*count)),
            Policy::Listed(listed) => {
                sorted.retain(|version| listed.iter().any(|listed| listed == version));
                sorted
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Latest(count) => write!(f, "latest {count}"),
            Policy::All => f.write_str("all"),
            Policy::Listed(listed) => f.write_str(&listed.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_people_count() {
        let mut versions = ["10", "9", "b", "a", "2"];
        versions.sort_by(|one, other| compare(one, other));
        assert_eq!(versions, ["2", "9", "10", "a", "b"]);
        for (text, expected) in [
            ("1", Some(1)),
            ("20261125", Some(20_261_125)),
            ("01", None),
            ("0", None),
            ("", None),
            ("1a", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_policy_chooses_among_what_is_there() {
        let there = ["3", "1", "10", "2"];
        for (text, expected) in [
            ("latest", &["10"][..]),
            ("latest 2", &["3", "10"]),
            ("latest 9", &["1", "2", "3", "10"]),
            ("all", &["1", "2", "3", "10"]),
            ("2, 1,7", &["1", "2"]),
        ] {
            let policy = Policy::read(text).expect("a policy");
            assert_eq!(policy.chosen(&there), expected, "{text}");
        }
        for wrong in [
            "", "latest 0", "latest x", "newest", "1,,2", "1,02", "all 2",
        ] {
            assert!(Policy::read(wrong).is_err(), "{wrong}");
        }
    }
}
