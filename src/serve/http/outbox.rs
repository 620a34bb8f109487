//! What a stream has said and its client has not taken yet.
//!
//! A client may send all of its request before it reads any of the answer. Whoever then only writes
//! waits for a client that waits for it. So a stream's socket does not wait: answers that are not taken
//! are kept here, up to a bound, while the request is read on, and progress in either direction counts.
//! At the bound the client has the time of a write to take some; if it does not, the stream is told to
//! end, and the rest of the request is read and dropped, so that the client comes to read why.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;

use super::body::{SocketBody, Terms};
use super::budget::Held;
use super::clock::Phase;

/// Of a request whose stream has ended, so many times the largest body is read and dropped.
const DROPPED: usize = 16;
/// Bytes of a piece that more are put behind.
const PIECE_BYTES: usize = 64 << 10;

/// A stream's answers on their way, shared by whoever writes them and whoever reads the request.
#[derive(Clone)]
pub(super) struct Outbox<'c> {
    terms: Terms<'c>,
    kept: Rc<RefCell<Kept<'c>>>,
}

struct Kept<'c> {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that were taken.
    taken: usize,
    /// Bytes that were not.
    bytes: usize,
    /// Bytes that were taken in all.
    sent: u64,
    held: Held<'c>,
    /// The stream was told to end.
    is_over: bool,
}

impl<'c> Outbox<'c> {
    /// For a stream, whose socket does not wait from now on.
    pub(super) fn new(terms: Terms<'c>) -> Outbox<'c> {
        terms.slot.socket.no_waiting();
        Outbox {
            terms,
            kept: Rc::new(RefCell::new(Kept {
                pieces: VecDeque::new(),
                taken: 0,
                bytes: 0,
                sent: 0,
                held: terms.budget.nothing(),
                is_over: false,
            })),
        }
    }

    fn kept(&self) -> RefMut<'_, Kept<'c>> {
        self.kept.borrow_mut()
    }

    /// Whether something was not taken yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.kept().bytes > 0
    }

    /// Bytes that the client has taken.
    pub(super) fn sent(&self) -> u64 {
        self.kept().sent
    }

    /// Sends what the client takes now.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) fn send(&self) -> io::Result<()> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        while let Some(piece) = kept.pieces.front() {
            let rest = piece.get(kept.taken..).unwrap_or_default();
            let written = match (&self.terms.slot.socket).write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            kept.taken += written;
            kept.bytes -= written;
            kept.sent += written as u64;
            if kept.taken == piece.len() {
                kept.pieces.pop_front();
                kept.taken = 0;
            }
        }
        Ok(())
    }

    /// Keeps `bytes` behind all others.
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        kept.bytes += bytes.len();
        match kept.pieces.back_mut() {
            // Of many small pieces each would be a packet.
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => kept.pieces.push_back(bytes.to_vec()),
        }
    }

    /// Whether there is room for more.
    fn has_room(&self) -> bool {
        let mut kept = self.kept();
        let bytes = kept.bytes;
        kept.is_over || bytes <= self.terms.limits.reply_bytes && kept.held.grow_to(bytes)
    }

    /// Waits until there is room for more.
    ///
    /// # Errors
    /// [`io::ErrorKind::QuotaExceeded`] where the client takes nothing: the stream should end now, and
    /// may say why. Others where the client is gone.
    fn make_room(&self) -> io::Result<()> {
        let Terms { slot, limits, .. } = self.terms;
        while !self.has_room() {
            let before = self.sent();
            slot.socket.wait(true, false, Some(limits.write));
            self.send()?;
            if self.sent() == before {
                self.kept().is_over = true;
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
        }
        Ok(())
    }

    /// Sends all that is left at the end of a stream; of the request, what is left is dropped.
    ///
    /// # Errors
    /// The client is gone, or takes nothing for the time of a write.
    pub(super) fn finish(&self, body: &mut SocketBody<'_>) -> io::Result<()> {
        let Terms { slot, limits, .. } = self.terms;
        let mut most = limits.body_bytes.saturating_mul(DROPPED);
        while self.is_waiting() && most > 0 && body.is_unread() {
            match body.drop_some() {
                0 => break,
                count => most = most.saturating_sub(count),
            }
        }
        while self.is_waiting() {
            if !slot.enter(Phase::Write, Some(limits.write)) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let before = self.sent();
            self.send()?;
            if self.is_waiting() && self.sent() == before {
                slot.socket.wait(true, false, None);
            }
        }
        Ok(())
    }
}

impl Write for Outbox<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.keep(bytes);
        self.send()?;
        self.make_room()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
