//! Runs one command and measures what it took, the whole pipeline with it.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use wait4::Wait4;

use crate::shell::shown;

/// What one run took.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Measured {
    /// Wall-clock seconds.
    pub wall: f64,
    /// Processor seconds, user and system, of the process and all it waited for.
    pub cpu: f64,
    /// The largest resident set of any one of these processes, in bytes.
    ///
    /// A process begins as a copy of this one, so no figure is below what this program holds, some 10 MiB.
    pub peak: u64,
    /// What was counted after it, in bytes: the size of what it made, or what it sent.
    pub size: Option<u64>,
}

/// Runs a command to its end; fails unless it succeeds. Its output goes to `stdout`, or nowhere.
pub(crate) fn measure(command: &mut Command, stdout: Option<&Path>) -> Result<Measured> {
    let stdout = match stdout {
        Some(path) => File::create(path).with_context(|| path.display().to_string())?.into(),
        None => Stdio::null(),
    };
    command.stdout(stdout).stderr(Stdio::null());
    let started = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))?;
    let used = child.wait4().with_context(|| shown(command))?;
    let wall = started.elapsed().as_secs_f64();
    ensure!(used.status.success(), "`{}` failed with {}", shown(command), used.status);
    let cpu = used.rusage.utime + used.rusage.stime;
    Ok(Measured { wall, cpu: cpu.as_secs_f64(), peak: used.rusage.maxrss, size: None })
}

/// Returns the middle value, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_pipeline_counts_with_all_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().to_owned()).unwrap();
        let script = "head -c 50000000 /dev/zero | tr '\\0' x";
        let out = place.path("out");

        let measured = measure(&mut place.command(&["sh", "-c", script]), Some(&out)).unwrap();

        assert_eq!(out.metadata().unwrap().len(), 50_000_000);
        assert!(measured.wall > 0.0 && measured.cpu > 0.0);
        assert!(measured.peak > 100_000, "{}", measured.peak);
        assert!(measure(&mut place.command(&["false"]), None).is_err());
    }
}
