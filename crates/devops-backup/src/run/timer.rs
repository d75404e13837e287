//! `devops-backup timer`.

use std::{
    env,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    fs::IoResultExt,
    kind::Kind,
    profile::{Schedule, check_calendar, crontab, service, timer as timer_unit},
};
use rustix::process::geteuid;
use serde_json::json;

use super::profile::{Settings, select};
use crate::cli::{TimerArgs, Unit};

pub(super) fn timer(args: &TimerArgs, session: &Session) -> Result<Outcome, Failure> {
    let tables = select(args.profile.as_deref(), session)?;
    let all: Vec<Settings> =
        tables.iter().map(|table| Settings::read(table, session)).collect::<Result<_, _>>()?;
    let config = config(&all)?;
    let program = env::current_exe().at("/proc/self/exe", "resolve")?;
    let sources: Vec<&Path> = all
        .iter()
        .flat_map(|settings| settings.sources.iter().map(|source| source.path.as_path()))
        .collect();
    let mut writable: Vec<&Path> = all
        .iter()
        .flat_map(|settings| [Some(settings.dest.as_path()), settings.metrics_dir.as_deref()])
        .flatten()
        .collect();
    writable.sort_unstable();
    writable.dedup();
    let user = geteuid();
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let is_of_another =
        |folder: &&Path| folder.metadata().is_ok_and(|metadata| metadata.uid() != user.as_raw());
    let schedule = Schedule {
        profile: args.profile.as_deref(),
        program: &program,
        config,
        on_calendar: &args.on_calendar,
        user: (!user.is_root()).then(|| user.as_raw()),
        home: home.as_deref(),
        overrides_owner: writable.iter().any(is_of_another),
        sources: &sources,
        writable: &writable,
        has_hooks: all.iter().any(Settings::has_hooks),
        has_urls: all.iter().any(Settings::has_urls),
        makes_copies: all.iter().any(|settings| settings.encryption.makes_copies()),
    };
    if args.cron {
        session.line(crontab(&schedule)?)?;
    } else {
        check_calendar(schedule.on_calendar, session.cancel()).map_err(|error| {
            Failure::from(error).hint("see systemd.time(7), such as `daily` or `Mon *-*-* 03:00`")
        })?;
        units(&schedule, args.only, session)?;
        for folder in writable.iter().filter(|folder| !folder.is_dir()) {
            let folder = quote(folder);
            session.warn(format!("`{folder}` must exist before the service can start"));
        }
    }
    Ok(Outcome::Done)
}

/// Returns the one file that the profiles stand in.
fn config(all: &[Settings]) -> Result<&Path, Failure> {
    let first = all.first().expect("at least one profile is selected");
    match all.iter().find(|other| other.file != first.file) {
        None => Ok(&first.file),
        Some(other) => Err(Failure::new(
            Kind::Configuration,
            format!("profiles stand in `{}` and `{}`", quote(&first.file), quote(&other.file)),
        )
        .hint("a service reads one config file: name a profile")),
    }
}

fn units(schedule: &Schedule<'_>, only: Option<Unit>, session: &Session) -> Result<(), Failure> {
    let both = [
        (Unit::Service, "service", service(schedule)?),
        (Unit::Timer, "timer", timer_unit(schedule)?),
    ];
    for (unit, suffix, text) in both {
        if only.is_some_and(|only| only != unit) {
            continue;
        }
        let path = format!("/etc/systemd/system/{}.{suffix}", schedule.unit());
        if session.json() {
            session.emit(&json!({"type": "unit", "path": path, "text": text}))?;
        } else {
            session.write(format!("# {path}\n{text}").as_bytes())?;
        }
        if only.is_none() && unit == Unit::Service && !session.json() {
            session.line("")?;
        }
    }
    Ok(())
}
