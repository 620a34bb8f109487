//! What was predicted: how often each class, and how the numbers are spread.

use std::fmt::Write;

use super::charts;
use super::histogram::UNIT_BINS;
use super::markup::{count, escape, number, percent, share};
use super::profile::{Counts, Prediction, Profile};

/// Classes that are listed; the others are one line.
const SHOWN: usize = 20;

/// The section on the predictions; empty where there is nothing to show.
pub(super) fn section(profile: &Profile) -> String {
    let counts: String = profile.counts.iter().map(classes).collect();
    let spread: String = profile.predictions.iter().map(distribution).collect();
    if counts.is_empty() && spread.is_empty() {
        return String::new();
    }
    let mut section = String::from("<section><h2>Predictions</h2>");
    for (kind, cards) in [("counts", counts), ("grid", spread)] {
        if !cards.is_empty() {
            let _ = write!(section, "<div class=\"{kind}\">{cards}</div>");
        }
    }
    if profile.predictions_left_out > 0 {
        let _ = write!(
            section,
            "<p class=\"soft\">{} further columns of predictions are not shown.</p>",
            count(profile.predictions_left_out as u64)
        );
    }
    section + "</section>"
}

/// How often each class was predicted.
fn classes(counts: &Counts) -> String {
    let name = escape(&counts.name);
    let Some(ranked) = counts.ranked() else {
        return format!(
            "<div class=\"card\"><h3>{name}</h3><p class=\"soft\">More than a thousand different values.</p></div>"
        );
    };
    let all = ranked.iter().map(|class| class.1).sum();
    let shown = ranked.iter().take(SHOWN);
    let named: Vec<(String, u64)> = shown.map(|class| (escape(class.0), class.1)).collect();
    let mut rows = counted_rows(&named, all, "");
    let others = ranked.get(SHOWN..).unwrap_or_default();
    if !others.is_empty() {
        let records = others.iter().map(|class| class.1).sum();
        rows += &counted_row(
            &format!("<small>{} others</small>", others.len()),
            records,
            all,
            "",
        );
    }
    format!(
        "<div class=\"card\"><h3>{name}</h3><table><thead><tr><th scope=\"col\">class</th><th scope=\"col\">records</th><th scope=\"col\" colspan=\"2\">share</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// Rows of a table, (name as markup, count) each: the count, its share of `all`, and a bar of class
/// `kind` that is full for the largest.
pub(super) fn counted_rows(rows: &[(String, u64)], all: u64, kind: &str) -> String {
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0);
    let row = |(name, records): &(String, u64)| {
        let length = share(*records, most) * 100.0;
        let bar = format!("<span class=\"bar {kind}\"><i style=\"width:{length:.2}%\"></i></span>");
        counted_row(name, *records, all, &bar)
    };
    rows.iter().map(row).collect()
}

fn counted_row(name: &str, records: u64, all: u64, bar: &str) -> String {
    format!(
        "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td class=\"wide\">{bar}</td></tr>",
        count(records),
        percent(records, all)
    )
}

/// How the values of one column are spread.
fn distribution(column: &Prediction) -> String {
    let (histogram, name) = (&column.histogram, escape(&column.name));
    if histogram.count == 0 {
        return format!(
            "<div class=\"card\"><h3>{name}</h3><p class=\"soft\">No finite value.</p></div>"
        );
    }
    let is_unit = column.is_score && histogram.min >= 0.0 && histogram.max <= 1.0;
    let bins: Vec<(f64, f64, u64)> = if is_unit {
        let edge = |bin: usize| bin as f64 / UNIT_BINS as f64;
        let numbered = histogram.unit.iter().enumerate();
        numbered
            .map(|(bin, records)| (edge(bin), edge(bin + 1), *records))
            .collect()
    } else {
        histogram.bins()
    };
    let (from, to) = if is_unit {
        (0.0, 1.0)
    } else {
        (
            bins.first().map_or(histogram.min, |bin| bin.0),
            bins.last().map_or(histogram.max, |bin| bin.1),
        )
    };
    let label = format!(
        "histogram of {}, {} values from {} to {}",
        column.name,
        count(histogram.count),
        number(histogram.min),
        number(histogram.max)
    );
    let mut card = format!(
        "<figure class=\"card\"><figcaption><h3>{name}</h3><span>{} to {}</span></figcaption>{}",
        number(histogram.min),
        number(histogram.max),
        charts::bars(&label, &bins)
    );
    if from < to {
        let _ = write!(
            card,
            "<div class=\"axis\"><span>{}</span><span>{}</span><span>{}</span></div>",
            number(from),
            number(from / 2.0 + to / 2.0),
            number(to)
        );
    } else {
        card += "<div class=\"axis\"><span>one value only</span></div>";
    }
    if histogram.not_finite > 0 {
        let _ = write!(
            card,
            "<p class=\"soft\">{} values are not finite.</p>",
            count(histogram.not_finite)
        );
    }
    card + "</figure>"
}
