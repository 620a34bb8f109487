//! A model loaded into ONNX Runtime: loaded once, run from many threads.

#![expect(
    unsafe_code,
    reason = "one call of ONNX Runtime's C API: the safe wrapper wants &mut self"
)]

use std::ffi::{CString, c_char};
use std::fmt;
use std::hash::Hash;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ort::AsPointer;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{
    DynMap, DynValue, IntoTensorElementType, PrimitiveTensorElementType, Tensor as OrtTensor,
    TensorElementType, TensorRef, ValueType,
};

use super::assigned::{self, Assigned};
use super::onnx::Facts;
use super::refusal;
use super::runtime::Runtime;
use super::tensor::{Tensor, Value};
use super::trees::{self, Operators};
use crate::error::{Error, Result};

/// A loaded model, to be shared between threads by reference.
pub struct Session {
    session: OrtSession,
    assigned: Vec<Assigned>,
    /// Held by a run, where runs must come one after the other.
    turn: Option<Mutex<()>>,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    /// Behind the session, which is dropped first: it refers to them.
    operators: Option<Operators>,
}

/// What a session is made of, besides the facts.
#[derive(Default)]
pub struct Source<'a> {
    /// The model's bytes where they had to be changed; the file is used otherwise.
    pub rewritten: Option<&'a [u8]>,
    /// The folder of its external data.
    pub folder: Option<&'a Path>,
    /// Operators of ours that the bytes use.
    pub(crate) operators: Option<Operators>,
    /// Whether runs may use all that the user gave: without it they are those that others are held
    /// against, on one thread.
    pub(crate) is_for_use: bool,
}

impl Session {
    /// Loads the model of `facts` for the CPU, by default with one thread a run: the callers are the
    /// parallelism, and results then do not depend on how many threads there are.
    ///
    /// # Errors
    /// [`Error::Model`] with what the runtime dislikes about the model, in words that help.
    pub fn load(runtime: &Runtime, facts: &Facts, source: Source<'_>) -> Result<Session> {
        let make = || make(runtime, facts, &source);
        let (session, assigned) = match trees::stack_bytes(facts) {
            None => make(),
            Some(bytes) => with_stack(bytes, make)
                .unwrap_or_else(|what| Err(Error::runtime(what).at(facts.path.display()))),
        }?;
        let names = |names: Vec<&str>| -> Result<Vec<CString>> {
            let name = |name: &str| CString::new(name).map_err(|_| nul_in_name(facts));
            names.into_iter().map(name).collect()
        };
        let signature = &facts.signature;
        Ok(Session {
            inputs: names(
                signature
                    .inputs
                    .iter()
                    .map(|port| port.name.as_str())
                    .collect(),
            )?,
            outputs: names(
                signature
                    .outputs
                    .iter()
                    .map(|port| port.name.as_str())
                    .collect(),
            )?,
            session,
            assigned,
            turn: (!runtime.providers().is_cpu_alone()).then(Mutex::default),
            operators: source.operators,
        })
    }

    /// What each provider got, where others than the CPU were asked for.
    pub fn assigned(&self) -> &[Assigned] {
        &self.assigned
    }

    /// The operators of ours that it uses.
    pub(super) fn operators(&self) -> Option<&Operators> {
        self.operators.as_ref()
    }

    /// Runs the model on one tensor for each input, in the signature's order, and returns one value
    /// for each output. May be called from any number of threads at once.
    ///
    /// # Errors
    /// [`Error::Runtime`] with the runtime's own words.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Value>> {
        let values = inputs.iter().map(feed).collect::<ort::Result<Vec<_>>>();
        let outputs = values
            .and_then(|values| self.run_values(&values))
            .map_err(failed)?;
        outputs.into_iter().map(read).collect()
    }

    /// The call itself, with the names of the signature.
    fn run_values(&self, inputs: &[SessionInputValue<'_>]) -> ort::Result<Vec<DynValue>> {
        if inputs.len() != self.inputs.len() {
            return Err(ort::Error::new(format!(
                "{} inputs given, {} wanted",
                inputs.len(),
                self.inputs.len()
            )));
        }
        let input_names: Vec<*const c_char> =
            self.inputs.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<*const c_char> =
            self.outputs.iter().map(|name| name.as_ptr()).collect();
        let input_values: Vec<_> = inputs.iter().map(|value| value.ptr()).collect();
        let mut output_values = vec![ptr::null_mut(); self.outputs.len()];
        let inner = self.session.inner();
        let turn = self.turn.as_ref();
        let turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        // SAFETY: every pointer is valid for the call: names and inputs are borrowed from `self` and
        // `inputs`, the arrays have the lengths that are passed, null run options mean the defaults.
        // `Run` on one session from many threads is what ONNX Runtime documents as supported for the
        // CPU provider (onnxruntime.ai/docs/reference/high-level-design.html: "Multiple threads can
        // invoke the Run() method on the same inference session object"); where another is registered,
        // whose allocators may know no threads, `turn` lets one thread in at a time. The session is used through its raw pointer, so no two `&mut` of the
        // wrapper exist. The test `predict::one_session_serves_many_threads` hammers it.
        let status = unsafe {
            (ort::api().Run)(
                inner.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                input_values.as_ptr(),
                input_values.len(),
                output_names.as_ptr(),
                output_names.len(),
                output_values.as_mut_ptr(),
            )
        };
        // SAFETY: the status was just returned by the runtime and is released by this call alone.
        unsafe { ort::Error::result_from_status(status) }?;
        drop(turn);
        let allocator = self.session.allocator();
        let owned = |value: *mut ort::sys::OrtValue| {
            let value =
                NonNull::new(value).ok_or_else(|| ort::Error::new("an output is missing"))?;
            // SAFETY: a successful `Run` hands over ownership of every output value; they live in
            // the memory of the session's (CPU) allocator.
            Ok(unsafe { DynValue::from_ptr(value, Some(allocator)) })
        };
        output_values.into_iter().map(owned).collect()
    }
}

