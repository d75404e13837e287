//! `devops-backup cat`.

use std::io::{self, Write};

use devops_cli::{Failure, Outcome, Session};
use devops_core::archive::{self, Archive};

use super::{hint, keys::keys, stream::take_streams};
use crate::cli::CatArgs;

pub(super) fn cat(args: &CatArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut keys = keys(&args.keys, session)?;
    take_streams(&mut keys, [args.archive.as_path()], session)?;
    let archive = Archive { path: &args.archive, keys: &keys };
    let mut out = Stdout { session, failure: None };
    let written = archive::cat(archive, &args.path, session.cancel(), &mut out);
    match (out.failure, written) {
        (Some(failure), _) => Err(failure),
        // Nobody reads on.
        (None, Err(_)) if session.stdout_closed() => Ok(Outcome::Done),
        (None, written) => {
            let hinted = |error| hint::in_archive(error, archive, session);
            written.map(|()| Outcome::Done).map_err(hinted)
        }
    }
}

/// Standard output as the session sees it.
struct Stdout<'a> {
    session: &'a Session,
    failure: Option<Failure>,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(failure) = self.session.write(bytes) {
            self.failure = Some(failure);
            return Err(io::ErrorKind::Other.into());
        }
        if self.session.stdout_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
