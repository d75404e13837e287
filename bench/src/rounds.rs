//! Runs the candidates of one piece of work in turn, round after round, so that drift of the machine hits all alike.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    measure::{Measured, measure, median},
    place::Place,
};

type Prepare<'a> = Box<dyn Fn() -> Result<()> + 'a>;
type Count<'a> = Box<dyn Fn() -> Result<u64> + 'a>;

/// One candidate: a command, what must be so before each run, and what it makes.
pub(crate) struct Candidate<'a> {
    who: String,
    argv: Vec<OsString>,
    env: Vec<(&'static str, OsString)>,
    dir: Option<PathBuf>,
    stdout: Option<PathBuf>,
    prepare: Prepare<'a>,
    count: Option<Count<'a>>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new<A: Into<OsString>>(who: &str, argv: impl IntoIterator<Item = A>) -> Self {
        Self {
            who: who.to_owned(),
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
            stdout: None,
            prepare: Box::new(|| Ok(())),
            count: None,
        }
    }

    /// A pipeline of the shell, which fails when any part of it fails.
    pub(crate) fn pipeline(who: &str, script: &str) -> Self {
        Self::new(who, ["bash", "-c", &format!("set -o pipefail; {script}")])
    }

    pub(crate) fn env(mut self, env: &[(&'static str, OsString)]) -> Self {
        self.env.extend_from_slice(env);
        self
    }

    /// Runs in this folder rather than in the place.
    pub(crate) fn in_folder(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Sends its output to a file, whose size counts.
    pub(crate) fn writes(mut self, path: &Path) -> Self {
        self.stdout = Some(path.to_owned());
        self.makes(path)
    }

    /// Counts the size of this file or folder after each run.
    pub(crate) fn makes(self, path: &Path) -> Self {
        let path = path.to_owned();
        self.counts(move || size_of(&path))
    }

    /// Counts in another way after each run, and fails if what was done is not right; it is not measured.
    pub(crate) fn counts(mut self, count: impl Fn() -> Result<u64> + 'a) -> Self {
        self.count = Some(Box::new(count));
        self
    }

    /// Does this before each run; it is not measured.
    pub(crate) fn after(mut self, prepare: impl Fn() -> Result<()> + 'a) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    fn command(&self, place: &Place) -> Command {
        let mut command = place.command(&self.argv);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Returns the command as a person would type it in the place.
    fn shown(&self, place: &Place) -> String {
        let words: Vec<_> = self.argv.iter().map(|word| word.to_string_lossy()).collect();
        let here = format!("{}/", place.path("").display().to_string().trim_end_matches('/'));
        let script = match words.as_slice() {
            [shell, _, script] if shell == "bash" => {
                script.trim_start_matches("set -o pipefail; ").to_owned()
            }
            _ => words.join(" "),
        };
        let redirect = self.stdout.as_ref().map(|path| format!(" > {}", path.display()));
        let cd = self.dir.as_ref().map(|dir| format!("cd {} && ", dir.display()));
        let all = format!("{}{script}{}", cd.unwrap_or_default(), redirect.unwrap_or_default());
        all.replace(&here, "")
    }

    fn run(&self, place: &Place) -> Result<Measured> {
        let context = || format!("{}: {}", self.who, self.shown(place));
        (self.prepare)().with_context(context)?;
        // What an earlier candidate wrote must not be paid for by this one.
        rustix::fs::sync();
        let measured = measure(&mut self.command(place), self.stdout.as_deref());
        let mut measured = measured.with_context(context)?;
        measured.size =
            self.count.as_ref().map(|count| count()).transpose().with_context(context)?;
        Ok(measured)
    }
}

/// One candidate's runs.
#[derive(serde::Serialize)]
pub(crate) struct Row {
    pub who: String,
    pub command: String,
    pub runs: Vec<Measured>,
}

impl Row {
    pub(crate) fn wall(&self) -> f64 {
        self.median(|run| run.wall)
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.median(|run| run.cpu)
    }

    /// Returns the largest peak of all runs: a limit on memory holds for each.
    pub(crate) fn peak(&self) -> u64 {
        self.runs.iter().map(|run| run.peak).max().unwrap_or_default()
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.runs.last().and_then(|run| run.size)
    }

    /// Returns the largest count of all runs.
    pub(crate) fn largest(&self) -> Option<u64> {
        self.runs.iter().filter_map(|run| run.size).max()
    }

    /// Returns the fastest and the slowest run, in seconds.
    pub(crate) fn range(&self) -> (f64, f64) {
        let walls = self.runs.iter().map(|run| run.wall);
        (walls.clone().fold(f64::INFINITY, f64::min), walls.fold(0.0, f64::max))
    }

    fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.runs.iter().map(figure)).expect("every row was run")
    }
}

/// The runs of all candidates, by the name of the work.
#[derive(Default, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Results(BTreeMap<&'static str, Vec<Row>>);

impl Results {
    /// Runs every candidate `n_rounds` times; each round begins with another one.
    pub(crate) fn measure(
        &mut self,
        work: &'static str,
        place: &Place,
        candidates: &[Candidate<'_>],
        n_rounds: usize,
    ) -> Result<&[Row]> {
        let mut rows: Vec<Row> = candidates
            .iter()
            .map(|candidate| Row {
                who: candidate.who.clone(),
                command: candidate.shown(place),
                runs: Vec::new(),
            })
            .collect();
        for round in 0..n_rounds {
            for turn in 0..candidates.len() {
                let n = (round + turn) % candidates.len();
                rows[n].runs.push(candidates[n].run(place)?);
            }
        }
        self.0.insert(work, rows);
        Ok(&self.0[work])
    }

    /// Returns the row of a candidate, if it was measured.
    pub(crate) fn row(&self, work: &str, who: &str) -> Option<&Row> {
        self.rows(work).iter().find(|row| row.who == who)
    }

    /// Returns the rows of a piece of work; none if it was not measured.
    pub(crate) fn rows(&self, work: &str) -> &[Row] {
        self.0.get(work).map_or(&[], Vec::as_slice)
    }
}

/// Returns the size of a file, or of all files below a folder.
fn size_of(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata().with_context(|| path.display().to_string())?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    std::fs::read_dir(path)?.map(|entry| size_of(&entry?.path())).sum()
}
