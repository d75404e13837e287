//! What files in the source say about what goes in: ignore files, and marks of caches.

use std::{
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use devops_core::{
    archive::{CreateEvent, CreateOptions, ExcludeMarkers, Excludes, Skipped, preview},
    cancel::Cancel,
};

use crate::archive::fixture::{Fixture, backup, paths};

const IGNORE_FILES: ExcludeMarkers = ExcludeMarkers { ignore_files: true, caches: false };
const CACHES: ExcludeMarkers = ExcludeMarkers { ignore_files: false, caches: true };
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n";

impl Fixture {
    /// Writes empty files; a name with `=` behind it gets what follows, with `;` for line ends.
    fn write_all(&self, names: &[&str]) {
        for name in names {
            let (name, text) = name.split_once('=').unwrap_or((name, ""));
            self.write(name, text.replace(';', "\n").as_bytes());
        }
    }

    fn marked(&self, exclude_markers: ExcludeMarkers) -> CreateOptions<'_> {
        CreateOptions { exclude_markers, ..self.options() }
    }

    /// Returns the files that go in, without their folders, in the order of the archive.
    fn taken(&self, options: &CreateOptions<'_>) -> (Vec<String>, Vec<Skipped>) {
        let created = self.create_with(options).unwrap();
        let mut paths = paths(&created.path);
        paths.retain(|path| !self.source.join(path).is_dir());
        (paths, created.summary.skipped)
    }
}

#[test]
fn ignore_files_are_those_of_git() {
    let fixture = Fixture::new();
    fixture.write_all(&[
        ".gitignore=# a comment;*.log;!keep.log;/top;only-folder/;deep/**/x;\\#odd;a[b;",
        "a.log",
        "keep.log",
        "top",
        "sub/top",
        "sub/b.log",
        "sub/only-folder/c",
        "only-folder.txt",
        "sub2/only-folder",
        "deep/1/2/x",
        "deep/1/y",
        "#odd",
        ".hidden",
    ]);

    let (taken, skipped) = fixture.taken(&fixture.marked(IGNORE_FILES));

    let expected = [
        ".gitignore",
        ".hidden",
        "deep/1/y",
        "keep.log",
        "only-folder.txt",
        "sub/top",
        "sub2/only-folder",
    ];
    assert_eq!(taken, expected);
    assert_eq!(skipped, []);
}

#[test]
fn without_the_option_ignore_files_are_files_like_others() {
    let fixture = Fixture::new();
    fixture.write_all(&[
        ".gitignore=*",
        "a",
        "c/CACHEDIR.TAG=Signature: 8a477f597d28d172789f06886806bc55",
        "c/x",
    ]);

    let (taken, _) = fixture.taken(&fixture.options());

    assert_eq!(taken, [".gitignore", "a", "c/CACHEDIR.TAG", "c/x"]);
}

#[test]
fn a_deeper_ignore_file_stands_above_those_over_it() {
    let fixture = Fixture::new();
    fixture.write_all(&[
        ".gitignore=*.o;/sub/z",
        "sub/.gitignore=!b.o;/z2",
        "sub/a.o",
        "sub/b.o",
        "sub/z",
        "sub/z2",
        "sub/deeper/b.o",
        "sub/deeper/z2",
        "z2",
    ]);

    let (taken, _) = fixture.taken(&fixture.marked(IGNORE_FILES));

    let expected =
        [".gitignore", "sub/.gitignore", "sub/b.o", "sub/deeper/b.o", "sub/deeper/z2", "z2"];
    assert_eq!(taken, expected);
}

#[test]
fn our_own_ignore_files_decide_before_those_of_git() {
    let fixture = Fixture::new();
    fixture.write_all(&[
        ".backupignore=!.env;scratch/",
        "app/.gitignore=.env;build/;!scratch/",
        "app/.env",
        "app/build/out",
        "app/scratch/x",
        "lib/.backupignore=.env",
        "lib/.env",
    ]);

    let (taken, _) = fixture.taken(&fixture.marked(IGNORE_FILES));

    assert_eq!(taken, [".backupignore", "app/.env", "app/.gitignore", "lib/.backupignore"]);
}

#[test]
fn patterns_of_git_end_at_their_repository_and_spare_it() {
    let fixture = Fixture::new();
    fixture.write_all(&[
        ".gitignore=.*;!.gitignore;build;*.x",
        ".git/HEAD",
        ".git/refs/heads/build",
        ".git/a.x",
        "a.x",
        "nested/.git=a worktree has a file here",
        "nested/a.x",
        "plain/a.x",
    ]);

    let (taken, _) = fixture.taken(&fixture.marked(IGNORE_FILES));

    let expected = [
        ".git/HEAD",
        ".git/a.x",
        ".git/refs/heads/build",
        ".gitignore",
        "nested/.git",
        "nested/a.x",
    ];
    assert_eq!(taken, expected);
}

