//! Which execution provider got which nodes of a session.
//!
//! The wrapper has no word for it, so the C API is asked. ONNX Runtime notes it where a session is made
//! with [`RECORD`], right after its basic optimizations.

#![expect(
    unsafe_code,
    reason = "five calls of ONNX Runtime's C API that only read"
)]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::{ptr, slice};

use ort::AsPointer;
use ort::session::Session;
use ort::sys::OrtStatusPtr;

use super::provider::{CPU, Providers};

/// The session's entry that has it noted, and its value.
pub(super) const RECORD: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// Operators that an error names.
const MOST_OPERATORS: usize = 5;

/// The nodes of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The provider's name as it was typed.
    pub provider: String,
    pub nodes: usize,
    /// Names of their operators, and how often each comes, most frequent first.
    pub operators: Vec<(String, usize)>,
}

/// What each of `providers` got of `session`: those first that were asked for, with what is left to
/// the CPU at the end.
///
/// # Errors
/// Those of ONNX Runtime, such as one without this knowledge.
pub(super) fn of(session: &Session, providers: &Providers) -> ort::Result<Vec<Assigned>> {
    let mut counted: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (name, operators) in subgraphs(session)? {
        let counts = counted
            .entry(providers.typed(&name).to_owned())
            .or_default();
        for operator in operators {
            *counts.entry(operator).or_default() += 1;
        }
    }
    let mut names = providers.names();
    names.retain(|name| *name != CPU);
    let mut assigned: Vec<Assigned> = Vec::new();
    for name in names {
        assigned.push(Assigned::new(
            name,
            counted.remove(name).unwrap_or_default(),
        ));
    }
    assigned.extend(
        counted
            .into_iter()
            .map(|(name, counts)| Assigned::new(&name, counts)),
    );
    Ok(assigned)
}

/// A warning for each provider that got none.
pub(super) fn unused(assigned: &[Assigned]) -> impl Iterator<Item = String> {
    let without = assigned.iter().filter(|assigned| assigned.nodes == 0);
    without.map(|assigned| format!("{} takes none of its nodes", assigned.provider))
}

impl Assigned {
    fn new(provider: &str, counts: BTreeMap<String, usize>) -> Assigned {
        let mut operators: Vec<(String, usize)> = counts.into_iter().collect();
        operators.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Assigned {
            provider: provider.to_owned(),
            nodes: operators.iter().map(|(_, count)| count).sum(),
            operators,
        }
    }

    /// `cuda: 12 nodes (Conv, Relu)`.
    pub fn text(&self) -> String {
        let nodes = if self.nodes == 1 { "node" } else { "nodes" };
        match self.nodes {
            0 => format!("{}: no nodes", self.provider),
            count => format!(
                "{}: {count} {nodes} ({})",
                self.provider,
                self.operators_text()
            ),
        }
    }

    /// Its operators, the most frequent by name.
    pub fn operators_text(&self) -> String {
        let named = self.operators.iter().take(MOST_OPERATORS);
        let named: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
        match self.operators.len().saturating_sub(MOST_OPERATORS) {
            0 => named.join(", "),
            more => format!("{} and {more} more operators", named.join(", ")),
        }
    }
}

/// The provider's own name and its nodes' operators, for each part of the graph that went to one.
fn subgraphs(session: &Session) -> ort::Result<Vec<(String, Vec<String>)>> {
    let api = ort::api();
    let mut list = ptr::null();
    let mut count = 0;
    // SAFETY: the session lives; both results have a place of their type.
    check(unsafe {
        (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut list, &raw mut count)
    })?;
    // SAFETY: the session owns the list of so many pointers, and lives longer than this borrow.
    let list = unsafe { items(list, count) };
    let subgraph = |subgraph: &*const ort::sys::OrtEpAssignedSubgraph| {
        // SAFETY: a pointer out of the session's list; the function takes it and fills in a text.
        let name = text(|out| unsafe { (api.EpAssignedSubgraph_GetEpName)(*subgraph, out) })?;
        let mut nodes = ptr::null();
        let mut count = 0;
        // SAFETY: as above; both results have a place of their type.
        check(unsafe {
            (api.EpAssignedSubgraph_GetNodes)(*subgraph, &raw mut nodes, &raw mut count)
        })?;
        // SAFETY: the subgraph, which the session owns, owns the list of so many pointers.
        let nodes = unsafe { items(nodes, count) };
        let operator = |node: &*const ort::sys::OrtEpAssignedNode| {
            // SAFETY: a pointer out of that list; the function takes it and fills in a text.
            text(|out| unsafe { (api.EpAssignedNode_GetOperatorType)(*node, out) })
        };
        Ok((
            name,
            nodes.iter().map(operator).collect::<ort::Result<_>>()?,
        ))
    };
    list.iter().map(subgraph).collect()
}

/// # Safety
/// `first` is null or the start of `count` values that live for `'l`.
unsafe fn items<'l, T>(first: *const T, count: usize) -> &'l [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(first, count) }
}

/// The text that `get` points to; the session's own, so it is copied.
fn text(get: impl FnOnce(*mut *const c_char) -> OrtStatusPtr) -> ort::Result<String> {
    let mut text = ptr::null();
    check(get(&raw mut text))?;
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: a call that succeeded gives a text that ends in NUL and that the session owns.
    Ok(unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned())
}

fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: the status was just returned by the runtime and is released by this call alone.
    unsafe { ort::Error::result_from_status(status) }
}
