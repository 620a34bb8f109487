//! One compiled ensemble with what the operator around it promises: the types of its input and
//! scores, and how a tensor's shape is read as rows.

use std::fmt;

use ndarray::{ArrayD, IxDyn};

use crate::model::tensor::{Tensor, Value};
use crate::trees::attributes::{Attributes, Family, Precision};
use crate::trees::kernel::{Kernel, Rows};
use crate::trees::outcome::{Labels, Scores};
use crate::trees::read;

/// The number of a precision in `TensorProto.DataType`.
pub(super) fn element(precision: Precision) -> i32 {
    match precision {
        Precision::Single => 1,
        Precision::Double => 11,
    }
}

/// An ensemble, ready to run on tensors.
pub(crate) struct Evaluator {
    kernel: Kernel,
    input: Precision,
    scores: Precision,
}

/// What a tensor's shape comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub rows: usize,
    pub columns: usize,
    /// Elements of the tensor.
    pub cells: usize,
}

impl Evaluator {
    /// Compiles the ensemble of `attributes`.
    ///
    /// # Errors
    /// Why it has to stay with ONNX Runtime, as a clause.
    pub(crate) fn compile(attributes: &Attributes) -> Result<Evaluator, String> {
        let ensemble = read::read(attributes).map_err(|refusal| refusal.to_string())?;
        let kernel = Kernel::compile(ensemble).map_err(|refusal| refusal.to_string())?;
        if let Labels::Texts(texts) = kernel.labels()
            && texts.iter().any(|text| text.contains('\0'))
        {
            return Err("a class label has a NUL character".to_owned());
        }
        Ok(Evaluator {
            kernel,
            input: attributes.precision,
            // The pair's scores are float32 whatever its input is.
            scores: match attributes.family {
                Family::Pair(_) => Precision::Single,
                Family::Joint(_) => attributes.precision,
            },
        })
    }

    /// The type of the input.
    pub(crate) fn input(&self) -> Precision {
        self.input
    }

    /// The type of the scores.
    pub(crate) fn scores(&self) -> Precision {
        self.scores
    }

    /// The labels of a classifier.
    pub(crate) fn labels(&self) -> &Labels {
        self.kernel.labels()
    }

    /// Whether the operator's output `at` is the scores.
    pub(crate) fn is_score(&self, at: usize) -> bool {
        at == usize::from(!matches!(self.labels(), Labels::None))
    }

    /// How many scores a row gets.
    pub(crate) fn targets(&self) -> usize {
        self.kernel.targets()
    }

    /// How many columns the trees ask for.
    pub(crate) fn features(&self) -> usize {
        self.kernel.features()
    }

    /// How it is evaluated, in a word or two.
    pub(crate) fn engine(&self) -> &str {
        self.kernel.engine()
    }

    /// Rows and columns of an input of this shape: as ONNX Runtime's own operators take it, where a
    /// single axis is one row that may be asked for its first column only.
    ///
    /// # Errors
    /// What ONNX Runtime says to a shape that does not fit.
    pub(crate) fn size(&self, shape: &[i64]) -> Result<Size, String> {
        let length = |size: i64| usize::try_from(size).map_err(|_| "a size is negative".to_owned());
        let (rows, columns, known) = match *shape {
            [columns] => (1, length(columns)?, length(columns)?.min(1)),
            [rows, columns] => (length(rows)?, length(columns)?, length(columns)?),
            _ => return Err("TreeEnsemble only works on 1D, 2D tensors.".to_owned()),
        };
        let features = self.features();
        if features > known {
            return Err(format!(
                "One path in the graph requests feature {} but input tensor has {known} features.",
                features - 1
            ));
        }
        let cells = rows.checked_mul(columns);
        let fits = |cells: &usize| cells.checked_mul(size_of::<f64>()).is_some();
        let cells = cells.filter(fits).ok_or("the input is too large")?;
        Ok(Size {
            rows,
            columns,
            cells,
        })
    }

    /// Scores the rows of a tensor of this `size`.
    ///
    /// # Errors
    /// Which length does not fit.
    pub(crate) fn run(
        &self,
        rows: Rows<'_>,
        size: Size,
        scores: Scores<'_>,
        labels: Option<&mut [i64]>,
    ) -> Result<(), String> {
        self.kernel
            .run(rows, size.columns, scores, labels)
            .map_err(|mismatch| mismatch.to_string())
    }

