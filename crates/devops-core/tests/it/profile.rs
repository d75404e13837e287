//! Running a profile, at the public functions.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::symlink,
    path::Path,
    sync::mpsc::Receiver,
    time::Duration,
};

use devops_core::{
    archive::{CreateOptions, FileIo},
    cancel::Cancel,
    clock::{Clock, FixedClock},
    fs::OpenFolder,
    lock::{FolderLock, LockMode, LockRequest},
    profile::{Hooks, Profile, ProfileEvent, ProfileSource, SecretUrl, Status},
    retention::KeepPolicy,
};
use devops_fakes::watcher::{Told, watcher};

mod fixture;
mod nights;
mod rehearsal;
mod room;
mod shrunk;

use fixture::{Fixture, START, code_of, holder, run_quietly, run_with};

#[test]
fn every_source_gets_an_archive_and_the_hooks_are_told() {
    let fixture = Fixture::new();
    let told =
        fixture.log("$DEVOPS_BACKUP_PROFILE $DEVOPS_BACKUP_EXIT_CODE [$DEVOPS_BACKUP_ERROR]");
    let archives = fixture.log("$DEVOPS_BACKUP_ARCHIVE");
    let after = vec![told, archives];
    let profile = Profile { hooks: Hooks { after, ..fixture.hooks() }, ..fixture.profile() };

    let report = run_quietly(&profile);

    assert_eq!((report.status, report.exit_code(&code_of)), (Status::Success, 0));
    let names = ["home-a-2026-11-22.tar.gz", "home-b-2026-11-22.tar.gz"];
    assert_eq!(fixture.archives(), names);
    let path = |name| fixture.dest.join(name).display().to_string();
    assert_eq!(
        fixture.logged(),
        ["before ", "home 0 []", &path(names[0]), &path(names[1]), "finally success"]
    );
}

#[test]
fn a_failing_before_hook_ends_the_profile_but_not_its_cleaning_up() {
    let fixture = Fixture::new();
    let before = vec!["exit 7".to_owned(), fixture.log("never")];
    let profile = Profile { hooks: Hooks { before, ..fixture.hooks() }, ..fixture.profile() };

    let report = run_quietly(&profile);

    assert_eq!(report.exit_code(&code_of), 1);
    assert_eq!(report.error().unwrap(), "`before` hook 1 failed with exit code 7");
    assert_eq!(fixture.archives(), [""; 0]);
    assert_eq!(fixture.logged(), ["on_failure failed", "finally failed"]);
}

#[test]
fn a_source_that_fails_does_not_keep_the_others_from_being_backed_up() {
    let mut fixture = Fixture::new();
    fixture.sources[0].path = fixture.dir.path().join("missing");
    let keep = KeepPolicy { last: 1, ..KeepPolicy::default() };
    let profile = Profile { hooks: fixture.hooks(), keep, ..fixture.profile() };

    let report = run_quietly(&profile);

    assert_eq!((report.status, report.exit_code(&code_of)), (Status::Failed, 1));
    assert_eq!(fixture.archives(), ["home-b-2026-11-22.tar.gz"]);
    assert_eq!(fixture.logged(), ["before ", "on_failure failed", "finally failed"]);
    let json = report.to_json(1);
    assert_eq!(json["sources"][0]["status"], "failed");
    assert_eq!(json["sources"][1]["status"], "success");
}

#[test]
fn retention_is_kept_for_each_source_and_not_where_nothing_new_came() {
    let mut fixture = Fixture::new();
    for day in 0..3 {
        fixture.clock = FixedClock(START + time::Duration::days(day));
        assert_eq!(run_quietly(&fixture.profile()).status, Status::Success);
    }
    fixture.clock = FixedClock(START + time::Duration::days(3));
    fs::remove_dir_all(&fixture.sources[1].path).unwrap();
    let keep = KeepPolicy { last: 1, ..KeepPolicy::default() };

    let report = run_quietly(&Profile { keep, ..fixture.profile() });

    let pruned = report.pruned.unwrap();
    assert_eq!((pruned.n_kept, pruned.n_removed), (1, 3));
    assert_eq!(report.n_archives, 4);
    assert_eq!(fixture.archives()[0], "home-a-2026-11-25.tar.gz");
    assert_eq!(fixture.archives().len(), 4);
}

