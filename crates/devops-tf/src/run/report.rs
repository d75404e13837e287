//! Writes reports of a plan.

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read, stdin},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    fs::{Input, IoResultExt, check_output, parent, read_text, user_mode, write_output},
    kind::Kind,
    terraform::{Plan, Report, ReportKind, Secrets},
};

use super::rules::Rules;
use crate::cli::{ReportFile, ReportPlanArgs};

/// The size of a step's summary, beyond which nothing is added to one.
const SUMMARY_LIMIT: u64 = 1 << 20;

/// More than any plan that terraform can make; what is longer is not read.
const PLAN_LIMIT: u64 = 2 << 30;

/// The files that a command reads and writes.
#[derive(Default)]
pub(super) struct Places {
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
}

impl Places {
    pub(super) fn reads(mut self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.read.extend(paths.into_iter().map(Into::into));
        self
    }

    pub(super) fn writes(mut self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.written.extend(paths.into_iter().map(Into::into));
        self
    }

    pub(super) fn reports(self, files: &[ReportFile]) -> Self {
        self.writes(files.iter().map(|file| &file.path))
    }

    /// Fails if a file would be written twice, or is an input that would be written over.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut taken: BTreeSet<_> = self.read.iter().filter_map(|path| file_at(path)).collect();
        match self.written.iter().find(|path| file_at(path).is_some_and(|file| !taken.insert(file)))
        {
            Some(path) => {
                let name = quote(path);
                Err(Failure::usage(format!("`{name}` is written, and is another file, too"))
                    .hint("give each file that is read or written a name of its own"))
            }
            None => Ok(()),
        }
    }
}

/// Returns which file a path names, if there is one or there could be one; pipes and devices are none.
fn file_at(path: &Path) -> Option<PathBuf> {
    if path == Path::new("-") || path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    let in_folder = || Some(parent(path).canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder)
}

/// Fails if a report could not be written, before work is spent on the plan.
pub(super) fn check_places(files: &[ReportFile]) -> Result<(), Failure> {
    Ok(files.iter().try_for_each(|file| check_output(&file.path))?)
}

/// `report`: every report of a plan's JSON, without terraform.
pub(super) fn report(args: &ReportPlanArgs, session: &Session) -> Result<Outcome, Failure> {
    let files = &args.reports.reports;
    Places::default().reads([&args.plan]).reads(&args.guards.policy).reports(files).check()?;
    check_places(files)?;
    let rules = Rules::read(&args.guards, session)?;
    let plan = Plan::parse(read(&args.plan, session)?).map_err(|reason| {
        let name = quote(&args.plan);
        Failure::usage(format!("cannot understand the plan `{name}`: {reason}"))
    })?;
    let mut secrets = Secrets::default();
    secrets.add_plan_secrets(&plan);
    let verdict = rules.judge(&plan, &secrets, session)?;
    let report = Report::new(&args.stack, &plan, &secrets, &verdict);
    write(&report, files)?;
    if files.is_empty() {
        let kind = if session.json() { ReportKind::Json } else { ReportKind::Markdown };
        session.write(report.write(kind).get().as_bytes())?;
    }
    verdict.into_result()?;
    Ok(Outcome::Done)
}

fn read(path: &Path, session: &Session) -> Result<Vec<u8>, Failure> {
    let cancel = session.cancel();
    let input = if path == Path::new("-") {
        Input::new(stdin().as_fd().try_clone_to_owned().at(path, "read")?, cancel)
    } else {
        Input::open(path, cancel)?
    };
    let mut json = Vec::new();
    input.take(PLAN_LIMIT + 1).read_to_end(&mut json).at(path, "read")?;
    if json.len() as u64 > PLAN_LIMIT {
        let name = quote(path);
        return Err(Failure::new(Kind::Usage, format!("the plan `{name}` is larger than 2 GiB")));
    }
    Ok(json)
}

/// Writes each report to its file; annotations go to stderr, where a runner reads them.
pub(super) fn write(report: &Report, files: &[ReportFile]) -> Result<(), Failure> {
    for ReportFile { kind, path } in files {
        let text = if *kind == ReportKind::Github {
            Session::write_stderr(report.annotations().get().as_bytes());
            with_earlier_steps(report, path)?
        } else {
            report.write(*kind).into_inner()
        };
        write_output(path, text.as_bytes(), user_mode())?;
    }
    Ok(())
}

/// Adds the report to the summary that earlier commands of the step have begun.
fn with_earlier_steps(report: &Report, path: &Path) -> Result<String, Failure> {
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => 0,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error).at(path, "find").map_err(Failure::from),
    };
    let earlier = if size == 0 { String::new() } else { read_text(path, SUMMARY_LIMIT)? };
    Ok([earlier, report.step_summary(size).into_inner()].concat())
}
