//! Rows of text in aligned columns, without lines or boxes.

use super::shown::width;

/// Appends `rows` to `out`, each column as wide as its widest cell and two blanks apart; an empty
/// cell is `-`, but for those of the last column, which end the line.
pub(super) fn append(out: &mut String, rows: &[Vec<String>]) {
    let widths = widths(rows);
    for row in rows {
        let mut line = String::new();
        for (column, (cell, widest)) in row.iter().zip(&widths).enumerate() {
            let cell = if cell.is_empty() && column + 1 < widths.len() {
                "-"
            } else {
                cell
            };
            line.push_str(cell);
            line.extend(std::iter::repeat_n(
                ' ',
                widest.saturating_sub(width(cell)) + 2,
            ));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The width left for the last column, where the others hold `rows`.
pub(super) fn left(rows: &[Vec<String>], total: usize, least: usize) -> usize {
    let taken: usize = widths(rows).iter().map(|width| width + 2).sum();
    total.saturating_sub(taken).max(least)
}

/// The width of each column: that of its widest cell, and never 0.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 1);
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| {
            cells
                .iter()
                .map(|cell| (*cell).to_owned())
                .collect::<Vec<_>>()
        };
        let rows = [
            row(&["NAME", "SHAPE", "CLASSES"]),
            row(&["年齢", "", ""]),
            row(&["x", "[?, 4]", "a, b"]),
        ];
        let mut out = String::new();
        append(&mut out, &rows);
        assert_eq!(out, "NAME  SHAPE   CLASSES\n年齢  -\nx     [?, 4]  a, b\n");
        assert_eq!(left(&[row(&["abcd", "ef"])], 20, 5), 10);
        assert_eq!(left(&[row(&["abcd", "ef"])], 12, 5), 5);
    }
}
