//! A few records down oblivious trees, as CatBoost's are: every level asks all records one question.
//!
//! Nothing is walked: the answers are the bits of the leaf's number, and none waits for another, where a walk
//! waits for a node at every step.

use super::super::forest::{Forest, Node, Real, Test};
use super::super::program::{Exits, Program};

/// The questions of a forest whose trees are all oblivious and compare with thresholds only.
pub(super) struct Levels<T> {
    questions: Vec<Question<T>>,
    /// How many levels each tree has.
    depths: Vec<u8>,
}

/// What a level asks.
struct Question<T> {
    threshold: T,
    /// The column, and in the highest bit whether NaN is yes.
    feature: u32,
}

/// The bit of [`Question::feature`] that makes NaN a yes.
const MISSING: u32 = 1 << 31;

impl<T: Real> Levels<T> {
    /// The levels of the forest that `program` was made of; `None` where there is a tree of another form.
    pub(super) fn of(forest: &Forest<T>, program: &Program) -> Option<Levels<T>> {
        let mut levels = Levels {
            questions: Vec::new(),
            depths: Vec::new(),
        };
        for (tree, exits) in forest.trees().iter().zip(&program.exits) {
            let depth = match exits {
                Exits::Only if tree.nodes.len() == 1 => 0,
                Exits::Levels(codes) => codes.len(),
                Exits::Only | Exits::Slot(_) => return None,
            };
            for level in 0..depth {
                // All nodes of a level ask the same, and the tree is full.
                let Node::Branch(branch) = tree.nodes.get((1 << level) - 1)? else {
                    return None;
                };
                let Test::AtMost(threshold) = branch.test else {
                    return None;
                };
                let missing = if branch.missing { MISSING } else { 0 };
                levels.questions.push(Question {
                    threshold,
                    feature: (branch.feature < MISSING).then_some(branch.feature)? | missing,
                });
            }
            levels.depths.push(u8::try_from(depth).ok()?);
        }
        Some(levels)
    }

    /// The exits that a record comes to, tree by tree, numbered as [`Exits::Levels`] does.
    #[inline(always)]
    pub(super) fn exits(&self, record: &[T]) -> impl Iterator<Item = usize> {
        let mut rest = self.questions.as_slice();
        self.depths.iter().map(move |depth| {
            let (levels, after) = rest
                .split_at_checked(usize::from(*depth))
                .unwrap_or_default();
            rest = after;
            // Six levels are what CatBoost grows if nobody asks for more: unrolled.
            match levels.first_chunk::<6>() {
                Some(six) if levels.len() == 6 => exit(six, record),
                _ => exit(levels, record),
            }
        })
    }
}

/// The number of the exit: a bit for each level, the first one highest, set where the answer is no.
#[inline(always)]
fn exit<T: Real>(levels: &[Question<T>], record: &[T]) -> usize {
    levels.iter().fold(0, |exit, question| {
        let column = (question.feature & !MISSING) as usize;
        let value = record.get(column).copied().unwrap_or_default();
        // No `||`, which would be a jump.
        let missing = value.is_nan() & (question.feature >= MISSING);
        let yes = (value <= question.threshold) | missing;
        2 * exit + usize::from(!yes)
    })
}
