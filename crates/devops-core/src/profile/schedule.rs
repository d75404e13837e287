//! What starts a backup again and again: a service and a timer of systemd, or a line for cron.
//!
//! The service can read everything and write only where the backup goes. What would hide part of a
//! source from it (`PrivateTmp`, `ProtectKernelModules`) is left out where a source reaches there: the backup would
//! miss it without a word.

use std::path::{Path, PathBuf};

use crate::kind::{HasKind, Kind};

/// What is to be started, and when.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Schedule<'a> {
    /// The profile; `None` for all of them.
    pub profile: Option<&'a str>,
    /// The program, absolute.
    pub program: &'a Path,
    /// The config file, absolute.
    pub config: &'a Path,
    /// The schedule, a calendar event of `systemd.time(7)`.
    pub on_calendar: &'a str,
    /// The user it runs as, by number; `None` for root.
    pub user: Option<u32>,
    /// The home folder of that user.
    pub home: Option<&'a Path>,
    /// Is set if a folder that is written to belongs to somebody else.
    pub overrides_owner: bool,
    /// What is backed up, absolute.
    pub sources: &'a [&'a Path],
    /// The folders that are written to, absolute.
    pub writable: &'a [&'a Path],
    /// Is set if commands of the user run, which need more than a backup does.
    pub has_hooks: bool,
    /// Is set if notifications are sent over the network.
    pub has_urls: bool,
    /// Is set if plain copies are written for encrypted archives to be made from.
    pub makes_copies: bool,
}

/// The reason for which a unit or a line for cron cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// It has more than one line, or control characters.
    #[error("`{}` is no calendar expression", .0.escape_debug())]
    NotOneLine(String),
    /// Systemd takes it for no time.
    #[error("systemd does not know the time `{}`", .0.escape_debug())]
    NotATime(String),
    /// Cron knows fewer words than systemd.
    #[error("cron cannot be told `{0}`")]
    NotForCron(String),
    /// A line break would begin another line, and systemd and cron read UTF-8 alone.
    #[error("`{}` cannot stand in a unit or a crontab: it has a control character or is not UTF-8", .0.display().to_string().escape_debug())]
    NotPlain(PathBuf),
}

impl HasKind for BadSchedule {
    fn kind(&self) -> Kind {
        match self {
            Self::NotOneLine(_) | Self::NotATime(_) | Self::NotForCron(_) | Self::NotPlain(_) => {
                Kind::Usage
            }
        }
    }
}

impl Schedule<'_> {
    /// Returns the name of the units without `.service` or `.timer`.
    pub fn unit(&self) -> String {
        match self.profile {
            Some(profile) => format!("devops-backup-{profile}"),
            None => "devops-backup".to_owned(),
        }
    }

    fn title(&self) -> String {
        match self.profile {
            Some(profile) => format!("Backup of the profile {profile}"),
            None => "Backup of all profiles".to_owned(),
        }
    }

    /// Returns the words of the command.
    fn command(&self) -> Vec<String> {
        let mut words = vec![self.program.to_string_lossy().into_owned(), "run".to_owned()];
        words.extend(self.profile.map(ToOwned::to_owned));
        words.extend(["--config".to_owned(), self.config.to_string_lossy().into_owned()]);
        // Profiles that meet in one destination take turns.
        words.extend(["--lock-wait", "1h", "--no-progress"].map(ToOwned::to_owned));
        words
    }

    /// Returns whether a source holds `place`, or lies in it.
    fn reaches(&self, place: &str) -> bool {
        self.sources
            .iter()
            .chain(self.writable)
            .any(|path| path.starts_with(place) || Path::new(place).starts_with(path))
    }
}

