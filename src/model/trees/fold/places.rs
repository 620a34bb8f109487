//! How what a function gives for a value depends on where the value stands in a batch.
//!
//! ONNX Runtime computes Log and its like in vectors, and what is left at a batch's end one by one;
//! the two may differ in the last bit (in 1.32 on x86, float32: `log(7)` is another number in the last
//! `rows % 4` rows). So a value has two results: one in the body of a batch, one in its tail. That this
//! is all there is to it is tried out, not believed.

/// What a function gives for each of some values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Results {
    /// In the body of a batch.
    pub body: Vec<u32>,
    /// In the tail: the last `rows % every` rows.
    pub tail: Vec<u32>,
    /// 1 where both are the same.
    pub every: usize,
}

/// Batches that fill vectors of any width.
const WIDE: usize = 64;

/// Tries out `run`, which takes numbers of values, below `count`, and gives the bits of a result for
/// each. `None` where the results are not a matter of body and tail.
pub(super) fn results(count: usize, run: &dyn Fn(&[usize]) -> Option<Vec<u32>>) -> Option<Results> {
    let wide = count.next_multiple_of(WIDE);
    let mut body = run(&circle(count, 0, wide))?;
    body.truncate(count);
    let alone = (0..count).map(|at| run(&[at])?.first().copied());
    let tail: Vec<u32> = alone.collect::<Option<_>>()?;
    let mut results = Results {
        every: 1,
        body,
        tail,
    };
    if let Some(at) = (0..count).find(|at| results.body.get(*at) != results.tail.get(*at)) {
        let bits = run(&[at; 2 * WIDE - 1])?;
        let lone = results.tail.get(at);
        let length = bits.iter().rev().take_while(|bits| Some(*bits) == lone);
        results.every = length.count() + 1;
    }
    let is_sound = results.every.is_power_of_two() && results.every <= WIDE;
    (is_sound && results.hold(count, run)?).then_some(results)
}

/// The numbers of values, round and round from `start`.
fn circle(count: usize, start: usize, length: usize) -> Vec<usize> {
    (start..start + length).map(|at| at % count).collect()
}

impl Results {
    /// Whether batches give what they should: every value in every lane of a vector and at many
    /// distances from a batch's end.
    fn hold(&self, count: usize, run: &dyn Fn(&[usize]) -> Option<Vec<u32>>) -> Option<bool> {
        let wide = count.next_multiple_of(WIDE);
        let mut batches: Vec<Vec<usize>> = (0..WIDE / 2)
            .map(|start| circle(count, start, wide + start * 5 % 17))
            .collect();
        for length in [2, 3, 5, 7, 15] {
            let starts = (0..count).step_by(length);
            batches.extend(starts.map(|start| circle(count, start, length)));
        }
        for length in [4, 8, 9, 16, 17, 31, 33, 255, 1027, 5003] {
            batches.push(circle(count, length, length));
        }
        for batch in batches {
            if run(&batch)? != self.of(&batch)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// What a batch should give.
    fn of(&self, batch: &[usize]) -> Option<Vec<u32>> {
        let tail = batch.len() - batch.len() % self.every;
        let result = |(place, at): (usize, &usize)| {
            let results = if place < tail { &self.body } else { &self.tail };
            results.get(*at).copied()
        };
        batch.iter().enumerate().map(result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of `width`; odd values are another number outside them.
    fn in_vectors(width: usize) -> impl Fn(&[usize]) -> Option<Vec<u32>> {
        move |batch| {
            let tail = batch.len() - batch.len() % width;
            let bits = |(place, at): (usize, &usize)| {
                let is_other = place >= tail && at % 2 == 1;
                100 + *at as u32 * 2 + u32::from(is_other)
            };
            Some(batch.iter().enumerate().map(bits).collect())
        }
    }

    #[test]
    fn body_and_tail_are_told_apart() {
        for (count, width) in [(5, 1), (5, 2), (5, 4), (70, 8), (130, 16), (2, 64)] {
            let found = results(count, &in_vectors(width));
            let body: Vec<u32> = (0..count as u32).map(|at| 100 + at * 2).collect();
            let tail = body.iter().enumerate();
            let other = |at: usize| u32::from(width > 1 && at % 2 == 1);
            let tail = tail.map(|(at, bits)| bits + other(at)).collect();
            let every = width;
            assert_eq!(
                found,
                Some(Results { body, tail, every }),
                "{count} {width}"
            );
        }
    }

    #[test]
    fn what_depends_on_more_than_body_and_tail_is_refused() {
        let by_neighbour = |batch: &[usize]| {
            let most = batch.iter().max()?;
            Some(batch.iter().map(|at| (at * 100 + most) as u32).collect())
        };
        let by_lane = |batch: &[usize]| {
            let bits =
                |(place, at): (usize, &usize)| (*at * 100 + usize::from(place % 8 == 5)) as u32;
            Some(batch.iter().enumerate().map(bits).collect())
        };
        let by_length = |batch: &[usize]| {
            Some(
                batch
                    .iter()
                    .map(|at| (at * 100 + usize::from(batch.len() > 2000)) as u32)
                    .collect(),
            )
        };
        let in_threes = in_vectors(3);
        assert_eq!(results(9, &by_neighbour), None);
        assert_eq!(results(9, &by_lane), None);
        assert_eq!(results(9, &by_length), None);
        assert_eq!(results(9, &in_threes), None);
    }
}
