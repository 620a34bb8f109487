//! Content that does not change while the models stay the same: pages, their assets, the OpenAPI
//! document.
//!
//! It has an ETag, so that browsers ask for it once; assets are stored packed and go out as they are.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::http::{accepts_gzip, unpacked};
use super::message::{Head, Reply};
use super::problem::Problem;

/// What browsers may do with pages: ask whether they are still the same.
pub const ASK_AGAIN: &str = "no-cache";
/// What they may do with what has its version in its URL.
pub const KEEP: &str = "public, max-age=31536000, immutable";
/// Bytes of an ETag's hash.
const ETAG_BYTES: usize = 12;

/// Some content.
#[derive(Debug)]
pub struct Fixed {
    content_type: &'static str,
    cache: &'static str,
    bytes: Bytes,
    /// Weak: it is the same for both codings.
    etag: String,
}

#[derive(Debug)]
enum Bytes {
    Plain(Cow<'static, [u8]>),
    /// In gzip.
    Packed(&'static [u8]),
}

impl Fixed {
    /// Content as it is.
    pub fn plain(
        content_type: &'static str,
        cache: &'static str,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Fixed {
        let bytes = bytes.into();
        Fixed {
            content_type,
            cache,
            etag: etag(&bytes),
            bytes: Bytes::Plain(bytes),
        }
    }

    /// Content that is stored in gzip.
    pub fn packed(content_type: &'static str, cache: &'static str, bytes: &'static [u8]) -> Fixed {
        Fixed {
            content_type,
            cache,
            etag: etag(bytes),
            bytes: Bytes::Packed(bytes),
        }
    }

    /// The reply to a request for it: 304 to those who have it.
    ///
    /// # Errors
    /// [`Problem::Refused`] where it cannot be unpacked, which the tests rule out.
    pub fn reply<'s>(&self, head: &Head<'_>) -> Result<Reply<'s>, Problem> {
        let told = |reply: Reply<'s>| {
            reply
                .with("ETag", self.etag.clone())
                .with("Cache-Control", self.cache)
        };
        if head
            .header("If-None-Match")
            .is_some_and(|tags| self.is_in(tags))
        {
            return Ok(told(Reply::empty(304)));
        }
        let new = |bytes: Cow<'static, [u8]>| Reply::new(200, self.content_type, bytes);
        let reply = match &self.bytes {
            Bytes::Plain(bytes) => new(bytes.clone()),
            Bytes::Packed(bytes) if accepts_gzip(head.header("Accept-Encoding")) => {
                new(Cow::Borrowed(bytes))
                    .with("Content-Encoding", "gzip")
                    .with("Vary", "Accept-Encoding")
            }
            Bytes::Packed(bytes) => {
                let plain = unpacked(bytes);
                new(plain
                    .map_err(|_| Problem::refused(500, "asset", "internal error"))?
                    .into())
            }
        };
        Ok(told(reply))
    }

    fn is_in(&self, tags: &str) -> bool {
        let mut tags = tags.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag == self.etag)
    }
}

/// Content that is made anew when the models have changed.
#[derive(Debug, Default)]
pub struct Renewed(Mutex<Option<(u64, Arc<Fixed>)>>);

impl Renewed {
    /// The content for the models of `generation`, made by `make` if there is only an older one.
    pub fn of(&self, generation: u64, make: impl FnOnce() -> Fixed) -> Arc<Fixed> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, fixed)) if *of == generation => Arc::clone(fixed),
            _ => {
                let fixed = Arc::new(make());
                *kept = Some((generation, Arc::clone(&fixed)));
                fixed
            }
        }
    }
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits = hash.iter().take(ETAG_BYTES);
    let digits: String = digits.map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}
