//! Plans of terraform: what is read from them, and what is shown of them.

mod plans;
mod redaction;
