//! The chunked transfer coding (RFC 9112, 7.1), decoded as it comes, in time linear in its bytes.

/// Digits of a chunk's size at most: a size of 64 bits.
const MOST_DIGITS: u32 = 16;
/// Bytes of a chunk's extensions, and of all trailers, which nobody reads.
const MOST_EXTRA: usize = 4 << 10;

/// Where in the coding the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size {
        value: u64,
        digits: u32,
    },
    /// After the size, before a semicolon.
    Blank {
        value: u64,
        length: usize,
    },
    Extension {
        value: u64,
        length: usize,
    },
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataEnd,
    DataEndFeed,
    /// At the start of a line of the trailers.
    Trailer {
        length: usize,
    },
    TrailerLine {
        length: usize,
    },
    TrailerFeed {
        length: usize,
    },
    LastFeed,
    Done,
}

/// Decodes one body.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
}

/// What is not chunked as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder {
            state: State::Size {
                value: 0,
                digits: 0,
            },
        }
    }

    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes what `from` starts with; returns the bytes used up and those put into `into`.
    pub(super) fn decode(
        &mut self,
        from: &[u8],
        into: &mut [u8],
    ) -> Result<(usize, usize), Malformed> {
        let (mut used, mut put) = (0, 0);
        while put < into.len() && self.state != State::Done {
            if let State::Data { left } = &mut self.state {
                let rest = from.get(used..).unwrap_or_default();
                let room = into.get_mut(put..).unwrap_or_default();
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let count = rest.len().min(room.len()).min(most);
                if let (Some(to), Some(data)) = (room.get_mut(..count), rest.get(..count)) {
                    to.copy_from_slice(data);
                }
                *left -= count as u64;
                (used, put) = (used + count, put + count);
                if *left == 0 {
                    self.state = State::DataEnd;
                } else if count == 0 {
                    break;
                }
                continue;
            }
            let Some(byte) = from.get(used) else {
                break;
            };
            self.state = self.state.after(*byte).ok_or(Malformed)?;
            used += 1;
        }
        Ok((used, put))
    }
}

impl State {
    /// The state after a byte that is no data.
    fn after(self, byte: u8) -> Option<State> {
        match (self, byte) {
            (State::Size { value, digits }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16)?;
                (digits < MOST_DIGITS).then_some(State::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                })
            }
            (State::Size { digits: 0, .. }, _) => None,
            (
                State::Size { value, .. }
                | State::Blank { value, .. }
                | State::Extension { value, .. },
                b'\r',
            ) => Some(State::SizeEnd { value }),
            (State::Size { value, .. }, b' ' | b'\t') => Some(State::Blank { value, length: 0 }),
            (State::Blank { value, length }, b' ' | b'\t') if length < MOST_EXTRA => {
                Some(State::Blank {
                    value,
                    length: length + 1,
                })
            }
            (State::Size { value, .. } | State::Blank { value, .. }, b';') => {
                Some(State::Extension { value, length: 0 })
            }
            (State::Extension { value, length }, byte) => {
                let is_fine = byte != b'\n' && byte != 0 && length < MOST_EXTRA;
                is_fine.then_some(State::Extension {
                    value,
                    length: length + 1,
                })
            }
            (State::SizeEnd { value: 0 }, b'\n') => Some(State::Trailer { length: 0 }),
            (State::SizeEnd { value }, b'\n') => Some(State::Data { left: value }),
            (State::DataEnd, b'\r') => Some(State::DataEndFeed),
            (State::DataEndFeed, b'\n') => Some(State::Size {
                value: 0,
                digits: 0,
            }),
            (State::Trailer { .. }, b'\r') => Some(State::LastFeed),
            (State::LastFeed, b'\n') => Some(State::Done),
            (State::TrailerLine { length }, b'\r') => Some(State::TrailerFeed { length }),
            (State::TrailerFeed { length }, b'\n') => Some(State::Trailer { length }),
            (State::Trailer { length } | State::TrailerLine { length }, byte) => {
                let is_fine = byte != b'\n' && byte != 0 && length < MOST_EXTRA;
                is_fine.then_some(State::TrailerLine { length: length + 1 })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `text` given in pieces of `size` bytes; the body, and whether it has ended.
    fn decoded(text: &str, size: usize) -> Result<(String, bool), Malformed> {
        let mut decoder = Decoder::new();
        let mut body = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            let mut at = 0;
            while at < piece.len() && !decoder.is_done() {
                let mut into = [0; 3];
                let (used, put) = decoder.decode(&piece[at..], &mut into)?;
                body.extend_from_slice(&into[..put]);
                at += used;
            }
        }
        let text = String::from_utf8(body).expect("text");
        Ok((text, decoder.is_done()))
    }

    #[test]
    fn chunks_are_put_together_however_they_come() {
        for (text, body, is_done) in [
            ("0\r\n\r\n", "", true),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", true),
            (
                "5;a=b\r\nhello\r\n6 ;x\r\n world\r\n00\r\n\r\n",
                "hello world",
                true,
            ),
            (
                "A\r\n0123456789\r\n0\r\nX: y\r\nZ: w\r\n\r\n",
                "0123456789",
                true,
            ),
            ("5\r\nhello\r\n0\r\n", "hello", false),
            ("5\r\nhel", "hel", false),
        ] {
            for size in [1, 2, 3, 7, 100] {
                assert_eq!(
                    decoded(text, size),
                    Ok((body.to_owned(), is_done)),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(5000));
        let trailers = format!("0\r\n{}\r\n", "X: yyyyyyyy\r\n".repeat(500));
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x1\r\na\r\n",
            " 1\r\na\r\n",
            "1 2\r\na\r\n",
            "1 \n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\rb",
            "11111111111111111\r\n",
            "1;a\nb\r\n",
            "0\r\nX\ny\r\n",
            long.as_str(),
            trailers.as_str(),
        ] {
            assert_eq!(decoded(text, 100), Err(Malformed), "{text:?}");
        }
    }
}
