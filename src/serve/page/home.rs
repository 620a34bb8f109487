//! The first page: which models are served, what they take and give, and a form for each.
//!
//! Names come from model files and may say anything: nothing of them gets into the page but through
//! [`text`].

use std::fmt::Write;

use crate::batch::columns::Form;
use crate::serve::app::App;
use crate::serve::openapi::told::{Column, Told, shown};
use crate::serve::routes;

/// Fields of a model that are listed.
const MOST_ROWS: usize = 200;
/// Known values of a field that are shown.
const MOST_KNOWN: usize = 12;
/// Rows beyond which a list begins closed.
const MOST_OPEN: usize = 16;

/// The page.
pub(super) fn html(app: &App) -> String {
    let served = app.registry.defaults();
    let models = Told::all(app, &served);
    let is_only = models.len() == 1;
    let cards: String = models.iter().map(|told| card(told, is_only)).collect();
    let served = match models.as_slice() {
        [one] => format!("Serving <strong>{}</strong>.", text(&one.hosted.name)),
        models => format!("Serving {} models.", models.len()),
    };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mlserve</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/home.css">
</head>
<body>
<header>
<h1>mlserve</h1>
<p>{served} <span class="soft">Version {version}, ONNX Runtime {runtime}.</span></p>
<nav aria-label="Documentation"><ul>
<li><a href="docs">Swagger UI</a></li>
<li><a href="redoc">Reference</a></li>
<li><a href="openapi.json">openapi.json</a></li>
<li><a href="models">models</a></li>
{metrics}{drift}</ul></nav>
</header>
<main>
{cards}</main>
<script src="assets/home.js"></script>
</body>
</html>
"#,
        version = env!("CARGO_PKG_VERSION"),
        runtime = text(&app.runtime_version()),
        metrics = match routes::find(&["metrics"]) {
            Some(_) => "<li><a href=\"metrics\">metrics</a></li>\n",
            None => "",
        },
        drift = match models.iter().any(|told| told.hosted.watch.is_some()) {
            true => "<li><a href=\"drift\">drift</a></li>\n",
            false => "",
        },
    )
}

/// One model.
fn card(told: &Told<'_>, is_only: bool) -> String {
    let path = told.path(is_only);
    let path = path.trim_start_matches('/');
    let example = told.examples.records.first();
    let example = example.cloned().or_else(|| {
        let is_any = !told.examples.tensors.is_empty();
        is_any.then(|| serde_json::json!({"inputs": told.examples.inputs()}))
    });
    let (example, rows) = match example {
        Some(value) => printed(&value),
        None => (String::new(), 8),
    };
    format!(
        r#"<article>
<h2>{name} <span class="soft">version {version}</span></h2>
{takes}{gives}<form data-path="{path}" method="post" action="{path}">
<h3><label for="body-{id}">Request: a record, or a list of records</label></h3>
<textarea id="body-{id}" rows="{rows}" spellcheck="false">
{example}</textarea>
<div class="actions"><button type="submit">Predict</button> <output for="body-{id}"></output></div>
<pre class="answer" tabindex="0" aria-label="Answer of {name}" hidden></pre>
<h3>The same from a shell</h3>
<pre class="curl" tabindex="0" aria-label="curl command for {name}">curl -s http://127.0.0.1:8080/{path} -d @record.json</pre>
</form>
</article>
"#,
        name = text(&told.hosted.name),
        version = text(&told.hosted.version),
        takes = takes(told),
        gives = gives(told),
        path = text(path),
        id = text(&told.name),
        example = text_lines(&example),
    )
}

/// An example as people write it, and the lines that it needs.
fn printed(value: &serde_json::Value) -> (String, usize) {
    let is_flat = value.as_object().is_some_and(|members| {
        let mut values = members.values();
        members.len() <= 40 && values.all(|value| !value.is_array() && !value.is_object())
    });
    let printed = match is_flat {
        true => serde_json::to_string_pretty(value).unwrap_or_default(),
        false => value.to_string(),
    };
    // What would turn the direction of the text is JSON all the same when it is escaped.
    let escaped: String = printed
        .chars()
        .map(|c| match c {
            '\n' => c.to_string(),
            c if shown(c.encode_utf8(&mut [0; 4])).starts_with(c) => c.to_string(),
            c => format!("\\u{:04x}", u32::from(c)),
        })
        .collect();
    let rows = (escaped.lines().count() + 1).clamp(4, 16);
    (escaped, rows)
}

/// What a record of it has.
fn takes(told: &Told<'_>) -> String {
    let Some(columns) = &told.columns else {
        return "<h3>Takes</h3><p>Tensors, or records of more fields than are listed here: see \
                <a href=\"models\">models</a>.</p>\n"
            .to_owned();
    };
    let mut rows = String::new();
    for column in columns.iter().take(MOST_ROWS) {
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            text(column.name),
            text(&kind(column)),
            text(&known(column)),
        );
    }
    table(
        "Takes",
        ("Field", "Type", "Known values"),
        &rows,
        columns.len(),
    )
}

/// What its predictions have.
fn gives(told: &Told<'_>) -> String {
    let Some(layout) = &told.layout else {
        return String::new();
    };
    let mut rows = String::new();
    for field in layout.fields.iter().take(MOST_ROWS) {
        let (kind, values) = match &field.form {
            Form::Scalar => ("a value", String::new()),
            Form::Classes(classes) => ("a score for each class", names(classes)),
            Form::List(size) => ("a list", format!("{size} values")),
            Form::Top { classes, .. } => ("the best classes", names(classes)),
            Form::Nested | Form::Unknown => ("nested lists", String::new()),
        };
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{kind}</td><td>{}</td></tr>",
            text(&field.name),
            text(&values),
        );
    }
    table(
        "Gives",
        ("Field", "Form", "Values"),
        &rows,
        layout.fields.len(),
    )
}

fn table(
    title: &str,
    (first, second, third): (&str, &str, &str),
    rows: &str,
    total: usize,
) -> String {
    let more = match total.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!("<p class=\"soft\">and {more} more</p>"),
    };
    let open = if total <= MOST_OPEN { " open" } else { "" };
    format!(
        "<details{open}><summary><h3>{title}: {total} {what}</h3></summary>\n\
         <div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">{first}</th>\
         <th scope=\"col\">{second}</th><th scope=\"col\">{third}</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>{more}</details>\n",
        what = if total == 1 { "field" } else { "fields" },
    )
}

fn kind(column: &Column<'_>) -> String {
    let dims: Vec<String> = column
        .dims
        .iter()
        .map(|size| size.map_or("?".to_owned(), |size| size.to_string()))
        .collect();
    match dims.is_empty() {
        true => column.dtype.name().to_owned(),
        false => format!("{} lists [{}]", column.dtype.name(), dims.join(", ")),
    }
}

fn known(column: &Column<'_>) -> String {
    column.known.as_deref().map(names).unwrap_or_default()
}

fn names<S: AsRef<str>>(all: &[S]) -> String {
    let some: Vec<String> = all
        .iter()
        .take(MOST_KNOWN)
        .map(|name| shown(name.as_ref()))
        .collect();
    match all.len().saturating_sub(MOST_KNOWN) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// A name on one line, as text of a page or an attribute in quotes.
pub(in crate::serve) fn text(name: &str) -> String {
    text_lines(&shown(name))
}

/// As [`text`], its lines kept.
fn text_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
