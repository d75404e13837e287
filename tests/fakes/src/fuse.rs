//! File systems that miss what others have, as FUSE mounts of the test process: names that differ in case
//! or in their Unicode form are one, there are no hard links, or no modes.
//!
//! The files live in memory. The protocol is that of `linux/fuse.h`, version 7.31.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

use rustix::{
    io::{Errno, FdFlags, fcntl_setfd},
    process::geteuid,
};

pub use quirks::Quirks;
use tree::Tree;
use wire::{Body, Request};

mod quirks;
mod tree;
mod wire;

/// A mounted file system; it is unmounted with this value.
#[derive(Debug)]
pub struct Mounted {
    folder: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl Mounted {
    /// Mounts a file system at the folder `at`; `None` where that is not allowed.
    pub fn new(at: &Path, quirks: Quirks) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        // The program that mounts inherits it.
        fcntl_setfd(&device, FdFlags::empty()).ok()?;
        let fd = device.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other");
        #[allow(
            clippy::disallowed_methods,
            reason = "mounting is the business of an outside program"
        )]
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", &options, "stand-in"]).arg(at);
        // The kernel asks only after the mount was made.
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        fcntl_setfd(&device, FdFlags::CLOEXEC).ok()?;
        if !is_mounted {
            return None;
        }
        let server = thread::spawn(move || serve(device, Tree::new(quirks)));
        Some(Self { folder: at.to_owned(), server: Some(server) })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        #[allow(
            clippy::disallowed_methods,
            reason = "unmounting is the business of an outside program"
        )]
        let mut unmount = Command::new("umount");
        let is_gone = unmount.arg("-l").arg(&self.folder).status().is_ok_and(|s| s.success());
        // The device ends with the last open file; a test that failed may hold one.
        if let Some(server) = self.server.take()
            && is_gone
            && !thread::panicking()
        {
            let _ended = server.join();
        }
    }
}

/// Answers the kernel until the file system is unmounted.
fn serve(mut device: File, mut tree: Tree) {
    // The largest write, and what stands before it.
    let mut buffer = vec![0; (1 << 20) + 4096];
    loop {
        let n = match device.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => continue,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Some(request) = Request::read(&buffer[..n]) else { return };
        if let Some(answer) = answer(&request, &mut tree)
            && device.write_all(&request.answer(answer)).is_err_and(|error| {
                // One that was interrupted is not waited for any more.
                error.raw_os_error() != Some(Errno::NOENT.raw_os_error())
            })
        {
            return;
        }
    }
}

const FORGET: u32 = 2;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// Returns the answer to a request; `None` to one that expects none.
fn answer(request: &Request<'_>, tree: &mut Tree) -> Option<Result<Vec<u8>, Errno>> {
    if matches!(request.opcode, FORGET | INTERRUPT | BATCH_FORGET) {
        return None;
    }
    Some(match request.opcode {
        3 | 4 | 14..=18 | 20 | 27..=30 | 26 | 50 => on_node(request, tree),
        _ => on_name(request, tree),
    })
}

/// Answers a request about a file or folder that is known by its number.
fn on_node(request: &Request<'_>, tree: &mut Tree) -> Result<Vec<u8>, Errno> {
    let (node, mut body) = (request.node, request.body());
    match request.opcode {
        3 => tree.attributes(node),
        4 => tree.set(node, &mut body),
        14 | 27 => Ok(vec![0; 16]),
        15 | 28 => {
            body.skip(8);
            let (offset, size) = (body.u64(), body.u32());
            if request.opcode == 15 {
                tree.read(node, offset, size)
            } else {
                tree.list(node, offset, size)
            }
        }
        16 => {
            body.skip(8);
            let (offset, size) = (body.u64(), body.u32());
            body.skip(20);
            tree.write(node, offset, body.bytes(size))
        }
        17 => Ok(wire::statfs()),
        26 => Ok(wire::init()),
        // Everything is on the disk that there is.
        _ => Ok(Vec::new()),
    }
}

/// Answers a request about a name in a folder.
fn on_name(request: &Request<'_>, tree: &mut Tree) -> Result<Vec<u8>, Errno> {
    let (folder, mut body) = (request.node, request.body());
    match request.opcode {
        1 => tree.look_up(folder, body.name()),
        5 => tree.read_link(folder),
        6 => {
            let name = body.name();
            tree.make_link(folder, name, body.name())
        }
        8 => {
            let (mode, device) = (body.u32(), body.u32());
            body.skip(8);
            tree.make(folder, body.name(), (mode, device))
        }
        9 => {
            let mode = body.u32();
            body.skip(4);
            tree.make(folder, body.name(), (mode | 0o040_000, 0))
        }
        10 | 11 => tree.remove(folder, body.name()),
        12 | 45 => rename(request, &mut body, tree),
        13 => {
            let node = body.u64();
            tree.link(node, folder, body.name())
        }
        35 => {
            body.skip(4);
            let mode = body.u32();
            body.skip(8);
            let entry = tree.make(folder, body.name(), (mode, 0))?;
            Ok([entry, vec![0; 16]].concat())
        }
        _ => Err(Errno::NOSYS),
    }
}

fn rename(request: &Request<'_>, body: &mut Body<'_>, tree: &mut Tree) -> Result<Vec<u8>, Errno> {
    let folder = body.u64();
    if request.opcode == 45 {
        if tree.quirks.has_no_noreplace {
            return Err(Errno::NOSYS);
        }
        // That the name is free, the kernel has seen to.
        body.skip(8);
    }
    let name = body.name();
    tree.rename((request.node, name), (folder, body.name()))
}
