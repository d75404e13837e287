//! A place where a tool finds nothing but what the test put there.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{binaries::binary, run::Run, running::Running, signals};

/// A folder to work in, with its own home and nothing in the environment.
pub struct TestEnv {
    dir: TempDir,
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    /// Makes an empty environment.
    pub fn new() -> Self {
        signals::hear_again();
        let dir = tempfile::Builder::new().prefix("devops-e2e-").tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("home")).expect("a home");
        fs::create_dir_all(dir.path().join("work")).expect("a work folder");
        // Tests that drop to another user must still reach it.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.path(), open).expect("the folder is ours");
        Self { dir }
    }

    /// Returns a path in the work folder.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("work").join(relative)
    }

    /// Returns the home folder.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Writes a file in the work folder, with its parents.
    #[allow(clippy::disallowed_methods, reason = "test input needs no atomic replacement")]
    pub fn write(&self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Returns a command for a tool or a fake, with a clean environment, in the work folder.
    pub fn tool(&self, name: &str) -> Command {
        self.program(binary(name))
    }

    /// Returns a command for an outside program, with a clean environment, in the work folder.
    #[allow(clippy::disallowed_methods, reason = "the harness starts the programs under test")]
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path(""))
            .env_clear()
            .env("HOME", self.home())
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", self.dir.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs a tool to its end.
    pub fn run<A: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = A>) -> Run {
        finish(self.tool(name).args(args))
    }

    /// Runs a tool to its end, with text on its standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        name: &str,
        args: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Run {
        let mut command = self.tool(name);
        let input = self.write(".stdin", input);
        command.args(args).stdin(fs::File::open(input).expect("the input was written"));
        finish(&mut command)
    }

    /// Runs a tool to its end with so many mebibytes of address space.
    pub fn run_in_memory(&self, name: &str, mebibytes: u32, args: &[&str]) -> Run {
        let script = format!(r#"ulimit -v {}; exec "$0" "$@""#, mebibytes << 10);
        let tool = self.tool(name);
        finish(self.program("sh").args(["-c", &script]).arg(tool.get_program()).args(args))
    }

    /// Returns a command of this place as it runs under a umask, such as `077`.
    pub fn under_umask(&self, umask: &str, command: &Command) -> Command {
        let script = format!(r#"umask {umask}; exec "$0" "$@""#);
        let mut under = self.program("sh");
        under.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
        under.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        under
    }

    /// Starts a tool and watches its lines.
    pub fn start<A: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = A>) -> Running {
        let mut command = self.tool(name);
        command.args(args);
        Running::start(command)
    }
}

/// Returns the names in a folder, sorted; none where there is no folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("it can be listed"))).collect();
    names.sort();
    names
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Run {
    command.output().expect("the program starts").into()
}

/// Makes a command run as nobody when the tests run as root, whom no permission stops.
pub fn without_root(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}
