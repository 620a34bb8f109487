//! Tree ensembles of a model.

pub(crate) mod attributes;

#[cfg(test)]
mod tests;
