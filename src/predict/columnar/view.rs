//! Arrow arrays as the typed columns that `batch` encodes: nothing is copied.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, TimestampMicrosecondArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};

use super::types;
use crate::batch::typed::{Bits, Column, Values};

/// `array` without dictionaries, runs and named time zones, which views do not know.
///
/// Named zones become UTC: their tables would be a megabyte of this program, and the moment stays.
pub fn flat(array: &ArrayRef) -> ArrayRef {
    let data_type = array.data_type();
    let target = match types::plain(data_type) {
        Some(values) => values.clone(),
        None => data_type.clone(),
    };
    let target = match target {
        DataType::Timestamp(unit, Some(zone)) if !is_offset(&zone) => {
            DataType::Timestamp(unit, Some("+00:00".into()))
        }
        target => target,
    };
    if target == *data_type {
        return ArrayRef::clone(array);
    }
    let plain = match types::plain(data_type) {
        Some(values) => arrow_cast::cast(array, values),
        None => Ok(ArrayRef::clone(array)),
    };
    let Ok(plain) = plain else {
        // A view of it then says what it is.
        return ArrayRef::clone(array);
    };
    match &target {
        DataType::Timestamp(unit, Some(zone)) => in_zone(&plain, *unit, zone),
        _ => plain,
    }
}

fn is_offset(zone: &str) -> bool {
    zone.starts_with(['+', '-'])
}

/// The same moments shown in another zone.
fn in_zone(array: &ArrayRef, unit: TimeUnit, zone: &str) -> ArrayRef {
    use arrow_array::types::{
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    match unit {
        TimeUnit::Second => std::sync::Arc::new(
            array
                .as_primitive::<TimestampSecondType>()
                .clone()
                .with_timezone(zone),
        ),
        TimeUnit::Millisecond => std::sync::Arc::new(
            array
                .as_primitive::<TimestampMillisecondType>()
                .clone()
                .with_timezone(zone),
        ),
        TimeUnit::Microsecond => {
            let moments: &TimestampMicrosecondArray = array.as_primitive();
            std::sync::Arc::new(moments.clone().with_timezone(zone))
        }
        TimeUnit::Nanosecond => std::sync::Arc::new(
            array
                .as_primitive::<TimestampNanosecondType>()
                .clone()
                .with_timezone(zone),
        ),
    }
}

/// The values of `array`, which [`flat`] made.
pub fn column(array: &dyn Array) -> Column<'_> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let valid = nulls.map(|nulls| Bits {
        bytes: nulls.validity(),
        offset: nulls.offset(),
    });
    Column {
        values: values(array),
        valid,
    }
}

fn values(array: &dyn Array) -> Values<'_> {
    match array.data_type() {
        DataType::Null => Values::Nothing,
        DataType::Boolean => {
            let bits = array.as_boolean().values();
            Values::Bool(Bits {
                bytes: bits.values(),
                offset: bits.offset(),
            })
        }
        DataType::Int8 => Values::Int8(array.as_primitive::<Int8Type>().values()),
        DataType::Int16 => Values::Int16(array.as_primitive::<Int16Type>().values()),
        DataType::Int32 => Values::Int32(array.as_primitive::<Int32Type>().values()),
        DataType::Int64 => Values::Int64(array.as_primitive::<Int64Type>().values()),
        DataType::UInt8 => Values::Uint8(array.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => Values::Uint16(array.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => Values::Uint32(array.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => Values::Uint64(array.as_primitive::<UInt64Type>().values()),
        DataType::Float16 => Values::Float16(array.as_primitive::<Float16Type>().values()),
        DataType::Float32 => Values::Float32(array.as_primitive::<Float32Type>().values()),
        DataType::Float64 => Values::Float64(array.as_primitive::<Float64Type>().values()),
        DataType::Decimal32(_, _) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(_, _) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(_, _) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(_, _) => decimals::<Decimal256Type>(array),
        data_type if data_type.is_temporal() => moments(array),
        data_type if types::is_list(data_type) => lists(array),
        _ => match bytes(array) {
            Some(bytes) => Values::Text(bytes),
            None => Values::Other(types::unfeedable(array.data_type()).unwrap_or("another type")),
        },
    }
}

/// The bytes of each row of an array of texts or of bytes.
pub(super) fn bytes<'a>(array: &'a dyn Array) -> Option<Box<dyn Fn(usize) -> &'a [u8] + 'a>> {
    Some(match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            Box::new(|row| texts.value(row).as_bytes())
        }
        DataType::LargeUtf8 => {
            let texts = array.as_string::<i64>();
            Box::new(|row| texts.value(row).as_bytes())
        }
        DataType::Utf8View => {
            let texts = array.as_string_view();
            Box::new(|row| texts.value(row).as_bytes())
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>();
            Box::new(|row| bytes.value(row))
        }
        DataType::LargeBinary => {
            let bytes = array.as_binary::<i64>();
            Box::new(|row| bytes.value(row))
        }
        DataType::BinaryView => {
            let bytes = array.as_binary_view();
            Box::new(|row| bytes.value(row))
        }
        DataType::FixedSizeBinary(_) => {
            let bytes = array.as_fixed_size_binary();
            Box::new(|row| bytes.value(row))
        }
        _ => return None,
    })
}