#[test]
fn what_is_no_ignore_file_ignores_nothing() {
    let fixture = Fixture::new();
    fixture.write_all(&["patterns=*", "link/a", "folder/.gitignore/b", "folder/c", "bytes/d.x"]);
    symlink("../patterns", fixture.source.join("link/.gitignore")).unwrap();
    fixture.write("bytes/.gitignore", b"\xff\xfe\n*.x\r\n");
    let mut large = vec![b'#'; 1 << 20];
    large.extend(b"\n*\n");
    fixture.write("large/.gitignore", &large);
    fixture.write_all(&["large/e"]);
    let outside = fixture.path(".gitignore");
    crate::archive::fixture::write(&outside, b"*\n");

    let (taken, _) = fixture.taken(&fixture.marked(IGNORE_FILES));

    let expected = [
        "bytes/.gitignore",
        "folder/.gitignore/b",
        "folder/c",
        "large/.gitignore",
        "large/e",
        "link/.gitignore",
        "link/a",
        "patterns",
    ];
    assert_eq!(taken, expected);
}

#[test]
fn what_the_user_excludes_or_takes_back_stands_above_ignore_files() {
    let fixture = Fixture::new();
    fixture.write_all(&[".gitignore=*.log;!b.txt", "a.log", "keep.log", "b.txt"]);

    let excludes = Excludes::new(["!keep.log", "b.txt"]).unwrap();
    let options = CreateOptions { excludes, ..fixture.marked(IGNORE_FILES) };
    let (taken, _) = fixture.taken(&options);

    assert_eq!(taken, [".gitignore", "keep.log"]);
}

#[test]
fn a_cache_goes_in_with_nothing_but_its_tag() {
    let fixture = Fixture::new();
    for folder in [".", "cache", "x/cache"] {
        fixture.write(&format!("{folder}/CACHEDIR.TAG"), SIGNATURE);
    }
    fixture.write("forged/CACHEDIR.TAG", b"Signature: 8a477f59");
    fixture.write("linked/data", SIGNATURE);
    symlink("data", fixture.source.join("linked/CACHEDIR.TAG")).unwrap();
    fixture.write_all(&["a", "cache/a", "cache/deep/b", "x/cache/c", "x/d", "forged/e"]);

    let (taken, skipped) = fixture.taken(&fixture.marked(CACHES));

    // The source itself was named by the user.
    let expected = [
        "CACHEDIR.TAG",
        "a",
        "cache/CACHEDIR.TAG",
        "forged/CACHEDIR.TAG",
        "forged/e",
        "linked/CACHEDIR.TAG",
        "linked/data",
        "x/cache/CACHEDIR.TAG",
        "x/d",
    ];
    assert_eq!(taken, expected);
    let told = skipped.iter().map(|left| (left.path.to_str().unwrap(), left.is_fault));
    assert_eq!(told.collect::<Vec<_>>(), [("cache", false), ("x/cache", false)]);
}

#[test]
fn the_preview_and_the_estimate_heed_the_marks_too() {
    let fixture = Fixture::new();
    fixture.write("cache/CACHEDIR.TAG", SIGNATURE);
    fixture.write("cache/large", &[1; 5000]);
    fixture.write("a.log", &[1; 7000]);
    fixture.write(".gitignore", b"*.log");
    for n in 0..40 {
        fixture.write(&format!("f{n}"), &vec![1; 1 << 20]);
    }
    let exclude_markers = ExcludeMarkers { ignore_files: true, caches: true };
    let options = CreateOptions { estimate: true, ..fixture.marked(exclude_markers) };

    let previewed =
        preview(&options, Some((&fixture.dest, &backup())), &Cancel::new(), &mut |_| {}).unwrap();
    let (created, totals) = fixture.create_counted(&options);

    let expected = (40 << 20) + 5 + SIGNATURE.len() as u64;
    assert_eq!(previewed.bytes_in, expected);
    assert_eq!(previewed.skipped, created.summary.skipped);
    assert_eq!(previewed.n_entries, created.summary.n_entries);
    assert_eq!(totals, [expected]);
}

#[test]
fn an_ignore_file_below_more_folders_than_are_open_counts() {
    let fixture = Fixture::new();
    fixture.write(".gitignore", b"*.x");
    let mut path = String::new();
    for n in 0..80 {
        path = format!("{path}d{n}/");
        fixture.write_all(&[&format!("{path}a.x"), &format!("{path}b")]);
    }
    fixture.write(&format!("{path}.backupignore"), b"/b\n!a.x");

    let (taken, _) = fixture.taken(&fixture.marked(IGNORE_FILES));

    assert_eq!(taken.len(), 1 + 79 + 2);
    assert!(taken.contains(&format!("{path}a.x")));
    assert!(!taken.contains(&format!("{path}b")));
}

#[test]
fn a_mount_point_stays_as_an_empty_folder() {
    let source = Path::new("/dev");
    let device = |path: &Path| path.symlink_metadata().map(|meta| meta.dev()).ok();
    // Where there is a terminal, this is a file system of its own.
    let mounted = source.join("pts");
    if device(&mounted).is_none() || device(&mounted) == device(source) {
        return;
    }
    let fixture = Fixture::new();
    let options = CreateOptions { source, one_file_system: true, ..fixture.options() };

    let mut taken = Vec::new();
    let summary = preview(&options, None, &Cancel::new(), &mut |event| {
        if let CreateEvent::Packed(path) = event {
            taken.push(path.to_owned());
        }
    })
    .unwrap();

    assert!(taken.iter().any(|path| path.as_os_str() == "pts"));
    assert!(!taken.iter().any(|path| path.starts_with("pts") && path.as_os_str() != "pts"));
    let told = summary.skipped.iter().find(|left| left.path.as_os_str() == "pts").unwrap();
    assert_eq!((told.reason.as_str(), told.is_fault), ("on another file system", false));
}
