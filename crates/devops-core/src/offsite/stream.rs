//! Streams off-site: from an open input or a command that is run for it, as they come or by way of a spool.

use std::{io::Read, path::Path, time::Duration};

use futures_util::future::{LocalBoxFuture, join_all};

use super::{Base, put};
use crate::{
    archive_index::TruncationCheck,
    kind::{HasKind, Kind},
    process::{CommandHandle, CommandSpec, ProcessError, read_command},
    s3::{
        self, ObjectSummary, PutOptions, S3Context, S3Error, S3Uri, Spool, UploadItem,
        UploadStream, blocking, check_bucket, ensure_absent, has_resumable_spool,
        remove_unused_spool,
    },
};

/// The input of a stream.
pub enum StreamInput {
    /// A stream that is open already. Its reads end at signals, or a spool waits for them.
    Input(Box<dyn Read + Send>),
    /// What this command writes to stdout; what it writes to stderr goes to the function.
    Command(Box<CommandSpec>, OnStderr),
}

/// A command that is told to stop has this long, so that a person who pressed Ctrl-C does not wait.
const GRACE: Duration = Duration::from_secs(1);

impl StreamInput {
    /// Returns the command as one that a signal ends soon.
    pub fn command(spec: CommandSpec, on_stderr: OnStderr) -> Self {
        Self::Command(Box::new(CommandSpec { grace_period: GRACE, ..spec }), on_stderr)
    }
}

/// Takes what a command writes to stderr, on a thread of its own.
pub type OnStderr = Box<dyn FnMut(&[u8]) + Send>;

/// The settings of a put of a stream.
pub struct StreamPut<'a> {
    /// The store.
    pub context: S3Context<'a>,
    /// How objects are put; a resume needs the spool.
    pub options: &'a PutOptions,
    /// What a spooled archive is made from.
    pub base: &'a Base,
    /// The folder where the stream is written down before it is sent, if it is.
    pub spool: Option<&'a Path>,
    /// The number of bytes it must have; otherwise an archive of ours must have its footer.
    pub expect_size: Option<u64>,
}

/// The reason a stream was not put anywhere.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It could not be read, or no object be made of it.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// Its command was not started.
    #[error(transparent)]
    Command(#[from] ProcessError),
}

impl HasKind for StreamError {
    fn kind(&self) -> Kind {
        match self {
            Self::S3(error) => error.kind(),
            Self::Command(error) => error.kind(),
        }
    }
}

type Stored = Result<ObjectSummary, S3Error>;

/// Puts one stream into each place, and returns how that went, in their order.
///
/// Where a key is taken or a bucket missing nothing is put, and if that is so everywhere, nothing is read and
/// no command started. Objects appear only after the end of the stream, and after the exit of a command with
/// 0. The command is gone when this returns.
pub fn put_stream<'a>(
    to: &'a StreamPut<'a>,
    origin: StreamInput,
    uris: &'a [S3Uri],
) -> LocalBoxFuture<'a, Result<Vec<Stored>, StreamError>> {
    Box::pin(async move {
        let free = join_all(uris.iter().map(|uri| to.check_free(uri))).await;
        let is_free = free.iter().map(Result::is_ok);
        let wanted: Vec<S3Uri> = uris
            .iter()
            .zip(is_free)
            .filter(|(_, free)| *free)
            .map(|(uri, _)| uri.clone())
            .collect();
        let stored = if wanted.is_empty() { Vec::new() } else { to.put(origin, &wanted).await? };
        let mut stored = stored.into_iter();
        let result =
            |free: Result<(), S3Error>| free.and_then(|()| stored.next().expect("one each"));
        Ok(free.into_iter().map(result).collect())
    })
}

impl StreamPut<'_> {
    /// Fails when a bucket is missing, or a key taken, unless an earlier run may have done that and not
    /// heard of it.
    async fn check_free(&self, uri: &S3Uri) -> Result<(), S3Error> {
        let free = ensure_absent(self.context, uri, self.options).await;
        let resume = self.options.resume.as_ref().filter(|_| self.spool.is_some());
        match (free, resume) {
            (Err(S3Error::Exists(_)), Some(resume))
                if has_resumable_spool(self.context, &resume.journals, uri).await =>
            {
                Ok(())
            }
            // What is read or run for nothing may have taken hours.
            (Ok(()), _) => check_bucket(self.context, &uri.bucket).await,
            (taken, _) => taken,
        }
    }

    async fn put(&self, origin: StreamInput, uris: &[S3Uri]) -> Result<Vec<Stored>, StreamError> {
        let spool = match self.spool {
            Some(folder) => Some(Spool::create(self.context, folder, &uris[0]).await?),
            None => None,
        };
        let (stream, command) = self.open(origin)?;
        let stored = match spool {
            Some(spool) => self.put_spooled(spool, stream, uris).await,
            None => s3::put_stream(self.context, stream, uris, self.options).await,
        };
        if let Some(command) = command {
            blocking(move || command.end()).await;
        }
        Ok(stored?)
    }

    fn open(
        &self,
        origin: StreamInput,
    ) -> Result<(UploadStream, Option<CommandHandle>), ProcessError> {
        let (stream, command) = match origin {
            StreamInput::Input(input) => (self.watched(input), None),
            StreamInput::Command(spec, on_stderr) => {
                let (output, command) =
                    read_command(&spec, self.context.cancel_token.cancel(), on_stderr)?;
                let stream = self.watched(output);
                (stream.named("read the output of", &spec.program), Some(command))
            }
        };
        Ok((stream.expecting(self.expect_size), command))
    }

    /// Where the length is known, that alone decides whether all of it came.
    fn watched(&self, reader: impl Read + Send + 'static) -> UploadStream {
        match self.expect_size {
            Some(_) => UploadStream::new(reader),
            None => UploadStream::new(TruncationCheck::new(reader)),
        }
    }

    async fn put_spooled(
        &self,
        spool: Spool,
        stream: UploadStream,
        uris: &[S3Uri],
    ) -> Result<Vec<Stored>, S3Error> {
        let (path, size) = spool.fill(self.context, stream).await?;
        let options = PutOptions { spooled: true, ..self.options.clone() };
        let sources: Vec<_> =
            uris.iter().map(|uri| UploadItem::new(path.clone(), uri.clone(), size)).collect();
        let puts = sources.iter().map(|source| put(self.context, source, &options, self.base));
        let stored = join_all(puts).await;
        remove_unused_spool(options.resume.as_ref().map(|resume| &resume.journals), &path).await;
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_ignores_a_signal_is_killed_after_a_second() {
        let origin = StreamInput::command(CommandSpec::new("sh"), Box::new(|_| {}));

        let StreamInput::Command(spec, _) = origin else { panic!("it is a command") };
        assert_eq!((spec.program, spec.grace_period), ("sh".into(), Duration::from_secs(1)));
    }
}
