//! The tools together.
