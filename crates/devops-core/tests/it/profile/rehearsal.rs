//! Archives that are restored on trial, at the public functions.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

use devops_core::{
    archive::{Archive, Keys, RehearsalRequest, Rehearsed, rehearse},
    cancel::Cancel,
    kind::{HasKind, Kind},
    profile::{Profile, Rehearsal, Status},
};
use rustix::{
    fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr},
    process::geteuid,
};

use super::fixture::{Fixture, code_of, run_quietly, write};

static NO_KEYS: Keys = Keys::none();

fn request<'a>(archive: &'a Path, folder: &'a Path) -> RehearsalRequest<'a> {
    let archive = Archive { path: archive, keys: &NO_KEYS };
    RehearsalRequest { archive, share: 1.0, seed: 1, folder, source: None }
}

fn rehearsed(request: &RehearsalRequest<'_>) -> Rehearsed {
    rehearse(request, &Cancel::new(), &mut |_| {}).unwrap()
}

/// A fixture whose first source has twenty files and a link, with an archive of it.
fn with_archive() -> (Fixture, std::path::PathBuf) {
    let mut fixture = Fixture::new();
    fixture.sources.truncate(1);
    let source = &fixture.sources[0].path;
    let folder = source.join("sub/deep");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..19 {
        write(folder.join(n.to_string()), vec![b'a' + n; 5000]);
    }
    fs::set_permissions(folder.join("3"), fs::Permissions::from_mode(0o400)).unwrap();
    symlink("deep/1", source.join("sub/link")).unwrap();
    // Older than the run by far, so that a change would show.
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    for path in fs::read_dir(&folder).unwrap() {
        fs::File::open(path.unwrap().path()).unwrap().set_times(old).unwrap();
    }
    let report = run_quietly(&fixture.profile());
    let archive = report.archives().next().unwrap().to_owned();
    (fixture, archive)
}

#[test]
fn a_sample_is_restored_compared_and_removed_and_its_seed_repeats_it() {
    let (fixture, archive) = with_archive();
    let folder = fixture.dir.path().join("state");
    let source = Some(fixture.sources[0].path.as_path());

    let all = rehearsed(&RehearsalRequest { source, ..request(&archive, &folder) });
    assert_eq!((all.n_sampled, all.n_of, all.differences.len()), (24, 24, 0));
    // `file` was written a moment ago, so that its time proves nothing.
    assert_eq!((all.n_like_source, all.n_bytes), (20, 19 * 5000 + 7));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    let some = RehearsalRequest { share: 0.3, ..request(&archive, &folder) };
    let first = rehearsed(&some);
    assert!((1..24).contains(&first.n_sampled), "{first:?}");
    assert_eq!(first, rehearsed(&some));
    let one = rehearsed(&RehearsalRequest { share: f64::MIN_POSITIVE, ..some });
    assert_eq!(one.n_sampled, 1);
}

#[test]
fn a_source_that_changed_is_no_difference_unless_nothing_says_that_it_changed() {
    let (fixture, archive) = with_archive();
    let folder = fixture.dir.path().join("state");
    let deep = fixture.sources[0].path.join("sub/deep");
    write(deep.join("5"), "newer");
    fs::remove_file(deep.join("6")).unwrap();
    // As a disk that fails does it.
    write(deep.join("7"), vec![b'?'; 5000]);
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::open(deep.join("7")).unwrap().set_times(old).unwrap();
    let source = Some(fixture.sources[0].path.as_path());

    let found = rehearsed(&RehearsalRequest { source, ..request(&archive, &folder) });

    let names: Vec<_> = found.differences.iter().map(|found| found.path.as_path()).collect();
    assert_eq!(names, [Path::new("sub/deep/7")]);
    assert!(found.differences[0].reason.contains("which says that it did not change"));
    assert_eq!(found.n_like_source, 17);
}

