//! Pictures as inline SVG. Texts stand beside them in HTML wherever the picture is stretched.

use std::fmt::Write;

use super::super::evaluate::Calibration;
use super::markup::{count, escape, number, percent};

/// Bars side by side, (from, to, count) each, stretched to the width of the page.
pub(super) fn bars(label: &str, bins: &[(f64, f64, u64)]) -> String {
    let most = bins.iter().map(|bin| bin.2).max().unwrap_or(0).max(1) as f64;
    let all: u64 = bins.iter().map(|bin| bin.2).sum();
    let slot = 1000.0 / bins.len().max(1) as f64;
    // A single value is a bar, not a wall.
    let width = (slot * 0.9).min(120.0);
    let mut svg = open("bars", "0 0 1000 100", label);
    for (index, (from, to, records)) in bins.iter().enumerate() {
        if *records == 0 {
            continue;
        }
        // What is there must be seen, however rare.
        let height = (*records as f64 / most * 100.0).max(1.0);
        let x = slot * index as f64 + (slot - width) / 2.0;
        let _ = write!(
            svg,
            "<rect class=\"fill\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{} to {}: {} ({})</title></rect>",
            100.0 - height,
            number(*from),
            number(*to),
            count(*records),
            percent(*records, all)
        );
    }
    svg + "</svg>"
}

/// A line over a shaded area through (x, y), both from 0 to 1, stretched to the width of the page.
pub(super) fn area(label: &str, points: &[(f64, f64)]) -> String {
    let mut line = String::new();
    for (x, y) in points {
        let _ = write!(line, "{:.1},{:.1} ", x * 1000.0, 98.0 - y * 96.0);
    }
    let line = line.trim_end();
    let end = |point: Option<&(f64, f64)>| point.map_or(0.0, |point| point.0 * 1000.0);
    let (first, last) = (end(points.first()), end(points.last()));
    let mut svg = open("area", "0 0 1000 100", label);
    let _ = write!(
        svg,
        "<polygon class=\"shade\" points=\"{first:.1},100 {line} {last:.1},100\"/><polyline class=\"stroke\" points=\"{line}\"/></svg>"
    );
    svg
}

/// The side of the calibration chart's square, and where it starts.
const SIDE: f64 = 240.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 12.0;

/// How often scores were right: the diagonal is what they promise.
pub(super) fn calibration(label: &str, bins: &[Calibration]) -> String {
    let x = |score: f64| LEFT + score * SIDE;
    let y = |rate: f64| TOP + (1.0 - rate) * SIDE;
    let mut svg = open("square", "0 0 300 300", label);
    for step in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = write!(
            svg,
            "<line class=\"grid-line\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{2:.1}\" y2=\"{2:.1}\"/><text x=\"{3:.1}\" y=\"{4:.1}\" text-anchor=\"end\">{step}</text><text x=\"{5:.1}\" y=\"{6:.1}\" text-anchor=\"middle\">{step}</text>",
            x(0.0),
            x(1.0),
            y(step),
            LEFT - 6.0,
            y(step) + 4.0,
            x(step),
            TOP + SIDE + 16.0
        );
    }
    let _ = write!(
        svg,
        "<line class=\"ideal\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/><text x=\"{:.1}\" y=\"292\" text-anchor=\"middle\">mean score</text><text transform=\"translate(11 {:.1}) rotate(-90)\" text-anchor=\"middle\">share that was right</text>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0),
        x(0.5),
        y(0.5)
    );
    let line: Vec<String> = bins
        .iter()
        .map(|bin| format!("{:.1},{:.1}", x(bin.score), y(bin.rate)))
        .collect();
    let _ = write!(
        svg,
        "<polyline class=\"stroke\" points=\"{}\"/>",
        line.join(" ")
    );
    let most = bins.iter().map(|bin| bin.records).max().unwrap_or(0).max(1) as f64;
    for bin in bins {
        let radius = 2.5 + 5.0 * (bin.records as f64 / most).sqrt();
        let _ = write!(
            svg,
            "<circle class=\"fill\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"><title>score {} to {}: {} records, mean score {}, right {}</title></circle>",
            x(bin.score),
            y(bin.rate),
            number(bin.from),
            number(bin.to),
            count(bin.records),
            number(bin.score),
            number(bin.rate)
        );
    }
    svg + "</svg>"
}

fn open(class: &str, view: &str, label: &str) -> String {
    let stretch = if class == "square" {
        ""
    } else {
        " preserveAspectRatio=\"none\""
    };
    format!(
        "<svg class=\"{class}\" viewBox=\"{view}\"{stretch} role=\"img\" aria-label=\"{}\">",
        escape(label)
    )
}
