//! `devops-backup create` across mounts: which are other file systems, and what comes back under another
//! device number.

use devops_e2e::{Run, TestEnv, finish, outside};
use rustix::process::geteuid;

/// Runs a script with mounts of its own, the tool being `$0`; `None` where there can be none.
fn with_mounts(env: &TestEnv, script: &str) -> Option<Run> {
    if !geteuid().is_root() {
        outside::skip("only root can mount");
        return None;
    }
    outside::program("unshare")?;
    let tool = env.tool("devops-backup");
    let mut command = env.program("unshare");
    command.args(["-m", "sh", "-c", script]).arg(tool.get_program());
    let run = finish(&mut command);
    if run.code == 77 {
        outside::skip(run.stderr.trim());
        return None;
    }
    Some(run)
}

/// Two layers on file systems of their own, as on a live system; a file of one and a folder of the
/// other, mounted into it; and one of its own folders a second time.
const OVERLAY: &str = r#"
    set -e
    mkdir lower upper merged other
    mount -t tmpfs lower lower && mount -t tmpfs upper upper
    mkdir -p upper/data upper/work lower/etc lower/mounted lower/again
    echo conf > lower/etc/app.conf && echo below > lower/hosts && echo other > other/hosts
    options=lowerdir=lower,upperdir=upper/data,workdir=upper/work
    mount -t overlay overlay -o $options merged || { echo "no overlayfs here" >&2; exit 77; }
    echo new > merged/new
    mount -t tmpfs mounted merged/mounted && echo hidden > merged/mounted/hidden
    mount --bind other/hosts merged/hosts
    mount --bind merged/etc merged/again
    "$0" create merged out --one-file-system
    "$0" cat out/*.tar.gz hosts
    tar tzf out/*.tar.gz
"#;

#[test]
fn one_file_system_has_the_files_of_every_layer_and_no_folder_of_another() {
    let env = TestEnv::new();
    let Some(run) = with_mounts(&env, OVERLAY) else { return };

    run.expect_code(0);
    let lines: Vec<_> = run.stdout.lines().skip(1).collect();
    let expected = [
        "other",
        "./",
        "again/",
        "again/app.conf",
        "etc/",
        "etc/app.conf",
        "hosts",
        "mounted/",
        "new",
    ];
    assert_eq!(lines, expected);
    assert!(run.stderr.contains("skipped `mounted`: on another file system"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("skipped").count(), 1, "{}", run.stderr);
}

/// A disk that comes back as another loop device.
const DISK: &str = r#"
    set -e
    skip() { echo "$1" >&2; exit 77; }
    mkdir disk files && truncate -s 8M image pad
    head -c 3000000 /dev/zero | tr '\0' 'x' > files/file
    mkfs.ext4 -q -d files image
    # As if it had not changed for long.
    for time in mtime ctime; do debugfs -w -R "sif /file $time 20260101000000" image 2>/dev/null; done
    first=$(losetup -f --show image) || skip "no loop device is free"
    mount $first disk || { losetup -d $first; skip "no ext4 here"; }
    "$0" create disk out
    umount disk && losetup -d $first
    pad=$(losetup -f --show pad) && second=$(losetup -f --show image)
    mount $second disk
    [ "$first" != "$second" ]
    "$0" create disk out
    umount disk && losetup -d $second && losetup -d $pad
"#;

#[test]
fn a_disk_that_comes_back_under_another_number_is_not_read_again() {
    if outside::program("mkfs.ext4").is_none() {
        return;
    }
    let env = TestEnv::new();
    let Some(run) = with_mounts(&env, DISK) else { return };

    run.expect_code(0);
    assert!(run.stderr.contains("(2.9 MiB unchanged)"), "{}", run.stderr);
}
