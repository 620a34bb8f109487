//! Providers out of libraries of their own, which ONNX Runtime loads at run time (since 1.22): a
//! library offers devices, and a session gets one of them.

use std::path::Path;

use ort::device::Device;
use ort::environment::Environment;
use ort::memory::DeviceType;
use ort::session::builder::SessionBuilder;

use crate::error::{Error, Result};

/// The option that chooses among a provider's devices; it is ours, not the provider's, some of which
/// have a `device` of their own.
const HARDWARE: &str = "hardware";

/// The longest name of a provider; the wrapper keeps room for so much.
const LONGEST_NAME: usize = 120;

const CPU_NAME: &str = "CPUExecutionProvider";

/// Loads the library at `path` under its own [`name`], which some providers take for theirs.
///
/// # Errors
/// [`Error::Runtime`] where it cannot be read or is no library of providers.
pub(super) fn register(environment: &Environment, path: &Path) -> Result<()> {
    let place = path.display().to_string();
    let refused = |message: String| Error::runtime(message).at(&place);
    let hint = "--provider-library names a library with an execution provider of ONNX Runtime, \
                such as libonnxruntime_providers_openvino_plugin.so";
    let path = std::path::absolute(path).map_err(|error| Error::io(&place, &error))?;
    let facts = path.metadata();
    let facts = facts.map_err(|error| {
        let error = Error::io("", &error);
        let words = error.report().map(|report| report.message.clone());
        refused(format!(
            "cannot be read as a provider library: {}",
            words.unwrap_or_default()
        ))
    })?;
    if !facts.is_file() {
        return Err(refused("expected a provider library, found a folder".to_owned()).hint(hint));
    }
    let loaded = environment.register_ep_library(name(&path), &path);
    loaded.map_err(|error| {
        let words = crate::model::refusal::first_sentence(error.message());
        refused(format!(
            "expected a provider library, but it cannot be used: {words}"
        ))
        .hint(hint)
    })
}

/// `openvino` of `libonnxruntime_providers_openvino_plugin.so`.
fn name(path: &Path) -> String {
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem.split('.').next().unwrap_or_default();
    let name = ["lib", "onnxruntime_", "providers_", "ep_"]
        .iter()
        .fold(stem, |name, start| name.strip_prefix(start).unwrap_or(name));
    let name = ["_plugin", "_ep"]
        .iter()
        .fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
    match name.replace('\0', "") {
        empty if empty.is_empty() => "plugin".to_owned(),
        name => name,
    }
}

/// The name in ONNX Runtime of the provider that is called `typed` here and that a device has.
pub(super) fn find(environment: &Environment, typed: &str) -> Option<String> {
    let known = super::known::find(typed).map(|known| known.name_in_runtime());
    let is_meant = |name: &str| known == Some(name) || short(name) == short(typed);
    let names = names(environment);
    names.into_iter().find(|name| is_meant(name))
}

/// The providers that have devices here, but for the CPU's own.
pub(super) fn names(environment: &Environment) -> Vec<String> {
    let names = environment.devices().filter_map(|device| device.ep().ok());
    let mut names: Vec<String> = names
        .filter(|name| *name != CPU_NAME && name.len() <= LONGEST_NAME)
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A name without what all have, and however it is written.
fn short(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_ascii_alphanumeric());
    let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    match letters.strip_suffix("executionprovider") {
        Some(short) => short.to_owned(),
        None => letters,
    }
}

