//! Drift for people: one page that needs nothing else, and runs nothing.
//!
//! Names and texts come from model files and baselines: nothing of them gets into the page but through
//! [`text`].

use std::fmt::Write;
use std::sync::Arc;

use crate::profile::psi::{MUCH, SOME};
use crate::profile::summary::{Bins, Numbers, What};
use crate::serve::hosted::Hosted;
use crate::serve::page::text;

use super::seen::Column;

const STYLE: &str = include_str!("page.css");
/// Columns that are shown of a model, those that moved most.
const MOST_ROWS: usize = 300;
/// Size of a histogram, in pixels.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 44.0;

/// The page.
pub(super) fn html(models: &[Arc<Hosted>]) -> String {
    let mut sections = String::new();
    for hosted in models {
        section(&mut sections, hosted);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Drift</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>Drift</h1>\n<p>How far the last records are from those of the baseline. \
         The population stability index (PSI) sums, over all bins, (now - before) &times; ln(now / \
         before): below {SOME} the distributions are much the same, from {SOME} on they have moved \
         <span class=\"some\">somewhat</span>, from {MUCH} on <span class=\"much\">much</span>.</p>\n\
         <p class=\"legend\"><span class=\"key before\"></span> baseline \
         <span class=\"key now\"></span> now</p>\n</header>\n<main>\n{sections}</main>\n</body>\n</html>\n"
    )
}

fn section(out: &mut String, hosted: &Hosted) {
    let _ = write!(
        out,
        "<article>\n<h2>{} <span class=\"soft\">version {}</span></h2>\n",
        text(&hosted.name),
        text(&hosted.version)
    );
    let Some(watch) = &hosted.watch else {
        out.push_str(
            "<p class=\"soft\">No baseline. <code>mlserve predict MODEL TRAINING.csv --profile \
             FILE</code> makes one, <code>serve --baseline FILE</code> takes it.</p>\n</article>\n",
        );
        return;
    };
    let seen = watch.seen();
    let _ = writeln!(
        out,
        "<p class=\"soft\">{} records of the last {} against {} of the baseline.</p>",
        seen.records, watch.window, watch.profile.records
    );
    let mut columns: Vec<&Column<'_>> = seen.columns.iter().collect();
    let rank = |column: &Column<'_>| column.psi.unwrap_or(-1.0);
    columns.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Column</th>\
         <th scope=\"col\">PSI</th><th scope=\"col\">Missing: baseline, now</th>\
         <th scope=\"col\">Baseline and now</th></tr></thead>\n<tbody>\n",
    );
    for column in columns.iter().take(MOST_ROWS) {
        row(out, column);
    }
    out.push_str("</tbody>\n</table></div>\n");
    if let more @ 1.. = columns.len().saturating_sub(MOST_ROWS) {
        let _ = writeln!(out, "<p class=\"soft\">and {more} more that moved less</p>");
    }
    out.push_str("</article>\n");
}

fn row(out: &mut String, column: &Column<'_>) {
    let (class, psi) = match column.psi {
        Some(psi) if psi >= MUCH => ("much", format!("{psi:.3}")),
        Some(psi) if psi >= SOME => ("some", format!("{psi:.3}")),
        Some(psi) => ("none", format!("{psi:.3}")),
        None => ("soft", "too few".to_owned()),
    };
    let ratio = |ratio: Option<f64>| match ratio {
        Some(ratio) => format!("{:.2} %", ratio * 100.0),
        None => "-".to_owned(),
    };
    let _ = write!(
        out,
        "<tr><th scope=\"row\">{} <span class=\"soft\">{}</span></th>\
         <td class=\"{class}\">{psi}</td><td>{}, {}</td><td>",
        text(&column.before.name),
        column.kind.word(),
        ratio(column.before.missing_ratio()),
        ratio(column.missing_ratio),
    );
    histogram(out, column);
    out.push_str("</td></tr>\n");
}

/// For each bin two bars, the baseline's and that of now, as high as their shares.
fn histogram(out: &mut String, column: &Column<'_>) {
    let shares = |counts: &[u64]| -> Vec<f64> {
        let sum: u64 = counts.iter().sum();
        let share = |count: &u64| *count as f64 / sum.max(1) as f64;
        counts.iter().map(share).collect()
    };
    let (before, now) = (shares(&column.before.counts()), shares(&column.counts));
    let highest = before.iter().chain(&now).copied().fold(0.0, f64::max);
    let step = WIDTH / before.len().max(1) as f64;
    let bar = step * 0.42;
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"shares of {}, baseline and now\">",
        text(&column.before.name)
    );
    for (bin, (before, now)) in before.iter().zip(&now).enumerate() {
        let left = bin as f64 * step;
        let _ = write!(
            out,
            "<g><title>{}: {:.1} % before, {:.1} % now</title>",
            text(&label(column, bin)),
            before * 100.0,
            now * 100.0
        );
        for (class, at, share) in [("before", left, before), ("now", left + bar, now)] {
            let height = match highest > 0.0 {
                true => share / highest * HEIGHT,
                false => 0.0,
            };
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{height:.1}\"/>",
                HEIGHT - height
            );
        }
        out.push_str("</g>");
    }
    out.push_str("</svg>");
}

/// What is in a bin.
fn label(column: &Column<'_>, bin: usize) -> String {
    let other = || "other".to_owned();
    match &column.before.what {
        What::Numbers(Numbers { bins, .. }) => match bins {
            Bins::Values { values, .. } => values.get(bin).map_or_else(other, f64::to_string),
            Bins::Edges { edges, .. } => match (edges.get(bin), bin.checked_sub(1)) {
                (Some(edge), _) => format!("up to {edge}"),
                (None, Some(before)) => {
                    let edge = edges.get(before);
                    edge.map_or_else(other, |edge| format!("above {edge}"))
                }
                (None, None) => "all".to_owned(),
            },
        },
        What::Texts(texts) => {
            let value = texts.values.get(bin);
            value.map_or_else(other, |(value, _)| value.clone())
        }
    }
}
