//! The steps of the demo: each command is shown, run, timed and remembered.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::shell::{command, release_folder, shown};

/// The credentials of the loopback server; they open nothing else.
const ACCESS_KEY: &str = "demo-access-key";
const SECRET_KEY: &str = "demo-secret-key";

/// A temporary folder, and what was done in it.
pub(super) struct Demo {
    dir: TempDir,
    endpoint: Option<String>,
    done: Vec<(String, String)>,
}

/// A program in the background; dropping it ends it.
pub(super) struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Demo {
    pub(super) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("devops-demo-").tempdir()?;
        fs::create_dir(dir.path().join("home"))?;
        Ok(Self { dir, endpoint: None, done: Vec::new() })
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn record(&mut self, what: &str, took: Duration) {
        self.done.push((what.to_owned(), format!("{:.2} s", took.as_secs_f64())));
    }

    pub(super) fn skip(&mut self, what: &str, why: &str) {
        println!("\n(left out: {what}, since {why})");
        self.done.push((what.to_owned(), format!("left out: {why}")));
    }

    /// Runs a tool that must succeed; shows and returns its standard output.
    pub(super) fn step<const N: usize>(
        &mut self,
        what: &str,
        tool: &str,
        args: [&str; N],
    ) -> Result<String> {
        self.run(what, tool, &args, &[0])
    }

    /// Runs a tool that answers a question: yes and no are both answers.
    pub(super) fn answer<const N: usize>(
        &mut self,
        what: &str,
        tool: &str,
        args: [&str; N],
    ) -> Result<()> {
        self.run(what, tool, &args, &[0, 10]).map(drop)
    }

    /// Does a check of our own.
    pub(super) fn check(
        &mut self,
        what: &str,
        check: impl FnOnce(&Self) -> Result<String>,
    ) -> Result<()> {
        println!("\n# {what}");
        let started = Instant::now();
        let found = check(self).with_context(|| format!("failed to {what}"))?;
        println!("{found}");
        self.record(what, started.elapsed());
        Ok(())
    }

    /// Starts the loopback S3 server of the test suite with one bucket.
    pub(super) fn start_s3(&mut self) -> Result<Background> {
        let objects = self.path("objects");
        let mut server = self.tool("fake-s3");
        server.arg("--dir").arg(objects).args(["--bucket", "demo"]);
        server.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        println!("\n$ {} &", shown(&server));
        let mut child = server.stdout(Stdio::piped()).spawn().context("cannot start fake-s3")?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let server = Background(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        println!("{}", line.trim_end());
        let endpoint = line.trim().rsplit(' ').next().filter(|word| word.starts_with("http"));
        self.endpoint = Some(endpoint.context("fake-s3 did not say where it listens")?.to_owned());
        Ok(server)
    }

    /// Leaves the page up until the person ends it.
    pub(super) fn serve(&mut self) -> Result<()> {
        println!("\nThe page stays up until Ctrl-C.");
        let mut serve = self.tool("devops-monitor");
        serve.args(["serve", "--bind", "127.0.0.1:5000"]);
        println!("$ {}", shown(&serve));
        let status = serve.status().context("cannot start devops-monitor")?;
        ensure!(status.success(), "devops-monitor ended with {status}");
        Ok(())
    }

    pub(super) fn print_table(&self) {
        let width = self.done.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
        println!("\n{:width$}  took", "what");
        for (what, took) in &self.done {
            println!("{what:width$}  {took}");
        }
        println!("\nAll of it worked.");
    }

    fn run(&mut self, what: &str, tool: &str, args: &[&str], answers: &[i32]) -> Result<String> {
        let mut command = self.tool(tool);
        command.args(args);
        println!("\n$ {}", shown(&command));
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {tool}"))?;
        let stdout = echo(child.stdout.take().expect("stdout is piped"))?;
        let status = child.wait()?;
        if !status.code().is_some_and(|code| answers.contains(&code)) {
            bail!("failed to {what}: `{tool}` ended with {status}");
        }
        self.record(what, started.elapsed());
        Ok(stdout)
    }

    /// Returns a command of a tool that finds nothing of the person's own settings.
    fn tool(&self, name: &str) -> Command {
        let mut command = command(release_folder().join(name));
        command.current_dir(self.dir.path()).env("HOME", self.path("home"));
        command
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("AWS_PROFILE");
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.env("AWS_REGION", "us-east-1").env_remove("AWS_SESSION_TOKEN");
        if let Some(endpoint) = &self.endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint);
        }
        command
    }
}

fn echo(stdout: impl std::io::Read) -> Result<String> {
    let mut all = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        all.push_str(&line);
        all.push('\n');
    }
    Ok(all)
}
