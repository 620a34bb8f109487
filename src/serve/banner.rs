//! What is said at the start: where the server is, what it serves, and a command that works.
//!
//! ```text
//! hosted models, bound addresses -> Banner -> text
//! ```

use std::sync::Arc;

use crate::batch::columns::Layout;
use crate::batch::feed::{BatchAxis, Kind, kind};
use crate::error::escape_controls;
use crate::inspect::example::{self, shell_quoted};
use crate::inspect::ports::{self, Fed};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::model::assigned::Assigned;
use crate::model::signature::{Port, shape_text};

use super::auth::Auth;
use super::hosted::Hosted;
use super::registry::table::{Entry, Table};

/// Columns of a line, but for the command, which is never cut.
const WIDTH: usize = 100;
/// Columns before what a label says.
const INDENT: usize = 11;
/// Models that are told of.
const MOST_MODELS: usize = 20;
/// Models that each have a command; of more only the first has.
const MOST_COMMANDS: usize = 3;
/// The longest body that stands in a command.
const LONGEST_BODY: usize = 4096;

/// All that the banner says.
pub struct Banner {
    /// `mlserve 0.1.0, ONNX Runtime 1.27.1`.
    pub program: String,
    /// Where it listens: `HOST:PORT` with the real port, or `unix:PATH`.
    pub addresses: Vec<String>,
    pub models: Vec<Told>,
    /// Runs of models at once, and threads inside each.
    pub threads: usize,
    pub intra_op: usize,
    /// What a shell puts for a token, where one is asked for.
    pub token: Option<String>,
    pub warnings: Vec<String>,
}

/// What is said of one model.
pub struct Told {
    pub name: String,
    pub version: String,
    /// What is served of it besides.
    pub others: Vec<String>,
    pub load_ms: f64,
    pub inputs: String,
    pub outputs: String,
    /// What evaluates its trees; empty where it has none.
    pub trees: String,
    /// What runs its nodes; empty where the CPU alone was asked for.
    pub providers: Vec<String>,
    /// The file, as it was named.
    pub file: String,
    /// A record that it takes; `None` where no record alone can feed it.
    pub example: Option<String>,
}

impl Banner {
    /// The banner of a server that listens at `addresses`.
    pub fn new(
        models: &[Arc<Hosted>],
        addresses: &[String],
        threads: usize,
        auth: &Auth,
    ) -> Banner {
        let runtime = models
            .first()
            .map_or("", |hosted| hosted.model.runtime_version());
        let of_model = |hosted: &Arc<Hosted>| {
            let meddle = hosted.queue.warning();
            let warnings = hosted.model.warnings().iter().chain(meddle.as_ref());
            let named = warnings.map(|warning| format!("{}: {warning}", hosted.name));
            named.collect::<Vec<_>>()
        };
        Banner {
            program: format!(
                "mlserve {}, ONNX Runtime {runtime}",
                env!("CARGO_PKG_VERSION")
            ),
            addresses: addresses.to_vec(),
            models: models.iter().map(|hosted| Told::new(hosted)).collect(),
            threads,
            intra_op: models
                .first()
                .map_or(1, |hosted| hosted.model.runtime().intra_op()),
            token: auth.in_shell(),
            warnings: models
                .iter()
                .flat_map(of_model)
                .chain(auth.warning(addresses))
                .collect(),
        }
    }

    /// Tells of the other versions that a model is served in.
    #[must_use]
    pub fn beside(mut self, table: &Table) -> Banner {
        for told in &mut self.models {
            let ready = table.entry(&told.name).into_iter().flat_map(Entry::ready);
            let others = ready.filter(|hosted| hosted.version != told.version);
            told.others = others.map(|hosted| hosted.version.clone()).collect();
        }
        self
    }

