//! Which predictions are close enough to what is expected, and the worst that are not.

use crate::error::escape_controls;

/// How far a number may be from the expected one: by `absolute + relative * |expected|`, as numpy's
/// `allclose` has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

/// A column of both files.
pub(super) struct Column {
    name: String,
    /// Its places in a row of predictions and in an expected one.
    at: usize,
    expected_at: usize,
    differ: u64,
    largest: f64,
    relative: f64,
}

/// A prediction that is too far off.
struct Miss {
    record: u64,
    column: usize,
    found: String,
    expected: String,
    /// How far beyond the tolerance; infinite for texts.
    beyond: f64,
}

/// Misses that are shown.
const MOST: usize = 10;

/// What has been compared so far.
pub(super) struct Comparison {
    columns: Vec<Column>,
    tolerance: Tolerance,
    /// Records of either file.
    pub found: u64,
    pub expected: u64,
    /// Records with a miss.
    differ: u64,
    /// The worst first.
    worst: Vec<Miss>,
}

impl Column {
    pub(super) fn new(name: &str, at: usize, expected_at: usize) -> Column {
        Column {
            name: name.to_owned(),
            at,
            expected_at,
            differ: 0,
            largest: 0.0,
            relative: 0.0,
        }
    }
}

/// How far two cells are apart.
#[derive(Debug, PartialEq)]
enum Apart {
    No,
    By {
        absolute: f64,
        relative: f64,
        beyond: f64,
    },
    /// Texts that are not the same, or a number and none.
    Otherwise,
}

fn apart(found: &str, expected: &str, tolerance: Tolerance) -> Apart {
    if found == expected {
        return Apart::No;
    }
    let is_empty = expected.trim().is_empty();
    match (number(found), number(expected)) {
        (Some(found), Some(expected)) => {
            if found == expected || (found.is_nan() && expected.is_nan()) {
                return Apart::No;
            }
            // `predict` writes infinities as empty cells, too.
            if is_empty && !found.is_finite() {
                return Apart::No;
            }
            let absolute = (found - expected).abs();
            if !absolute.is_finite() {
                return Apart::Otherwise;
            }
            let allowed = tolerance
                .relative
                .mul_add(expected.abs(), tolerance.absolute);
            Apart::By {
                absolute,
                relative: absolute / found.abs().max(expected.abs()),
                beyond: absolute - allowed,
            }
        }
        _ => Apart::Otherwise,
    }
}

/// A number; a cell without a text is NaN, as predictions are written.
fn number(cell: &str) -> Option<f64> {
    match cell.trim() {
        "" | "null" | "None" | "NA" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

impl Comparison {
    pub(super) fn new(columns: Vec<Column>, tolerance: Tolerance) -> Comparison {
        Comparison {
            columns,
            tolerance,
            found: 0,
            expected: 0,
            differ: 0,
            worst: Vec::new(),
        }
    }

    /// Compares the next record of both files.
    pub(super) fn take(&mut self, found: &[String], expected: &[String]) {
        let mut is_off = false;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let cell = |cells: &[String], at: usize| cells.get(at).cloned().unwrap_or_default();
            let (found, expected) = (cell(found, column.at), cell(expected, column.expected_at));
            let beyond = match apart(&found, &expected, self.tolerance) {
                Apart::No => continue,
                Apart::By {
                    absolute,
                    relative,
                    beyond,
                } => {
                    column.largest = column.largest.max(absolute);
                    column.relative = column.relative.max(relative);
                    beyond
                }
                Apart::Otherwise => f64::INFINITY,
            };
            if beyond <= 0.0 {
                continue;
            }
            is_off = true;
            column.differ += 1;
            // The first of equals stays first.
            let rank = self.worst.partition_point(|miss| miss.beyond >= beyond);
            if rank < MOST {
                let miss = Miss {
                    record: self.found,
                    column: place,
                    found,
                    expected,
                    beyond,
                };
                self.worst.insert(rank, miss);
                self.worst.truncate(MOST);
            }
        }
        self.differ += u64::from(is_off);
    }

    /// Why the predictions are not what was expected, if they are not.
    pub(super) fn verdict(&self) -> Option<String> {
        let Tolerance { relative, absolute } = self.tolerance;
        if self.found != self.expected {
            return Some(format!(
                "expected {} records, found {}",
                self.expected, self.found
            ));
        }
        (self.differ > 0).then(|| {
            format!(
                "{} of {} records differ by more than --rtol {relative} --atol {absolute}",
                self.differ, self.found
            )
        })
    }

    /// The report.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        match self.verdict() {
            None => out.push_str(&format!("AS EXPECTED: {} records\n\n", self.found)),
            Some(verdict) => out.push_str(&format!("NOT AS EXPECTED: {verdict}\n\n")),
        }
        let heads = ["COLUMN", "DIFFER", "LARGEST", "RELATIVE"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(self.columns.iter().map(|column| {
            [
                escape_controls(&column.name),
                column.differ.to_string(),
                format!("{:.3e}", column.largest),
                format!("{:.3e}", column.relative),
            ]
        }));
        aligned(&mut out, &rows);
        if self.worst.is_empty() {
            return out;
        }
        out.push('\n');
        let heads = ["RECORD", "COLUMN", "EXPECTED", "FOUND"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(self.worst.iter().map(|miss| {
            let column = self.columns.get(miss.column);
            let name = column.map_or("", |column| column.name.as_str());
            [
                miss.record.to_string(),
                escape_controls(name),
                cell(&miss.expected),
                cell(&miss.found),
            ]
        }));
        aligned(&mut out, &rows);
        out
    }
}

/// A cell that fits a line; an empty one is `-`.
fn cell(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let start: String = text.chars().take(40).collect();
    escape_controls(&start)
}

/// Appends rows in columns as wide as their widest cells.
fn aligned(out: &mut String, rows: &[[String; 4]]) {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        out.extend([line.trim_end(), "\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_close_as_numpy_has_it_and_texts_must_be_the_same() {
        let tolerance = Tolerance {
            relative: 1e-2,
            absolute: 1e-3,
        };
        for (found, expected, is_close) in [
            ("a", "a", true),
            ("a", "b", false),
            ("1", "1.0", true),
            // np.isclose(found, expected, rtol=1e-2, atol=1e-3)
            ("1.0109", "1.0", true),
            ("1.0111", "1.0", false),
            ("0.0009", "0", true),
            ("0.0011", "0", false),
            ("-100.9", "-100", true),
            ("NaN", "nan", true),
            ("", "NaN", true),
            ("", "0", false),
            ("inf", "", true),
            ("inf", "NaN", false),
            ("1", "", false),
            ("inf", "inf", true),
            ("inf", "-inf", false),
            ("x", "1", false),
        ] {
            let is_off = match apart(found, expected, tolerance) {
                Apart::No => false,
                Apart::By { beyond, .. } => beyond > 0.0,
                Apart::Otherwise => true,
            };
            assert_eq!(!is_off, is_close, "{found} {expected}");
        }
    }
}
