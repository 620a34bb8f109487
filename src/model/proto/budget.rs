//! What a file's structs may cost: memory and depth, counted while they are made.

use crate::model::wire::Fault;

/// Bytes that the structs of one model may take in memory; a graph of 50,000 nodes takes about 50 MB.
const MEMORY: usize = 512 << 20;

/// How deep graphs within graphs, or types within types, may go.
const DEPTH: u32 = 32;

/// What is left of the limits while a model is read.
#[derive(Debug)]
pub(crate) struct Budget {
    memory: usize,
    depth: u32,
}

impl Budget {
    /// The whole limits, for one model.
    pub(crate) fn new() -> Self {
        Budget {
            memory: MEMORY,
            depth: DEPTH,
        }
    }

    /// Takes `bytes` out of the memory limit.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    /// Pushes `item`, if the memory limit allows one more.
    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<(), Fault> {
        // Twice, because a growing `Vec` holds up to twice what is in it.
        self.spend(2 * size_of::<T>())?;
        list.push(item);
        Ok(())
    }

    /// Runs `read` one level deeper, if the depth limit allows.
    pub(crate) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.depth = self.depth.checked_sub(1).ok_or(Fault::TooMuch)?;
        let value = read(self);
        self.depth += 1;
        value
    }
}