fn builder(runtime: &Runtime, source: &Source<'_>) -> ort::Result<SessionBuilder> {
    // A build with other providers would choose one of them by itself otherwise.
    let mut builder = OrtSession::builder(runtime.environment())?
        .with_auto_device(AutoDevicePolicy::PreferCPU)?;
    // From two threads on they are those of the environment's pool.
    if runtime.intra_op() == 1 || !source.is_for_use {
        builder = builder
            .with_independent_thread_pool()?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?;
    }
    builder = builder
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        // Wrongly declared output shapes would be reported at every run otherwise.
        .with_log_level(ort::logging::LogLevel::Error)?;
    if let Some(folder) = source.folder {
        let folder = folder.to_string_lossy();
        builder = builder.with_config_entry(
            "session.model_external_initializers_file_folder_path",
            folder,
        )?;
    }
    Ok(builder)
}

/// The session, and what each provider got of it where others than the CPU were asked for.
fn make(
    runtime: &Runtime,
    facts: &Facts,
    source: &Source<'_>,
) -> Result<(OrtSession, Vec<Assigned>)> {
    let refused = |error: ort::Error| refusal::load(facts, runtime.version(), error.message());
    let providers = runtime.providers();
    let uses_others = source.is_for_use && !providers.is_cpu_alone();
    let mut builder = builder(runtime, source).map_err(refused)?;
    if uses_others {
        let (key, value) = assigned::RECORD;
        let recording = builder.with_config_entry(key, value);
        builder = recording.map_err(|error| refused(error.into()))?;
        builder = providers.add_to(builder, runtime.environment())?;
    }
    if let Some(operators) = &source.operators {
        operators.add_to(&mut builder).map_err(refused)?;
    }
    let session = match source.rewritten {
        Some(bytes) => builder.commit_from_memory(bytes),
        None => builder.commit_from_file(&facts.path),
    };
    let session = session.map_err(refused)?;
    if !uses_others {
        return Ok((session, Vec::new()));
    }
    let assigned = assigned::of(&session, providers).map_err(refused)?;
    refusal::left_to_cpu(facts, providers, &assigned)?;
    Ok((session, assigned))
}

/// What `make` makes on a stack of so many `bytes`.
fn with_stack<T: Send>(
    bytes: usize,
    make: impl FnOnce() -> T + Send,
) -> std::result::Result<T, String> {
    let failed = |what: &dyn fmt::Display| format!("a stack of {bytes} bytes: {what}");
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes);
        let thread = thread.spawn_scoped(scope, make);
        let made = thread.map_err(|error| failed(&error))?.join();
        made.map_err(|_| failed(&"its thread did not end"))
    })
}

fn nul_in_name(facts: &Facts) -> Error {
    Error::model(
        facts.path.display().to_string(),
        "an input's or output's name has a NUL character",
    )
}

/// The error of a call of the runtime that failed.
pub(super) fn failed(error: ort::Error) -> Error {
    Error::runtime(format!(
        "ONNX Runtime failed on this batch: {}",
        refusal::first_sentence(error.message())
    ))
}

