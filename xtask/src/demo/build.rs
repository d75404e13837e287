//! Builds the tools, and shows in one line how far the build is and what it works on.

use std::{
    io::{BufReader, IsTerminal, Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::shell::{cargo, shown};

/// The programs that the demo starts, each with its package.
const PROGRAMS: [(&str, &str); 6] = [
    ("devops-backup", "devops-backup"),
    ("devops-basics", "devops-basics"),
    ("devops-fakes", "fake-s3"),
    ("devops-monitor", "devops-monitor"),
    ("devops-s3push", "devops-s3push"),
    ("devops-tf", "devops-tf"),
];

/// The time between two lines where stderr is no terminal.
const PERIOD: Duration = Duration::from_secs(20);

/// Builds what the demo starts; returns how long it took.
pub(super) fn build() -> Result<Duration> {
    let mut build = cargo(["build", "--locked", "--release"]);
    for (package, program) in PROGRAMS {
        build.args(["--package", package, "--bin", program]);
    }
    println!("\n$ {}", shown(&build));
    println!("(the first build takes some minutes; later ones take seconds)");
    let started = Instant::now();
    run(&mut build, &mut Progress::new(started))?;
    Ok(started.elapsed())
}

fn run(build: &mut Command, progress: &mut Progress) -> Result<()> {
    // Cargo shows how far it is on a terminal only; asked to, it writes the same into a pipe.
    build.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "120");
    build.env("CARGO_TERM_COLOR", "never").stderr(Stdio::piped());
    let mut child = build.spawn().context("cannot start cargo")?;
    let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = Vec::new();
    for byte in stderr.bytes() {
        match byte? {
            // The state of the build ends with a carriage return, everything else with a newline.
            b'\r' | b'\n' => {
                progress.take(&String::from_utf8_lossy(&line));
                line.clear();
            }
            byte => line.push(byte),
        }
    }
    progress.take(&String::from_utf8_lossy(&line));
    let status = child.wait()?;
    progress.end();
    ensure!(status.success(), "the tools could not be built:\n{}", progress.said.join("\n"));
    Ok(())
}

/// The last state of the build, and what cargo said beside it.
struct Progress {
    started: Instant,
    shown: Option<Instant>,
    on_terminal: bool,
    said: Vec<String>,
}

impl Progress {
    fn new(started: Instant) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self { started, shown: None, on_terminal, said: Vec::new() }
    }

    fn take(&mut self, line: &str) {
        if let Some(state) = state(line) {
            self.show(&format!("building {state}"));
        } else if line.trim_start().starts_with("Blocking ") {
            self.show(line.trim());
        } else if !is_step(line) {
            self.said.push(line.to_owned());
        }
    }

    fn show(&mut self, state: &str) {
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= PERIOD);
        let seconds = self.started.elapsed().as_secs();
        if self.on_terminal {
            let line = format!("{state}, {seconds} s");
            let _shown = write!(std::io::stderr(), "\r\x1b[K{}", cut(&line, 78));
        } else if is_due {
            eprintln!("{state}, {seconds} s");
            self.shown = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.on_terminal {
            let _cleared = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Reads `Building [====> ] 12/345: serde, tokio` as `12 of 345: serde, tokio`.
fn state(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("Building [")?;
    let (_, rest) = rest.split_once("] ")?;
    let (count, crates) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = count.split_once('/')?;
    let (done, total): (u32, u32) = (done.trim().parse().ok()?, total.trim().parse().ok()?);
    Some(format!("{done} of {total}:{}", crates.trim_end()).trim_end_matches(':').to_owned())
}

/// Returns whether a line says only that a step of the build begins or ended.
fn is_step(line: &str) -> bool {
    const STEPS: [&str; 5] =
        ["Compiling ", "Downloaded ", "Downloading ", "Finished ", "Updating "];
    let line = line.trim();
    line.is_empty() || STEPS.iter().any(|step| line.starts_with(step))
}

fn cut(line: &str, width: usize) -> String {
    line.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_far_the_build_is() {
        let line = "    Building [====>      ] 12/345: serde, aws-sdk-s3(build)        ";
        assert_eq!(state(line).as_deref(), Some("12 of 345: serde, aws-sdk-s3(build)"));
        assert_eq!(state("    Building [=====] 345/345").as_deref(), Some("345 of 345"));
        assert_eq!(state("   Compiling serde v1.0.0"), None);
        assert_eq!(state("Building [half"), None);
    }

    #[test]
    fn an_error_is_no_step() {
        assert!(is_step("   Compiling serde v1.0.0"));
        assert!(is_step(""));
        assert!(!is_step("error: could not compile `serde`"));
    }
}
