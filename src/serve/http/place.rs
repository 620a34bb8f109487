//! Places among the requests that are worked on: so many at once, and none for those that wait for
//! their clients.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A request's place, which it gives back when it is dropped.
pub(super) struct Place<'g> {
    in_flight: &'g AtomicUsize,
    most: usize,
    is_taken: bool,
}

impl<'g> Place<'g> {
    /// One of `most` places, not taken yet.
    pub(super) fn new(in_flight: &'g AtomicUsize, most: usize) -> Place<'g> {
        Place {
            in_flight,
            most,
            is_taken: false,
        }
    }

    /// Takes it, if one is free; whether it has one now.
    pub(super) fn take(&mut self) -> bool {
        if self.is_taken {
            return true;
        }
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.is_taken = true;
        before < self.most || !self.leave()
    }

    /// Takes one though all may be taken: for what must be answered, or goes on.
    pub(super) fn take_anyhow(&mut self) {
        if !self.is_taken {
            self.in_flight.fetch_add(1, Ordering::AcqRel);
            self.is_taken = true;
        }
    }

    /// Gives it back; whether there was one to give.
    pub(super) fn leave(&mut self) -> bool {
        let was_taken = std::mem::take(&mut self.is_taken);
        if was_taken {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
        }
        was_taken
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_given_back() {
        let in_flight = AtomicUsize::new(0);
        let count = || in_flight.load(Ordering::Acquire);
        let new = || Place::new(&in_flight, 2);
        let (mut first, mut second, mut third) = (new(), new(), new());
        assert!(first.take() && first.take() && second.take());
        assert!(!third.take());
        assert_eq!(count(), 2);
        third.take_anyhow();
        assert_eq!(count(), 3);
        assert!(third.leave() && !third.leave() && first.leave());
        assert!(third.take());
        drop((first, second, third));
        assert_eq!(count(), 0);
    }
}
