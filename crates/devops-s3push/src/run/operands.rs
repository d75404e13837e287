//! What `put` was given to put, and where.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use devops_cli::{Failure, quote};
use devops_core::{process::CommandSpec, s3::S3Uri, secret::is_secret_name};

use crate::cli::PutArgs;

/// What is put.
pub(super) enum PutInput {
    /// Files, folders and globs.
    Paths(Vec<PathBuf>),
    /// The standard input.
    Stdin,
    /// What this command writes.
    Command(Box<CommandSpec>),
}

/// Returns what is put, and the places it is put into, the first one first.
pub(super) fn operands(args: &PutArgs) -> Result<(PutInput, Vec<S3Uri>), Failure> {
    if args.stream.from_command {
        return of_command(args);
    }
    // Behind `--` stand operands too, those whose names begin with `-`.
    let operands: Vec<&OsString> = args.operands.iter().chain(&args.command).collect();
    let (last, paths) = operands.split_last().expect("clap asks for one");
    let places = places(last, args)?;
    let is_stdin = |path: &&OsString| path.as_os_str() == OsStr::new("-");
    let input = match paths {
        [] => {
            return Err(Failure::usage(format!("what is to be put into `{}`?", places[0]))
                .hint("give a PATH, or - for the standard input, before the S3_URI"));
        }
        [path] if is_stdin(path) => PutInput::Stdin,
        paths if paths.iter().any(is_stdin) => return Err(Failure::usage("`-` goes alone")),
        paths => PutInput::Paths(paths.iter().map(PathBuf::from).collect()),
    };
    Ok((input, places))
}

fn of_command(args: &PutArgs) -> Result<(PutInput, Vec<S3Uri>), Failure> {
    let Some((last, paths)) = args.operands.split_last() else {
        return Err(Failure::usage("--from-command needs to know where to put what it writes")
            .hint("give the S3_URI before --"));
    };
    let places = places(last, args)?;
    match paths.first() {
        Some(path) => Err(Failure::usage(format!(
            "with --from-command there is no PATH, but `{}` was given",
            quote(path.as_ref())
        ))),
        None => Ok((PutInput::Command(Box::new(command(args)?)), places)),
    }
}

fn places(destination: &OsStr, args: &PutArgs) -> Result<Vec<S3Uri>, Failure> {
    let text = destination
        .to_str()
        .ok_or_else(|| Failure::usage(format!("`{}` is not UTF-8", quote(destination.as_ref()))))?;
    let destination: S3Uri = text.parse().map_err(|error| {
        let failure = Failure::usage(format!("invalid value '{text}' for '<S3_URI>': {error}"));
        if !args.stream.from_command && !args.command.is_empty() {
            return failure.hint("pass --from-command to run the command behind --");
        }
        failure.hint("the last argument must be an S3 URI such as s3://bucket/prefix/")
    })?;
    let places: Vec<S3Uri> = [destination].into_iter().chain(args.also.iter().cloned()).collect();
    match places.iter().enumerate().find(|(n, place)| places[..*n].contains(place)) {
        Some((_, twice)) => Err(Failure::usage(format!("`{twice}` is given twice"))),
        None => Ok(places),
    }
}

/// Returns whether a variable holds a credential of the store, which a command that only writes to its
/// stdout does not need.
fn is_credential(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name == "AWS_ACCESS_KEY_ID"
        || ["AWS_", "DEVOPS_S3PUSH_"].iter().any(|prefix| name.starts_with(prefix))
            && is_secret_name(&name)
}

fn command(args: &PutArgs) -> Result<CommandSpec, Failure> {
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(
            Failure::usage("--from-command needs a command").hint("give it at the end, behind --")
        );
    };
    let mut spec = CommandSpec::new(program).args(arguments);
    spec.search_path = std::env::var_os("PATH");
    let variables = std::env::vars_os().map(|(name, _)| name);
    spec.env = variables.filter(|name| is_credential(name)).map(|name| (name, None)).collect();
    Ok(spec)
}