/// A disk that cannot be read.
struct Broken;

impl FileIo for Broken {
    fn input<'a>(&self, _path: &Path, _file: &'a File) -> Box<dyn Read + 'a> {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
                Err(rustix::io::Errno::IO.into())
            }
        }
        Box::new(Fails)
    }
}

#[test]
fn what_cannot_be_read_makes_it_partial_and_what_follows_goes_on() {
    let fixture = Fixture::new();
    let profile = fixture.profile();
    let create = CreateOptions { file_io: &Broken, ..profile.create.clone() };
    let profile = Profile { hooks: fixture.hooks(), create, ..profile };

    let report = run_quietly(&profile);

    assert_eq!((report.status, report.exit_code(&code_of)), (Status::Partial, 3));
    assert_eq!(report.n_faults(), 2);
    assert_eq!(fixture.logged(), ["before ", "after partial", "finally partial"]);
}

#[test]
fn a_signal_ends_the_hook_and_the_rest_is_still_cleaned_up() {
    let fixture = Fixture::new();
    let before = vec!["echo here; exec sleep 600".to_owned()];
    let profile = Profile { hooks: Hooks { before, ..fixture.hooks() }, ..fixture.profile() };
    let cancel = Cancel::new();

    let report = run_with(&profile, &cancel, &mut |event| {
        if matches!(event, ProfileEvent::HookLine(b"here")) {
            cancel.cancel(15);
        }
    });

    assert_eq!(report.exit_code(&code_of), 143);
    assert_eq!(fixture.logged(), ["on_failure failed", "finally failed"]);
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_its_children() {
    let fixture = Fixture::new();
    let before = vec!["sleep 600 & echo $!; wait".to_owned()];
    let attempt = |timeout| {
        let timeout = Some(Duration::from_millis(timeout));
        let hooks = Hooks { before: before.clone(), timeout, ..Hooks::default() };
        let profile = Profile { hooks, ..fixture.profile() };
        let mut child = None;
        let report = run_with(&profile, &Cancel::new(), &mut |event| {
            if let ProfileEvent::HookLine(line) = event {
                child = Some(std::str::from_utf8(line).unwrap().parse::<u32>().unwrap());
            }
        });
        Some((report, child?))
    };

    // One in which the hook had no time to start its child proves nothing.
    let (report, child) = [300, 3_000, 30_000].into_iter().find_map(attempt).unwrap();

    assert_eq!(report.exit_code(&code_of), 124);
    assert_eq!(report.error().unwrap(), "`before` hook 1 took too long");
    // It was sent the signal, takes a moment to die, and may lie dead until its new parent looks.
    let is_gone = || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    let waited = (0..6000).find(|_| {
        Cancel::new().wait(Duration::from_millis(10)).unwrap();
        is_gone()
    });
    assert!(waited.is_some());
}

#[test]
fn the_last_hooks_run_all_and_a_failure_of_theirs_counts() {
    let fixture = Fixture::new();
    let finally = vec!["exit 1".to_owned(), fixture.log("second")];
    let profile = Profile { hooks: Hooks { finally, ..Hooks::default() }, ..fixture.profile() };

    let report = run_quietly(&profile);

    assert_eq!(report.exit_code(&code_of), 1);
    assert_eq!(report.archives().count(), 2);
    assert_eq!(fixture.logged(), ["second"]);
}

#[test]
fn a_locked_destination_is_left_alone_before_any_hook() {
    let fixture = Fixture::new();
    fs::create_dir(&fixture.dest).unwrap();
    let request = LockRequest { holder: &holder(), mode: LockMode::Shared, wait: Duration::ZERO };
    let held = FolderLock::acquire(&fixture.dest, &request, &Cancel::new(), &mut |_| {}).unwrap();
    let profile = Profile { hooks: fixture.hooks(), ..fixture.profile() };

    let report = run_quietly(&profile);
    assert_eq!((report.status, report.exit_code(&code_of)), (Status::Locked, 75));
    assert_eq!(fixture.logged(), [""; 0]);

    drop(held);
    assert_eq!(run_quietly(&profile).status, Status::Success);
}

fn server(statuses: &'static [u16]) -> (String, Receiver<Told>) {
    let (address, told) = watcher(statuses);
    (format!("{address}/0b4e-secret"), told)
}

#[test]
fn those_who_watch_are_told_of_start_and_end() {
    let fixture = Fixture::new();
    let (url, requests) = server(&[200]);
    let url = SecretUrl::parse(&url).unwrap();
    let profile = Profile {
        healthcheck: Some(url.clone()),
        webhooks: vec![url],
        hooks: Hooks { finally: vec!["exit 9".to_owned()], ..Hooks::default() },
        ..fixture.profile()
    };

    run_quietly(&Profile { hooks: Hooks::default(), ..profile.clone() });
    run_quietly(&profile);

    let told: Vec<_> = requests.try_iter().collect();
    let lines: Vec<_> = told.iter().map(|(line, _)| line.as_str()).collect();
    let (start, good, bad) = (
        "POST /0b4e-secret/start HTTP/1.1",
        "POST /0b4e-secret HTTP/1.1",
        "POST /0b4e-secret/fail HTTP/1.1",
    );
    assert_eq!(lines, [start, good, good, start, good, bad]);
    let report: serde_json::Value = serde_json::from_str(&told[4].1).unwrap();
    assert_eq!(report["profile"], "home");
    assert_eq!(report["status"], "failed");
    assert_eq!(report["exit_code"], 1);
    assert!(told[5].1.contains("`finally` hook 1 failed with exit code 9"), "{}", told[5].1);
}

#[test]
fn a_watcher_that_fails_is_tried_again_and_never_makes_the_backup_worse() {
    let fixture = Fixture::new();
    let (url, requests) = server(&[200, 503, 200, 404]);
    let healthcheck = Some(SecretUrl::parse(&url).unwrap());
    let profile = Profile { healthcheck, ..fixture.profile() };
    let mut warnings = Vec::new();

    for _ in 0..2 {
        let report = run_with(&profile, &Cancel::new(), &mut |event| {
            if let ProfileEvent::Warning(what) = event {
                warnings.push(what.to_owned());
            }
        });
        assert_eq!(report.exit_code(&code_of), 0);
    }

    // Start, the end and once more; start and end, both refused for good.
    assert_eq!(requests.try_iter().count(), 5);
    let host = url.split('/').nth(2).unwrap();
    let warning = format!("could not tell `http://{host}/***`: status 404");
    assert_eq!(warnings, [warning.clone(), warning]);
}

#[test]
fn metrics_are_written_for_a_failure_too() {
    let mut fixture = Fixture::new();
    let metrics_dir = fixture.dir.path().join("metrics");
    fs::create_dir(&metrics_dir).unwrap();
    let read = || fs::read_to_string(metrics_dir.join("devops-backup-home.prom")).unwrap();
    let metrics = || Some(metrics_dir.clone());
    run_quietly(&Profile { metrics_dir: metrics(), ..fixture.profile() });
    let first = read();

    fixture.clock = FixedClock(START + time::Duration::days(1));
    fixture.sources[0].path = fixture.dir.path().join("missing");
    run_quietly(&Profile { metrics_dir: metrics(), ..fixture.profile() });

    let line =
        |name: &str, value: i64| format!("devops_backup_{name}{{profile=\"home\"}} {value}\n");
    let (start, next) = (START.unix_timestamp(), fixture.clock.now().unix_timestamp());
    assert!(first.contains(&line("last_success_timestamp_seconds", start)), "{first}");
    assert!(first.contains(&line("last_entries", 4)));
    assert!(first.contains(&line("archives_kept", 2)));
    for expected in [
        line("last_success_timestamp_seconds", start),
        line("last_failure_timestamp_seconds", next),
        line("last_exit_code", 1),
    ] {
        assert!(read().contains(&expected), "{expected}{}", read());
    }
}

/// Reads all files in a folder, with their names.
fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_profile_of_a_project_follows_no_link_that_leads_out_of_it() {
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    for name in ["bashrc", "old.tar.gz"] {
        File::create(at(name)).unwrap().write_all(b"as it was").unwrap();
    }
    let before = files_in(outside.path());
    fs::create_dir(&fixture.dest).unwrap();
    symlink(at("bashrc"), fixture.dir.path().join("devops-backup-home.prom")).unwrap();
    symlink(at("old.tar.gz"), fixture.dest.join("home-a-2026-11-22.tar.gz")).unwrap();
    symlink(at("new.tar.gz"), fixture.dest.join("home-b-2026-11-22.tar.gz")).unwrap();
    symlink(outside.path(), fixture.dir.path().join("out")).unwrap();
    let project = OpenFolder::open(&fixture.dir.path().canonicalize().unwrap()).unwrap();
    let within = |profile: Profile<'_>| {
        let create = CreateOptions { within: Some(&project), ..profile.create.clone() };
        run_quietly(&Profile { create, ..profile })
    };
    let metrics_dir = Some(fixture.dir.path().to_owned());

    let report = within(Profile { metrics_dir, ..fixture.profile() });
    let dest = fixture.dir.path().join("out/new");
    let to_outside = within(Profile { dest: &dest, ..fixture.profile() });
    let sources = ["out", "out/bashrc"].map(|source| ProfileSource {
        path: fixture.dir.path().join(source),
        name: format!("home-{}", source.len()).parse().unwrap(),
    });
    let from_outside = within(Profile { sources: &sources, ..fixture.profile() });

    assert_eq!(report.status, Status::Success);
    assert_eq!(files_in(outside.path()), before);
    let of_sources: Vec<_> = report.sources.iter().filter_map(|it| it.created.as_ref()).collect();
    assert_eq!(of_sources.len(), 2);
    for created in of_sources {
        assert!(fs::symlink_metadata(&created.path).unwrap().is_file(), "{created:?}");
    }
    for refused in [to_outside, from_outside] {
        assert_eq!(refused.status, Status::Failed);
        let error = refused.error().unwrap();
        assert!(error.contains("leads out of the folder that must hold it"), "{error}");
    }
    assert_eq!(fixture.archives().len(), 4);
}

