//! The lists within a message: read when they are asked for, as far as they are asked for.

use std::borrow::Cow;

use super::text;
use crate::model::wire;

/// The strings of field `number`, as far as `most` of them.
pub(super) fn texts(body: &[u8], number: u32, most: usize) -> Vec<String> {
    wire::fields(body)
        .map_while(Result::ok)
        .filter(|field| field.number == number)
        .filter_map(|field| text(&field).ok().map(Cow::into_owned))
        .take(most)
        .collect()
}

/// Appends the integers of field `number`, until there are `most` in all.
pub(super) fn push_ints(ints: &mut Vec<i64>, body: &[u8], number: u32, most: usize) {
    each_int(body, number, |value| {
        ints.push(value);
        ints.len() < most
    });
}

/// Hands each integer of field `number` to `each` until it says `false`.
pub(super) fn each_int(body: &[u8], number: u32, mut each: impl FnMut(i64) -> bool) {
    for field in wire::fields(body).map_while(Result::ok) {
        if field.number == number && wire::each_int(&field, &mut each) != Ok(true) {
            return;
        }
    }
}
