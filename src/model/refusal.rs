//! ONNX Runtime's refusals in the user's words, with a remedy.
//!
//! The runtime reports in C++ terms and with the paths of its build machine. Each pattern below was
//! seen with ONNX Runtime 1.32 on the files of `tests/corpus/broken`.

use super::assigned::Assigned;
use super::onnx::Facts;
use super::provider::{CPU, Providers};
use crate::error::{Error, Result};

/// The error for a model that the runtime of `version` does not load, from its `message`.
pub(super) fn load(facts: &Facts, version: &str, message: &str) -> Error {
    let place = facts.path.display().to_string();
    let runtime = format!("ONNX Runtime {version}");
    let error = |message: String| Error::model(place.clone(), message);
    if let Some((domain, found, newest)) = newer_opset(facts, message) {
        return error(format!("the model uses opset {found} of {domain}, {runtime} knows them up to {newest}"))
            .hint(format!("export it again with target_opset={newest}, or give a newer runtime with --runtime PATH"));
    }
    if let Some(newest) = between(message, "max supported IR version: ", char::is_whitespace) {
        return error(format!("the model has IR version {}, {runtime} reads up to {newest}", facts.ir_version))
            .hint("export it again with an older onnx package, or give a newer runtime with --runtime PATH");
    }
    if let Some(operator) = unknown_operator(message) {
        return error(format!("{runtime} has no operator {operator}"))
            .hint("operators of other domains need a runtime built with them: --runtime PATH")
            .hint_more("or export the model with standard operators only");
    }
    if let Some(operator) = between(message, "Could not find an implementation for ", |c| {
        c == '('
    }) {
        return error(format!(
            "{runtime} has no implementation of operator {operator} for the dtypes used here"
        ))
        .hint("convert the model with float32 inputs (FloatTensorType) instead of float64 or int64")
        .hint_more("mlserve inspect MODEL shows the inputs' dtypes");
    }
    if let Some(locale) = between(message, "Failed to construct locale with name:", |c| {
        c == ':'
    }) {
        return error(format!(
            "the model normalizes text in locale {locale}, which this system lacks"
        ))
        .hint(format!(
            "Debian and Ubuntu: apt-get install locales && localedef -i {} -f UTF-8 {locale}",
            language(locale)
        ));
    }
    if let Some((_, rest)) = message.split_once("External data path") {
        return error(format!(
            "its external data cannot be loaded: {}",
            first_sentence(rest)
        ))
        .hint("put the data file beside the model, under the name that the model gives it");
    }
    error(format!(
        "{runtime} cannot load it: {}",
        first_sentence(message)
    ))
    .hint("mlserve inspect MODEL shows what the file holds")
}

/// Refuses a model some of whose nodes the CPU would run although nobody let it.
///
/// # Errors
/// [`Error::Model`] with how many they are and which.
pub(super) fn left_to_cpu(
    facts: &Facts,
    providers: &Providers,
    assigned: &[Assigned],
) -> Result<()> {
    let left = assigned.iter().find(|assigned| assigned.provider == CPU);
    let Some(left) = left.filter(|left| left.nodes > 0 && !providers.has_cpu()) else {
        return Ok(());
    };
    let all: usize = assigned.iter().map(|assigned| assigned.nodes).sum();
    let names = providers.names().join(", ");
    Err(Error::model(
        facts.path.display().to_string(),
        format!(
            "{names} does not take {} of its {all} nodes: {}",
            left.nodes,
            left.operators_text()
        ),
    )
    .hint("--provider cpu as the last one lets the CPU run them"))
}

/// The opset that is too new: domain, version in the model, newest version known.
fn newer_opset(facts: &Facts, message: &str) -> Option<(String, i64, String)> {
    let (_, rest) = message.split_once("Current official support for domain ")?;
    let (domain, rest) = rest.split_once(" is till opset ")?;
    let newest: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let (_, found) = facts.opsets.iter().find(|(name, _)| name == domain)?;
    Some((domain.to_owned(), *found, newest))
}

/// The operator that is not registered, with its domain.
fn unknown_operator(message: &str) -> Option<String> {
    if let Some((before, _)) = message.split_once(" is not a registered function/op") {
        let name = before.rsplit(' ').next()?;
        return Some(name.split('(').next().unwrap_or(name).to_owned());
    }
    let (_, rest) = message.split_once("No Op registered for ")?;
    let (name, rest) = rest.split_once(" with domain_version of ")?;
    let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{name} in opset {version}"))
}

/// The text after `start` up to a character that ends it.
fn between<'m>(message: &'m str, start: &str, ends: impl FnMut(char) -> bool) -> Option<&'m str> {
    let (_, rest) = message.split_once(start)?;
    rest.split(ends).next()
}

/// `en_US` of `en_US.UTF-8`.
fn language(locale: &str) -> &str {
    locale.split('.').next().unwrap_or(locale)
}

/// The part of a runtime message that means something to a user: without source paths of the build
/// machine, on one line.
pub(super) fn first_sentence(message: &str) -> String {
    let after = |text: &'_ str, mark: &str| text.rfind(mark).map_or(0, |at| at + mark.len());
    let code = ["FAIL", "INVALID_ARGUMENT", "NOT_IMPLEMENTED", "EP_FAIL"];
    let code = code.map(|code| after(message, &format!(" : {code} : ")));
    let start = after(message, "Status Message: ").max(after(message, " failed:"));
    let start = code.into_iter().fold(start, usize::max);
    let words = message.get(start..).unwrap_or(message).split_whitespace();
    let readable = words
        .filter(|word| !word.contains("/onnxruntime_src/") && !word.contains("/onnxruntime/core/"));
    let text = readable.collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches('.');
    let mut cut: String = text.chars().take(400).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_words_lose_what_only_its_makers_need() {
        for (message, words) in [
            (
                "onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : \
                 Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: \
                 cannot open shared object file",
                "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: \
                 cannot open shared object file",
            ),
            ("Non-zero status code. Status Message: too bad.", "too bad"),
            ("plain words", "plain words"),
        ] {
            assert_eq!(first_sentence(message), words);
        }
    }
}
