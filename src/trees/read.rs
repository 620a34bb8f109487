//! From attributes to trees: what ONNX Runtime checks is checked, what it does is made explicit, and
//! what is left is a [`Forest`] and an [`Outcome`].
//!
//! ```text
//! attributes -> pair | joint (nodes by place, sets, weights) -> chains -> grow (breadth first) -> Forest
//!            -> ending (base values, transform, labels) -> Outcome
//! ```
//!
//! Whatever is odd is refused, with a reason: such an ensemble stays with ONNX Runtime. Nothing here
//! recurses, and memory and time are linear in the lists.

mod chains;
mod classes;
mod ending;
mod grow;
mod joint;
pub mod levels;
mod lists;
mod nodes;
mod pair;
mod sets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use super::attributes::{Attributes, Family, Precision};
use super::forest::{Forest, Real};
use super::outcome::Outcome;

/// A read ensemble, by the precision that it is computed in.
#[derive(Debug, Clone, PartialEq)]
pub enum Ensemble {
    Single(Parts<f32>),
    Double(Parts<f64>),
}

/// The two halves of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts<T> {
    pub forest: Forest<T>,
    pub outcome: Outcome<T>,
}

/// Why an ensemble is not for us: a clause that says what it has, "its trees share nodes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Cow<'static, str>);

impl Refusal {
    /// A refusal in these words.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal(reason.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses for a reason that needs no numbers.
fn refuse<T>(reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal(Cow::Borrowed(reason)))
}

/// Reads the trees and what is done with what they give.
///
/// # Errors
/// [`Refusal`] where ONNX Runtime would not load the ensemble either, where what it does is a matter
/// of luck, or where trees would grow out of bounds.
pub fn read(attributes: &Attributes) -> Result<Ensemble, Refusal> {
    match attributes.precision {
        Precision::Single => parts(&attributes.family).map(Ensemble::Single),
        Precision::Double => parts(&attributes.family).map(Ensemble::Double),
    }
}

fn parts<T: Real>(family: &Family) -> Result<Parts<T>, Refusal> {
    let (nodes, ending) = match family {
        Family::Pair(pair) => (pair::nodes(pair)?, ending::of_pair(pair)?),
        Family::Joint(joint) => (joint::nodes(joint)?, ending::of_joint(joint)?),
    };
    let forest = grow::grow(nodes, ending.targets)?;
    let outcome = ending.outcome(&forest)?;
    Ok(Parts { forest, outcome })
}
