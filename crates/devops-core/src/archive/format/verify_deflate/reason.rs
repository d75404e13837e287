//! The reason a deflate stream is refused.

/// The difference.
pub(in crate::archive) type Reason = &'static str;
