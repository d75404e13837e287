//! Starts a child, and says precisely why it did not start.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

use os_pipe::PipeReader;
use rustix::process::Pid;

use super::{
    error::ProcessError,
    spec::{CommandSpec, StdinPolicy},
};
use crate::limits;

/// A child that was started, with the ends of its pipes.
pub(super) struct Started {
    pub(super) handle: duct::Handle,
    pub(super) pid: u32,
    pub(super) stdout: PipeReader,
    pub(super) stderr: PipeReader,
}

pub(super) fn start(spec: &CommandSpec) -> Result<Started, ProcessError> {
    if let Some(dir) = &spec.dir {
        check_dir(dir).map_err(|source| ProcessError::Dir {
            program: spec.program.clone(),
            dir: dir.clone(),
            source,
        })?;
    }
    let (stdout, stdout_end) = os_pipe::pipe().map_err(|error| not_supervised(spec, error))?;
    let (stderr, stderr_end) = os_pipe::pipe().map_err(|error| not_supervised(spec, error))?;
    let stdin = stdin(spec).map_err(|error| not_supervised(spec, error))?;

    let mut command = duct::cmd(&spec.program, &spec.args)
        .unchecked()
        .stdout_file(stdout_end)
        .stderr_file(stderr_end)
        .before_spawn(before_exec(spec));
    command = match (&spec.stdin, stdin) {
        (StdinPolicy::Inherit, _) => command,
        (_, Some(reader)) => command.stdin_file(reader),
        (_, None) => command.stdin_null(),
    };
    if let Some(dir) = &spec.dir {
        command = command.dir(dir);
    }
    let handle = command.start().map_err(|error| explain(spec, error))?;
    // Our copies of the child's ends go with it; the pipes would never end otherwise.
    drop(command);
    let pid = handle.pids().first().copied().expect("one command is one child");
    Ok(Started { handle, pid, stdout, stderr })
}

fn check_dir(dir: &Path) -> io::Result<()> {
    if dir.metadata()?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Makes the pipe from which the child reads its input, and starts the thread that writes it: the child
/// may write before it reads. It starts before the child, which must not run without it.
fn stdin(spec: &CommandSpec) -> io::Result<Option<OwnedFd>> {
    let bytes = match &spec.stdin {
        StdinPolicy::Null | StdinPolicy::Inherit => return Ok(None),
        StdinPolicy::Replay(replay) => return replay.begin().map(Some),
        StdinPolicy::Bytes(bytes) => bytes.clone(),
    };
    let (reader, mut writer) = os_pipe::pipe()?;
    limits::spawn("stdin", move || {
        // A child that does not want its input is not an error.
        let _written = writer.write_all(&bytes);
    })?;
    Ok(Some(reader.into()))
}

/// Prepares what duct has no word for: the group, and exact changes of the environment.
fn before_exec(
    spec: &CommandSpec,
) -> impl Fn(&mut Command) -> io::Result<()> + Send + Sync + 'static {
    let (env, clear_env) = (spec.env.clone(), spec.clear_env);
    move |command| {
        command.process_group(0);
        if clear_env {
            command.env_clear();
        }
        for (name, value) in &env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(())
    }
}

fn not_supervised(spec: &CommandSpec, source: io::Error) -> ProcessError {
    ProcessError::NotSupervised { program: spec.program.clone(), source }
}

/// Finds out what a failure to start was about.
fn explain(spec: &CommandSpec, error: io::Error) -> ProcessError {
    use rustix::io::Errno;

    let program = spec.program.clone();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => {
            match resolve(spec).as_deref().and_then(interpreter) {
                Some(interpreter) => ProcessError::InterpreterMissing { program, interpreter },
                None => ProcessError::NotFound { program },
            }
        }
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::SRCH) => {
            ProcessError::NotSupervised { program, source: limits::not_started(error) }
        }
        None if error.kind() == io::ErrorKind::InvalidInput => ProcessError::NulByte { program },
        None if error.kind() == io::ErrorKind::NotFound => ProcessError::NotFound { program },
        _ => ProcessError::NotExecutable { program, source: error },
    }
}

/// Returns the file the program's name stands for, if it exists.
fn resolve(spec: &CommandSpec) -> Option<PathBuf> {
    if spec.program.as_bytes().contains(&b'/') {
        // Relative to our folder, not the child's: duct makes it absolute before it changes folders.
        let path = PathBuf::from(&spec.program);
        return path.exists().then_some(path);
    }
    let changed = spec.env.iter().rev().find(|(name, _)| name == "PATH");
    let search_path = match changed {
        Some((_, path)) => path.as_deref(),
        None => spec.search_path.as_deref(),
    };
    find_program(&spec.program, search_path?)
}

/// Finds the executable file a bare name stands for in a `PATH`; a name with a slash stands for itself.
pub fn find_program(name: &OsStr, search_path: &OsStr) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
        vec![name.into()]
    } else {
        std::env::split_paths(search_path).map(|dir| dir.join(name)).collect()
    };
    candidates.into_iter().find(|path| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Returns the interpreter that the first line of a script names.
fn interpreter(script: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().map(str::to_owned)
}

/// Turns a process id into the form the system calls want.
pub(super) fn pid(raw: u32) -> Pid {
    i32::try_from(raw).ok().and_then(Pid::from_raw).expect("the kernel gives positive ids")
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    #[test]
    fn finds_only_what_can_be_executed() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, mode| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (plain, program) = (make("plain/tool", 0o644), make("programs/tool", 0o755));
        let folders = |names: &[&str]| {
            env::join_paths(names.iter().map(|name| dir.path().join(name))).unwrap()
        };

        let found = find_program("tool".as_ref(), &folders(&["missing", "plain", "programs"]));

        assert_eq!(found, Some(program));
        assert!(plain.exists());
        assert_eq!(find_program("tool".as_ref(), &folders(&["missing", "plain"])), None);
    }
}
