//! Why a deflate stream is refused.

/// What differed.
pub(in crate::archive) type Reason = &'static str;
