//! From scores to decisions: activations, thresholds, the best class. Only on the user's word.

use ndarray::ArrayD;

use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

/// A function over raw scores that the exporter left out of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Each score by itself: 1 / (1 + exp(-x)).
    Sigmoid,
    /// The scores of one record together: exp(x) / sum(exp(x)).
    Softmax,
}

/// Replaces scores of shape `[N]` or `[N, C]` by their activation, computed in float64.
pub fn activate(scores: &mut Tensor, activation: Activation) {
    match scores {
        Tensor::Float32(array) => {
            activate_array(array, activation, f64::from, |value| value as f32)
        }
        Tensor::Float64(array) => activate_array(array, activation, |value| value, |value| value),
        Tensor::Float16(array) => {
            activate_array(array, activation, half::f16::to_f64, half::f16::from_f64)
        }
        Tensor::Bfloat16(array) => {
            activate_array(array, activation, half::bf16::to_f64, half::bf16::from_f64)
        }
        _ => {}
    }
}

fn activate_array<T: Copy>(
    array: &mut ArrayD<T>,
    activation: Activation,
    widen: fn(T) -> f64,
    narrow: fn(f64) -> T,
) {
    match activation {
        Activation::Sigmoid => array.mapv_inplace(|value| narrow(sigmoid(widen(value)))),
        Activation::Softmax => {
            let width = array.shape().last().copied().unwrap_or(1).max(1);
            let Some(values) = array.as_slice_mut() else {
                return;
            };
            for row in values.chunks_exact_mut(width) {
                let wide: Vec<f64> = row.iter().map(|value| widen(*value)).collect();
                for (value, share) in row.iter_mut().zip(softmax(&wide)) {
                    *value = narrow(share);
                }
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Shifted by the greatest score, so that no exponential overflows.
fn softmax(scores: &[f64]) -> Vec<f64> {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scores
        .iter()
        .map(|score| (score - greatest).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials
        .iter()
        .map(|exponential| exponential / sum)
        .collect()
}

/// The scores of a float tensor as float64, row-major.
pub fn floats(scores: &Tensor) -> Option<Vec<f64>> {
    match scores {
        Tensor::Float32(array) => Some(array.iter().copied().map(f64::from).collect()),
        Tensor::Float64(array) => Some(array.iter().copied().collect()),
        Tensor::Float16(array) => Some(array.iter().copied().map(half::f16::to_f64).collect()),
        Tensor::Bfloat16(array) => Some(array.iter().copied().map(half::bf16::to_f64).collect()),
        _ => None,
    }
}

/// Indices of `scores`, the highest first; equal scores keep their order, NaN comes last.
pub fn ranked(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let score = |index: &usize| {
        scores
            .get(*index)
            .copied()
            .filter(|score| !score.is_nan())
            .unwrap_or(f64::NEG_INFINITY)
    };
    order.sort_by(|a, b| score(b).total_cmp(&score(a)));
    order
}

/// For each record of scores `[N, C]` the name of the best class, as a tensor `[N]`: integers where
/// all names are integers.
pub fn argmax(scores: &Tensor, classes: &[String]) -> Option<Tensor> {
    let values = floats(scores)?;
    let best = |row: &[f64]| ranked(row).first().copied();
    let picked: Option<Vec<usize>> = values
        .chunks_exact(classes.len().max(1))
        .map(best)
        .collect();
    let numbers = classes.iter().all(|class| class.parse::<i64>().is_ok());
    named(
        &picked?,
        classes,
        if numbers { Dtype::Int64 } else { Dtype::String },
    )
}

/// For each record of scores `[N, 2]`, `[N, 1]` or `[N]` the second class where its score reaches
/// `threshold`, else the first, as a tensor `[N]` of `dtype`.
pub fn threshold(
    scores: &Tensor,
    classes: &[String],
    threshold: f64,
    dtype: Dtype,
) -> Option<Tensor> {
    let records = scores.shape().first().copied()?;
    let values = floats(scores)?;
    let width = values.len().checked_div(records).unwrap_or(1).max(1);
    let positive = |row: &[f64]| usize::from(row.last().is_some_and(|score| *score >= threshold));
    let picked: Vec<usize> = values.chunks_exact(width).map(positive).collect();
    named(&picked, classes, dtype)
}

/// The names of the picked classes; text where `dtype` cannot hold them.
fn named(picked: &[usize], classes: &[String], dtype: Dtype) -> Option<Tensor> {
    let names: Option<Vec<&String>> = picked.iter().map(|index| classes.get(*index)).collect();
    let names = names?;
    let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
    let shape = vec![picked.len()];
    match (dtype.is_int(), numbers) {
        (true, Some(numbers)) => ArrayD::from_shape_vec(shape, numbers)
            .ok()
            .map(Tensor::Int64),
        _ => {
            let texts = names.into_iter().cloned().collect();
            ArrayD::from_shape_vec(shape, texts)
                .ok()
                .map(Tensor::String)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn names(classes: &[&str]) -> Vec<String> {
        classes.iter().map(|class| (*class).to_owned()).collect()
    }

    #[test]
    fn activations_do_not_overflow() {
        let mut scores = Tensor::Float32(array![[1000.0, 1000.0], [-1000.0, 0.0]].into_dyn());
        activate(&mut scores, Activation::Softmax);
        assert_eq!(
            scores,
            Tensor::Float32(array![[0.5, 0.5], [0.0, 1.0]].into_dyn())
        );
        let mut scores = Tensor::Float64(array![0.0, 800.0, -800.0].into_dyn());
        activate(&mut scores, Activation::Sigmoid);
        assert_eq!(scores, Tensor::Float64(array![0.5, 1.0, 0.0].into_dyn()));
    }

    #[test]
    fn the_best_class_is_named_and_nan_never_wins() {
        let scores = Tensor::Float32(array![[0.1, 0.7, 0.2], [f32::NAN, 0.0, 0.0]].into_dyn());
        let best = argmax(&scores, &names(&["a", "b", "c"]));
        let expected = vec!["b".to_owned(), "b".to_owned()];
        assert_eq!(
            best,
            ArrayD::from_shape_vec(vec![2], expected)
                .ok()
                .map(Tensor::String)
        );
        let best = argmax(&scores, &names(&["3", "4", "5"]));
        assert_eq!(best, Some(Tensor::Int64(array![4, 4].into_dyn())));
    }

    #[test]
    fn a_threshold_acts_on_the_positive_class() {
        let scores = Tensor::Float32(array![[0.7, 0.3], [0.4, 0.6]].into_dyn());
        let decided = threshold(&scores, &names(&["0", "1"]), 0.3, Dtype::Int64);
        assert_eq!(decided, Some(Tensor::Int64(array![1, 1].into_dyn())));
        let single = Tensor::Float32(array![[0.7], [0.4]].into_dyn());
        let decided = threshold(&single, &names(&["no", "yes"]), 0.5, Dtype::String);
        let expected = vec!["yes".to_owned(), "no".to_owned()];
        assert_eq!(
            decided,
            ArrayD::from_shape_vec(vec![2], expected)
                .ok()
                .map(Tensor::String)
        );
    }
}
