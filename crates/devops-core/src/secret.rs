//! Values that must not be shown.

use std::fmt;

use zeroize::Zeroize;

mod shown;

pub use shown::{is_secret_name, without_secrets};

/// A password, token or key: it has no `Display`, `Debug` prints stars, and its bytes are overwritten when
/// it is dropped.
///
/// The copies that a library makes are not overwritten, nor are the buffers it was read through.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_stars() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
