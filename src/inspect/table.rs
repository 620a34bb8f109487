//! Rows of text in aligned columns, without lines or boxes.

use super::shown::width;

/// Appends `rows` to `out`, each column as wide as its widest cell and two blanks apart; an empty
/// cell is `-`, but for those of the last column, which end the line.
pub fn append(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| width(cell))
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| widest(column).unwrap_or(0).max(1))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, widest)) in row.iter().zip(&widths).enumerate() {
            let cell = if cell.is_empty() && column + 1 < columns {
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
pub fn left(rows: &[Vec<String>], total: usize, least: usize) -> usize {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| width(cell))
            .max()
    };
    let taken: usize = (0..columns)
        .map(|column| widest(column).unwrap_or(0).max(1) + 2)
        .sum();
    total.saturating_sub(taken).max(least)
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
