//! What went into the model: missing values and the range of each column.

use std::fmt::Write;

use super::markup::{count, escape, number, percent, share};
use super::profile::{Input, Profile};

/// The section on the input's columns; empty where none feeds the model.
pub(super) fn section(profile: &Profile) -> String {
    if profile.inputs.is_empty() {
        return String::new();
    }
    let rows: String = profile.inputs.iter().map(row).collect();
    let mut section = format!(
        "<section><h2>Input columns</h2><div class=\"card\"><div class=\"scroll sticky\" role=\"region\" aria-label=\"input columns\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">column</th><th scope=\"col\">missing</th><th scope=\"col\" class=\"narrow-off\"></th><th scope=\"col\">min</th><th scope=\"col\">mean</th><th scope=\"col\">max</th><th scope=\"col\" class=\"narrow-off left\">mean within the range</th></tr></thead><tbody>{rows}</tbody></table></div></div>"
    );
    if profile.inputs_left_out > 0 {
        let _ = write!(
            section,
            "<p class=\"soft\">The first {} columns that feed the model; {} further ones were not looked at.</p>",
            count(profile.inputs.len() as u64),
            count(profile.inputs_left_out as u64)
        );
    }
    section + "</section>"
}

fn row(input: &Input) -> String {
    let missing = format!(
        "<td>{}</td><td class=\"narrow-off\"><span class=\"bar share warn\">{}</span></td>",
        percent(input.missing, input.values),
        if input.missing > 0 {
            format!(
                "<i style=\"width:{:.2}%\"></i>",
                share(input.missing, input.values) * 100.0
            )
        } else {
            String::new()
        }
    );
    let name = escape(&input.name);
    let head = format!("<tr><th scope=\"row\" title=\"{name}\">{name}</th>{missing}");
    let Some(mean) = input.mean() else {
        let what = if input.missing < input.values {
            "text"
        } else {
            ""
        };
        return format!(
            "{head}<td colspan=\"3\" class=\"soft\">{what}</td><td class=\"narrow-off\"></td></tr>"
        );
    };
    // Halves, for the range itself may be more than any float.
    let range = input.max / 2.0 - input.min / 2.0;
    let place = if range > 0.0 {
        ((mean / 2.0 - input.min / 2.0) / range).clamp(0.0, 1.0)
    } else {
        0.5
    };
    format!(
        "{head}<td>{}</td><td>{}</td><td>{}</td><td class=\"narrow-off\"><span class=\"range\"><i style=\"left:{:.1}%\"></i></span></td></tr>",
        number(input.min),
        number(mean),
        number(input.max),
        place * 100.0
    )
}
