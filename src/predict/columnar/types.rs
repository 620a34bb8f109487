//! What we call Arrow's types, and which of them can feed a model.

use arrow_schema::DataType;

/// Whether a column of the type holds lists.
pub(super) fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
    )
}

/// What a value of a type is called that feeds no model; `None` for the types that do.
pub(super) fn unfeedable(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Struct(_) => Some("a struct"),
        DataType::Map(_, _) => Some("a map"),
        DataType::Union(_, _) => Some("a union"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => match item.data_type() {
            DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) => {
                Some("a list of dictionary entries")
            }
            item => unfeedable(item),
        },
        DataType::Dictionary(_, values) => unfeedable(values),
        DataType::RunEndEncoded(_, values) => unfeedable(values.data_type()),
        _ => None,
    }
}

/// The type of the values that a dictionary or runs stand for.
pub(super) fn plain(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Dictionary(_, values) => Some(plain(values).unwrap_or(values)),
        DataType::RunEndEncoded(_, values) => {
            Some(plain(values.data_type()).unwrap_or(values.data_type()))
        }
        _ => None,
    }
}
