//! The providers that ONNX Runtime may have been built with: their names here and there, how a
//! session gets them, and where they are to be had.
//!
//! Azure's is not among them: it sends data to another host.

use std::fmt::Display;
use std::str::FromStr;

use ort::ep::directml::{DeviceFilter, PerformancePreference};
use ort::ep::{
    self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch,
};
use ort::session::builder::SessionBuilder;

use crate::error::{Error, Result};

/// A provider that this program has a name for.
#[derive(Debug)]
pub(super) struct Known {
    name: &'static str,
    name_in_runtime: &'static str,
    is_here: fn() -> ort::Result<bool>,
    make: fn(&[(String, String)]) -> Result<ExecutionProviderDispatch>,
    from: From,
}

/// Where a provider is to be had.
#[derive(Debug)]
enum From {
    /// In an ONNX Runtime of this package, with what else has to be installed.
    Package(&'static str, &'static str),
    /// In a library of its own, which is in this package.
    Library(&'static str),
    /// In an ONNX Runtime that is built with this flag.
    Build(&'static str),
}

const KNOWN: [Known; 14] = [
    known::<ep::CUDA>("cuda", From::Package("onnxruntime-gpu", "CUDA and cuDNN")),
    known::<ep::TensorRT>(
        "tensorrt",
        From::Package("onnxruntime-gpu", "CUDA, cuDNN and TensorRT"),
    ),
    known::<ep::NVRTX>(
        "tensorrt-rtx",
        From::Library("onnxruntime-ep-nv-tensorrt-rtx"),
    ),
    known::<ep::ROCm>(
        "rocm",
        From::Build("--use_rocm, which ended with 1.22: see migraphx"),
    ),
    Known {
        make: migraphx,
        ..without_options::<ep::MIGraphX>("migraphx", From::Build("--use_migraphx"))
    },
    known::<ep::OpenVINO>("openvino", From::Library("onnxruntime-ep-openvino")),
    known::<ep::CoreML>(
        "coreml",
        From::Build("--use_coreml, as the official ones for macOS are"),
    ),
    Known {
        make: directml,
        ..without_options::<ep::DirectML>("directml", From::Build("--use_dml, on Windows"))
    },
    known::<ep::QNN>("qnn", From::Library("onnxruntime-qnn")),
    known::<ep::WebGPU>("webgpu", From::Library("onnxruntime-ep-webgpu")),
    known::<ep::XNNPACK>("xnnpack", From::Build("--use_xnnpack")),
    known::<ep::OneDNN>("dnnl", From::Build("--use_dnnl")),
    known::<ep::CANN>("cann", From::Build("--use_cann")),
    known::<ep::Vitis>("vitisai", From::Build("--use_vitisai")),
];

/// A provider that takes any options.
const fn known<E>(name: &'static str, from: From) -> Known
where
    E: ExecutionProvider
        + ArbitrarilyConfigurableExecutionProvider
        + Default
        + Into<ExecutionProviderDispatch>
        + 'static,
{
    Known {
        make: |options| {
            let provider = options.iter().fold(E::default(), |provider, (key, value)| {
                provider.with_arbitrary_config(key, value)
            });
            Ok(provider.into())
        },
        ..without_options::<E>(name, from)
    }
}

/// A provider as it is without any.
const fn without_options<E: ExecutionProvider>(name: &'static str, from: From) -> Known {
    Known {
        name,
        name_in_runtime: E::NAME,
        is_here: E::is_available,
        make: |_| Err(Error::usage("it has no keys")),
        from,
    }
}

/// The provider of this name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// All names.
pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|known| known.name).collect()
}

/// The names of those that the runtime at hand was built with.
pub(super) fn here() -> impl Iterator<Item = &'static str> {
    let here = KNOWN.iter().filter(|known| known.is_here());
    here.map(|known| known.name)
}

impl Known {
    pub(super) fn name_in_runtime(&self) -> &'static str {
        self.name_in_runtime
    }

    /// Whether the runtime at hand, which has to be started, was built with it.
    pub(super) fn is_here(&self) -> bool {
        (self.is_here)().unwrap_or(false)
    }

    /// What to install or name.
    pub(super) fn remedy(&self) -> String {
        match self.from {
            From::Package(package, and) => format!(
                "--runtime PATH names an ONNX Runtime that has it: the one in the Python package \
                 {package} (onnxruntime/capi/libonnxruntime.so.1.N); it wants {and} installed"
            ),
            From::Library(package) => format!(
                "--provider-library PATH names a library that has it: the one in the Python package \
                 {package}; or --runtime PATH an ONNX Runtime that was built with it"
            ),
            From::Build(flag) => {
                format!("--runtime PATH names an ONNX Runtime that was built with {flag}")
            }
        }
    }

    /// What it may lack where it is here and does not start.
    fn wants(&self) -> String {
        let found = "where the system looks for libraries (LD_LIBRARY_PATH), of the versions that this \
                     ONNX Runtime was built for";
        match self.from {
            From::Package(_, and) => format!("it wants {and}, {found}"),
            From::Library(_) | From::Build(_) => format!("it wants its own libraries, {found}"),
        }
    }

    /// Lets the session that `builder` will make use it.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that make no sense to this program, [`Error::Runtime`] for what
    /// the provider says.
    pub(super) fn add_to(
        &self,
        mut builder: SessionBuilder,
        options: &[(String, String)],
    ) -> Result<SessionBuilder> {
        let provider = (self.make)(options)?.error_on_failure();
        let unusable = |message: &str| super::unusable(message, &self.wants());
        if self.name == "directml" {
            // onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html asks for it.
            let without = builder.with_memory_pattern(false);
            builder = without.map_err(|error| unusable(error.message()))?;
        }
        let added = builder.with_execution_providers([provider]);
        added.map_err(|error| unusable(error.message()))
    }
}