/// A tensor as the runtime takes it: borrowed, but for strings.
fn feed(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    Ok(match tensor {
        Tensor::Float32(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Float64(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Float16(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Bfloat16(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Int8(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Int16(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Int32(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Int64(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Uint8(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Uint16(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Uint32(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Uint64(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::Bool(array) => TensorRef::from_array_view(array)?.into(),
        Tensor::String(array) => OrtTensor::from_string_array(array)?.into(),
    })
}

/// Copies an output out of the runtime's memory.
fn read(value: DynValue) -> Result<Value> {
    match value.dtype().clone() {
        ValueType::Tensor { ty, .. } => read_tensor(&value, ty).map(Value::Tensor),
        ValueType::Sequence(item) => match item.as_ref() {
            ValueType::Map {
                key,
                value: element,
            } => read_maps(value, *key, *element),
            _ => read_sequence(value),
        },
        other => Err(unreadable(&other.to_string())),
    }
}

fn unreadable(kind: &str) -> Error {
    Error::model(
        "",
        format!("an output is of type {kind}, which cannot be read"),
    )
    .hint("--outputs LIST names the outputs to show")
}

fn read_tensor(value: &DynValue, element: TensorElementType) -> Result<Tensor> {
    fn array<T: PrimitiveTensorElementType + Clone>(
        value: &DynValue,
    ) -> ort::Result<ndarray::ArrayD<T>> {
        value.try_extract_array::<T>().map(|view| view.to_owned())
    }
    let tensor = match element {
        TensorElementType::Float32 => array(value).map(Tensor::Float32),
        TensorElementType::Float64 => array(value).map(Tensor::Float64),
        TensorElementType::Float16 => array(value).map(Tensor::Float16),
        TensorElementType::Bfloat16 => array(value).map(Tensor::Bfloat16),
        TensorElementType::Int8 => array(value).map(Tensor::Int8),
        TensorElementType::Int16 => array(value).map(Tensor::Int16),
        TensorElementType::Int32 => array(value).map(Tensor::Int32),
        TensorElementType::Int64 => array(value).map(Tensor::Int64),
        TensorElementType::Uint8 => array(value).map(Tensor::Uint8),
        TensorElementType::Uint16 => array(value).map(Tensor::Uint16),
        TensorElementType::Uint32 => array(value).map(Tensor::Uint32),
        TensorElementType::Uint64 => array(value).map(Tensor::Uint64),
        TensorElementType::Bool => array(value).map(Tensor::Bool),
        TensorElementType::String => value.try_extract_string_array().map(Tensor::String),
        other => return Err(unreadable(&format!("tensor({other})"))),
    };
    tensor.map_err(failed)
}

fn read_sequence(value: DynValue) -> Result<Value> {
    let sequence = value
        .downcast::<ort::value::DynSequenceValueType>()
        .map_err(failed)?;
    let items = sequence
        .try_extract_sequence::<ort::value::DynTensorValueType>()
        .map_err(failed)?;
    let item = |item: ort::value::DynTensor| {
        let element = *item.data_type();
        read_tensor(&item.into_dyn(), element)
    };
    items
        .into_iter()
        .map(item)
        .collect::<Result<Vec<Tensor>>>()
        .map(Value::Sequence)
}

/// A sequence of maps, one a record, into one matrix: ZipMap's output where it could not be taken
/// out of the graph before loading.
fn read_maps(value: DynValue, key: TensorElementType, element: TensorElementType) -> Result<Value> {
    let sequence = value
        .downcast::<ort::value::DynSequenceValueType>()
        .map_err(failed)?;
    let maps = sequence
        .try_extract_sequence::<ort::value::DynMapValueType>()
        .map_err(failed)?;
    let pairs: fn(&DynMap) -> ort::Result<Pairs> = match (key, element) {
        (TensorElementType::String, TensorElementType::Float32) => read_pairs::<String, f32>,
        (TensorElementType::String, TensorElementType::Float64) => read_pairs::<String, f64>,
        (TensorElementType::Int64, TensorElementType::Float32) => read_pairs::<i64, f32>,
        (TensorElementType::Int64, TensorElementType::Float64) => read_pairs::<i64, f64>,
        _ => return Err(unreadable(&format!("map({key}, {element})"))),
    };
    let maps = maps
        .iter()
        .map(pairs)
        .collect::<ort::Result<Vec<_>>>()
        .map_err(failed)?;
    Ok(matrix_of(&maps, element == TensorElementType::Float32))
}

fn read_pairs<K, V>(map: &DynMap) -> ort::Result<Pairs>
where
    K: IntoTensorElementType + Clone + Hash + Eq + Into<MapKey>,
    V: PrimitiveTensorElementType + Clone + Into<f64>,
{
    let pairs = map.try_extract_key_values::<K, V>()?;
    Ok(pairs
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect())
}

/// The entries of one map.
type Pairs = Vec<(MapKey, f64)>;

/// A map's key; numbers sort as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum MapKey {
    Number(i64),
    Text(String),
}

impl From<i64> for MapKey {
    fn from(key: i64) -> Self {
        MapKey::Number(key)
    }
}

impl From<String> for MapKey {
    fn from(key: String) -> Self {
        MapKey::Text(key)
    }
}

/// Shape `[records, keys]`; float32 where `single`, else float64.
fn matrix_of(maps: &[Pairs], single: bool) -> Value {
    let mut keys: Vec<&MapKey> = maps.iter().flatten().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let mut values = ndarray::Array2::from_elem((maps.len(), keys.len()), f64::NAN);
    for (mut row, map) in values.rows_mut().into_iter().zip(maps) {
        for (key, value) in map {
            if let Some(cell) = keys.binary_search(&key).ok().and_then(|at| row.get_mut(at)) {
                *cell = *value;
            }
        }
    }
    let keys = keys.into_iter().map(|key| match key {
        MapKey::Number(number) => number.to_string(),
        MapKey::Text(text) => text.clone(),
    });
    let values = values.into_dyn();
    Value::Maps {
        keys: keys.collect(),
        values: if single {
            Tensor::Float32(values.mapv(|value| value as f32))
        } else {
            Tensor::Float64(values)
        },
    }
}