    /// What the operator gives for the `input`: the labels of a classifier, then the scores. `None`
    /// where the type or the shape does not fit.
    pub(crate) fn values(&self, input: &Tensor) -> Option<Vec<Value>> {
        let rows = match input {
            Tensor::Float32(array) => Rows::Single(array.as_slice()?),
            Tensor::Float64(array) => Rows::Double(array.as_slice()?),
            _ => return None,
        };
        let shape: Option<Vec<i64>> = input
            .shape()
            .iter()
            .map(|n| i64::try_from(*n).ok())
            .collect();
        let size = self.size(&shape?).ok()?;
        let count = size.rows.checked_mul(self.targets())?;
        let mut labels = match self.labels() {
            Labels::None => None,
            Labels::Ints(_) | Labels::Texts(_) => Some(vec![0; size.rows]),
        };
        let scores = match self.scores {
            Precision::Single => {
                let mut scores = vec![0.0; count];
                let into = Scores::Single(&mut scores);
                self.run(rows, size, into, labels.as_deref_mut()).ok()?;
                Tensor::Float32(array(&[size.rows, self.targets()], scores)?)
            }
            Precision::Double => {
                let mut scores = vec![0.0; count];
                let into = Scores::Double(&mut scores);
                self.run(rows, size, into, labels.as_deref_mut()).ok()?;
                Tensor::Float64(array(&[size.rows, self.targets()], scores)?)
            }
        };
        let labels = match labels {
            None => None,
            Some(labels) => Some(self.named(labels)?),
        };
        Some(
            labels
                .into_iter()
                .chain([scores])
                .map(Value::Tensor)
                .collect(),
        )
    }

    /// The labels as the operator gives them.
    fn named(&self, labels: Vec<i64>) -> Option<Tensor> {
        let rows = labels.len();
        let Labels::Texts(texts) = self.labels() else {
            return Some(Tensor::Int64(array(&[rows], labels)?));
        };
        let text = |label: &i64| texts.get(usize::try_from(*label).ok()?).cloned();
        let named: Option<Vec<String>> = labels.iter().map(text).collect();
        Some(Tensor::String(array(&[rows], named?)?))
    }
}

fn array<T>(shape: &[usize], values: Vec<T>) -> Option<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).ok()
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("engine", &self.engine())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::attributes::{Mode, Numbers, Output, Pair, PairNodes, PairWeights};

    /// One tree: whether column 1 is at most 0.5.
    fn stump(labels: Output) -> Result<Evaluator, String> {
        let pair = Pair {
            output: labels,
            aggregate: "SUM".to_owned(),
            transform: "NONE".to_owned(),
            base: Numbers::default(),
            nodes: PairNodes {
                trees: vec![0; 3],
                ids: vec![0, 1, 2],
                features: vec![1, 0, 0],
                modes: vec![Mode::AtMost, Mode::Leaf, Mode::Leaf],
                values: Numbers::Singles(vec![0.5, 0.0, 0.0]),
                yes: vec![1, 0, 0],
                no: vec![2, 0, 0],
                missing: Vec::new(),
            },
            weights: PairWeights {
                trees: vec![0; 4],
                nodes: vec![1, 1, 2, 2],
                targets: vec![0, 1, 0, 1],
                values: Numbers::Singles(vec![2.0, 1.0, 0.5, 3.0]),
            },
        };
        let attributes = Attributes {
            precision: Precision::Single,
            family: Family::Pair(pair),
        };
        Evaluator::compile(&attributes)
    }

    #[test]
    fn shapes_are_read_as_onnx_runtime_reads_them() {
        let size = |rows, columns| {
            Ok(Size {
                rows,
                columns,
                cells: rows * columns,
            })
        };
        let few = |found: usize| {
            Err(format!(
                "One path in the graph requests feature 1 but input tensor has {found} features."
            ))
        };
        let flat = || Err("TreeEnsemble only works on 1D, 2D tensors.".to_owned());
        for (shape, expected) in [
            (&[3, 2][..], size(3, 2)),
            (&[0, 7], size(0, 7)),
            (&[5, 1], few(1)),
            (&[5, 0], few(0)),
            // A single axis counts as one column, whatever its length.
            (&[9], few(1)),
            (&[], flat()),
            (&[1, 2, 3], flat()),
            (&[i64::MAX, 4], Err("the input is too large".to_owned())),
            (&[-1, 4], Err("a size is negative".to_owned())),
        ] {
            let found = stump(Output::Targets(2)).map(|stump| stump.size(shape));
            assert_eq!(found, Ok(expected), "{shape:?}");
        }
    }

    #[test]
    fn labels_that_a_c_string_would_cut_are_not_ours() {
        let texts = |second: &str| Output::Texts(vec!["no".to_owned(), second.to_owned()]);
        let refused = |second| stump(texts(second)).err();
        assert_eq!(refused("yes"), None);
        let reason = "a class label has a NUL character".to_owned();
        assert_eq!(refused("y\0s"), Some(reason));
    }

    #[test]
    fn texts_stand_for_the_numbers_of_labels() {
        // Three, because ONNX Runtime has rules of its own for two.
        let names = ["low", "high", "none"].map(str::to_owned).to_vec();
        let values = stump(Output::Texts(names));
        let rows = ndarray::array![[9.0_f32, 0.5], [9.0, 0.75]].into_dyn();
        let values = values.map(|stump| stump.values(&Tensor::Float32(rows)));
        let labels = ndarray::array!["low".to_owned(), "high".to_owned()].into_dyn();
        let scores = ndarray::array![[2.0_f32, 1.0, 0.0], [0.5, 3.0, 0.0]].into_dyn();
        let expected = [Tensor::String(labels), Tensor::Float32(scores)].map(Value::Tensor);
        assert_eq!(values, Ok(Some(expected.to_vec())));
    }
}
