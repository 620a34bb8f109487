//! Trees that are deeper than a stack: ONNX Runtime lays a tree out by recursion when it loads it,
//! and a stack that overflows ends the process.
//!
//! ONNX Runtime 1.32 takes up to 800 bytes a level: 10,800 levels on a main thread of 8 MiB, 2,600 on
//! a thread of 2 MiB. So models of deep trees are loaded on a thread whose stack is large enough, and
//! those of trees that are deeper than any real one are refused. Scoring does not recurse.

use crate::error::{Error, Result};
use crate::model::onnx::Facts;

/// Levels that fit every stack.
pub(crate) const SHALLOW: usize = 1000;

/// Levels that a tree may have.
const MOST: usize = 100_000;

/// Bytes of stack for a level: twice what was seen, and more, for other versions of ONNX Runtime.
const LEVEL_BYTES: usize = 2048;

/// Bytes of stack for all else.
const BASE_BYTES: usize = 8 << 20;

/// The stack that it takes to load the model of `facts`; `None` where any will do.
pub(crate) fn stack_bytes(facts: &Facts) -> Option<usize> {
    let levels = facts.trees?.deepest?.levels;
    (levels > SHALLOW).then(|| BASE_BYTES + levels.min(MOST) * LEVEL_BYTES)
}

/// What is wrong with a tree of the model of `facts`, as a clause, where it is too deep.
pub(super) fn fault(facts: &Facts) -> Option<String> {
    let deepest = facts.trees?.deepest?;
    (deepest.levels > MOST).then(|| {
        format!(
            "tree {} is {} levels deep; ONNX Runtime, which recurses, is given no more than {MOST}",
            deepest.tree + 1,
            deepest.levels
        )
    })
}

/// Refuses a model with a tree that is too deep, whatever is to evaluate it: our kernel is held
/// against ONNX Runtime's.
///
/// # Errors
/// [`Error::Model`], which names the tree.
pub(crate) fn check(facts: &Facts) -> Result<()> {
    match fault(facts) {
        None => Ok(()),
        Some(fault) => Err(Error::model(facts.path.display().to_string(), fault)
            .hint("train it again with a limit to the depth of trees")),
    }
}
