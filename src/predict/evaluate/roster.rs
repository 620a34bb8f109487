//! Names in the order in which they first came, up to a limit.

use std::collections::HashMap;

/// Most names of one roster: a column with more is no class.
pub(in crate::predict) const MOST_NAMES: usize = 1_000;
/// Most bytes of a name: no class is called a page of text.
const LONGEST: usize = 1_024;

/// Numbers for names. One that met more names than the limit, or one too long, forgets them all:
/// which ones it would have kept depends on how the records were split.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::predict) struct Roster {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    overflowed: bool,
}

impl Roster {
    /// The number of `name`, from 0; `None` once there are too many.
    pub(in crate::predict) fn number(&mut self, name: &str) -> Option<usize> {
        if self.overflowed {
            return None;
        }
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let number = self.names.len();
        if number == MOST_NAMES || name.len() > LONGEST {
            self.overflow();
            return None;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }

    /// Takes over the names of a later roster: its numbers here, in its order; `None` where there are
    /// too many.
    pub(in crate::predict) fn merge(&mut self, later: &Roster) -> Option<Vec<usize>> {
        if later.overflowed {
            self.overflow();
        }
        later.names.iter().map(|name| self.number(name)).collect()
    }

    pub(in crate::predict) fn overflow(&mut self) {
        *self = Roster {
            overflowed: true,
            ..Roster::default()
        };
    }

    /// Whether there were more names than the limit.
    pub(in crate::predict) fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(in crate::predict) fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_first_place_and_too_many_are_none() {
        let mut roster = Roster::default();
        assert_eq!(roster.number("b"), Some(0));
        assert_eq!(roster.number("a"), Some(1));
        assert_eq!(roster.number("b"), Some(0));
        let mut later = Roster::default();
        later.number("c");
        later.number("a");
        assert_eq!(roster.merge(&later), Some(vec![2, 1]));
        for name in 0..MOST_NAMES {
            roster.number(&name.to_string());
        }
        assert!(roster.overflowed());
        assert_eq!(roster.number("b"), None);
        assert_eq!(roster.names().len(), 0);
        assert_eq!(Roster::default().number(&"x".repeat(LONGEST + 1)), None);
    }
}