/// Returns the service.
pub fn service(schedule: &Schedule<'_>) -> Result<String, BadSchedule> {
    let all = [schedule.program, schedule.config].into_iter().chain(schedule.home);
    check_paths(all.chain(schedule.sources.iter().chain(schedule.writable).copied()))?;
    let mut lines = vec![
        "[Unit]".to_owned(),
        format!("Description={}", schedule.title()),
        "Documentation=man:systemd.exec(5)".to_owned(),
    ];
    if schedule.has_urls {
        lines.push("Wants=network-online.target".to_owned());
        lines.push("After=network-online.target".to_owned());
    }
    for path in schedule.sources.iter().chain(schedule.writable) {
        lines.push(format!("RequiresMountsFor={}", quoted(&path.to_string_lossy())));
    }
    lines.extend(own(&["", "[Service]", "Type=oneshot"]));
    if let Some(home) = schedule.home {
        let assignment = format!("HOME={}", home.to_string_lossy());
        lines.push(format!("Environment={}", quoted(&assignment)));
    }
    let command: Vec<_> = schedule.command().iter().map(|word| executed(word)).collect();
    lines.push(format!("ExecStart={}", command.join(" ")));
    lines.extend(own(&[
        "# 3 is partial: something could not be read. It counts as failed, so that somebody looks;",
        "# to accept it, add SuccessExitStatus=3.",
        "KillMode=mixed",
        "TimeoutStopSec=5min",
        "Nice=19",
        "CPUSchedulingPolicy=batch",
        "IOSchedulingClass=idle",
    ]));
    lines.extend(access(schedule));
    lines.extend(confinement(schedule));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// Who it is, and what it may write.
fn access(schedule: &Schedule<'_>) -> Vec<String> {
    let mut lines = vec![String::new()];
    match (schedule.user, schedule.has_hooks) {
        (Some(user), _) => {
            lines.push(format!("User={user}"));
            lines.extend(own(&["CapabilityBoundingSet=", "AmbientCapabilities="]));
        }
        (None, true) => lines.extend(own(&[
            "# Hooks may need capabilities and devices that a backup does not: most of them stay.",
            "# Hooks that write elsewhere need their folders in ReadWritePaths= too.",
            "CapabilityBoundingSet=~CAP_BLOCK_SUSPEND CAP_BPF CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN",
            "CapabilityBoundingSet=~CAP_MAC_OVERRIDE CAP_SYSLOG CAP_SYS_BOOT CAP_SYS_MODULE CAP_SYS_PACCT",
            "CapabilityBoundingSet=~CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_TIME CAP_WAKE_ALARM",
        ])),
        (None, false) if schedule.overrides_owner => lines.extend(own(&[
            "# The archives go into a folder of another user.",
            "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE",
        ])),
        (None, false) => lines.extend(own(&[
            "# Root, but all it can do beyond its own files is read those of others.",
            "CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
        ])),
    }
    lines.extend(own(&[
        "NoNewPrivileges=yes",
        "UMask=0077",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
    ]));
    lines.extend(own(&[
        "# What was found out about the archives, to tell our own from others' and read none twice.",
        "StateDirectory=%p",
        "StateDirectoryMode=0700",
        "Environment=XDG_STATE_HOME=%S/%p",
    ]));
    if schedule.makes_copies {
        lines.extend(own(&[
            "# Plain copies of what is encrypted, for the next archive to be made from.",
            "CacheDirectory=%p",
            "CacheDirectoryMode=0700",
            "Environment=XDG_CACHE_HOME=%C/%p",
        ]));
    }
    for path in schedule.writable {
        lines.push(format!("ReadWritePaths={}", quoted(&path.to_string_lossy())));
    }
    lines
}

/// What it has no use for.
fn confinement(schedule: &Schedule<'_>) -> Vec<String> {
    let mut lines = own(&[
        "ProtectControlGroups=yes",
        "ProtectKernelTunables=yes",
        "ProtectHostname=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
    ]);
    if !schedule.reaches("/tmp") && !schedule.reaches("/var/tmp") {
        lines.push("PrivateTmp=yes".to_owned());
    }
    if schedule.has_hooks {
        lines.extend(own(&[
            "SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap",
            "SystemCallErrorNumber=EPERM",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        ]));
        return lines;
    }
    lines.extend(own(&[
        "ProtectClock=yes",
        "ProtectKernelLogs=yes",
        "ProtectProc=invisible",
        "RestrictNamespaces=yes",
        "MemoryDenyWriteExecute=yes",
        "RemoveIPC=yes",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    ]));
    if !schedule.reaches("/usr/lib/modules") && !schedule.reaches("/lib/modules") {
        lines.push("ProtectKernelModules=yes".to_owned());
    }
    if !schedule.reaches("/dev") {
        lines.push("PrivateDevices=yes".to_owned());
    }
    lines.extend(if schedule.has_urls {
        own(&["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"])
    } else {
        own(&["RestrictAddressFamilies=AF_UNIX", "PrivateNetwork=yes"])
    });
    lines
}

/// Returns the timer.
pub fn timer(schedule: &Schedule<'_>) -> Result<String, BadSchedule> {
    let on_calendar = one_line(schedule.on_calendar)?;
    Ok([
        "[Unit]",
        &format!("Description={}", schedule.title()),
        "",
        "[Timer]",
        &format!("OnCalendar={on_calendar}"),
        "# A time that was missed while the machine was off is made up for.",
        "Persistent=yes",
        "RandomizedDelaySec=30min",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    .join("\n"))
}

/// Returns the line for cron: `hourly`, `daily`, `weekly`, `monthly` or the five fields of crontab(5).
///
/// The words stand for a minute that depends on the profile, so that not everything starts at once.
pub fn crontab(schedule: &Schedule<'_>) -> Result<String, BadSchedule> {
    check_paths([schedule.program, schedule.config])?;
    let when = one_line(schedule.on_calendar)?;
    let spread = schedule.unit().bytes().fold(7_u32, |sum, byte| sum * 31 % 3600 + u32::from(byte));
    let (minute, hour) = (spread % 60, 1 + spread / 60 % 5);
    let fields = match when {
        "hourly" => format!("{minute} * * * *"),
        "daily" => format!("{minute} {hour} * * *"),
        "weekly" => format!("{minute} {hour} * * 1"),
        "monthly" => format!("{minute} {hour} 1 * *"),
        other if is_crontab(other) => other.to_owned(),
        other => return Err(BadSchedule::NotForCron(other.to_owned())),
    };
    let command: Vec<_> = schedule.command().iter().map(|word| in_crontab(word)).collect();
    Ok(format!("{fields} {} --quiet", command.join(" ")))
}

fn is_crontab(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"*,-/".contains(&byte);
    let fields: Vec<_> = text.split_whitespace().collect();
    // `Mon *-*-* 03:00` of systemd has other words and marks.
    fields.len() == 5 && fields.iter().all(|field| field.bytes().all(known))
}

fn one_line(text: &str) -> Result<&str, BadSchedule> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.contains(char::is_control) {
        return Err(BadSchedule::NotOneLine(text.to_owned()));
    }
    Ok(trimmed)
}

/// Refuses paths that would not stay on their line.
fn check_paths<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), BadSchedule> {
    let is_plain =
        |path: &&Path| path.to_str().is_some_and(|text| !text.contains(char::is_control));
    match paths.into_iter().find(|path| !is_plain(path)) {
        Some(path) => Err(BadSchedule::NotPlain(path.to_owned())),
        None => Ok(()),
    }
}

