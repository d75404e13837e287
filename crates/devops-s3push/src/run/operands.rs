//! What `put` was given to put, and where.

use std::{ffi::OsStr, path::PathBuf};

use devops_cli::{Failure, quote};
use devops_core::{process::CommandSpec, s3::S3Uri};

use crate::cli::PutArgs;

/// What is put.
pub(super) enum Subject {
    /// Files, folders and globs.
    Paths(Vec<PathBuf>),
    /// The standard input.
    Stdin,
    /// What this command writes.
    Command(Box<CommandSpec>),
}

/// Returns what is put, and the places it is put into, the first one first.
pub(super) fn operands(args: &PutArgs) -> Result<(Subject, Vec<S3Uri>), Failure> {
    let (last, paths) = args.operands.split_last().expect("clap asks for one");
    let places = places(last, &args.also)?;
    let is_stdin = |path: &OsStr| path == OsStr::new("-");
    let subject = match (args.stream.from_command, paths) {
        (true, []) => Subject::Command(Box::new(command(args)?)),
        (true, [path, ..]) => {
            return Err(Failure::usage(format!(
                "with --from-command there is no PATH, but `{}` was given",
                quote(path.as_ref())
            )));
        }
        (false, _) if !args.command.is_empty() => {
            return Err(Failure::usage("pass --from-command to run the command behind --"));
        }
        (false, []) => {
            return Err(Failure::usage(format!("what is to be put into `{}`?", places[0]))
                .hint("give a PATH, or - for the standard input, before the S3_URI"));
        }
        (false, [path]) if is_stdin(path) => Subject::Stdin,
        (false, paths) if paths.iter().any(|path| is_stdin(path)) => {
            return Err(Failure::usage("`-` goes alone"));
        }
        (false, paths) => Subject::Paths(paths.iter().map(PathBuf::from).collect()),
    };
    Ok((subject, places))
}

fn places(destination: &OsStr, also: &[S3Uri]) -> Result<Vec<S3Uri>, Failure> {
    let text = destination
        .to_str()
        .ok_or_else(|| Failure::usage(format!("`{}` is not UTF-8", quote(destination.as_ref()))))?;
    let destination: S3Uri = text.parse().map_err(|error| {
        Failure::usage(format!("invalid value '{text}' for '<S3_URI>': {error}"))
            .hint("the last argument says where to put the others")
    })?;
    let places: Vec<S3Uri> = [destination].into_iter().chain(also.iter().cloned()).collect();
    match places.iter().enumerate().find(|(n, place)| places[..*n].contains(place)) {
        Some((_, twice)) => Err(Failure::usage(format!("`{twice}` is given twice"))),
        None => Ok(places),
    }
}

fn command(args: &PutArgs) -> Result<CommandSpec, Failure> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(
            Failure::usage("--from-command needs a command").hint("give it at the end, behind --")
        );
    };
    let mut spec = CommandSpec::new(program).args(arguments);
    spec.search_path = std::env::var_os("PATH");
    Ok(spec)
}
