//! Counts of the last records: a ring of segments, of which the oldest goes when a new one begins.

use std::collections::VecDeque;

/// Whole segments of a window; one more is being filled.
const SEGMENTS: u64 = 10;

/// Counts of the last records.
#[derive(Debug)]
pub(super) struct Window {
    whole: VecDeque<Segment>,
    open: Segment,
    /// Records of a segment.
    size: u64,
}

/// Records and what was counted of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) records: u64,
    pub(super) counts: Vec<u64>,
}

impl Segment {
    pub(super) fn new(cells: usize) -> Segment {
        Segment {
            records: 0,
            counts: vec![0; cells],
        }
    }

    fn add(&mut self, more: &Segment) {
        self.records += more.records;
        for (count, more) in self.counts.iter_mut().zip(&more.counts) {
            *count += more;
        }
    }

    pub(super) fn clear(&mut self) {
        self.records = 0;
        self.counts.fill(0);
    }
}

impl Window {
    /// A window of `records` with `cells` counts.
    pub(super) fn new(records: u64, cells: usize) -> Window {
        Window {
            whole: VecDeque::new(),
            open: Segment::new(cells),
            size: records.div_ceil(SEGMENTS).max(1),
        }
    }

    /// Adds the latest records.
    pub(super) fn add(&mut self, latest: &Segment) {
        self.open.add(latest);
        if self.open.records < self.size {
            return;
        }
        let mut next = match self.whole.len() as u64 >= SEGMENTS {
            true => self.whole.pop_front().unwrap_or_default(),
            false => Segment::new(self.open.counts.len()),
        };
        next.clear();
        self.whole
            .push_back(std::mem::replace(&mut self.open, next));
    }

    /// All records of the window: as many as it was made for, and the segment that is being filled.
    pub(super) fn sum(&self) -> Segment {
        let mut sum = self.open.clone();
        self.whole.iter().for_each(|segment| sum.add(segment));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_segment_goes_when_the_window_is_full() {
        let mut window = Window::new(100, 2);
        let one = |count| Segment {
            records: 1,
            counts: vec![1, count],
        };
        (0..100).for_each(|_| window.add(&one(1)));
        assert_eq!(
            (window.sum().records, window.sum().counts),
            (100, vec![100, 100])
        );
        (0..9).for_each(|_| window.add(&one(0)));
        assert_eq!(
            (window.sum().records, window.sum().counts),
            (109, vec![109, 100])
        );
        window.add(&one(0));
        assert_eq!(
            (window.sum().records, window.sum().counts),
            (100, vec![100, 90])
        );
        (0..1000).for_each(|_| window.add(&one(0)));
        assert_eq!(window.sum().counts, vec![100, 0]);
    }
}
