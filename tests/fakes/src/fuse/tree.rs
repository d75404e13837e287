//! The files of a file system, in memory.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::{quirks::Quirks, wire::Body};

const FOLDER: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const SORT: u32 = 0o170_000;
/// Bits of a request that changes attributes.
const SETS_MODE: u32 = 1;
const SETS_UID: u32 = 2;
const SETS_GID: u32 = 4;
const SETS_SIZE: u32 = 8;
const SETS_MTIME: u32 = 32;

type Answer = Result<Vec<u8>, Errno>;

/// Nodes by their number less one; the first is the root.
pub(super) struct Tree {
    pub(super) quirks: Quirks,
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    mode: u32,
    n_names: u32,
    owner: (u32, u32),
    mtime: (u64, u32),
    device: u32,
    /// The content of a file, or the target of a link.
    content: Vec<u8>,
    names: BTreeMap<Vec<u8>, u64>,
}

impl Tree {
    pub(super) fn new(quirks: Quirks) -> Self {
        let root = Node { mode: FOLDER | 0o755, n_names: 2, ..Node::default() };
        Self { quirks, nodes: vec![root] }
    }

    fn node(&mut self, number: u64) -> Result<&mut Node, Errno> {
        let at = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        self.nodes.get_mut(at).ok_or(Errno::NOENT)
    }

    /// Returns the name as it is compared.
    fn folded(&self, name: &[u8]) -> Vec<u8> {
        if !self.quirks.folds_names {
            return name.to_vec();
        }
        String::from_utf8_lossy(name).to_lowercase().replace("e\u{301}", "\u{e9}").into_bytes()
    }

    /// Returns the name that is there for `name`, and its node.
    fn find(&mut self, folder: u64, name: &[u8]) -> Result<(Vec<u8>, u64), Errno> {
        let wanted = self.folded(name);
        let found = self.node(folder)?.names.clone();
        let mut found = found.into_iter().filter(|(name, _)| self.folded(name) == wanted);
        found.next().ok_or(Errno::NOENT)
    }

    pub(super) fn look_up(&mut self, folder: u64, name: &[u8]) -> Answer {
        let (_, node) = self.find(folder, name)?;
        self.entry(node)
    }

    /// Makes a file, a folder or a FIFO of a mode and a device number.
    pub(super) fn make(&mut self, folder: u64, name: &[u8], (mode, device): (u32, u32)) -> Answer {
        if self.find(folder, name).is_ok() {
            return Err(Errno::EXIST);
        }
        self.nodes.push(Node { mode, device, n_names: 1, ..Node::default() });
        let number = self.nodes.len() as u64;
        self.node(folder)?.names.insert(name.to_vec(), number);
        self.entry(number)
    }

    pub(super) fn make_link(&mut self, folder: u64, name: &[u8], target: &[u8]) -> Answer {
        let entry = self.make(folder, name, (SYMLINK | 0o777, 0))?;
        let number = self.nodes.len() as u64;
        self.node(number)?.content = target.to_vec();
        Ok(entry)
    }

    pub(super) fn link(&mut self, node: u64, folder: u64, name: &[u8]) -> Answer {
        if self.quirks.has_no_links {
            return Err(Errno::PERM);
        }
        self.node(folder)?.names.insert(name.to_vec(), node);
        self.node(node)?.n_names += 1;
        self.entry(node)
    }

    pub(super) fn remove(&mut self, folder: u64, name: &[u8]) -> Answer {
        let (name, node) = self.find(folder, name)?;
        if !self.node(node)?.names.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.node(folder)?.names.remove(&name);
        self.node(node)?.n_names -= 1;
        Ok(Vec::new())
    }

