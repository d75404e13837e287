//! Checks of systemd units.

use super::status::{CheckOptions, Seen, Status};
use crate::{
    cancel::Cancel,
    process::{self, CommandSpec, ProcessError},
};

/// The types of units, systemd(1).
const TYPES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];
/// How much systemctl may say.
const LIMIT: usize = 64 << 10;

/// Returns whether `text` can be the name of a unit (systemd.unit(5)) and nothing else to systemctl.
pub(super) fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    (1..=255).contains(&text.len())
        && text.bytes().all(known)
        && !text.starts_with(['-', '.'])
        && !text.contains("..")
}

/// Returns whether a name ends with a type of unit: only such names have colons in practice.
pub(super) fn has_type(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| TYPES.contains(&ending))
}

pub(super) fn check(name: &str, options: &CheckOptions, cancel: &Cancel) -> Seen {
    let unknown = |detail: String| Seen(Status::Unknown, detail);
    // sd_booted(3): the folder exists exactly while systemd is the init system.
    if !options.root.join("run/systemd/system").is_dir() {
        return unknown("this host was not booted with systemd".to_owned());
    }
    let mut spec = CommandSpec::new("systemctl")
        .args(["show", "--no-pager", "--property=LoadState,ActiveState,SubState,MainPID", "--"])
        .arg(name)
        .env("LC_ALL", "C");
    spec.timeout = Some(options.timeout);
    match process::capture(&spec, cancel, LIMIT) {
        Ok(captured) if captured.exit.is_success() => {
            parse(&String::from_utf8_lossy(&captured.stdout))
        }
        Ok(captured) if captured.exit.timed_out => unknown("systemctl took too long".to_owned()),
        Ok(captured) => {
            let said = String::from_utf8_lossy(&captured.stderr);
            unknown(format!("systemctl failed: {}", said.lines().next().unwrap_or_default()))
        }
        Err(ProcessError::NotFound { .. }) => unknown("systemctl was not found".to_owned()),
        Err(error) => unknown(error.to_string()),
    }
}

/// Reads the properties of one unit.
pub(super) fn parse(text: &str) -> Seen {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    };
    let (load, active) = (value("LoadState"), value("ActiveState"));
    let state = format!("{active}/{}", value("SubState"));
    match (load, active) {
        ("not-found", _) => Seen(Status::NotFound, "no such unit".to_owned()),
        ("masked", _) => Seen(Status::Down, format!("masked, {state}")),
        (_, "active" | "reloading" | "refreshing") => {
            let pid = value("MainPID");
            let pid = if matches!(pid, "" | "0") { String::new() } else { format!(", pid {pid}") };
            Seen(Status::Up, state + &pid)
        }
        (_, "inactive" | "failed" | "activating" | "deactivating" | "maintenance") => {
            Seen(Status::Down, state)
        }
        _ => Seen(Status::Unknown, "systemctl gave no state".to_owned()),
    }
}