fn migraphx(options: &[(String, String)]) -> Result<ExecutionProviderDispatch> {
    let mut provider = ep::MIGraphX::default();
    for (key, value) in options {
        provider = match key.as_str() {
            "device_id" => provider.with_device_id(parsed(key, value)?),
            "fp16" => provider.with_fp16(is_on(key, value)?),
            "fp8" => provider.with_fp8(is_on(key, value)?),
            "exhaustive_tune" => provider.with_exhaustive_tune(is_on(key, value)?),
            "mem_limit" => provider.with_mem_limit(parsed(key, value)?),
            "save_model" => provider.with_save_model(value),
            "load_model" => provider.with_load_model(value),
            _ => {
                return Err(unknown_key(
                    key,
                    "device_id, fp16, fp8, exhaustive_tune, mem_limit, save_model, load_model",
                ));
            }
        };
    }
    Ok(provider.into())
}

fn directml(options: &[(String, String)]) -> Result<ExecutionProviderDispatch> {
    let mut provider = ep::DirectML::default();
    for (key, value) in options {
        provider = match (key.as_str(), value.as_str()) {
            ("device_id", _) => provider.with_device_id(parsed(key, value)?),
            ("device", "gpu") => provider.with_device_filter(DeviceFilter::Gpu),
            ("device", "npu") => provider.with_device_filter(DeviceFilter::Npu),
            ("device", "any") => provider.with_device_filter(DeviceFilter::Any),
            ("power", "high") => {
                provider.with_performance_preference(PerformancePreference::HighPerformance)
            }
            ("power", "low") => {
                provider.with_performance_preference(PerformancePreference::MinimumPower)
            }
            ("device", _) => return Err(wrong_value(key, value, "gpu, npu or any")),
            ("power", _) => return Err(wrong_value(key, value, "high or low")),
            _ => return Err(unknown_key(key, "device_id, device, power")),
        };
    }
    Ok(provider.into())
}

fn parsed<T: FromStr>(key: &str, value: &str) -> Result<T> {
    let wrong = |_| wrong_value(key, value, "a number");
    value.parse().map_err(wrong)
}

fn is_on(key: &str, value: &str) -> Result<bool> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(wrong_value(key, value, "1 or 0")),
    }
}

fn wrong_value(key: &str, value: &str, expected: impl Display) -> Error {
    Error::usage(format!("{key}: expected {expected}, found \"{value}\""))
}

fn unknown_key(key: &str, keys: &str) -> Error {
    Error::usage(format!("there is no key {key}")).hint(format!("its keys are {keys}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_each_of_one_provider() {
        for (at, known) in KNOWN.iter().enumerate() {
            let others = KNOWN.iter().take(at);
            let is_same = |other: &Known| {
                other.name == known.name || other.name_in_runtime == known.name_in_runtime
            };
            assert!(
                others.into_iter().all(|other| !is_same(other)),
                "{}",
                known.name
            );
        }
    }

    #[test]
    fn options_that_this_program_reads_are_checked() {
        for (make, key, value, said) in [
            (
                migraphx as fn(&[(String, String)]) -> _,
                "device_id",
                "1",
                None,
            ),
            (
                migraphx,
                "device_id",
                "one",
                Some("expected a number, found \"one\""),
            ),
            (migraphx, "fp16", "yes", Some("expected 1 or 0")),
            (migraphx, "speed", "1", Some("there is no key speed")),
            (directml, "device", "npu", None),
            (directml, "device", "tpu", Some("gpu, npu or any")),
            (directml, "power", "most", Some("high or low")),
            (directml, "fp16", "1", Some("there is no key fp16")),
        ] {
            let made = make(&[(key.to_owned(), value.to_owned())]);
            let found = made.err().map(|error: Error| error.to_string());
            match said {
                None => assert_eq!(found, None, "{key}={value}"),
                Some(words) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(words)),
                    "{key}={value}: {found:?}"
                ),
            }
        }
    }
}
