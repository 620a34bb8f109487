//! The bytes of a source that were read and not yet handed out. Taking bytes off its front is cheap
//! however many are left: behind a quote that is never closed there may be hundreds of megabytes.

use std::ops::Deref;

/// Grows at its end and shrinks at its front.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Where the bytes start that are not handed out.
    at: usize,
}

impl Deref for Window {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

impl Window {
    /// The buffer to append to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Takes the first `count` bytes away.
    pub(super) fn skip(&mut self, count: usize) {
        self.at += count.min(self.len());
        // No more bytes are ever moved than were skipped since the last time.
        if self.at >= self.len() {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
    }

    /// Takes the first `count` bytes out.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.get(count..).unwrap_or_default();
        if self.at > 0 || rest.len() > count {
            let taken = self.get(..count).unwrap_or(self).to_vec();
            self.skip(count);
            return taken;
        }
        // Nearly all of it: the buffer itself goes, and the little rest moves.
        let mut next = Vec::with_capacity(self.bytes.capacity().min(MOST_KEPT));
        next.extend_from_slice(rest);
        let mut taken = std::mem::replace(&mut self.bytes, next);
        taken.truncate(count);
        taken
    }
}

/// Room that is asked for at once. A single huge record is no reason to ask for its size ever after.
const MOST_KEPT: usize = 1 << 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_skipped_is_what_was_appended() {
        let text: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for (append, take, skip) in [
            (1, 1, 0),
            (100, 99, 1),
            (1000, 10, 3),
            (7, 3, 1),
            (64, 9, 40),
        ] {
            let mut window = Window::default();
            let mut found = Vec::new();
            for part in text.chunks(append) {
                window.end().extend_from_slice(part);
                let taken = window.take(take.min(window.len()));
                found.extend_from_slice(&taken);
                let skipped = skip.min(window.len());
                found.extend_from_slice(&window[..skipped]);
                window.skip(skipped);
            }
            found.extend_from_slice(&window);
            assert!(found == text, "{append} {take} {skip}");
        }
    }
}
