//! Records in CSV: a header row that names the columns, or rows of numbers in the model's order.

use crate::batch::cell::Cell;
use crate::batch::plan::Header;

use crate::serve::hosted::Hosted;
use crate::serve::problem::Problem;

use super::{Ask, Encoded, Place, flat, table};

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderRow {
    #[default]
    Present,
    Absent,
    /// It does, unless it is as many numbers as the model wants and not the names that it has.
    Guessed,
}

/// CSV taken apart: fields without their quotes, which often are not what the body has.
pub struct Table {
    /// All fields, one behind the other.
    text: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    /// Where each row ends among the fields.
    rows: Vec<usize>,
}

impl Table {
    /// Takes `body` apart, which may start with a byte order mark; blank lines are no rows.
    ///
    /// # Errors
    /// [`Problem::Invalid`] where there is not even a header.
    pub fn read(body: &[u8]) -> Result<Table, Problem> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(body);
        let mut table = Table {
            text: Vec::with_capacity(body.len()),
            ends: Vec::new(),
            rows: Vec::new(),
        };
        let mut record = csv::ByteRecord::new();
        let broken = |error: csv::Error| Problem::invalid("not_csv", error.to_string());
        while reader.read_byte_record(&mut record).map_err(broken)? {
            let start = table.text.len();
            let ends = (0..record.len()).filter_map(|field| record.range(field));
            table.ends.extend(ends.map(|range| start + range.end));
            table.text.extend_from_slice(record.as_slice());
            table.rows.push(table.ends.len());
        }
        match table.rows.is_empty() {
            true => Err(Problem::invalid(
                "missing",
                "the body is empty; it should hold CSV",
            )),
            false => Ok(table),
        }
    }

    /// The fields of row `row`; `None` behind the last.
    fn row(&self, row: usize) -> Option<impl Iterator<Item = &[u8]>> {
        let end = *self.rows.get(row)?;
        let start = row.checked_sub(1).and_then(|before| self.rows.get(before));
        let fields = start.copied().unwrap_or_default()..end;
        Some(fields.map(|field| {
            let before = field.checked_sub(1).and_then(|at| self.ends.get(at));
            let start = before.copied().unwrap_or_default();
            let end = self.ends.get(field).copied().unwrap_or_default();
            self.text.get(start..end).unwrap_or_default()
        }))
    }

    /// Whether the first row names the columns.
    pub fn has_header(&self, hosted: &Hosted, header: HeaderRow) -> bool {
        match header {
            HeaderRow::Present => true,
            HeaderRow::Absent => false,
            HeaderRow::Guessed => !self.starts_with_numbers(hosted),
        }
    }

    /// Whether the first row can be fed as it is and is not a header of numbers.
    fn starts_with_numbers(&self, hosted: &Hosted) -> bool {
        let (Ok(columns), Some(first)) = (flat::columns(hosted), self.row(0)) else {
            return false;
        };
        let first: Vec<&[u8]> = first.collect();
        let is_number = |field: &&[u8]| {
            let text = std::str::from_utf8(field).unwrap_or_default().trim();
            text.is_empty() || text.parse::<f64>().is_ok()
        };
        let mut names = first.iter().zip(&columns);
        first.len() == columns.len()
            && first.iter().all(is_number)
            && !names.all(|(field, name)| *field == name.as_bytes())
    }

    /// Encodes the rows; `has_header` says whether the first is none.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with everything that is wrong with the columns or the rows.
    pub fn encode(
        &self,
        hosted: &Hosted,
        has_header: bool,
        ask: &Ask,
        place: &Place,
    ) -> Result<Encoded<'_>, Problem> {
        match has_header {
            true => self.encode_named(hosted, ask, place),
            false => self.encode_in_order(hosted, ask, place),
        }
    }

    fn encode_named(
        &self,
        hosted: &Hosted,
        ask: &Ask,
        place: &Place,
    ) -> Result<Encoded<'_>, Problem> {
        let mut columns = Vec::new();
        for field in self.row(0).into_iter().flatten() {
            let name = std::str::from_utf8(field)
                .map_err(|_| Problem::invalid("not_utf8", "the header is not UTF-8"))?;
            columns.push(name.to_owned());
        }
        let first = self.row(1).into_iter().flatten();
        let header = Header {
            columns,
            lists: first.map(is_list).collect(),
            open: false,
        };
        let planned = hosted.planned(header, &ask.keep)?;
        let mut row = 0;
        table::encode(hosted, &planned, (ask, place), |cells| {
            row += 1;
            Ok(self.fill(row, cells))
        })
    }

    fn encode_in_order(
        &self,
        hosted: &Hosted,
        ask: &Ask,
        place: &Place,
    ) -> Result<Encoded<'_>, Problem> {
        let header = Header::from(flat::columns(hosted)?);
        let planned = hosted.planned(header, &ask.keep)?;
        let mut rows = 0..;
        table::encode(hosted, &planned, (ask, place), |cells| {
            Ok(rows.next().is_some_and(|row| self.fill(row, cells)))
        })
    }

    /// Fills in the cells of a row, if there is one.
    fn fill<'t>(&'t self, row: usize, cells: &mut Vec<Cell<'t>>) -> bool {
        match self.row(row) {
            None => false,
            Some(fields) => {
                cells.extend(fields.map(Cell::Text));
                true
            }
        }
    }
}