    /// Its text, with a line's end after each line.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.program);
        for address in &self.addresses {
            labelled(&mut out, "Server", &shown_address(address));
        }
        let first = self.addresses.iter().find_map(|address| url(address));
        if let Some(url) = &first {
            labelled(&mut out, "Docs", &format!("{url}/docs"));
        }
        labelled(&mut out, "Runs on", &self.runs_on());
        for told in self.models.iter().take(MOST_MODELS) {
            out.push('\n');
            told.append(&mut out);
        }
        if let Some(more @ 1..) = self.models.len().checked_sub(MOST_MODELS) {
            out.push_str(&format!(
                "\nand {more} more models: GET /models lists them\n"
            ));
        }
        self.commands(&mut out);
        if !self.warnings.is_empty() {
            out.push('\n');
        }
        for warning in &self.warnings {
            out.push_str(&format!("warning: {}\n", escape_controls(warning)));
        }
        out
    }

    /// The threads that models run on.
    fn runs_on(&self) -> String {
        let mut text = format!("{} at most", shown::plural(self.threads, "thread"));
        if let Some(helpers @ 1..) = self.intra_op.checked_sub(1) {
            text.push_str(&format!(", and {helpers} more that help inside runs"));
        }
        text
    }

    /// A command for each model, or for the first of many.
    fn commands(&self, out: &mut String) {
        let with = match self.models.len() {
            0..=MOST_COMMANDS => self.models.as_slice(),
            _ => self.models.get(..1).unwrap_or_default(),
        };
        let Some(address) = self.addresses.first() else {
            return;
        };
        let commands = with
            .iter()
            .filter_map(|told| self.command(told, address))
            .collect::<Vec<_>>();
        if !commands.is_empty() {
            out.push_str("\nTry it:\n\n");
            out.extend(commands.iter().map(|command| format!("  {command}\n")));
        }
    }

    fn command(&self, told: &Told, address: &str) -> Option<String> {
        let example = told.example.as_ref()?;
        if example.len() > LONGEST_BODY {
            let file = shell_quoted(&told.file);
            return Some(format!("mlserve inspect {file} --example curl"));
        }
        let mut options = String::new();
        if let Some(token) = &self.token {
            options.push_str(&format!(" -H \"authorization: Bearer {token}\""));
        }
        if address.starts_with("https://") {
            // The certificate is hardly for an address of this machine.
            options.push_str(" -k");
        }
        let server = match address.strip_prefix("unix:") {
            None => url(address)?,
            Some(path) => {
                options.push_str(&format!(" --unix-socket {}", shell_quoted(path)));
                "http://localhost".to_owned()
            }
        };
        let path = match self.models.len() {
            1 => "/predict".to_owned(),
            _ => format!("/models/{}/predict", told.name),
        };
        Some(example::curl(&options, &(server + &path), example))
    }
}

fn labelled(out: &mut String, label: &str, text: &str) {
    let width = INDENT - 2;
    out.push_str(&format!("  {label:<width$}{text}\n"));
}

/// The address as people open it; what is bound to all addresses is open on this machine, too.
fn shown_address(address: &str) -> String {
    match url(address) {
        None => escape_controls(address),
        Some(url) if is_any(address.trim_start_matches("https://")) => {
            format!("{url} and all other addresses of this machine")
        }
        Some(url) => url,
    }
}

/// The URL of an address that is no path.
fn url(address: &str) -> Option<String> {
    if address.starts_with("unix:") {
        return None;
    }
    let (scheme, address) = address.split_once("://").unwrap_or(("http", address));
    let (_, port) = address.rsplit_once(':')?;
    Some(match is_any(address) {
        true => format!("{scheme}://127.0.0.1:{port}"),
        false => format!("{scheme}://{address}"),
    })
}

fn is_any(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    matches!(host, "0.0.0.0" | "[::]" | "")
}

impl Told {
    /// What is said of a model.
    pub fn new(hosted: &Hosted) -> Told {
        let facts = &hosted.model.facts;
        let expected = hosted.expected().ok();
        let record = |plan| example::record(facts, plan).ok();
        Told {
            name: hosted.name.clone(),
            version: hosted.version.clone(),
            others: Vec::new(),
            load_ms: hosted.load.as_secs_f64() * 1000.0,
            inputs: inputs(hosted),
            outputs: outputs(hosted),
            trees: match facts.trees {
                Some(_) => hosted.model.evaluated().text(),
                None => String::new(),
            },
            providers: hosted.model.assigned().iter().map(Assigned::text).collect(),
            file: facts.path.display().to_string(),
            example: expected.and_then(|planned| record(&planned.plan)),
        }
    }