/// Lets the session that `builder` will make use a device of the provider `name`: the one that the
/// option `hardware` says, by kind or number, else a GPU, an NPU, the CPU, whichever it has first.
///
/// # Errors
/// [`Error::Usage`] where it has no such device; [`Error::Runtime`] for what the provider says.
pub(super) fn add_to(
    builder: SessionBuilder,
    environment: &Environment,
    name: &str,
    options: &[(String, String)],
) -> Result<SessionBuilder> {
    let of_provider = |device: &Device<'_>| device.ep().is_ok_and(|found| found == name);
    let mut devices: Vec<Device<'_>> = environment.devices().filter(of_provider).collect();
    let kinds: Vec<DeviceType> = devices
        .iter()
        .map(|device| device.hardware_device().ty())
        .collect();
    let wanted = options.iter().find(|(key, _)| key == HARDWARE);
    let at = choose(&kinds, wanted.map(|(_, value)| value.as_str()))?;
    let device = devices.swap_remove(at);
    // The wrapper hands on the keys that begin with the provider's name.
    let options: Vec<(String, String)> = options
        .iter()
        .filter(|(key, _)| key != HARDWARE)
        .map(|(key, value)| (format!("{name}.{key}"), value.clone()))
        .collect();
    let added = builder.with_devices([device], Some(&options));
    added.map_err(|error| super::unusable(error.message(), "--provider-library named its library"))
}

/// The place of the device that is `wanted`.
fn choose(kinds: &[DeviceType], wanted: Option<&str>) -> Result<usize> {
    let first = |kind: DeviceType| kinds.iter().position(|found| *found == kind);
    let at = match wanted {
        None => [DeviceType::GPU, DeviceType::NPU, DeviceType::CPU]
            .into_iter()
            .find_map(first),
        Some("gpu") => first(DeviceType::GPU),
        Some("npu") => first(DeviceType::NPU),
        Some("cpu") => first(DeviceType::CPU),
        Some(number) => number.parse().ok().filter(|at| *at < kinds.len()),
    };
    at.ok_or_else(|| {
        let list = kinds.iter().enumerate().map(|(at, kind)| {
            let kind = match *kind {
                DeviceType::GPU => "gpu",
                DeviceType::NPU => "npu",
                _ => "cpu",
            };
            format!("{at} ({kind})")
        });
        Error::usage(format!(
            "hardware: expected gpu, npu, cpu or a number, found \"{}\"; it has {}",
            wanted.unwrap_or_default(),
            list.collect::<Vec<_>>().join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_name_is_the_same_however_it_is_written() {
        for (typed, name) in [
            ("openvino", "OpenVINOExecutionProvider"),
            ("OpenVINOExecutionProvider", "OpenVINOExecutionProvider"),
            ("nv-tensorrt-rtx", "NvTensorRTRTXExecutionProvider"),
            ("mlx", "mlx"),
        ] {
            assert_eq!(short(typed), short(name), "{typed}");
        }
        assert_ne!(short("cuda"), short("CUDAPluginExecutionProvider"));
    }

    #[test]
    fn a_library_is_called_after_its_file() {
        for (path, expected) in [
            (
                "/a/libonnxruntime_providers_openvino_plugin.so.1.8.1",
                "openvino",
            ),
            ("/a/libonnxruntime_ggml.so", "ggml"),
            ("/a/libonnxruntime_providers_cuda.so", "cuda"),
            ("onnxruntime_ep_webgpu.dll", "webgpu"),
            ("/a/lib.so", "plugin"),
        ] {
            assert_eq!(name(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_device_is_chosen_by_kind_or_number() {
        use DeviceType as Kind;
        let all = [Kind::CPU, Kind::NPU, Kind::GPU, Kind::GPU];
        for (kinds, wanted, at) in [
            (&all[..], None, Some(2)),
            (&all[..2], None, Some(1)),
            (&all[..1], None, Some(0)),
            (&all[..], Some("cpu"), Some(0)),
            (&all[..], Some("3"), Some(3)),
            (&all[..], Some("4"), None),
            (&all[..1], Some("gpu"), None),
            (&all[..], Some("tpu"), None),
        ] {
            assert_eq!(choose(kinds, wanted).ok(), at, "{wanted:?}");
        }
        let said = choose(&all[..1], Some("gpu")).map_err(|error| error.to_string());
        assert_eq!(
            said,
            Err(
                "hardware: expected gpu, npu, cpu or a number, found \"gpu\"; it has 0 (cpu)"
                    .to_owned()
            )
        );
    }
}
