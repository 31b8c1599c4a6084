//! The plugin's own small map, which outlives its instances and versions. Keys are 1 to 512 bytes, values at most 64 KiB.
//!
//! A count that no other instance can spoil:
//!
//! ```no_run
//! use postern::kv::{self, If};
//! use postern::{Error, ErrorKind};
//!
//! fn count(key: &str) -> Result<u64, Error> {
//!     loop {
//!         let (old, there) = match kv::get(key)? {
//!             Some(entry) => (entry.text().parse().unwrap_or(0), If::Revision(entry.revision)),
//!             None => (0, If::Absent),
//!         };
//!         match kv::put_if(key, (old + 1).to_string(), None, there) {
//!             Err(e) if e.kind() == ErrorKind::Conflict => continue, // somebody else was first
//!             other => return other.map(|_| old + 1),
//!         }
//!     }
//! }
//! ```

use crate::{host, json, Error, ErrorKind};
use std::time::Duration;

/// A value with its revision, which is above zero and never that of an earlier value of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// What a later write may ask for: [`If::Revision`].
    pub revision: i64,
}

impl Entry {
    /// The value as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// What a write asks of the entry that is there; otherwise it fails with [`ErrorKind::Conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum If {
    /// Nothing.
    Any,
    /// There must be none.
    Absent,
    /// It must have this revision.
    Revision(i64),
}

impl If {
    fn code(self) -> i64 {
        match self {
            If::Any => -1,
            If::Absent => 0,
            If::Revision(revision) => revision,
        }
    }
}

/// The entry of a key, if there is one.
pub fn get(key: &str) -> Result<Option<Entry>, Error> {
    match host::kv_get(key) {
        Ok((value, revision)) => Ok(Some(Entry { value, revision })),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets an entry for good, and returns its revision.
pub fn put(key: &str, value: impl AsRef<[u8]>) -> Result<i64, Error> {
    put_if(key, value, None, If::Any)
}

/// Sets an entry, and returns its revision. It is gone after `ttl`, which the host rounds up to seconds. A value, or all of the map, that is
/// over its limit has [`ErrorKind::TooLarge`].
pub fn put_if(key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>, there: If) -> Result<i64, Error> {
    // 0 would keep it for good.
    let ttl = ttl.map_or(0, |ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).max(1));
    host::kv_put(key, value.as_ref(), ttl, there.code())
}

/// Removes an entry; there being none is no error.
pub fn delete(key: &str) -> Result<(), Error> {
    host::kv_delete(key, -1)
}

/// Removes the entry that has this revision.
pub fn delete_if(key: &str, revision: i64) -> Result<(), Error> {
    host::kv_delete(key, revision)
}

/// All keys that begin so, sorted by their bytes.
pub fn keys(prefix: &str) -> Result<Vec<String>, Error> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().map_or("", String::as_str);
        let page = json::parse(&host::kv_keys(prefix, after)?)?;
        let before = all.len();
        all.extend(page.items().iter().filter_map(|key| key.as_str().map(String::from)));
        if all.len() - before < PAGE {
            return Ok(all);
        }
    }
}

/// How many keys the host gives at once (`spec/abi.md`, `kv_keys`).
const PAGE: usize = 1000;
