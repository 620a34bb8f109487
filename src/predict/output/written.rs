//! Predictions on their way out: the text of a block, or its columns; and the file that takes them.

use std::path::Path;

use crate::batch::plan::Plan;
#[cfg(feature = "columnar")]
use crate::batch::typed;
#[cfg(feature = "columnar")]
use crate::error::Error;
use crate::error::Result;
use crate::model::tensor::Tensor;

use crate::numpy;
#[cfg(feature = "columnar")]
use crate::predict::columnar;
use crate::predict::format::{FileFormat, TableFormat};
use crate::predict::input::tables::Table;
use crate::predict::output::sink::Sink;
use crate::predict::score::scorer::Scorer;
use crate::predict::text::intake::Encoded;

/// What a block adds to the output.
pub enum Output {
    Text(Vec<u8>),
    Table(Vec<Rows>),
}

/// Rows of a table, in the columns of its format.
pub enum Rows {
    #[cfg(feature = "columnar")]
    Columns(Vec<columnar::ArrayRef>, usize),
    Parts(Vec<numpy::output::Part>),
}

/// What an output starts with, before any record.
pub enum Beginning {
    /// A header, where the format has one.
    Text(Vec<u8>),
    #[cfg(feature = "columnar")]
    Columns(columnar::Container, columnar::SchemaRef),
    Parts(numpy::Container, Vec<numpy::output::Part>),
}

/// An output that has begun.
pub enum Written {
    Text(Sink),
    #[cfg(feature = "columnar")]
    Columns(Box<columnar::Writer<Sink>>),
    Parts(Box<numpy::Writer>, Sink),
}

impl Written {
    /// Begins the output; `folder` is for what cannot be written before all is known.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn begin(mut sink: Sink, beginning: Beginning, folder: &Path) -> Result<Written> {
        match beginning {
            Beginning::Text(header) => {
                sink.write(&header)?;
                Ok(Written::Text(sink))
            }
            #[cfg(feature = "columnar")]
            Beginning::Columns(container, schema) => {
                let place = sink.name().to_owned();
                let writer = columnar::Writer::new(container, schema, sink, &place)?;
                Ok(Written::Columns(Box::new(writer)))
            }
            Beginning::Parts(container, parts) => {
                let mut writer = numpy::Writer::new(container, folder, sink.name());
                writer.write(&parts)?;
                Ok(Written::Parts(Box::new(writer), sink))
            }
        }
    }

    /// Takes what a block adds.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn take(&mut self, output: Output) -> Result<()> {
        match (self, output) {
            (Written::Text(sink), Output::Text(text)) => sink.write(&text),
            (writer, Output::Table(table)) => {
                table.into_iter().try_for_each(|rows| writer.add(rows))
            }
            // A scorer makes what its output takes.
            _ => Ok(()),
        }
    }

    fn add(&mut self, rows: Rows) -> Result<()> {
        match (self, rows) {
            #[cfg(feature = "columnar")]
            (Written::Columns(writer), Rows::Columns(arrays, rows)) => writer.write(arrays, rows),
            (Written::Parts(writer, _), Rows::Parts(parts)) => writer.write(&parts),
            _ => Ok(()),
        }
    }

    /// Makes it final.
    ///
    /// # Errors
    /// As [`Sink::finish`].
    pub fn finish(self) -> Result<()> {
        match self {
            Written::Text(sink) => sink.finish(),
            #[cfg(feature = "columnar")]
            Written::Columns(writer) => writer.finish()?.finish(),
            Written::Parts(writer, sink) => writer.finish(sink)?.finish(),
        }
    }

    /// The sink of text, which alone can be gone on with later.
    pub fn sink(&mut self) -> Option<&mut Sink> {
        match self {
            Written::Text(sink) => Some(sink),
            #[cfg(feature = "columnar")]
            Written::Columns(_) => None,
            Written::Parts(..) => None,
        }
    }
}

/// What a table starts with, whose rows look like `sample`, one tensor for each field.
///
/// # Errors
/// [`Error::Usage`] for a format that this build lacks.
pub fn beginning(
    format: TableFormat,
    scorer: &Scorer<'_>,
    sample: &[Tensor],
    kept: &Kept,
) -> Result<Beginning> {
    let fields = &scorer.layout.fields;
    let container = match format {
        TableFormat::Npy => numpy::Container::Npy,
        TableFormat::Npz => numpy::Container::Npz,
        TableFormat::Parquet | TableFormat::ArrowFile | TableFormat::ArrowStream => {
            return columns_beginning(format, scorer, sample, kept);
        }
    };
    let parts = numpy::output::parts(fields, sample, &[])?;
    Ok(Beginning::Parts(container, parts))
}

/// Whether the format holds predictions alone.
pub fn is_arrays(format: FileFormat) -> bool {
    matches!(
        format,
        FileFormat::Table(TableFormat::Npy | TableFormat::Npz)
    )
}

/// The types of the kept columns.
pub enum Kept {
    /// Cells of text.
    Text,
    #[cfg(feature = "columnar")]
    Fields(Vec<columnar::FieldRef>),
}

