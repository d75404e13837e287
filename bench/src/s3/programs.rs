//! The programs of the peers.

use crate::programs::Program;

/// Each program, and how it is installed.
pub(super) const PROGRAMS: &[Program] = &[
    Program { version: &["s5cmd", "version"], ..Program::of_python("s5cmd", "s5cmd") },
    Program::of_python("aws", "awscli"),
    Program::of_debian("rclone", "rclone"),
    Program {
        version: &["python3", "-c", "import boto3; print(boto3.__version__)"],
        ..Program::of_python("boto3", "boto3")
    },
];

/// A put with boto3, which is a library.
pub(super) const SCRIPT: (&str, &str) = ("put_boto3.py", include_str!("put_boto3.py"));
