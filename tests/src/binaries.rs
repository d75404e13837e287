//! Where the binaries under test are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The packages whose binaries the tests start.
const PACKAGES: [&str; 6] = [
    "devops-backup",
    "devops-basics",
    "devops-fakes",
    "devops-monitor",
    "devops-s3push",
    "devops-tf",
];

/// Returns the path of a tool or a fake.
///
/// `DEVOPS_BIN_DIR` names their folder; without it they are built once, with the profile of the tests.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let path = FOLDER.get_or_init(folder).join(name);
    assert!(path.exists(), "`{}` does not exist; is its package built?", path.display());
    path
}

fn folder() -> PathBuf {
    if let Some(folder) = env::var_os("DEVOPS_BIN_DIR") {
        return std::path::absolute(workspace().join(folder)).expect("the folder has a name");
    }
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("a test lies in TARGET/PROFILE/deps").to_owned();
    build(folder.ends_with("release"));
    folder
}

#[allow(clippy::disallowed_methods, reason = "the harness starts cargo itself")]
fn build(release: bool) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--locked", "--bins"]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if release {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts");
    assert!(status.success(), "the binaries cannot be built");
}

/// Returns the root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}
