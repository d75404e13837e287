//! Programs that are not ours: found, installed where that is possible, or named as missing.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};

/// The Debian package of each program that has one.
const PACKAGES: [(&str, &str); 20] = [
    ("7z", "p7zip-full"),
    ("age", "age"),
    ("age-keygen", "age"),
    ("bsdtar", "libarchive-tools"),
    ("busybox", "busybox"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("fish", "fish"),
    ("git", "git"),
    ("go", "golang-go"),
    ("mkfs.ext4", "e2fsprogs"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
    ("perl", "perl"),
    ("pigz", "pigz"),
    ("promtool", "prometheus"),
    ("python3", "python3"),
    ("restic", "restic"),
    ("systemd-analyze", "systemd"),
    ("zsh", "zsh"),
];

/// Returns the path of an outside program, installing it with apt as root on Debian.
///
/// Where it stays missing the test is skipped with the reason, by returning at once on `None`;
/// with `CI=true` that is a failure.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    if let Some(path) = find(name).or_else(|| install(name).and_then(|()| find(name))) {
        return Some(path);
    }
    let reason = format!("`{name}` is not installed; {}", install_line(name));
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{reason}");
    skip(&reason);
    None
}

/// Says that a test is skipped: on stderr, and in the file `DEVOPS_SKIP_LOG` names.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut stderr = std::io::stderr().lock();
    let _said = writeln!(stderr, "skipped {test}: {reason}");
    let Some(log) = env::var_os("DEVOPS_SKIP_LOG") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
    if let Ok(mut file) = file {
        let _logged = writeln!(file, "{test}: {reason}");
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn package(name: &str) -> Option<&'static str> {
    PACKAGES.iter().find(|(program, _)| *program == name).map(|(_, package)| *package)
}

fn install_line(name: &str) -> String {
    match package(name) {
        Some(package) => format!("install it with `apt-get install {package}`"),
        None => format!("install it and put `{name}` on the PATH"),
    }
}

fn install(name: &str) -> Option<()> {
    let package = package(name)?;
    if !rustix::process::geteuid().is_root() || !Path::new("/etc/debian_version").exists() {
        return None;
    }
    // Tests are processes of their own, and apt does not wait for another's update.
    let turn = File::create(env::temp_dir().join("devops-e2e-apt.lock")).ok()?;
    flock(&turn, FlockOperation::LockExclusive).ok()?;
    if find(name).is_some() {
        return Some(());
    }
    let lock_wait = "DPkg::Lock::Timeout=300";
    apt(&["-o", lock_wait, "-qq", "update"])?;
    apt(&["-o", lock_wait, "-qq", "-y", "--no-install-recommends", "install", package])
}

#[allow(clippy::disallowed_methods, reason = "the harness installs what the tests need")]
fn apt(args: &[&str]) -> Option<()> {
    let mut apt = Command::new("apt-get");
    let output = apt.env("DEBIAN_FRONTEND", "noninteractive").args(args).output().ok()?;
    output.status.success().then_some(())
}
