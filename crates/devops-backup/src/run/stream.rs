//! Archives that come through a pipe.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
};

use devops_cli::{Failure, Session};
use devops_core::{
    archive::Keys,
    fs::{Input, IoResultExt, PathError},
};

/// Reads those of the named archives that are `-` or a pipe, so that `keys` opens them.
pub(super) fn take_streams<'a>(
    keys: &mut Keys,
    paths: impl IntoIterator<Item = &'a Path>,
    session: &Session,
) -> Result<(), Failure> {
    let mut has_stdin = false;
    for path in paths {
        let is_stdin = path.as_os_str() == "-";
        if is_stdin && std::mem::replace(&mut has_stdin, true) {
            return Err(Failure::usage("`-` is standard input, which can be read once"));
        }
        if is_stdin && session.stdin_is_terminal() {
            return Err(Failure::usage("`-` is standard input, which is a terminal"));
        }
        if let Some(open) = stream(path, is_stdin, session)? {
            keys.add_stream(path, open, session.cancel())?;
        }
    }
    Ok(())
}

/// Opens a pipe; of standard input also a file or a socket.
fn stream(path: &Path, is_stdin: bool, session: &Session) -> Result<Option<OwnedFd>, PathError> {
    if is_stdin {
        return io::stdin().as_fd().try_clone_to_owned().map(Some).at(path, "read");
    }
    // What is missing is told of by what reads it.
    let is_pipe = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
    if is_pipe {
        Input::open(path, session.cancel()).map(|input| Some(input.into_open()))
    } else {
        Ok(None)
    }
}
