//! Memory for large bodies and large replies, over all connections: each has its own limit, but a
//! thousand clients that stop one byte before it would hold a thousand times as much.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Limits;

/// What is smaller than this is not counted: so many connections hold little of it.
pub(super) const SMALL: usize = 64 << 10;
/// As many bodies of the largest size may be held at once.
const LARGEST_AT_ONCE: usize = 8;
/// However small the largest body may be.
const LEAST: usize = 64 << 20;

/// From this size on what was held is worth giving back to the system.
const LARGE: usize = 1 << 20;

/// Bytes that may be held at once.
pub(super) struct Budget {
    most: usize,
    held: AtomicUsize,
    /// Something large was let go of since somebody last asked.
    has_freed: AtomicBool,
}

/// Bytes that one connection holds; given back when this is dropped.
pub(super) struct Held<'b> {
    budget: &'b Budget,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Budget {
        Budget {
            most: limits.body_bytes.saturating_mul(LARGEST_AT_ONCE).max(LEAST),
            held: AtomicUsize::new(0),
            has_freed: AtomicBool::new(false),
        }
    }

    /// Whether something large was let go of since this was last asked.
    pub(super) fn has_freed(&self) -> bool {
        self.has_freed.load(Ordering::Relaxed) && self.has_freed.swap(false, Ordering::Relaxed)
    }

    /// Nothing yet.
    pub(super) fn nothing(&self) -> Held<'_> {
        Held {
            budget: self,
            bytes: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
}

impl Held<'_> {
    /// Holds `bytes` in all; `false` where that is more than there is. Whoever is alone may hold any
    /// amount: what is too large for everybody would otherwise be told to come back for ever.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        // Most requests are small, and need not agree on a number with all others.
        if bytes <= SMALL || more == 0 {
            return true;
        }
        let before = self.budget.held.fetch_add(more, Ordering::AcqRel);
        let is_alone = before == self.bytes;
        if !is_alone && before.saturating_add(more) > self.budget.most {
            self.budget.held.fetch_sub(more, Ordering::AcqRel);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
        }
        if self.bytes >= LARGE {
            self.budget.has_freed.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_held_again() {
        let budget = Budget::new(&Limits {
            body_bytes: 16 << 20,
            ..Limits::default()
        });
        let mut eight: Vec<_> = (0..8).map(|_| budget.nothing()).collect();
        assert!(eight.iter_mut().all(|held| held.grow_to(16 << 20)));
        let mut ninth = budget.nothing();
        assert!(ninth.grow_to(SMALL), "small ones always fit");
        assert!(!ninth.grow_to(SMALL + 1));
        drop(eight.pop());
        assert!(ninth.grow_to(16 << 20));
        drop((eight, ninth));
        assert_eq!(budget.held(), 0);
        assert!(budget.has_freed() && !budget.has_freed());
        let mut alone = budget.nothing();
        assert!(alone.grow_to(1 << 40) && alone.grow_to(1 << 41));
        assert!(!budget.nothing().grow_to(1 << 20));
    }
}