fn decimals<T: DecimalType>(array: &dyn Array) -> Values<'_> {
    let decimals = array.as_primitive::<T>();
    Values::Decimal(Box::new(|row| decimals.value_as_string(row)))
}

fn moments(array: &dyn Array) -> Values<'_> {
    match ArrayFormatter::try_new(array, &FORMAT) {
        Ok(formatter) => Values::Moment(Box::new(move |row| formatter.value(row).to_string())),
        Err(_) => Values::Other("a date or time that has no text"),
    }
}

/// ISO 8601, as Arrow writes it anyway.
pub(super) const FORMAT: FormatOptions<'static> = FormatOptions::new();

fn lists(array: &dyn Array) -> Values<'_> {
    fn by_offsets<O: OffsetSizeTrait>(array: &dyn Array) -> Values<'_> {
        let lists = array.as_list::<O>();
        let offsets = lists.value_offsets();
        let offset = |at: usize| offsets.get(at).map_or(0, |offset| offset.as_usize());
        Values::List {
            items: Box::new(column(lists.values())),
            bounds: Box::new(move |row| offset(row)..offset(row + 1)),
        }
    }
    fn by_views<O: OffsetSizeTrait>(array: &dyn Array) -> Values<'_> {
        let lists = array.as_list_view::<O>();
        Values::List {
            items: Box::new(column(lists.values())),
            bounds: Box::new(|row| {
                let start = lists.value_offset(row).as_usize();
                start..start + lists.value_size(row).as_usize()
            }),
        }
    }
    match array.data_type() {
        DataType::LargeList(_) => by_offsets::<i64>(array),
        DataType::ListView(_) => by_views::<i32>(array),
        DataType::LargeListView(_) => by_views::<i64>(array),
        DataType::FixedSizeList(_, _) => {
            let lists = array.as_fixed_size_list();
            let size = usize::try_from(lists.value_length()).unwrap_or_default();
            Values::List {
                items: Box::new(column(lists.values())),
                bounds: Box::new(move |row| row * size..(row + 1) * size),
            }
        }
        _ => by_offsets::<i32>(array),
    }
}

/// Where the items of a row start and end.
type Bounds<'a> = Box<dyn Fn(usize) -> Range<usize> + 'a>;

/// The items of all rows of an array of lists, and those of each.
pub(super) fn list_items(array: &dyn Array) -> Option<(&ArrayRef, Bounds<'_>)> {
    let items = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().values(),
        DataType::LargeList(_) => array.as_list::<i64>().values(),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list().values(),
        DataType::ListView(_) => array.as_list_view::<i32>().values(),
        DataType::LargeListView(_) => array.as_list_view::<i64>().values(),
        _ => return None,
    };
    match lists(array) {
        Values::List { bounds, .. } => Some((items, bounds)),
        _ => None,
    }
}
