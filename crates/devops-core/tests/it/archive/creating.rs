//! Creating archives: names, what is left out, failures that leave nothing.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::{
        fs::{MetadataExt, chown, lchown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use devops_core::{
    archive::{
        ArchiveError, CreateEvent, CreateOptions, Excludes, FileIo, create_in_folder,
        create_to_writer, preview,
    },
    cancel::Cancel,
    clock::FixedClock,
    kind::{HasKind, Kind},
};
use rustix::{fs::rename, process::geteuid};
use tar::EntryType;
use time::Duration;

use crate::archive::{
    fixture::{Fixture, LATER, START, backup, names, paths, write},
    foreign::{Blocks, gzip},
};

#[test]
fn nothing_is_ever_overwritten() {
    let fixture = Fixture::new();

    for _ in 0..4 {
        fixture.create();
    }

    assert_eq!(
        names(&fixture.dest),
        [
            "backup-2026-11-22.tar.gz",
            "backup-2026-11-22T08-49-39-2.tar.gz",
            "backup-2026-11-22T08-49-39-3.tar.gz",
            "backup-2026-11-22T08-49-39.tar.gz",
        ]
    );
}

#[test]
fn its_own_archives_are_left_out_also_through_a_link() {
    let fixture = Fixture::new();
    fixture.write("a.txt", b"1");
    fixture.write("out/other-2026-11-22.tar.gz", b"not ours");
    symlink(fixture.source.join("out"), &fixture.dest).unwrap();

    fixture.create();
    fs::hard_link(fixture.source.join("out/backup-2026-11-22.tar.gz"), fixture.source.join("link"))
        .unwrap();
    let second = fixture.create();

    assert_eq!(paths(&second.path), [".", "a.txt", "out", "out/other-2026-11-22.tar.gz"]);
    let skipped: Vec<_> = second.summary.skipped.iter().map(|left| left.path.clone()).collect();
    assert_eq!(skipped, ["link", "out/backup-2026-11-22.tar.gz"].map(PathBuf::from));
    assert_eq!(second.summary.n_faults(), 0);
}

#[test]
fn archives_of_other_names_in_the_source_are_left_out_too() {
    let fixture = Fixture::new();
    let dest = fixture.source.join("out");
    fixture.write("out/theirs-2026-11-22.tar.gz", b"not ours");
    let create = |name: &str| {
        let name = name.parse().unwrap();
        create_in_folder(&fixture.options(), &dest, &name, &Cancel::new(), &mut |_| {}).unwrap()
    };

    create("web");
    let second = create("db");

    assert_eq!(paths(&second.path), [".", "out", "out/theirs-2026-11-22.tar.gz"]);
    assert_eq!(second.summary.skipped[0].path, Path::new("out/web-2026-11-22.tar.gz"));
    assert_eq!(second.summary.n_faults(), 0);
}

#[test]
fn a_name_belongs_to_one_source_and_host() {
    let fixture = Fixture::new();
    fixture.create();

    let other_host = CreateOptions { host: "web-2", ..fixture.options() };
    let other_source = CreateOptions { source: fixture.dir.path(), ..fixture.options() };

    for options in [other_host, other_source] {
        let error = fixture.create_with(&options).unwrap_err();
        assert!(matches!(error, ArchiveError::OtherOrigin { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Usage);
        let previewed =
            preview(&options, Some((&fixture.dest, &backup())), &Cancel::new(), &mut |_| {});
        assert!(matches!(previewed, Err(ArchiveError::OtherOrigin { .. })));
    }
    assert_eq!(names(&fixture.dest).len(), 1);
}

/// A run of a fixture's source, or of another path, as part of a series.
#[derive(Clone, Copy, Default)]
struct Night<'a> {
    source: Option<&'a Path>,
    source_as: Option<&'a str>,
    host: Option<&'a str>,
    machine: Option<&'a str>,
}

impl Fixture {
    /// Creates an archive some days after the first; returns whether the name is free for the series.
    fn night(&self, day: i64, night: Night<'_>) -> bool {
        let clock = FixedClock(START + Duration::days(day));
        let options = CreateOptions {
            clock: &clock,
            source: night.source.unwrap_or(&self.source),
            source_as: night.source_as.map(Path::new),
            host: night.host.unwrap_or("web-1"),
            machine: night.machine,
            ..self.options()
        };
        match self.create_with(&options) {
            Ok(_) => true,
            Err(ArchiveError::OtherOrigin { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_link_that_moves_on_and_a_snapshot_said_to_be_of_its_source_are_one_series() {
    let fixture = Fixture::new();
    let releases = ["1", "2", "3"].map(|n| fixture.path(n));
    let link = fixture.path("current");
    for (day, release) in (0..).zip(&releases) {
        fs::create_dir(release).unwrap();
        symlink(release, &link).unwrap();
        assert!(fixture.night(day, Night { source: Some(&link), ..Night::default() }));
        fs::remove_file(&link).unwrap();
    }

    let snapshot = |n: usize, name| Night {
        source: Some(&releases[n]),
        source_as: Some(name),
        ..Night::default()
    };
    let name = link.to_str().unwrap();
    assert!(!fixture.night(3, Night { source: Some(&releases[1]), ..Night::default() }));
    assert!(fixture.night(4, snapshot(0, name)));
    assert!(fixture.night(5, snapshot(1, name)));
    assert!(!fixture.night(6, snapshot(1, "/elsewhere")));
}

#[test]
fn machines_of_one_name_are_told_apart_unless_the_host_is_named_by_hand() {
    let fixture = Fixture::new();
    let on = |machine| Night { machine, ..Night::default() };

    assert!(fixture.night(0, on(Some("a"))));
    assert!(fixture.night(1, on(Some("a"))));
    assert!(!fixture.night(2, on(Some("b"))));
    let error = fixture.create_with(&CreateOptions { machine: Some("b"), ..fixture.options() });
    assert!(error.unwrap_err().to_string().ends_with("on `web-1`, another machine of that name"));
    assert!(!fixture.night(3, Night { host: Some("web-2"), ..on(Some("a")) }));
    // `--host web-1`, wherever it runs.
    assert!(fixture.night(4, on(None)));
    assert!(fixture.night(5, on(Some("b"))));
}

/// Writes an archive with the comment of an older version.
fn put_older(fixture: &Fixture, day: u8, host: &str, source: &Path) {
    let comment = format!(
        "comment=devops-backup/1 started=2026-11-{day:02}T03:00:00+01:00 host={host} source={}\n",
        source.display()
    );
    // A record counts its own length, of two digits or three.
    let length = comment.len() + if comment.len() > 96 { 4 } else { 3 };
    let body = format!("{length} {comment}");
    let blocks = Blocks::default()
        .entry("g", EntryType::XGlobalHeader, body.as_bytes(), |_| {})
        .file("a", b"1");
    fs::create_dir_all(&fixture.dest).unwrap();
    let path = fixture.dest.join(format!("backup-2026-11-{day:02}.tar.gz"));
    write(&path, &gzip(&[blocks.0, vec![0; 1024]].concat()));
}

#[test]
fn archives_of_an_older_version_are_continued_by_the_path_as_given_or_resolved() {
    for (host, is_real, is_continued) in
        [("web-1", true, true), ("web-1", false, true), ("web-2", true, false)]
    {
        let fixture = Fixture::new();
        let link = fixture.path("current");
        symlink(&fixture.source, &link).unwrap();
        let real = fs::canonicalize(&fixture.source).unwrap();
        put_older(&fixture, 20, host, if is_real { &real } else { &link });

        let night = Night { source: Some(&link), machine: Some("a"), ..Night::default() };

        assert_eq!(fixture.night(0, night), is_continued, "{host} {is_real}");
    }
    let fixture = Fixture::new();
    put_older(&fixture, 20, "web-1", Path::new("/elsewhere"));
    assert!(!fixture.night(0, Night { machine: Some("a"), ..Night::default() }));
}

#[test]
fn the_newest_archive_by_its_start_decides_about_a_name() {
    let fixture = Fixture::new();
    put_older(&fixture, 21, "web-1", &fs::canonicalize(&fixture.source).unwrap());
    put_older(&fixture, 20, "web-2", Path::new("/elsewhere"));
    let name = |name: &str| fixture.dest.join(name);
    // The older one has the name that sorts last.
    rename(name("backup-2026-11-20.tar.gz"), name("backup-2026-11-22.tar.gz")).unwrap();

    assert!(fixture.night(0, Night::default()));
}

#[test]
fn a_missing_source_leaves_nothing_not_even_the_folder() {
    let fixture = Fixture::new();
    let missing = fixture.path("missing");

    let options = CreateOptions { source: &missing, ..fixture.options() };
    let error = fixture.create_with(&options).unwrap_err();

    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!fixture.dest.exists());
}

#[test]
fn a_source_that_is_a_socket_is_refused() {
    let fixture = Fixture::new();
    let socket = fixture.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();

    let options = CreateOptions { source: &socket, ..fixture.options() };

    assert!(matches!(fixture.create_with(&options), Err(ArchiveError::WrongKind { .. })));
}

#[test]
fn a_socket_is_named_and_no_fault() {
    let fixture = Fixture::new();
    let _listener = UnixListener::bind(fixture.source.join("s")).unwrap();

    let created = fixture.create();

    assert_eq!(created.summary.skipped[0].path, Path::new("s"));
    assert_eq!(created.summary.n_faults(), 0);
    assert_eq!(paths(&created.path), ["."]);
}

#[test]
fn an_excluded_folder_is_left_out_whole() {
    let fixture = Fixture::new();
    for name in ["keep", "cache/deep/a", "x/cache/b", "x/c.log"] {
        fixture.write(name, b"1");
    }

    let excludes = Excludes::new(["cache", "*.log"]).unwrap();
    let options = CreateOptions { excludes, ..fixture.options() };
    let created = fixture.create_with(&options).unwrap();

    assert_eq!(paths(&created.path), [".", "keep", "x"]);
}

#[test]
fn a_preview_tells_the_same_and_writes_nothing() {
    let fixture = Fixture::new();
    fixture.write("a/b", b"123");

    let mut told = Vec::new();
    let destination = Some((fixture.dest.as_path(), &backup()));
    let summary = preview(&fixture.options(), destination, &Cancel::new(), &mut |event| {
        if let CreateEvent::Packed(path) = event {
            told.push(path.to_string_lossy().into_owned());
        }
    })
    .unwrap();

    assert!(!fixture.dest.exists());
    assert_eq!((summary.n_entries, summary.n_files, summary.bytes_in), (3, 1, 3));
    assert_eq!(told, paths(&fixture.create().path));
}

#[test]
fn leftovers_of_killed_runs_are_removed() {
    let fixture = Fixture::new();
    fs::create_dir(&fixture.dest).unwrap();
    write(&fixture.dest.join(".backup-2026-11-21.tar.gz.abc123.partial"), b"half");
    let foreign = [
        ".backup-2026-11-21.tar.gz.my-own.partial",
        ".backup-notes.txt.abc123.partial",
        ".backup-web-2026-11-21.tar.gz.abc123.partial",
        ".other-2026-11-21.tar.gz.abc123.partial",
    ];
    for name in foreign {
        write(&fixture.dest.join(name), b"not ours");
    }

    fixture.create();

    let mut left = foreign.to_vec();
    left.push("backup-2026-11-22.tar.gz");
    assert_eq!(names(&fixture.dest), left);
}

#[test]
fn a_signal_in_the_middle_leaves_no_archive() {
    let fixture = Fixture::new();
    fixture.write("a", &vec![1; 9 << 20]);
    let cancel = Cancel::new();

    let result =
        create_in_folder(&fixture.options(), &fixture.dest, &backup(), &cancel, &mut |event| {
            if matches!(event, CreateEvent::Bytes(n) if n > 3 << 20) {
                cancel.cancel(2);
            }
        });

    assert_eq!(result.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(names(&fixture.dest), [""; 0]);
}

/// Sends a signal with the first large write, and counts what is written after it.
#[derive(Clone)]
struct Interrupted {
    cancel: Cancel,
    n_after: Arc<AtomicU64>,
}

impl FileIo for Interrupted {
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        Box::new(Counted { file, file_io: self.clone() })
    }
}

struct Counted<'a> {
    file: &'a mut (dyn Write + Send),
    file_io: Interrupted,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        if self.file_io.cancel.check().is_err() {
            self.file_io.n_after.fetch_add(n as u64, Ordering::SeqCst);
        } else if bytes.len() > 1 << 19 {
            self.file_io.cancel.cancel(15);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[test]
fn a_signal_ends_a_run_that_copies_though_all_is_planned_long_before() {
    let fixture = Fixture::new();
    let noise: Vec<u8> =
        (0..12_u32 << 18).flat_map(|n| n.wrapping_mul(n ^ 0x9e37_79b9).to_le_bytes()).collect();
    fixture.write("large", &noise);
    let clock = FixedClock(LATER);
    let options = CreateOptions { clock: &clock, ..fixture.options() };
    let first = fixture.create_with(&options).unwrap();
    let cancel = Cancel::new();
    let file_io = Interrupted { cancel: cancel.clone(), n_after: Arc::default() };

    let options = CreateOptions { file_io: &file_io, ..options };
    let second = create_in_folder(&options, &fixture.dest, &backup(), &cancel, &mut |_| {});

    assert_eq!(second.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(names(&fixture.dest), [first.path.file_name().unwrap().to_str().unwrap()]);
    assert_eq!(file_io.n_after.load(Ordering::SeqCst), 0);
}

#[test]
fn the_total_is_told_while_packing() {
    let fixture = Fixture::new();
    for n in 0..40 {
        fixture.write(&format!("f{n}"), &vec![1; 1 << 20]);
    }

    let options = CreateOptions { estimate: true, ..fixture.options() };
    let (_, totals) = fixture.create_counted(&options);

    assert_eq!(totals, [40 << 20]);
}

/// Fails writes after some bytes, or the flush before the commit.
struct FailingOutput {
    limit: u64,
    errno: i32,
}

struct Limited<'a> {
    file: &'a mut (dyn Write + Send),
    left: u64,
    errno: i32,
}

impl FileIo for FailingOutput {
    fn output<'a>(&self, file: &'a mut (dyn Write + Send)) -> Box<dyn Write + Send + 'a> {
        Box::new(Limited { file, left: self.limit, errno: self.errno })
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        if n == 0 {
            return Err(io::Error::from_raw_os_error(self.errno));
        }
        self.left -= n as u64;
        self.file.write(&bytes[..n])
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(self.errno))
    }
}

#[test]
fn a_full_or_failing_disk_leaves_no_archive() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let fixture = Fixture::new();
    for n in 0..60_u32 {
        // Noise, so that it stays large when compressed.
        let bytes: Vec<u8> = (0..70_000)
            .map(|i: u32| (i ^ n).wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        fixture.write(&format!("f{n}"), &bytes);
    }

    for (limit, errno) in [(0, ENOSPC), (9, EIO), (10, ENOSPC), (5000, EIO), (u64::MAX, ENOSPC)] {
        let error = fixture.create_through(&FailingOutput { limit, errno }).unwrap_err();

        let ArchiveError::Path(error) = error else { panic!("{error}") };
        assert_eq!(error.source.raw_os_error(), Some(errno), "after {limit} bytes");
        assert_eq!(names(&fixture.dest), [""; 0], "after {limit} bytes");
    }
}

#[test]
fn a_stream_into_the_source_does_not_go_into_itself() {
    let fixture = Fixture::new();
    fixture.write("a", b"1");
    let path = fixture.source.join("x.tar.gz");
    let mut out = File::create(&path).unwrap();
    let metadata = out.metadata().unwrap();

    let own = Some((metadata.dev(), metadata.ino()));
    let summary =
        create_to_writer(&fixture.options(), &mut out, own, &Cancel::new(), &mut |_| {}).unwrap();

    assert_eq!(paths(&path), [".", "a"]);
    assert_eq!(summary.n_faults(), 0);
}

#[test]
fn days_are_those_of_the_local_time() {
    let mut fixture = Fixture::new();
    fixture.clock = FixedClock(START + Duration::hours(15) + Duration::minutes(20));

    let created = fixture.create();

    assert_eq!(created.path.file_name().unwrap(), "backup-2026-11-23.tar.gz");
}

#[test]
fn a_name_that_a_link_has_is_taken_and_the_archive_goes_into_its_folder() {
    for (target, is_foreign) in
        [("../moved", false), ("../missing", false), ("/dev/null", false), ("../missing", true)]
    {
        let fixture = Fixture::new();
        fixture.write("a", b"content");
        write(&fixture.path("moved"), b"another");
        fs::create_dir(&fixture.dest).unwrap();
        let link = fixture.dest.join("backup-2026-11-22.tar.gz");
        symlink(target, &link).unwrap();
        if is_foreign {
            if !geteuid().is_root() {
                continue;
            }
            lchown(&link, Some(65_534), None).unwrap();
            chown(&fixture.dest, Some(65_534), None).unwrap();
        }

        let created = fixture.create();

        let name = "backup-2026-11-22T08-49-39.tar.gz";
        assert_eq!(created.path, fixture.dest.join(name), "{target}");
        assert_eq!(names(&fixture.dest), ["backup-2026-11-22.tar.gz", name]);
        assert_eq!(paths(&created.path), [".", "a"]);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        assert_eq!(fs::read(fixture.path("moved")).unwrap(), b"another");
        assert!(!fixture.path("missing").exists());
    }
}
