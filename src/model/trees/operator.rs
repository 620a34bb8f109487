//! Compiled ensembles as custom operators of ONNX Runtime: domain `mlserve`, one operator for each
//! node that was replaced, which so needs no attribute and looks nothing up.
//!
//! Written on the C API: the wrapper hands a kernel out as `&mut`, which two runs of one session at
//! once would have twice. Here the state is an [`Evaluator`] behind `&`, shared by all threads.
//!
//! It knows neither protobuf nor how trees are evaluated.

#![expect(
    unsafe_code,
    reason = "functions that ONNX Runtime calls, and its tensors' memory"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ort::session::builder::SessionBuilder;
use ort::sys::{
    ONNXTensorElementDataType as Element, OrtApi, OrtCustomOp, OrtCustomOpDomain,
    OrtCustomOpInputOutputCharacteristic as Characteristic, OrtErrorCode, OrtKernelContext,
    OrtKernelInfo, OrtMemType, OrtShapeInferContext, OrtStatusPtr, OrtValue,
};
use ort::{AsPointer, Error, Result};

use super::evaluator::Evaluator;
use crate::trees::attributes::Precision;
use crate::trees::kernel::Rows;
use crate::trees::outcome::{Labels, Scores};

/// The domain of our operators.
pub(crate) const DOMAIN: &str = "mlserve";

/// The name of the operator of the node `number`.
pub(crate) fn name(number: usize) -> String {
    format!("TreeEnsemble{number}")
}

/// The operators of one session; they must outlive it.
pub(crate) struct Operators {
    domain: NonNull<OrtCustomOpDomain>,
    /// ONNX Runtime keeps the address of each.
    operators: Vec<Arc<Operator>>,
}

// SAFETY: the domain is a list of pointers that nothing changes after `new`; the C API names no
// thread that it belongs to.
unsafe impl Send for Operators {}
// SAFETY: as above; `&Operators` gives no more than the pointer for another session to read.
unsafe impl Sync for Operators {}

impl Operators {
    /// The operators that run `evaluators`, by the number of each.
    ///
    /// # Errors
    /// Those of ONNX Runtime, which has to be started.
    pub(crate) fn new(evaluators: Vec<(usize, Arc<Evaluator>)>) -> Result<Operators> {
        let name = CString::new(DOMAIN)?;
        let mut domain = ptr::null_mut();
        // SAFETY: `name` ends in NUL, and the domain keeps a copy; `domain` takes the result.
        check(unsafe { (ort::api().CreateCustomOpDomain)(name.as_ptr(), &raw mut domain) })?;
        let mut operators = Operators {
            domain: NonNull::new(domain).ok_or_else(|| Error::new("no domain"))?,
            operators: Vec::with_capacity(evaluators.len()),
        };
        for (number, evaluator) in evaluators {
            // Not a box: moving that into the list would say that no pointer to it is in use.
            let operator = Arc::new(Operator::new(number, evaluator)?);
            let address = Arc::as_ptr(&operator).cast::<OrtCustomOp>();
            // SAFETY: the domain lives; an `Operator` begins with its `OrtCustomOp`, and is kept as
            // long as the domain.
            check(unsafe { (ort::api().CustomOpDomain_Add)(domain, address) })?;
            operators.operators.push(operator);
        }
        Ok(operators)
    }

    /// The numbers of the nodes of which ONNX Runtime saw, when it loaded them, how many axes their
    /// inputs have, and how many they are.
    pub(crate) fn axes(&self) -> Vec<(usize, usize)> {
        let axes = |operator: &Arc<Operator>| {
            let axes = operator.axes.load(Ordering::Relaxed);
            (operator.number, axes)
        };
        let all = self.operators.iter().map(axes);
        all.filter(|(_, axes)| *axes > 0).collect()
    }

    /// Lets the session that `builder` will make know the operators.
    pub(crate) fn add_to(&self, builder: &mut SessionBuilder) -> Result<()> {
        // SAFETY: both live; whoever owns the session keeps `self` until after it.
        check(unsafe { (ort::api().AddCustomOpDomain)(builder.ptr_mut(), self.domain.as_ptr()) })
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        // SAFETY: made by `CreateCustomOpDomain`, released once; the operators still live.
        unsafe { (ort::api().ReleaseCustomOpDomain)(self.domain.as_ptr()) };
    }
}