#[test]
fn archives_of_other_tools_are_rehearsed_and_damage_and_a_signal_leave_no_folder() {
    let (fixture, archive) = with_archive();
    let folder = fixture.dir.path().join("state");
    let mut bytes = fs::read(&archive).unwrap();
    // Without its index it is like a tar of another tool.
    let foreign = fixture.dir.path().join("foreign.tar.gz");
    write(&foreign, &bytes[..bytes.len() - 80]);
    assert_eq!(rehearsed(&request(&foreign, &folder)).differences, []);

    let cancel = Cancel::new();
    let mut n_folders = 0;
    let mut stop = |_| {
        n_folders = fs::read_dir(&folder).unwrap().count();
        cancel.cancel(15);
    };
    let stopped = rehearse(&request(&archive, &folder), &cancel, &mut stop).unwrap_err();
    assert_eq!((stopped.kind(), n_folders), (Kind::Interrupted, 1));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    let middle = bytes.len() / 4;
    bytes[middle] ^= 0xff;
    let damaged = fixture.dir.path().join("damaged.tar.gz");
    write(&damaged, &bytes);
    match rehearse(&request(&damaged, &folder), &Cancel::new(), &mut |_| {}) {
        Ok(found) => assert!(!found.differences.is_empty()),
        Err(error) => assert_eq!(error.kind(), Kind::Mismatch),
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// A source of every kind of entry, with an archive of it.
fn with_every_kind() -> (Fixture, std::path::PathBuf) {
    let mut fixture = Fixture::new();
    fixture.sources.truncate(1);
    let source = &fixture.sources[0].path;
    let closed = source.join("closed");
    fs::create_dir_all(closed.join("empty")).unwrap();
    write(closed.join("[a]*"), "content");
    fs::hard_link(closed.join("[a]*"), source.join("further")).unwrap();
    mknodat(CWD, closed.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    symlink("nowhere", closed.join("link")).unwrap();
    for name in ["[a]*", "empty"] {
        // Not every file system has any.
        let _set = setxattr(closed.join(name), "user.a", b"1", XattrFlags::empty());
    }
    if geteuid().is_root() {
        chown(closed.join("pipe"), Some(7), Some(8)).unwrap();
        chown(closed.join("empty"), Some(7), Some(8)).unwrap();
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let report = run_quietly(&fixture.profile());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let archive = report.archives().next().unwrap().to_owned();
    (fixture, archive)
}

#[test]
fn entries_of_every_kind_are_rehearsed_with_their_metadata() {
    let (fixture, archive) = with_every_kind();
    let folder = fixture.dir.path().join("state");

    let all = rehearsed(&request(&archive, &folder));

    assert_eq!(all.differences, []);
    let kinds = [("fifo", 1), ("file", 2), ("folder", 3), ("hardlink", 1), ("symlink", 1)];
    assert_eq!(all.n_of_kind, kinds.into());
    assert_eq!((all.n_sampled, all.n_of), (8, 8));
    assert!(all.compared.starts_with(&["kind", "content", "target", "mode", "time"]));
    assert_eq!(all.compared.contains(&"owner"), geteuid().is_root());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    // A folder is restored without what is in it, whichever entries are drawn.
    for seed in 0..20 {
        let some = RehearsalRequest { seed, share: 0.3, ..request(&archive, &folder) };
        assert_eq!(rehearsed(&some).differences, [], "{seed}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_profile_rehearses_each_new_archive_and_reports_it() {
    let (fixture, _) = with_archive();
    let folder = fixture.dir.path().join("state");
    let metrics = fixture.dir.path().join("metrics");
    fs::create_dir(&metrics).unwrap();
    let profile = Profile {
        rehearsal: Some(Rehearsal { share: 1.0, folder: &folder }),
        metrics_dir: Some(metrics.clone()),
        ..fixture.profile()
    };

    let report = run_quietly(&profile);

    assert_eq!((report.status, report.exit_code(&code_of)), (Status::Success, 0));
    let json = report.to_json(0);
    let rehearsal = &json["sources"][0]["rehearsal"];
    assert_eq!((&rehearsal["entries"], &rehearsal["of"]), (&24.into(), &24.into()));
    assert_eq!(rehearsal["differences"].as_array().unwrap().len(), 0);
    assert!(report.text().contains("restored 24 of 24 entries, 0 differ"), "{}", report.text());
    let metrics = fs::read_to_string(metrics.join("devops-backup-home.prom")).unwrap();
    for line in [
        "last_rehearsed_entries{profile=\"home\"} 24",
        "last_rehearsal_differences{profile=\"home\"} 0",
    ] {
        assert!(metrics.contains(&format!("devops_backup_{line}\n")), "{metrics}");
    }
}
