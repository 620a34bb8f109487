//! What to do about a record that could not be scored, in terms of this command's flags.

use crate::batch::cell::Reason;
use crate::batch::encode::Fault;
use crate::model::dtype::Dtype;

/// For a record that the model fails on when it is alone.
pub const REFUSED: &str = "the model itself refuses this record: a category that it has not seen \
                           in training, or a value out of its range";

/// For a cell that does not fit its input, whose dtype is `dtype`; empty where there is nothing to
/// say.
pub fn for_fault(fault: &Fault, dtype: Option<Dtype>) -> String {
    let Fault {
        column,
        reason,
        found,
        ..
    } = fault;
    let has_nan = dtype.is_some_and(Dtype::is_float);
    let bare = found.trim_matches('"');
    match reason {
        Reason::NotANumber if bare.replacen(',', ".", 1).parse::<f64>().is_ok() => {
            "numbers are written with a decimal point, not a comma".to_owned()
        }
        Reason::Missing if has_nan => String::new(),
        Reason::Missing => format!(
            "{} has no missing value; --fill '{column}=VALUE' gives it one",
            dtype.map_or("this input", Dtype::name)
        ),
        Reason::NotANumber | Reason::NotAnInteger
            if has_nan
                && bare.len() < 20
                && found.starts_with('"')
                && !bare.contains([',', '\'']) =>
        {
            format!("--missing '{bare}' scores it as missing")
        }
        Reason::QuotedNumber => "--lenient accepts numbers in quotes".to_owned(),
        Reason::NotUtf8 => "--encoding latin1, or what it is, reads the file as UTF-8".to_owned(),
        Reason::NotAList | Reason::WrongShape => {
            "mlserve inspect MODEL --example jsonl prints a record that fits".to_owned()
        }
        _ => String::new(),
    }
}
