//! How good the predictions are: the metrics, who was taken for whom, what scores are worth.

use std::fmt::Write;

use super::super::evaluate::{Calibration, Classification, Confusion, Metrics, Of};
use super::charts;
use super::markup::{count, escape, number, percent, share};

/// Most classes of a confusion matrix that is shown whole.
const SHOWN_CLASSES: usize = 20;
/// Mistakes that are listed where there are more.
const SHOWN_MISTAKES: usize = 12;

/// The section on the metrics.
pub(super) fn section(metrics: &Metrics) -> String {
    let (values, judged) = match &metrics.of {
        Of::Classes(of) => (of.values().to_vec(), of.judged),
        Of::Numbers(of) => (of.values().to_vec(), of.judged),
    };
    let mut section = format!(
        "<section><h2>Against the label <q>{}</q></h2><p class=\"soft\">{} of {} records have a label.</p><dl class=\"tiles\">",
        escape(&metrics.label),
        count(metrics.records.saturating_sub(metrics.missing)),
        count(metrics.records)
    );
    for (name, value) in values {
        if let Some(value) = value {
            let _ = write!(
                section,
                "<div><dt>{name}</dt><dd>{}</dd></div>",
                metric(value)
            );
        }
    }
    section += "</dl>";
    if let Of::Classes(of) = &metrics.of {
        section += &pictures(of, judged);
    }
    if !metrics.notes.is_empty() {
        let notes = metrics
            .notes
            .iter()
            .map(|note| format!("<li>{}</li>", escape(note)));
        let _ = write!(
            section,
            "<ul class=\"notes\">{}</ul>",
            notes.collect::<String>()
        );
    }
    section + "</section>"
}

/// Four digits after the point, so that metrics of one kind look alike.
fn metric(value: f64) -> String {
    if value == 0.0 || (1e-3..10.0).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        number(value)
    }
}

fn pictures(of: &Classification, judged: u64) -> String {
    let confusion = match &of.confusion {
        Some(confusion) if confusion.classes.len() <= SHOWN_CLASSES => matrix(confusion),
        Some(confusion) => mistakes(confusion, judged),
        None => String::new(),
    };
    let calibration = if of.calibration.is_empty() {
        String::new()
    } else {
        calibration(&of.calibration, of.calibrated.as_deref())
    };
    format!("<div class=\"pair\">{confusion}{calibration}</div>")
}

fn matrix(confusion: &Confusion) -> String {
    let classes = 0..confusion.classes.len();
    let head: String = classes
        .clone()
        .map(|class| format!("<th scope=\"col\">{}</th>", escape(confusion.name(class))))
        .collect();
    let row = |row: usize| {
        let all: u64 = classes
            .clone()
            .map(|column| confusion.count(row, column))
            .sum();
        let cell = |column: usize| {
            let records = confusion.count(row, column);
            let kind = if row == column { "" } else { " off" };
            format!(
                "<td class=\"cell{kind}\" style=\"--share:{:.3}\">{}<small>{}</small></td>",
                share(records, all),
                count(records),
                percent(records, all)
            )
        };
        let cells: String = classes.clone().map(cell).collect();
        format!(
            "<tr><th scope=\"row\">{}</th>{cells}</tr>",
            escape(confusion.name(row))
        )
    };
    let rows: String = classes.clone().map(row).collect();
    format!(
        "<div class=\"card\"><h3>Confusion</h3><p class=\"soft\">A row for each label, a column for each prediction; per cent of the row.</p><div class=\"scroll\" role=\"region\" aria-label=\"confusion matrix\" tabindex=\"0\"><table class=\"confusion\"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )
}

fn mistakes(confusion: &Confusion, judged: u64) -> String {
    let rows: String = confusion
        .mistakes()
        .into_iter()
        .take(SHOWN_MISTAKES)
        .map(|(row, column, records)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td><td>{}</td><td>{}</td></tr>",
                escape(confusion.name(row)),
                escape(confusion.name(column)),
                count(records),
                percent(records, judged)
            )
        })
        .collect();
    format!(
        "<div class=\"card\"><h3>Most frequent mistakes</h3><div class=\"scroll sticky\" role=\"region\" aria-label=\"mistakes\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">label</th><th scope=\"col\" class=\"left\">prediction</th><th scope=\"col\">records</th><th scope=\"col\">share</th></tr></thead><tbody>{rows}</tbody></table></div></div>"
    )
}

fn calibration(bins: &[Calibration], class: Option<&str>) -> String {
    let of = match class {
        Some(class) => format!("score of {class}"),
        None => "score of the predicted class".to_owned(),
    };
    let label = format!("calibration, {of}");
    format!(
        "<figure class=\"card\"><figcaption><h3>Calibration</h3><span>{}</span></figcaption>{}</figure>",
        escape(&of),
        charts::calibration(&label, bins)
    )
}
