//! The page: head, tiles, and the sections one below the other.

use std::fmt::Write;

use super::Report;
use super::markup::{bytes, count, duration, escape, short_count};
use super::{charts, columns, predictions, quality};

const STYLE: &str = include_str!("style.css");
/// Inputs that the head names; of more it tells the number.
const NAMED_INPUTS: usize = 3;
/// Steps of the throughput chart.
const STEPS: usize = 60;

/// The whole page. It holds no script and names no other place; its own policy forbids both.
pub fn html(report: &Report<'_>) -> String {
    let model = escape(report.model);
    let profile = report.profile;
    let sections = [
        report.metrics.map(quality::section),
        profile.map(predictions::section),
        profile.map(columns::section),
        Some(rejects(report)),
        Some(throughput(&report.throughput)),
    ];
    let sections: String = sections.into_iter().flatten().collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"referrer\" content=\"no-referrer\"><title>{model} – predictions</title><style>\n{STYLE}</style></head>\n<body><header><h1>{model}</h1><p class=\"soft from\">{}</p></header>\n<main>{}{sections}</main>\n<footer>{}</footer></body></html>\n",
        inputs(report.inputs),
        tiles(report),
        facts(&report.facts)
    )
}

fn inputs(inputs: &[String]) -> String {
    let named: Vec<String> = inputs
        .iter()
        .take(NAMED_INPUTS)
        .map(|name| escape(name))
        .collect();
    let names = named.join(", ");
    match inputs.len().saturating_sub(NAMED_INPUTS) {
        0 => format!("Predictions for {names}"),
        more => format!("Predictions for {names} and {} more", count(more as u64)),
    }
}

fn tiles(report: &Report<'_>) -> String {
    let rate = report.rows as f64 / report.seconds;
    let bad = if report.rejected > 0 {
        " class=\"bad\""
    } else {
        ""
    };
    let mut tiles = vec![
        ("", "rows scored", count(report.rows)),
        (bad, "rejected", count(report.rejected)),
        ("", "missing values", count(report.missing)),
        ("", "time", duration(report.seconds)),
    ];
    if rate.is_finite() {
        tiles.insert(3, ("", "rows/s", short_count(rate)));
    }
    if let Some(size) = report.peak_memory_bytes {
        tiles.push(("", "peak memory", bytes(size)));
    }
    let tile = |(class, name, value): (&str, &str, String)| {
        format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>")
    };
    let tiles: String = tiles.into_iter().map(tile).collect();
    format!("<dl class=\"tiles\">{tiles}</dl>")
}

fn rejects(report: &Report<'_>) -> String {
    if report.rejects.is_empty() {
        return String::new();
    }
    let mut ranked: Vec<(&String, &u64)> = report.rejects.iter().collect();
    ranked.sort_by_key(|(_, records)| std::cmp::Reverse(**records));
    let named: Vec<(String, u64)> = ranked
        .into_iter()
        .map(|(code, records)| (escape(code), *records))
        .collect();
    let all = named.iter().map(|reason| reason.1).sum();
    let rows = predictions::counted_rows(&named, all, "warn");
    format!(
        "<section><h2>Rejected records</h2><div class=\"card\"><table><thead><tr><th scope=\"col\">reason</th><th scope=\"col\">records</th><th scope=\"col\" colspan=\"2\">share</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

fn throughput(points: &[(f64, u64)]) -> String {
    let rates = rates(points);
    let most = rates.iter().map(|rate| rate.1).fold(0.0, f64::max);
    let end = points.last().map_or(0.0, |point| point.0);
    // A chart of one step says no more than the tile.
    if rates.len() < 3 || most <= 0.0 {
        return String::new();
    }
    // The first and the last step reach to the edges.
    let edge = |at: f64, rate: Option<&(f64, f64)>| rate.map(|rate| (at, rate.1));
    let line: Vec<(f64, f64)> = edge(0.0, rates.first())
        .into_iter()
        .chain(rates.iter().copied())
        .chain(edge(end, rates.last()))
        .map(|(seconds, rate)| (seconds / end, rate / most))
        .collect();
    let peak = short_count(most);
    let label = format!("rows per second over {}, at most {peak}", duration(end));
    let mut section = String::from("<section><h2>Throughput</h2><figure class=\"card\">");
    let _ = write!(
        section,
        "<figcaption><h3>rows/s over time</h3><span>at most {peak}</span></figcaption>{}<div class=\"axis\"><span>0 s</span><span>{}</span></div></figure></section>",
        charts::area(&label, &line),
        duration(end)
    );
    section
}

/// Rows per second in equal steps of time, (middle of the step, rate), from rows scored until then.
fn rates(points: &[(f64, u64)]) -> Vec<(f64, f64)> {
    let Some(end) = points.last().map(|point| point.0).filter(|end| *end > 0.0) else {
        return Vec::new();
    };
    // A step holds a few points, or it would show their rhythm instead of the speed.
    let steps = (points.len() / 3).clamp(1, STEPS);
    let step = end / steps as f64;
    let mut rates = Vec::with_capacity(steps);
    let (mut at, mut before) = (0, 0.0);
    for index in 0..steps {
        let until = step * (index + 1) as f64;
        let rows = rows_until(points, &mut at, until);
        rates.push((until - step / 2.0, (rows - before).max(0.0) / step));
        before = rows;
    }
    rates
}

/// Rows scored until `until`, on the straight line between the points around it; `at` is where the
/// last search ended.
fn rows_until(points: &[(f64, u64)], at: &mut usize, until: f64) -> f64 {
    while points.get(*at).is_some_and(|point| point.0 < until) {
        *at += 1;
    }
    let before = at.checked_sub(1).and_then(|index| points.get(index));
    let (start, rows) = before.map_or((0.0, 0.0), |point| (point.0, point.1 as f64));
    match points.get(*at) {
        Some((end, _)) if *end <= start => rows,
        Some((end, until_end)) => {
            rows + (*until_end as f64 - rows) * (until - start) / (end - start)
        }
        None => rows,
    }
}

fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let fact = |(name, value): &(String, String)| {
        format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value))
    };
    let facts: String = facts.iter().map(fact).collect();
    format!("<h2>About this run</h2><dl class=\"facts\">{facts}</dl>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_equal_steps() {
        let steady: Vec<(f64, u64)> = (1..=30)
            .map(|second| (f64::from(second), 100 * second as u64))
            .collect();
        let rates = rates(&steady);
        assert_eq!(rates.len(), 10);
        assert!(
            rates.iter().all(|(_, rate)| (rate - 100.0).abs() < 1e-9),
            "{rates:?}"
        );
        assert_eq!(super::rates(&[]), []);
        assert_eq!(super::rates(&[(2.0, 10)]), [(1.0, 5.0)]);
    }
}
