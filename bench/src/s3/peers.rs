//! The uploaders to compare with, each as its documentation says, with its defaults.

use std::path::Path;

use super::{bucket::BUCKET, lab::Lab, programs::SCRIPT};

/// An uploader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    S5cmd,
    Aws,
    Rclone,
    Boto3,
}

impl Peer {
    pub(super) const ALL: [Self; 4] = [Self::S5cmd, Self::Aws, Self::Rclone, Self::Boto3];

    pub(super) fn installed(lab: &Lab) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|peer| lab.installed.has(peer.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::S5cmd => "s5cmd",
            Self::Aws => "aws",
            Self::Rclone => "rclone",
            Self::Boto3 => "boto3",
        }
    }

    /// Returns the command that puts a file to a key, or a folder below a prefix.
    pub(super) fn put(self, lab: &Lab, what: &Path, key: &str) -> Vec<String> {
        let is_folder = what.is_dir();
        let what = what.display().to_string();
        let (endpoint, uri) = (lab.server.endpoint(), format!("s3://{BUCKET}/{key}"));
        let script = lab.place.path(SCRIPT.0).display().to_string();
        match self {
            // A folder that ends with a slash is put without its own name.
            Self::S5cmd => {
                let what = if is_folder { format!("{what}/") } else { what };
                owned(&["s5cmd", "--endpoint-url", &endpoint, "cp", &what, &uri])
            }
            Self::Aws => {
                let mut words =
                    owned(&["aws", "--endpoint-url", &endpoint, "s3", "cp", "--only-show-errors"]);
                words.extend(is_folder.then(|| "--recursive".to_owned()));
                words.extend([what, uri]);
                words
            }
            Self::Rclone => {
                let verb = if is_folder { "copy" } else { "copyto" };
                owned(&["rclone", verb, &what, &format!("store:{BUCKET}/{key}")])
            }
            Self::Boto3 => owned(&["python3", &script, &endpoint, &what, BUCKET, key]),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
