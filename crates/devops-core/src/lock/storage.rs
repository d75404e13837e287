//! What a file system can do about locks.

use std::{fs::File, time::Duration};

use rustix::{
    fs::{FlockOperation, FsWord, flock, fstatfs},
    io::Errno,
};

/// File systems that other hosts may see, by the magic numbers of `statfs(2)` and `linux/magic.h`.
const REMOTE: [u32; 13] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xfe53_4d42, // SMB2
    0xff53_4d42, // CIFS
    0x6573_5546, // FUSE, among them sshfs, GlusterFS and virtiofs
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x5346_414f, // AFS
    0x786f_4256, // VirtualBox
];

/// What is asked of a file system; a test answers differently.
pub(super) trait Storage {
    fn lock(&self, file: &File, operation: FlockOperation) -> Result<(), Errno>;
    /// Returns whether other hosts may see the file.
    fn is_remote(&self, file: &File) -> bool;
    /// Returns how long a note must stand to count.
    fn settling(&self) -> Duration;
}

/// The file systems of this host.
pub(super) struct Host;

impl Storage for Host {
    fn lock(&self, file: &File, operation: FlockOperation) -> Result<(), Errno> {
        flock(file, operation)
    }

    fn is_remote(&self, file: &File) -> bool {
        let Ok(stat) = fstatfs(file) else { return true };
        REMOTE.iter().any(|&magic| FsWord::from(magic) == stat.f_type)
    }

    fn settling(&self) -> Duration {
        Duration::from_secs(1)
    }
}