/// One operator, with the description by which ONNX Runtime knows it in front: the pointer to that
/// is the pointer to the whole.
#[repr(C)]
struct Operator {
    description: OrtCustomOp,
    name: CString,
    evaluator: Arc<Evaluator>,
    /// The labels, where they are texts, as ONNX Runtime copies them.
    texts: Vec<CString>,
    number: usize,
    /// How many axes the input has, as far as ONNX Runtime saw when it loaded the graph; 0 where it
    /// did not, or where there are none.
    axes: AtomicUsize,
}

impl Operator {
    fn new(number: usize, evaluator: Arc<Evaluator>) -> Result<Operator> {
        let texts = match evaluator.labels() {
            Labels::Texts(texts) => texts
                .iter()
                .map(|text| CString::new(text.as_str()))
                .collect(),
            Labels::None | Labels::Ints(_) => Ok(Vec::new()),
        };
        Ok(Operator {
            description: DESCRIPTION,
            name: CString::new(name(number))?,
            texts: texts?,
            evaluator,
            number,
            axes: AtomicUsize::new(0),
        })
    }

    /// The place of the scores among the outputs: behind the labels, where there are any.
    fn scores_at(&self) -> usize {
        usize::from(!matches!(self.evaluator.labels(), Labels::None))
    }

    /// Runs the ensemble on the input of `context`.
    ///
    /// # Safety
    /// `context` must be that of a call of this operator which has not returned.
    unsafe fn compute(&self, context: *mut OrtKernelContext) -> Result<()> {
        // SAFETY: the caller's promise.
        let input = unsafe { Input::of(context) }?;
        let size = self.evaluator.size(input.shape).map_err(Error::new)?;
        let targets = self.evaluator.targets();
        let scores = [size.rows, targets].map(|length| length as i64);
        // SAFETY: the caller's promise.
        let scores = unsafe { output(context, self.scores_at(), &scores) }?;
        let mut labels = vec![0; if self.scores_at() > 0 { size.rows } else { 0 }];
        // SAFETY: the input holds as many elements as its shape says, `size` has checked that it is
        // of that product, and `of` that it is of the type that is named; the scores were just made
        // of the type and shape that is named, and nothing else refers to them.
        let (rows, scores) = unsafe {
            (
                match input.precision {
                    Precision::Single => Rows::Single(read(input.data, size.cells)),
                    Precision::Double => Rows::Double(read(input.data, size.cells)),
                },
                match self.evaluator.scores() {
                    Precision::Single => Scores::Single(write(scores, size.rows * targets)?),
                    Precision::Double => Scores::Double(write(scores, size.rows * targets)?),
                },
            )
        };
        let wanted = (self.scores_at() > 0).then_some(labels.as_mut_slice());
        self.evaluator
            .run(rows, size, scores, wanted)
            .map_err(Error::new)?;
        match self.evaluator.labels() {
            Labels::None => Ok(()),
            // SAFETY: the caller's promise; the labels are int64, as `output_type` says.
            Labels::Ints(_) => unsafe {
                let target = output(context, 0, &[size.rows as i64])?;
                write(target, size.rows)?.copy_from_slice(&labels);
                Ok(())
            },
            // SAFETY: the caller's promise; the labels are strings, as `output_type` says.
            Labels::Texts(_) => unsafe {
                let target = output(context, 0, &[size.rows as i64])?;
                self.fill(target, &labels)
            },
        }
    }

    /// Writes the texts of the numbers `labels` into `target`.
    ///
    /// # Safety
    /// `target` must be a string tensor of as many elements.
    unsafe fn fill(&self, target: *mut OrtValue, labels: &[i64]) -> Result<()> {
        let text = |label: &i64| {
            let text = usize::try_from(*label)
                .ok()
                .and_then(|at| self.texts.get(at));
            text.map(|text| text.as_ptr())
        };
        let texts: Option<Vec<*const c_char>> = labels.iter().map(text).collect();
        let texts = texts.ok_or_else(|| Error::new("a label is not there"))?;
        // SAFETY: the texts end in NUL and outlive the call, which copies them; there are as many
        // as the tensor has elements, by the caller's promise.
        check(unsafe { (ort::api().FillStringTensor)(target, texts.as_ptr(), texts.len()) })
    }
}

/// The one input of a call.
struct Input<'a> {
    shape: &'a [i64],
    precision: Precision,
    data: *const c_void,
}