/// Writes a word of a unit file, after systemd.syntax(7); `%` begins a specifier.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let is_plain = !escaped.contains([' ', '\\', '"', '\'', ';']);
    if is_plain { escaped } else { format!("\"{escaped}\"") }
}

/// Writes a word of a command line of a unit, where `$` begins a variable too.
fn executed(word: &str) -> String {
    quoted(&word.replace('$', "$$"))
}

/// Writes a word for `sh` in a crontab, where `%` would end the line.
fn in_crontab(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@,".contains(&byte);
    if word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''").replace('%', "\\%"))
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule<'a>(sources: &'a [&'a Path], writable: &'a [&'a Path]) -> Schedule<'a> {
        Schedule {
            profile: Some("home"),
            program: Path::new("/usr/bin/devops-backup"),
            config: Path::new("/etc/devops/config.toml"),
            on_calendar: "daily",
            user: None,
            home: Some(Path::new("/root")),
            overrides_owner: false,
            sources,
            writable,
            has_hooks: false,
            has_urls: false,
            makes_copies: false,
        }
    }

    #[test]
    fn a_service_of_root_reads_everything_and_writes_only_to_the_destination() {
        let (sources, writable) = ([Path::new("/srv/50% \"a\"")], [Path::new("/mnt/my backups")]);
        let unit = service(&schedule(&sources, &writable)).unwrap();

        for line in [
            "ExecStart=/usr/bin/devops-backup run home --config /etc/devops/config.toml --lock-wait 1h --no-progress",
            "Environment=HOME=/root",
            "CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
            "ProtectSystem=strict",
            "ReadWritePaths=\"/mnt/my backups\"",
            "StateDirectory=%p",
            "Environment=XDG_STATE_HOME=%S/%p",
            "RequiresMountsFor=\"/srv/50%% \\\"a\\\"\"",
            "PrivateTmp=yes",
            "ProtectKernelModules=yes",
            "PrivateNetwork=yes",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}\n{unit}");
        }
    }

    #[test]
    fn nothing_is_hidden_that_is_to_be_backed_up() {
        for (source, hiding) in [
            ("/", "PrivateTmp"),
            ("/var", "PrivateTmp"),
            ("/tmp/a", "PrivateTmp"),
            ("/usr", "ProtectKernelModules"),
            ("/", "PrivateDevices"),
        ] {
            let sources = [Path::new(source)];
            assert!(
                !service(&schedule(&sources, &[])).unwrap().contains(hiding),
                "{source} {hiding}"
            );
        }
    }

    #[test]
    fn hooks_keep_what_they_may_need() {
        let hooked = Schedule { has_hooks: true, ..schedule(&[], &[]) };
        let unit = service(&hooked).unwrap();

        for line in
            ["BoundingSet=CAP_", "@system-service", "PrivateNetwork=", "RestrictNamespaces="]
        {
            assert!(!unit.contains(line), "{line}");
        }
        assert!(unit.contains("NoNewPrivileges=yes"));
    }

    #[test]
    fn root_may_write_into_a_folder_of_another_user() {
        let unit = service(&Schedule { overrides_owner: true, ..schedule(&[], &[]) }).unwrap();

        assert!(unit.contains("\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE\n"));
    }

    #[test]
    fn a_service_of_a_user_has_no_capabilities() {
        let unit = service(&Schedule { user: Some(1000), ..schedule(&[], &[]) }).unwrap();

        assert!(unit.contains("\nUser=1000\nCapabilityBoundingSet=\n"), "{unit}");
    }

    #[test]
    fn cron_takes_its_own_fields_and_a_few_words() {
        let line = |on_calendar| crontab(&Schedule { on_calendar, ..schedule(&[], &[]) });

        assert_eq!(
            line("30 3 * * 1-5").unwrap(),
            "30 3 * * 1-5 /usr/bin/devops-backup run home --config /etc/devops/config.toml \
             --lock-wait 1h --no-progress --quiet"
        );
        assert!(line("daily").unwrap().contains(" * * * /usr/bin/devops-backup run home "));
        assert_eq!(
            line("Mon *-*-* 03:00").unwrap_err().to_string(),
            "cron cannot be told `Mon *-*-* 03:00`"
        );
        let percent = Schedule { program: Path::new("/opt/a%b"), ..schedule(&[], &[]) };
        assert!(crontab(&percent).unwrap().contains("'/opt/a\\%b' run"));
    }

    #[test]
    fn a_time_stays_on_its_line() {
        let injected = Schedule { on_calendar: "daily\nExecStart=/bin/sh", ..schedule(&[], &[]) };

        assert!(matches!(timer(&injected), Err(BadSchedule::NotOneLine(_))));
        assert!(matches!(crontab(&injected), Err(BadSchedule::NotOneLine(_))));
    }

    #[test]
    fn a_path_stays_on_its_line() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        for odd in ["/a\nExecStart=/bin/sh", "/a\rb", "/a\u{1b}[2J"].map(Path::new) {
            let sources = [odd];
            let source = schedule(&sources, &[]);
            let (config, program) = (
                Schedule { config: odd, ..schedule(&[], &[]) },
                Schedule { program: odd, ..schedule(&[], &[]) },
            );

            assert_eq!(service(&source), Err(BadSchedule::NotPlain(odd.to_owned())));
            assert!(service(&schedule(&[], &sources)).is_err());
            // A line for cron does not name the sources.
            assert!(crontab(&source).is_ok());
            for named in [config, program] {
                assert!(service(&named).is_err() && crontab(&named).is_err());
            }
        }
        let bytes = Path::new(OsStr::from_bytes(b"/caf\xe9"));
        assert!(service(&schedule(&[bytes], &[])).is_err());
        let words = BadSchedule::NotPlain("/a\nb".into()).to_string();
        assert!(words.starts_with("`/a\\nb` cannot stand in a unit"), "{words}");
    }
}
