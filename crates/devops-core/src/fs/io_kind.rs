//! The kind of an I/O error.

use std::io::{self, ErrorKind as Io};

use super::refusal::{NotRegular, RefusedPath};
use crate::{
    cancel::Cancelled,
    kind::{InternalError, Kind},
    limits::Limit,
};

impl Kind {
    /// Returns the kind of an I/O error that concerns something the user named.
    pub fn of_io(error: &io::Error) -> Self {
        // Some of our own errors travel inside an I/O error.
        if let Some(inner) = error.get_ref() {
            if inner.is::<Cancelled>() {
                return Self::Interrupted;
            }
            if inner.is::<NotRegular>() {
                return Self::Usage;
            }
            if inner.is::<RefusedPath>() {
                return Self::Denied;
            }
            if inner.is::<InternalError>() {
                return Self::Bug;
            }
        }
        if Limit::of(error).is_some() {
            return Self::Temporary;
        }
        match error.kind() {
            Io::NotFound => Self::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Self::Permission,
            Io::AlreadyExists => Self::Exists,
            Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::TimedOut
            | Io::WouldBlock
            | Io::ResourceBusy => Self::Temporary,
            _ => Self::Failed,
        }
    }
}