    pub(super) fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) -> Answer {
        let (name, node) = self.find(from.0, from.1)?;
        // What is replaced keeps its spelling, as on most such file systems.
        let new = match self.find(to.0, to.1) {
            Ok((new, old)) => {
                self.node(old)?.n_names -= 1;
                new
            }
            Err(_) => to.1.to_vec(),
        };
        self.node(from.0)?.names.remove(&name);
        self.node(to.0)?.names.insert(new, node);
        Ok(Vec::new())
    }

    pub(super) fn read_link(&mut self, node: u64) -> Answer {
        Ok(self.node(node)?.content.clone())
    }

    pub(super) fn read(&mut self, node: u64, offset: u64, size: u32) -> Answer {
        let content = &self.node(node)?.content;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let end = content.len().min(start + usize::try_from(size).unwrap_or(0));
        Ok(content[start..end].to_vec())
    }

    pub(super) fn write(&mut self, node: u64, offset: u64, bytes: &[u8]) -> Answer {
        let content = &mut self.node(node)?.content;
        let start = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
        let end = start + bytes.len();
        content.resize(content.len().max(end), 0);
        content[start..end].copy_from_slice(bytes);
        let n = u64::try_from(bytes.len()).expect("it fits");
        Ok(n.to_ne_bytes().to_vec())
    }

    /// Lists a folder from the name number `offset` on.
    pub(super) fn list(&mut self, folder: u64, offset: u64, size: u32) -> Answer {
        let mut out = Vec::new();
        let names = self.node(folder)?.names.clone();
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (n, (name, node)) in names.iter().enumerate().skip(skipped) {
            let sort = (self.node(*node)?.mode & SORT) >> 12;
            let mut entry = node.to_ne_bytes().to_vec();
            entry.extend((n as u64 + 1).to_ne_bytes());
            entry.extend(u32::try_from(name.len()).expect("names are short").to_ne_bytes());
            entry.extend(sort.to_ne_bytes());
            entry.extend(name);
            entry.resize(entry.len().next_multiple_of(8), 0);
            if out.len() + entry.len() > usize::try_from(size).unwrap_or(0) {
                break;
            }
            out.extend(entry);
        }
        Ok(out)
    }

    /// Changes what a request asks for.
    pub(super) fn set(&mut self, number: u64, body: &mut Body<'_>) -> Answer {
        let valid = body.u32();
        body.skip(12);
        let size = body.u64();
        body.skip(16);
        let seconds = body.u64();
        body.skip(12);
        let nanoseconds = body.u32();
        body.skip(4);
        let mode = body.u32();
        body.skip(4);
        let (uid, gid) = (body.u32(), body.u32());
        if valid & SETS_MODE != 0 && self.quirks.refuses_chmod {
            return Err(Errno::PERM);
        }
        let node = self.node(number)?;
        if valid & SETS_MODE != 0 {
            node.mode = node.mode & SORT | mode & !SORT;
        }
        if valid & SETS_UID != 0 {
            node.owner.0 = uid;
        }
        if valid & SETS_GID != 0 {
            node.owner.1 = gid;
        }
        if valid & SETS_SIZE != 0 {
            node.content.resize(usize::try_from(size).map_err(|_| Errno::FBIG)?, 0);
        }
        if valid & SETS_MTIME != 0 {
            node.mtime = (seconds, nanoseconds);
        }
        self.attributes(number)
    }

    pub(super) fn attributes(&mut self, number: u64) -> Answer {
        Ok([vec![0; 16], self.stat(number)?].concat())
    }

    /// Returns a node as an entry of a folder; nothing of it may be kept.
    fn entry(&mut self, number: u64) -> Answer {
        let mut out = number.to_ne_bytes().to_vec();
        out.resize(40, 0);
        out.extend(self.stat(number)?);
        Ok(out)
    }

    fn stat(&mut self, number: u64) -> Answer {
        let fixed = self.quirks.mode;
        let node = self.node(number)?;
        let size = node.content.len() as u64;
        let (seconds, nanoseconds) = node.mtime;
        let mut out = Vec::new();
        for field in [number, size, size.div_ceil(512), seconds, seconds, seconds] {
            out.extend(field.to_ne_bytes());
        }
        let mode = fixed.map_or(node.mode, |fixed| node.mode & SORT | fixed);
        let (uid, gid) = node.owner;
        let times = [nanoseconds; 3];
        let rest = [mode, node.n_names, uid, gid, node.device, 4096, 0];
        for field in times.iter().chain(&rest) {
            out.extend(field.to_ne_bytes());
        }
        Ok(out)
    }
}
