//! The causes of an error.

use std::{error::Error, io};

/// Returns an error and its causes.
pub(in crate::s3) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        // The source of such an error is that of what is in it.
        Some(io) => io.get_ref().map(|inner| inner as _),
        None => error.source(),
    })
}
