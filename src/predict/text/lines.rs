//! One record of the output as a line of text.

use crate::batch::write::{NonFinite, csv_empty, csv_field, json_field, json_string};

use crate::batch::run::Prediction;
use crate::predict::format::{FileFormat, Format};
use crate::predict::score::scorer::Scorer;

impl Scorer<'_> {
    /// Appends one record: its kept cells, empty where there are none, and its predictions, likewise.
    pub(in crate::predict) fn write_record(
        &self,
        text: &mut Vec<u8>,
        kept: Option<&[u8]>,
        prediction: Option<Prediction<'_>>,
    ) {
        match self.intake.to {
            FileFormat::Text(Format::Jsonl) => {
                self.write_json(text, kept.unwrap_or_default(), prediction);
            }
            FileFormat::Text(Format::Csv { .. }) | FileFormat::Table(_) => {
                self.write_csv(text, kept, prediction);
            }
        }
        text.push(b'\n');
    }

    fn write_csv(
        &self,
        text: &mut Vec<u8>,
        kept: Option<&[u8]>,
        prediction: Option<Prediction<'_>>,
    ) {
        let start = text.len();
        let columns = self.intake.plan.kept.len();
        match kept {
            Some(kept) => text.extend_from_slice(kept),
            None => {
                let delimiters = columns.saturating_sub(1);
                text.extend(std::iter::repeat_n(self.style.delimiter, delimiters));
            }
        }
        let mut first = columns == 0;
        match prediction {
            Some((outputs, record)) => {
                for (field, values) in self.layout.fields.iter().zip(outputs) {
                    csv_field(text, field, values, record, &self.style, &mut first);
                }
            }
            None => csv_empty(text, self.layout.columns().len(), &self.style, first),
        }
        if text.len() == start {
            // Readers skip blank lines, and the record with them.
            text.extend_from_slice(b"\"\"");
        }
    }

    fn write_json(&self, text: &mut Vec<u8>, kept: &[u8], prediction: Option<Prediction<'_>>) {
        text.push(b'{');
        text.extend_from_slice(kept);
        for (position, field) in self.layout.fields.iter().enumerate() {
            if position > 0 {
                text.push(b',');
            }
            json_string(text, &field.name);
            text.push(b':');
            match prediction.and_then(|(outputs, record)| Some((outputs.get(position)?, record))) {
                Some((values, record)) => json_field(text, field, values, record, NonFinite::Null),
                None => text.extend_from_slice(b"null"),
            }
        }
        if self.layout.fields.is_empty() && text.last() == Some(&b',') {
            text.pop();
        }
        text.push(b'}');
    }
}
