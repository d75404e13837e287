//! The reason a path is refused, as errors that travel inside an I/O error.

/// Something stands in a path that is neither followed nor written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedPath {
    /// Another user made it, or can put one in its place.
    #[error("it is a symbolic link that another user could have made")]
    Untrusted,
    /// Another user made the pipe or device, or can put another in its place.
    #[error("it is a pipe or a device that another user could have put there")]
    Stream,
    /// It leads to something that is not in the folder that must hold it.
    #[error("it leads out of the folder that must hold it")]
    Outside,
    /// Links are not followed below the folder a user named.
    #[error("it is a symbolic link, and none is followed below the folder")]
    Below,
}

/// Something else than a regular file stands where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a regular file")]
pub(crate) struct NotRegular;
