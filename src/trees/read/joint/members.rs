//! Questions for membership, each in the shape that ONNX Runtime gives it.
//!
//! A set of a few small numbers becomes a chain of equality questions, to be folded as any chain is.
//! A larger set there holds whole numbers only, and a value is cut to a whole number before it is
//! looked up: 3.9 is in the set of 3. That is a question of ranges, so it becomes a small search tree
//! of `at most` questions, whose ends are the two children of the node.

use std::ops::RangeInclusive;

use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::Real;
use crate::trees::read::nodes::{Node, Nodes};

/// A node whose set is too large to be a chain, with the set's runs in ascending order.
pub(super) struct Large {
    place: u32,
    runs: Vec<RangeInclusive<i32>>,
}

/// Hands the nodes of mode [`Mode::Member`] their sets, in the order of the list, in which NaN ends
/// each. Small ones become chains; the others are given back.
pub(super) fn unroll<T: Real>(nodes: &mut Nodes<T>, members: &[T]) -> Result<Vec<Large>, Refusal> {
    let mut sets = members.split(|member| member.is_nan());
    let mut large = Vec::new();
    for place in 0..nodes.nodes.len() as u32 {
        if nodes.at(place)?.mode != Mode::Member {
            continue;
        }
        match sets.next() {
            None | Some([]) => return refuse("a set of members is empty"),
            Some(members) if is_small(members) => chain(nodes, place, members)?,
            Some(members) => large.push(Large {
                place,
                runs: runs(members)?,
            }),
        }
    }
    Ok(large)
}

fn is_small<T: Real>(members: &[T]) -> bool {
    let fits = |member: &T| (0.0..=30.0).contains(&member.double());
    members.len() < 31 && members.iter().all(fits)
}

/// Makes the node ask for the first member, and new nodes at the end for the others.
fn chain<T: Real>(nodes: &mut Nodes<T>, place: u32, members: &[T]) -> Result<(), Refusal> {
    let node = *nodes.at(place)?;
    let mut next = nodes.nodes.len() as u32;
    let mut at = place;
    let mut rest = members.iter().copied().peekable();
    while let Some(value) = rest.next() {
        let link = Node {
            mode: Mode::Equal,
            value,
            no: if rest.peek().is_none() { node.no } else { next },
            ..node
        };
        put(nodes, at, link);
        at = next;
        next += 1;
    }
    Ok(())
}

/// The members as runs of neighbours.
fn runs<T: Real>(members: &[T]) -> Result<Vec<RangeInclusive<i32>>, Refusal> {
    let mut whole = Vec::with_capacity(members.len());
    for member in members {
        let member = member.double();
        // What does not fit 32 bits becomes one of their ends, which end depends on the processor.
        let fits = member > f64::from(i32::MIN) && member < f64::from(i32::MAX);
        if !fits || member.fract() != 0.0 {
            return refuse(
                "a large set of members has numbers that are not whole or not of 32 bits",
            );
        }
        whole.push(member as i32);
    }
    whole.sort_unstable();
    whole.dedup();
    let neighbours = whole.chunk_by(|left, right| left + 1 == *right);
    Ok(neighbours
        .filter_map(|run| Some(*run.first()?..=*run.last()?))
        .collect())
}

/// Puts search trees in the place of nodes with large sets.
pub(super) fn unfold<T: Real>(nodes: &mut Nodes<T>, large: Vec<Large>) -> Result<(), Refusal> {
    for Large { place, runs } in large {
        let mut borders = Vec::with_capacity(runs.len() * 2);
        for run in &runs {
            borders.push(last_before(*run.start()));
            borders.push(last_of(*run.end()));
        }
        search(nodes, place, &borders)?;
    }
    Ok(())
}

/// The largest value that is cut to less than `first`.
fn last_before<T: Real>(first: i32) -> T {
    let first = f64::from(first);
    if first > 0.0 {
        below(first)
    } else {
        not_above(first - 1.0)
    }
}

/// The largest value that is cut to no more than `last`.
fn last_of<T: Real>(last: i32) -> T {
    let last = f64::from(last);
    if last < 0.0 {
        not_above(last)
    } else {
        below(last + 1.0)
    }
}

/// The largest number of the precision below `limit`.
fn below<T: Real>(limit: f64) -> T {
    let value = T::of_double(limit);
    if value.double() < limit {
        value
    } else {
        value.next_lower()
    }
}

/// The largest number of the precision that is at most `limit`.
fn not_above<T: Real>(limit: f64) -> T {
    let value = T::of_double(limit);
    if value.double() <= limit {
        value
    } else {
        value.next_lower()
    }
}

/// A search tree over `borders`, ascending: up to and with the first is the child for no, from there
/// to the second the child for yes, and so on in turns. NaN is led to the first range of its child.
fn search<T: Real>(nodes: &mut Nodes<T>, place: u32, borders: &[T]) -> Result<(), Refusal> {
    let asked = *nodes.at(place)?;
    let nan_range = usize::from(asked.missing);
    // Where a question goes, and the ranges that it parts.
    let mut ahead = vec![(place, 0..borders.len())];
    let mut end = nodes.nodes.len() as u32;
    while let Some((place, ranges)) = ahead.pop() {
        let middle = ranges.start + ranges.len() / 2;
        let Some(border) = borders.get(middle) else {
            continue;
        };
        let mut child = |part: std::ops::Range<usize>| {
            if part.is_empty() {
                return if part.start % 2 == 1 {
                    asked.yes
                } else {
                    asked.no
                };
            }
            let place = end;
            end += 1;
            ahead.push((place, part));
            place
        };
        let question = Node {
            mode: Mode::AtMost,
            missing: nan_range <= middle,
            value: *border,
            yes: child(ranges.start..middle),
            no: child(middle + 1..ranges.end),
            ..asked
        };
        put(nodes, place, question);
    }
    Ok(())
}

/// Puts a node at a place that may lie beyond the end; what is between is filled in later.
fn put<T: Real>(nodes: &mut Nodes<T>, place: u32, node: Node<T>) {
    let place = place as usize;
    if place >= nodes.nodes.len() {
        nodes.nodes.resize(place + 1, node);
    }
    if let Some(slot) = nodes.nodes.get_mut(place) {
        *slot = node;
    }
}
