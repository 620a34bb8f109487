//! Values on their way into a model and out of it, free of any runtime's types.

use ndarray::{ArrayD, Axis, IxDyn};

use super::dtype::Dtype;

/// A dense tensor of any element type that ONNX Runtime runs, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    Float32(ArrayD<f32>),
    Float64(ArrayD<f64>),
    Float16(ArrayD<half::f16>),
    Bfloat16(ArrayD<half::bf16>),
    Int8(ArrayD<i8>),
    Int16(ArrayD<i16>),
    Int32(ArrayD<i32>),
    Int64(ArrayD<i64>),
    Uint8(ArrayD<u8>),
    Uint16(ArrayD<u16>),
    Uint32(ArrayD<u32>),
    Uint64(ArrayD<u64>),
    Bool(ArrayD<bool>),
    String(ArrayD<String>),
}

/// Runs `$body` with `$array` bound to the ndarray inside `$tensor`, whatever its element type; with
/// `$wrap($array)`, `$wrap` makes a tensor of the same element type.
#[macro_export]
macro_rules! each_dtype {
    ($tensor:expr, $array:ident => $body:expr) => {
        $crate::each_dtype!($tensor, _wrap($array) => $body)
    };
    ($tensor:expr, $wrap:ident($array:ident) => $body:expr) => {
        $crate::each_dtype!(@in [
            Float32 Float64 Float16 Bfloat16 Int8 Int16 Int32 Int64
            Uint8 Uint16 Uint32 Uint64 Bool String
        ] $tensor, $wrap($array) => $body)
    };
    (@in [$($dtype:ident)*] $tensor:expr, $wrap:ident($array:ident) => $body:expr) => {
        match $tensor {
            $($crate::model::tensor::Tensor::$dtype($array) => {
                let $wrap = $crate::model::tensor::Tensor::$dtype;
                $body
            })*
        }
    };
}

/// What one output of a run holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Tensor(Tensor),
    /// A sequence of tensors: one for each target of a multi-output classifier.
    Sequence(Vec<Tensor>),
    /// A sequence of maps, one for each record, as ZipMap makes them: the keys in the order of the
    /// classes where that is known, else ascending, and the values as a tensor of shape `[records, keys]`, NaN where a map lacks a key.
    Maps {
        keys: Vec<String>,
        values: Tensor,
    },
}

impl Value {
    /// The same value with the keys of its maps in the order of `names`, where those are the same.
    #[must_use]
    pub fn in_order(self, names: &[String]) -> Value {
        let Value::Maps { keys, values } = self else {
            return self;
        };
        let place = |name: &String| keys.iter().position(|key| key == name);
        let order: Option<Vec<usize>> = names.iter().map(place).collect();
        match order {
            Some(order) if order.len() == keys.len() && values.shape().len() == 2 => Value::Maps {
                keys: names.to_vec(),
                values: each_dtype!(values, wrap(array) => {
                    // Picking columns may leave them one after the other in memory.
                    wrap(array.select(Axis(1), &order).as_standard_layout().into_owned())
                }),
            },
            _ => Value::Maps { keys, values },
        }
    }
}

impl Tensor {
    /// The element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Tensor::Float32(_) => Dtype::Float32,
            Tensor::Float64(_) => Dtype::Float64,
            Tensor::Float16(_) => Dtype::Float16,
            Tensor::Bfloat16(_) => Dtype::Bfloat16,
            Tensor::Int8(_) => Dtype::Int8,
            Tensor::Int16(_) => Dtype::Int16,
            Tensor::Int32(_) => Dtype::Int32,
            Tensor::Int64(_) => Dtype::Int64,
            Tensor::Uint8(_) => Dtype::Uint8,
            Tensor::Uint16(_) => Dtype::Uint16,
            Tensor::Uint32(_) => Dtype::Uint32,
            Tensor::Uint64(_) => Dtype::Uint64,
            Tensor::Bool(_) => Dtype::Bool,
            Tensor::String(_) => Dtype::String,
        }
    }

    /// The size of every axis; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        each_dtype!(self, array => array.shape())
    }

    /// Bytes of its elements; of texts those of their characters.
    pub fn bytes(&self) -> usize {
        match self {
            Tensor::String(texts) => texts
                .iter()
                .map(|text| size_of_val(text) + text.len())
                .sum(),
            tensor => tensor.shape().iter().product::<usize>() * tensor.dtype().bytes(),
        }
    }

    /// A tensor of zeros, `false` or empty strings.
    pub fn zeros(dtype: Dtype, shape: &[usize]) -> Tensor {
        fn filled<T: Clone + Default>(shape: &[usize]) -> ArrayD<T> {
            ArrayD::from_elem(IxDyn(shape), T::default())
        }
        match dtype {
            Dtype::Float32 => Tensor::Float32(filled(shape)),
            Dtype::Float64 => Tensor::Float64(filled(shape)),
            Dtype::Float16 => Tensor::Float16(filled(shape)),
            Dtype::Bfloat16 => Tensor::Bfloat16(filled(shape)),
            Dtype::Int8 => Tensor::Int8(filled(shape)),
            Dtype::Int16 => Tensor::Int16(filled(shape)),
            Dtype::Int32 => Tensor::Int32(filled(shape)),
            Dtype::Int64 => Tensor::Int64(filled(shape)),
            Dtype::Uint8 => Tensor::Uint8(filled(shape)),
            Dtype::Uint16 => Tensor::Uint16(filled(shape)),
            Dtype::Uint32 => Tensor::Uint32(filled(shape)),
            Dtype::Uint64 => Tensor::Uint64(filled(shape)),
            Dtype::Bool => Tensor::Bool(filled(shape)),
            Dtype::String => Tensor::String(filled(shape)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_take_the_order_of_the_classes() {
        let names = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        let maps = |keys, row: [f32; 2]| Value::Maps {
            keys,
            values: Tensor::Float32(ndarray::array![row].into_dyn()),
        };
        let sorted = maps(names(["a", "b"]), [0.25, 0.75]);
        let turned = maps(names(["b", "a"]), [0.75, 0.25]);
        let ordered = sorted.clone().in_order(&names(["b", "a"]));
        assert_eq!(ordered, turned);
        let Value::Maps {
            values: Tensor::Float32(values),
            ..
        } = ordered
        else {
            panic!("maps of floats stay so");
        };
        assert!(values.is_standard_layout());
        assert_eq!(sorted.clone().in_order(&names(["b", "c"])), sorted);
    }

    #[test]
    fn every_element_type_has_zeros_that_keep_their_type_when_wrapped() {
        for number in 1..=16 {
            let Some(dtype) = Dtype::from_onnx(number) else {
                continue;
            };
            let zeros = Tensor::zeros(dtype, &[2, 3]);
            assert_eq!((zeros.dtype(), zeros.shape()), (dtype, &[2, 3][..]));
            let same = each_dtype!(&zeros, wrap(array) => wrap(array.clone()));
            assert_eq!(same, zeros);
        }
    }
}
