//! `facts`

use std::path::{Path, PathBuf};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    fs::IoResultExt,
    lessons::facts::{self, Facts},
    units::{ByteSize, format_duration},
};

use super::output::{safe, typed};
use crate::cli::FactsArgs;

pub(super) fn run(args: &FactsArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return transcript(session);
    }
    let facts = facts::read(Path::new("/"));
    // A working folder that was removed has no name.
    let folder = std::env::current_dir().ok();
    if session.json() {
        emit(&facts, folder, session)?;
    } else {
        show(&facts, folder, session)?;
    }
    Ok(Outcome::Done)
}

/// Prints what the lesson about modules prints.
pub(super) fn transcript(session: &Session) -> Result<Outcome, Failure> {
    let folder = std::env::current_dir().at(".", "name")?;
    session.line(facts::transcript(&folder, env!("CARGO_PKG_VERSION")))?;
    Ok(Outcome::Done)
}

fn emit(facts: &Facts, folder: Option<PathBuf>, session: &Session) -> Result<(), Failure> {
    let mut object = typed("facts", facts)?;
    if let (Some(map), Some(folder)) = (object.as_object_mut(), folder) {
        devops_cli::json::insert_path(map, "cwd", &folder);
    }
    session.emit(&object)
}

fn show(facts: &Facts, folder: Option<PathBuf>, session: &Session) -> Result<(), Failure> {
    let line = |name: &str, value: Option<String>| match value {
        Some(value) => session.line(format!("{name}: {}", safe(&value))),
        None => Ok(()),
    };
    let size = |bytes: u64| ByteSize(bytes).to_string();
    line("host", facts.host.clone())?;
    line("os", facts.os.clone())?;
    line("kernel", facts.kernel.clone())?;
    line("arch", Some(facts.arch.to_owned()))?;
    let model = facts.cpu_model.as_deref().map(|model| format!(" x {model}"));
    line("cpus", facts.n_cpus.map(|n| format!("{n}{}", model.unwrap_or_default())))?;
    line("load", facts.load.map(|load| load.map(|one| format!("{one:.2}")).join(" ")))?;
    let uptime = facts.uptime_seconds.map(std::time::Duration::from_secs);
    line("uptime", uptime.map(format_duration))?;
    let memory = &facts.memory;
    line("memory", memory.total_bytes.map(size))?;
    line("memory available", memory.available_bytes.map(size))?;
    line("swap", memory.swap_total_bytes.map(size))?;
    line("cgroup memory limit", facts.cgroup.memory_bytes.map(size))?;
    line("cgroup cpu limit", facts.cgroup.cpus.map(|cpus| format!("{cpus:.2}")))?;
    for disk in &facts.disks {
        let (free, total) = (size(disk.available_bytes), size(disk.total_bytes));
        let text = format!("{} {free} free of {total}", disk.file_system);
        line(&format!("disk {}", safe(&disk.mount)), Some(text))?;
    }
    line("cwd", folder.map(|folder| quote(&folder)))
}