impl Input<'_> {
    /// The input of `context`.
    ///
    /// # Safety
    /// As [`Operator::compute`]; the result must not be used after the call.
    unsafe fn of<'a>(context: *const OrtKernelContext) -> Result<Input<'a>> {
        let api = ort::api();
        let mut value = ptr::null();
        // SAFETY: the context lives (the caller's promise) and gives its first input, which lives as
        // long; the results go into locals of the right types.
        unsafe { check((api.KernelContext_GetInput)(context, 0, &raw mut value)) }?;
        if value.is_null() {
            return Err(Error::new("the input is missing"));
        }
        let (mut element, mut data) = (
            Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED,
            ptr::null(),
        );
        let (mut sizes, mut rank) = (ptr::null(), 0);
        // SAFETY: the value is a tensor, because inputs of other types do not pass `input_type`;
        // sizes and data are its own memory.
        unsafe {
            check((api.GetTensorElementTypeAndShapeDataReference)(
                value,
                &raw mut element,
                &raw mut sizes,
                &raw mut rank,
            ))?;
            check((api.GetTensorData)(value, &raw mut data))?;
        }
        Ok(Input {
            // SAFETY: as many sizes as the rank, unchanged during the call.
            shape: unsafe { read(sizes.cast(), rank) },
            precision: match element {
                Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => Precision::Single,
                Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE => Precision::Double,
                _ => return Err(Error::new("the input is neither float nor double")),
            },
            data,
        })
    }
}

/// A slice of ONNX Runtime's memory, which may be null where it is empty.
///
/// # Safety
/// Unless `length` is 0, `data` must point to that many elements of `T` that nobody writes during
/// the call of the operator.
unsafe fn read<'a, T>(data: *const c_void, length: usize) -> &'a [T] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise; ONNX Runtime aligns what it allocates, and what we feed it comes
    // from arrays of `T`.
    unsafe { slice::from_raw_parts(data.cast(), length) }
}

/// Makes the output `index` with the sizes `shape`.
///
/// # Safety
/// As [`Operator::compute`].
unsafe fn output(
    context: *mut OrtKernelContext,
    index: usize,
    shape: &[i64],
) -> Result<*mut OrtValue> {
    let mut value = ptr::null_mut();
    // SAFETY: the context lives (the caller's promise); `shape` is read during the call.
    check(unsafe {
        (ort::api().KernelContext_GetOutput)(
            context,
            index,
            shape.as_ptr(),
            shape.len(),
            &raw mut value,
        )
    })?;
    if value.is_null() {
        return Err(Error::new("an output is missing"));
    }
    Ok(value)
}

/// The elements of an output, set to zero first: its memory is as the allocator left it.
///
/// # Safety
/// `value` must be a tensor of `length` elements of `T`, a number, that nothing else refers to.
unsafe fn write<'a, T>(value: *mut OrtValue, length: usize) -> Result<&'a mut [T]> {
    let mut data = ptr::null_mut();
    // SAFETY: the value is a tensor (the caller's promise); the result goes into a local.
    check(unsafe { (ort::api().GetTensorMutableData)(value, &raw mut data) })?;
    if length == 0 {
        return Ok(&mut []);
    }
    let data = data.cast::<T>();
    // SAFETY: there are that many elements of `T` (the caller's promise), for which zeros are a
    // value.
    unsafe {
        data.write_bytes(0, length);
        Ok(slice::from_raw_parts_mut(data, length))
    }
}

/// The error in a status of ONNX Runtime.
fn check(status: OrtStatusPtr) -> Result<()> {
    // SAFETY: every status that comes here was just returned by the runtime, and goes nowhere else.
    unsafe { Error::result_from_status(status) }
}

/// A status for ONNX Runtime: null, or an error with its text.
fn status(result: Result<()>) -> OrtStatusPtr {
    let Err(error) = result else {
        return OrtStatusPtr::default();
    };
    let text = CString::new(error.message().replace('\0', " ")).unwrap_or_default();
    // SAFETY: the text ends in NUL; the status keeps a copy of it.
    unsafe { (ort::api().CreateStatus)(OrtErrorCode::ORT_FAIL, text.as_ptr()) }
}

/// What ONNX Runtime is told of an operator, which is read as the `OrtCustomOp` in front of it.
const DESCRIPTION: OrtCustomOp = OrtCustomOp {
    version: ort::sys::ORT_API_VERSION,
    CreateKernel: None,
    GetName: Some(get_name),
    GetExecutionProviderType: Some(provider),
    GetInputType: Some(input_type),
    GetInputTypeCount: Some(input_count),
    GetOutputType: Some(output_type),
    GetOutputTypeCount: Some(output_count),
    KernelCompute: None,
    KernelDestroy: Some(destroy),
    GetInputCharacteristic: Some(required),
    GetOutputCharacteristic: Some(required),
    GetInputMemoryType: Some(memory_type),
    GetVariadicInputMinArity: None,
    GetVariadicInputHomogeneity: None,
    GetVariadicOutputMinArity: None,
    GetVariadicOutputHomogeneity: None,
    CreateKernelV2: Some(create),
    KernelComputeV2: Some(compute),
    InferOutputShapeFn: Some(see_axes),
    GetStartVersion: Some(first_version),
    GetEndVersion: Some(last_version),
    GetMayInplace: None,
    ReleaseMayInplace: None,
    GetAliasMap: None,
    ReleaseAliasMap: None,
};

