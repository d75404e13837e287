//! Running cargo and the tools, with each command line shown.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// The packages that users install, by the name of their binary.
pub(crate) const TOOLS: [&str; 5] =
    ["devops-backup", "devops-basics", "devops-monitor", "devops-s3push", "devops-tf"];

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the root").to_owned()
}

/// Returns a command that runs in the root of the repository.
#[allow(clippy::disallowed_methods, reason = "the one place where xtask starts programs")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// What cargo tells the program it runs, and the build script of ring is built again for when it changes.
const OF_THIS_PROGRAM: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Returns a cargo command with these arguments, which builds what a person's would.
pub(crate) fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args);
    for name in OF_THIS_PROGRAM {
        cargo.env_remove(name);
    }
    cargo
}

/// Shows a command, runs it, and fails unless it succeeds; returns how long it took.
pub(crate) fn run(command: &mut Command) -> Result<Duration> {
    println!("\n$ {}", shown(command));
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    ensure!(status.success(), "`{}` failed with {status}", shown(command));
    Ok(started.elapsed())
}

/// Returns the command line as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns the folder of all builds.
pub(crate) fn target_folder() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target)
}

/// Returns the folder of release builds.
pub(crate) fn release_folder() -> PathBuf {
    target_folder().join("release")
}

/// Returns whether cargo has a subcommand that is a program of its own.
pub(crate) fn is_installed(subcommand: &str) -> bool {
    let name = format!("cargo-{subcommand}");
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(&name).is_file())
}
