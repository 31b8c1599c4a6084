//! JSON: a [`Value`], what reads it from text, and what writes it. It is here, small, so that a plugin needs no other crate; one that
//! has `serde` already gets its events as text from [`Event::text`](crate::Event::text).
//!
//! ```
//! use postern::{object, Value};
//!
//! let order: Value = r#"{"id": 7, "items": ["pen"]}"#.parse()?;
//! assert_eq!(order["id"].as_i64(), Some(7));
//! assert_eq!(order["items"][0].as_str(), Some("pen"));
//! assert_eq!(order["nothing"]["below"].as_str(), None);
//! assert_eq!(object! { "id" => 7, "ok" => true }.to_string(), r#"{"id":7,"ok":true}"#);
//! # Ok::<(), postern::Error>(())
//! ```

mod parse;
mod value;
mod write;

pub use parse::{parse, MAX_DEPTH};
pub use value::Value;
pub(crate) use write::Object;