#[cfg(feature = "columnar")]
fn columns_beginning(
    format: TableFormat,
    scorer: &Scorer<'_>,
    sample: &[Tensor],
    kept: &Kept,
) -> Result<Beginning> {
    let container = match format {
        TableFormat::ArrowFile => columnar::Container::IpcFile,
        TableFormat::ArrowStream => columnar::Container::IpcStream,
        _ => columnar::Container::Parquet,
    };
    let fields = match kept {
        Kept::Fields(fields) => fields.clone(),
        Kept::Text => {
            let names = scorer.intake.plan.kept_names();
            names
                .into_iter()
                .map(columnar::output::text_field)
                .collect()
        }
    };
    let schema = columnar::output::schema(&fields, &scorer.layout.fields, sample);
    Ok(Beginning::Columns(container, schema))
}

#[cfg(not(feature = "columnar"))]
fn columns_beginning(
    format: TableFormat,
    _: &Scorer<'_>,
    _: &[Tensor],
    _: &Kept,
) -> Result<Beginning> {
    Err(crate::predict::input::tables::lacks(format))
}

/// The types of the kept columns of `table`, those of arrays of NumPy being known from their first
/// `rows` rows.
///
/// # Errors
/// [`Error::Data`] for an array that no column can hold.
#[cfg(feature = "columnar")]
pub fn kept_of(table: &Table, declared: Kept, plan: &Plan, rows: usize) -> Result<Kept> {
    let Table::Arrays(table) = table else {
        return Ok(declared);
    };
    let tensors = kept_tensors(table, plan, rows)?;
    let field = |(name, tensor): &(&str, Tensor)| columnar::output::tensor_field(name, tensor);
    Ok(Kept::Fields(tensors.iter().map(field).collect()))
}

/// Without tables of columns there are no types to keep.
///
/// # Errors
/// None.
#[cfg(not(feature = "columnar"))]
pub fn kept_of(_: &Table, declared: Kept, _: &Plan, _: usize) -> Result<Kept> {
    Ok(declared)
}

/// The kept arrays of a table of NumPy, by name.
#[cfg(feature = "columnar")]
fn kept_tensors<'p>(
    table: &numpy::Table,
    plan: &'p Plan,
    rows: usize,
) -> Result<Vec<(&'p str, Tensor)>> {
    let is_kept = |(index, _): &(usize, _)| plan.kept.contains(index);
    let columns = table.columns().into_iter().enumerate().filter(is_kept);
    let tensor = |(index, column)| {
        let name = plan.column(index);
        let tensor = typed::tensor(name, column, 0..rows);
        tensor
            .map(|tensor| (name, tensor))
            .map_err(|(_, fault)| Error::data("", fault.to_string()))
    };
    columns.map(tensor).collect()
}

/// Consecutive records of a block that one run has scored, or whose predictions are empty.
pub struct Portion<'a> {
    pub tensors: &'a [Tensor],
    /// The entry of each record, and its row in the tensors.
    pub records: Vec<(usize, Option<usize>)>,
}

/// A portion of records as rows of a table.
///
/// # Errors
/// [`Error::Data`] for what the format cannot hold.
pub fn rows(scorer: &Scorer<'_>, encoded: &Encoded, portion: &Portion<'_>) -> Result<Rows> {
    let fields = &scorer.layout.fields;
    let records: Vec<Option<usize>> = portion.records.iter().map(|(_, row)| *row).collect();
    match scorer.intake.to {
        FileFormat::Table(TableFormat::Npy | TableFormat::Npz) => {
            let parts = numpy::output::parts(fields, portion.tensors, &records);
            parts
                .map(Rows::Parts)
                .map_err(|error| error.at(&scorer.intake.source))
        }
        _ => columns(scorer, encoded, portion, &records),
    }
}

#[cfg(feature = "columnar")]
fn columns(
    scorer: &Scorer<'_>,
    encoded: &Encoded,
    portion: &Portion<'_>,
    records: &[Option<usize>],
) -> Result<Rows> {
    let plan: &Plan = &scorer.intake.plan;
    let entries: Vec<usize> = portion.records.iter().map(|(entry, _)| *entry).collect();
    let mut arrays = match &encoded.table {
        Some(Table::Columns(table)) => {
            let kept = table.kept(plan);
            let picked = kept
                .iter()
                .map(|array| columnar::output::pick(array, &entries));
            picked.collect::<Result<Vec<_>>>()?
        }
        Some(Table::Arrays(table)) => {
            let rows: Vec<Option<usize>> = entries.iter().map(|entry| Some(*entry)).collect();
            let tensors = kept_tensors(table, plan, encoded.entries.len())?;
            let array =
                |(_, tensor): &(&str, Tensor)| columnar::output::tensor_array(tensor, &rows);
            tensors.iter().map(array).collect()
        }
        None => {
            let column = |position: usize| {
                let cells = entries
                    .iter()
                    .map(|entry| encoded.kept_cell(*entry, position));
                columnar::output::text_array(cells)
                    .map_err(|_| Error::data(&*scorer.intake.source, "a kept cell is not UTF-8"))
            };
            (0..plan.kept.len())
                .map(column)
                .collect::<Result<Vec<_>>>()?
        }
    };
    arrays.extend(columnar::output::arrays(
        &scorer.layout.fields,
        portion.tensors,
        records,
    ));
    Ok(Rows::Columns(arrays, entries.len()))
}

#[cfg(not(feature = "columnar"))]
fn columns(scorer: &Scorer<'_>, _: &Encoded, _: &Portion<'_>, _: &[Option<usize>]) -> Result<Rows> {
    match scorer.intake.to {
        FileFormat::Table(format) => Err(crate::predict::input::tables::lacks(format)),
        FileFormat::Text(_) => Ok(Rows::Parts(Vec::new())),
    }
}
