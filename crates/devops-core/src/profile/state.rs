//! Finds the state folder of a profile's service, so that runs by hand share it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

/// Returns the folder in which the service of a profile, or that of all profiles, remembers what it found
/// out, on the host whose root is `root`; `None` where there is none of this user.
///
/// It is the `StateDirectory=` of the units that [`service`](super::service) makes.
pub fn service_state_folder(root: &Path, profile: &str) -> Option<PathBuf> {
    let names = [format!("devops-backup-{profile}"), "devops-backup".to_owned()];
    let folders = names.map(|name| root.join("var/lib").join(name));
    let is_ours = |folder: &&PathBuf| {
        let found = fs::symlink_metadata(folder);
        found.is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw())
    };
    Some(folders.iter().find(is_ours)?.join("devops/backup"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_profile_comes_before_that_of_all() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("var/lib");
        fs::create_dir_all(&folder).unwrap();
        let found = || service_state_folder(root.path(), "home");
        assert_eq!(found(), None);

        for name in ["devops-backup-other", "devops-backup", "devops-backup-home"] {
            fs::create_dir(folder.join(name)).unwrap();
            let wanted =
                (name != "devops-backup-other").then(|| folder.join(name).join("devops/backup"));
            assert_eq!(found(), wanted);
        }
        if geteuid().is_root() {
            std::os::unix::fs::chown(folder.join("devops-backup-home"), Some(65_534), None)
                .unwrap();
            assert_eq!(found(), Some(folder.join("devops-backup/devops/backup")));
        }
    }
}