fn is_list(field: &[u8]) -> bool {
    field.trim_ascii_start().first() == Some(&b'[')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::Method;
    use crate::serve::tests::{app, ask, hosting};

    fn rows(body: &str) -> Vec<Vec<String>> {
        let table = Table::read(body.as_bytes()).expect("a table");
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let row = |row| Some(table.row(row)?.map(text).collect());
        (0..).map_while(row).collect()
    }

    /// Python's csv module sees the same fields.
    #[test]
    fn fields_are_taken_apart_whatever_their_quotes() {
        for (body, fields) in [
            ("a,b\n1,2\n", "a|b / 1|2"),
            ("\u{feff}a,b\r\n\r\n1,2", "a|b / 1|2"),
            (
                "\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",",
                "a,b|say \"hi\" / two\nlines|",
            ),
            ("a\n1,2,3\n", "a / 1|2|3"),
            (",\n", "|"),
        ] {
            let seen: Vec<String> = rows(body).iter().map(|row| row.join("|")).collect();
            assert_eq!(seen.join(" / "), fields, "{body:?}");
        }
        assert!(Table::read(b"").is_err());
        assert!(Table::read(b"\n\n").is_err());
    }

    fn sent(model: &str, body: &str) -> (u16, String) {
        let app = app(model, &hosting());
        let headers = [("Content-Type", "text/csv"), ("Accept", "text/csv")];
        ask(&app, Method::Post, "/predict", &headers, body.as_bytes())
    }

    /// As ONNX Runtime in Python has it.
    #[test]
    fn rows_below_a_header_are_predicted_as_records_are() {
        let answer = "label,probabilities_setosa,probabilities_versicolor,probabilities_virginica\n\
             setosa,0.9741182,0.025881454,3.74413e-7\n";
        let head = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)";
        for body in [
            format!("{head}\n5.1,3.5,1.4,0.2\n"),
            format!("{head}\r\n\"5.1\",3.5,1.4,0.2"),
            "X\n\"[5.1,3.5,1.4,0.2]\"\n".to_owned(),
            "X_0,X_1,X_2,X_3\n5.1,3.5,1.4,0.2\n".to_owned(),
        ] {
            assert_eq!(sent("iris.onnx", &body), (200, answer.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_table_is_told_with_its_place() {
        let absent = "height, m: the model needs this column (and 1 more)";
        for (model, body, sentence) in [
            ("features_json.onnx", "weight\n1\n", absent),
            (
                "features_json.onnx",
                "\"height, m\",weight,\"a\"\"b\"\n1,2,3\n1,x,3\n1,2\n",
                "[1].weight: expected a number (float32), found \"x\" (and 1 more)",
            ),
            (
                "features_json.onnx",
                "weight,weight\n1,2\n",
                "the header has column \"weight\" twice",
            ),
            ("iris.onnx", "", "the body is empty; it should hold CSV"),
            (
                "iris.onnx",
                "a,b\n1,2\n",
                "input \"X\" takes 4 columns and the model does not name them, found 2: \"a\", \"b\"",
            ),
        ] {
            let (status, told) = sent(model, body);
            let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
            let told = (status, told["error"].as_str());
            assert_eq!(told, (422, Some(sentence)), "{body}");
        }
    }

    #[test]
    fn a_row_of_numbers_is_a_header_only_where_the_model_has_those_names() {
        let hosted = |app: &crate::serve::app::App| app.registry.only(0).expect("one model");
        let iris = hosted(&app("iris.onnx", &hosting()));
        let named = hosted(&app("features_json.onnx", &hosting()));
        for (hosted, body, is_header) in [
            (&iris, "5.1,3.5,1.4,0.2\n", false),
            (&iris, "5.1,,NaN,1e3\n", false),
            (&iris, "5.1,3.5,1.4\n", true),
            (&iris, "a,b,c,d\n", true),
            (&iris, "X_0,X_1,X_2,X_3\n", true),
            (&named, "1,2,3\n", false),
            (&named, "\"height, m\",weight,\"a\"\"b\"\n", true),
        ] {
            let table = Table::read(body.as_bytes()).expect("a table");
            assert_eq!(
                table.has_header(hosted, HeaderRow::Guessed),
                is_header,
                "{body}"
            );
        }
    }
}
