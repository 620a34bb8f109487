//! What is set for one model or for all: versions, labels, the default, shares, a shadow.
//!
//! A setting is typed as `NAME: VALUE`, or as `VALUE` for all models: `iris: stable=1 canary=2`.

use std::fmt;

use super::version::Policy;

/// A version by its own name or by a label.
pub type Target = String;

/// What is set for one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub policy: Policy,
    /// Names for versions, such as `stable` for `3`.
    pub labels: Vec<(String, String)>,
    /// What a request gets that asks for no version; the highest that is ready where nothing is said.
    pub default: Option<Target>,
    /// How requests that ask for no version are shared out; it goes before `default`.
    pub shares: Shares,
    /// Also runs every request, and is only compared.
    pub shadow: Option<Target>,
}

/// Versions and their weights; no versions where requests are not shared out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares(pub Vec<(Target, u32)>);

/// The largest weight.
const MOST: u32 = 1_000_000;

impl Shares {
    /// Reads `stable=95 canary=5`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn read(text: &str) -> Result<Shares, String> {
        let mut shares = Vec::new();
        for (target, weight) in pairs(text)? {
            match weight.parse() {
                Ok(weight @ 0..=MOST) => shares.push((target, weight)),
                _ => {
                    return Err(format!(
                        "expected a weight up to {MOST}, found \"{weight}\""
                    ));
                }
            }
        }
        match shares.iter().any(|(_, weight)| *weight > 0) {
            true => Ok(Shares(shares)),
            false => Err("expected a weight above 0, such as stable=95 canary=5".to_owned()),
        }
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter();
        let pairs: Vec<String> = pairs
            .map(|(target, weight)| format!("{target}={weight}"))
            .collect();
        f.write_str(&pairs.join(" "))
    }
}

impl fmt::Display for Settings {
    /// What is not as it is where nothing is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter();
        let labels: Vec<String> = labels
            .map(|(label, version)| format!("{label}={version}"))
            .collect();
        let mut said = vec![format!("versions {}", self.policy)];
        for (what, value) in [
            ("labels", labels.join(" ")),
            ("default", self.default.clone().unwrap_or_default()),
            ("route", self.shares.to_string()),
            ("shadow", self.shadow.clone().unwrap_or_default()),
        ] {
            if !value.is_empty() {
                said.push(format!("{what} {value}"));
            }
        }
        f.write_str(&said.join(", "))
    }
}

/// Reads labels, `stable=1 canary=2`.
///
/// # Errors
/// What was expected instead.
pub fn labels(text: &str) -> Result<Vec<(String, String)>, String> {
    let labels = pairs(text)?;
    match labels.iter().find(|(label, _)| !is_label(label)) {
        Some((label, _)) => Err(format!(
            "\"{label}\" is no label: letters, digits, and . _ - after a first letter"
        )),
        None => Ok(labels),
    }
}

/// Reads the name of a version or a label.
///
/// # Errors
/// What was expected instead.
pub fn target(text: &str) -> Result<Target, String> {
    match super::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a version or a label, found \"{text}\"")),
    }
}

/// A label cannot be taken for a version.
fn is_label(text: &str) -> bool {
    super::is_name(text) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// `a=1 b=2`, each name once.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in text.split_whitespace() {
        let Some((name, value)) = word.split_once('=') else {
            return Err(format!("expected NAME=VALUE, found \"{word}\""));
        };
        let (name, value) = (target(name)?, target(value)?);
        if pairs.iter().any(|(other, _)| *other == name) {
            return Err(format!("\"{name}\" stands twice"));
        }
        pairs.push((name, value));
    }
    match pairs.is_empty() {
        true => Err("expected NAME=VALUE, such as stable=1, found nothing".to_owned()),
        false => Ok(pairs),
    }
}

/// What was typed for a flag that sets something for one model, or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed<T> {
    /// No name means all models.
    pub model: Option<String>,
    pub value: T,
}

impl<T> Typed<T> {
    /// Reads `NAME: VALUE` or `VALUE`.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(
        text: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Typed<T>, String> {
        let (model, value) = match text.split_once(':') {
            Some((model, value)) => (Some(model.trim()), value),
            None => (None, text),
        };
        if let Some(model) = model.filter(|model| !super::is_name(model)) {
            return Err(format!("\"{model}\" is no name of a model"));
        }
        Ok(Typed {
            model: model.map(str::to_owned),
            value: read(value.trim())?,
        })
    }
}

/// The value for `model`: what is said of it by name goes before what is said of all, later before
/// earlier.
pub fn value_for<'t, T>(typed: &'t [Typed<T>], model: &str) -> Option<&'t T> {
    let named = |typed: &&Typed<T>| typed.model.as_deref() == Some(model);
    let of_all = |typed: &&Typed<T>| typed.model.is_none();
    let found = typed.iter().rev().find(named);
    let found = found.or_else(|| typed.iter().rev().find(of_all));
    found.map(|typed| &typed.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_model_goes_before_what_is_said_of_all() {
        let read = |text| Typed::read(text, Policy::read).expect("a setting");
        let typed = [read("latest 2"), read("iris: all"), read("churn : 1,3")];
        for (model, expected) in [("iris", "all"), ("churn", "1,3"), ("other", "latest 2")] {
            let value = value_for(&typed, model).map(ToString::to_string);
            assert_eq!(value.as_deref(), Some(expected), "{model}");
        }
        let none: [Typed<Policy>; 0] = [];
        assert_eq!(value_for(&none, "iris"), None);
        assert!(Typed::read("a b: all", Policy::read).is_err());
    }

    #[test]
    fn labels_and_shares_are_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            labels("stable=1  canary=2"),
            Ok(vec![pair("stable", "1"), pair("canary", "2")])
        );
        assert_eq!(
            Shares::read("1=95 canary=5"),
            Ok(Shares(vec![("1".to_owned(), 95), ("canary".to_owned(), 5)]))
        );
        for wrong in ["", "stable", "1=2", "a=1 a=2", "a=", "=1", "a=b/c"] {
            assert!(labels(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a=0", "a=x", "a=-1", "a=1.5", "a=1000001", ""] {
            assert!(Shares::read(wrong).is_err(), "{wrong}");
        }
    }
}