/// The operator that a description stands in front of.
///
/// # Safety
/// `description` must be that of an [`Operator`] that lives: all that ONNX Runtime is ever given.
unsafe fn operator<'a>(description: *const OrtCustomOp) -> &'a Operator {
    // SAFETY: the caller's promise, and `repr(C)`; once they are known, only atomics change in operators.
    unsafe { &*description.cast() }
}

extern "system" fn get_name(description: *const OrtCustomOp) -> *const c_char {
    // SAFETY: ONNX Runtime passes the description that it was given.
    unsafe { operator(description) }.name.as_ptr()
}

/// No name: the CPU's.
extern "system" fn provider(_: *const OrtCustomOp) -> *const c_char {
    ptr::null()
}

extern "system" fn input_count(_: *const OrtCustomOp) -> usize {
    1
}

extern "system" fn input_type(description: *const OrtCustomOp, _: usize) -> Element {
    // SAFETY: as in `get_name`.
    element(unsafe { operator(description) }.evaluator.input())
}

extern "system" fn output_count(description: *const OrtCustomOp) -> usize {
    // SAFETY: as in `get_name`.
    unsafe { operator(description) }.scores_at() + 1
}

extern "system" fn output_type(description: *const OrtCustomOp, index: usize) -> Element {
    // SAFETY: as in `get_name`.
    let operator = unsafe { operator(description) };
    match operator.evaluator.labels() {
        Labels::Ints(_) if index == 0 => Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        Labels::Texts(_) if index == 0 => Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
        _ => element(operator.evaluator.scores()),
    }
}

fn element(precision: Precision) -> Element {
    match precision {
        Precision::Single => Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        Precision::Double => Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    }
}

extern "system" fn required(_: *const OrtCustomOp, _: usize) -> Characteristic {
    Characteristic::INPUT_OUTPUT_REQUIRED
}

extern "system" fn memory_type(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

extern "system" fn first_version(_: *const OrtCustomOp) -> c_int {
    1
}

extern "system" fn last_version(_: *const OrtCustomOp) -> c_int {
    c_int::MAX
}

/// Keeps what ONNX Runtime infers of the input: a refusal here would not reach it.
extern "system" fn see_axes(
    description: *const OrtCustomOp,
    context: *mut OrtShapeInferContext,
) -> OrtStatusPtr {
    let api = ort::api();
    let (mut info, mut axes) = (ptr::null_mut(), 0);
    // SAFETY: as in `get_name`; the context lives during the call, and keeps what it tells of its
    // first input; the results go into locals of the right types.
    let seen = unsafe {
        check((api.ShapeInferContext_GetInputTypeShape)(
            context,
            0,
            &raw mut info,
        ))
        .and_then(|()| check((api.GetDimensionsCount)(info, &raw mut axes)))
    };
    if seen.is_ok() {
        // SAFETY: as in `get_name`.
        let operator = unsafe { operator(description) };
        operator.axes.fetch_max(axes, Ordering::Relaxed);
    }
    OrtStatusPtr::default()
}

/// The state of a node: its operator itself, which the session does not outlive.
extern "system" fn create(
    description: *const OrtCustomOp,
    _: *const OrtApi,
    _: *const OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: ONNX Runtime passes a place for the pointer.
    unsafe { *kernel = description.cast_mut().cast() };
    OrtStatusPtr::default()
}

/// Nothing: the operator is not the node's.
extern "system" fn destroy(_: *mut c_void) {}

/// Runs the node. A panic becomes an error: it must not unwind into C++.
extern "system" fn compute(kernel: *mut c_void, context: *mut OrtKernelContext) -> OrtStatusPtr {
    let run = || {
        // SAFETY: `create` gave the pointer, and ONNX Runtime passes the context of this call.
        unsafe { operator(kernel.cast_const().cast()).compute(context) }
    };
    // Nothing that is borrowed can be left half-changed: outputs of a failed run are thrown away.
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    status(result.unwrap_or_else(|_| Err(Error::new("the tree kernel panicked"))))
}