    fn append(&self, out: &mut String) {
        let load = shown::milliseconds(self.load_ms);
        let Told { name, version, .. } = self;
        labelled(
            out,
            "Model",
            &format!("{name}, version {version}, loaded in {load}"),
        );
        if !self.others.is_empty() {
            labelled(out, "", &format!("also served: {}", self.others.join(", ")));
        }
        labelled(out, "", &format!("in   {}", self.inputs));
        labelled(out, "", &format!("out  {}", self.outputs));
        if !self.trees.is_empty() {
            labelled(out, "", &format!("trees: {}", self.trees));
        }
        for text in &self.providers {
            labelled(out, "", &cut(text, WIDTH - INDENT));
        }
    }
}

/// Columns for the names of a line that starts `in   ` or `out  `.
const ROOM: usize = WIDTH - INDENT - 5;

/// The fields of a record with their types.
fn inputs(hosted: &Hosted) -> String {
    let signature = hosted.model.signature();
    let rules = &hosted.hosting.rules;
    let is_set = |port: &Port| rules.set.iter().any(|(name, _)| *name == port.name);
    let ports = signature.inputs.iter().zip(ports::fed(signature));
    let fields: Vec<String> = ports
        .filter(|(port, _)| !is_set(port))
        .filter_map(|(port, fed)| {
            let dtype = port.tensor().map(|(dtype, _)| dtype)?;
            match (fed, rules.features.as_deref()) {
                (Fed::Set | Fed::State | Fed::Nothing, _) => None,
                (Fed::Features(_) | Fed::Position(_), Some(names))
                | (Fed::Features(names), None) => {
                    let count = format!("{} of {dtype}: ", shown::plural(names.len(), "field"));
                    let room = ROOM.saturating_sub(count.len());
                    Some(count + &shown::names(names, room))
                }
                (Fed::Position(elements), None) => Some(format!(
                    "{} (list of {elements} {dtype}, which the model does not name)",
                    cut(&port.name, LONGEST_NAME)
                )),
                (Fed::Column, _) => Some(format!("{} ({dtype})", cut(&port.name, LONGEST_NAME))),
                (Fed::Lists | Fed::ListsOrNumbered(_), _) => Some(format!(
                    "{} (list of {dtype}{})",
                    cut(&port.name, LONGEST_NAME),
                    record_shape(port, hosted.batch())
                )),
            }
        })
        .collect();
    match fields.as_slice() {
        [] => "nothing that a record holds".to_owned(),
        // It is cut already.
        [only] => only.clone(),
        fields => shown::list(fields, ROOM),
    }
}

/// `, shape [3, 2]`: that of one record.
fn record_shape(port: &Port, batch: BatchAxis) -> String {
    let axes = match kind(port, batch) {
        Kind::PerRecord(_) => ports::shape(port).and_then(|shape| shape.get(1..)),
        Kind::Once(_) => ports::shape(port),
    };
    let shape = axes.map(|axes| cut(&shape_text(axes), LONGEST_NAME));
    shape.map_or(String::new(), |shape| format!(", shape {shape}"))
}

/// The columns of a prediction.
fn outputs(hosted: &Hosted) -> String {
    let columns = match hosted.kept_layout(&hosted.hosting.wanted) {
        Some(layout) => layout.columns(),
        None => declared(hosted),
    };
    shown::names(&columns, ROOM)
}

/// Those that the model declares, where it was never run.
fn declared(hosted: &Hosted) -> Vec<String> {
    let signature = hosted.model.signature();
    let layouts = ports::declared(signature).unwrap_or_default();
    let columns = |(port, layout): (&Port, &Layout)| match ports::columns(layout) {
        Some(columns) => columns,
        None => vec![port.name.clone()],
    };
    let outputs = signature.outputs.iter().zip(&layouts);
    outputs.flat_map(columns).collect()
}

#[cfg(test)]
mod tests;