#[test]
fn a_destination_that_becomes_a_link_while_its_profile_runs_is_not_pruned_elsewhere() {
    let mut fixture = Fixture::new();
    fixture.sources.truncate(1);
    let outside = tempfile::tempdir().unwrap();
    for day in 0..3 {
        fixture.clock = FixedClock(START + time::Duration::days(day));
        run_quietly(&Profile { dest: outside.path(), ..fixture.profile() });
    }
    let before = files_in(outside.path());
    assert_eq!(before.len(), 3);
    fixture.clock = FixedClock(START + time::Duration::days(3));
    let project = OpenFolder::open(&fixture.dir.path().canonicalize().unwrap()).unwrap();
    let keep = KeepPolicy { last: 1, ..KeepPolicy::default() };
    let create = CreateOptions { within: Some(&project), ..fixture.profile().create };
    let profile = Profile { keep, create, verify: false, ..fixture.profile() };

    let report = run_with(&profile, &Cancel::new(), &mut |event| {
        if let ProfileEvent::Created(..) = event {
            let moved = fixture.dir.path().join("moved");
            rustix::fs::rename(&fixture.dest, moved).unwrap();
            symlink(outside.path(), &fixture.dest).unwrap();
        }
    });

    assert_eq!(report.status, Status::Failed);
    assert_eq!(files_in(outside.path()), before);
}
