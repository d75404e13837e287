//! A queue of lines that never makes the child wait: past a limit it goes on in a file.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt};

use super::event::StdStream;

/// The number of bytes that wait in memory before the file is used.
const IN_MEMORY: usize = 4 << 20;

/// The stream's tag, then the length of the line.
const HEADER: usize = 5;

/// Lines in order, at most [`IN_MEMORY`] bytes of them in memory unless there is no room on the disk.
#[derive(Default)]
pub(super) struct Spool {
    memory: VecDeque<(StdStream, Vec<u8>)>,
    bytes: usize,
    overflow: Option<Overflow>,
}

/// The part of the queue behind the one in memory.
struct Overflow {
    file: LineFile,
    read: u64,
}

/// Lines in an unnamed temporary file.
pub(crate) struct LineFile {
    file: File,
    written: u64,
}

impl Spool {
    pub(super) fn push(&mut self, stream: StdStream, line: Vec<u8>) {
        let waits_in_file = self.overflow.as_ref().is_some_and(|it| it.read < it.file.written);
        if (waits_in_file || self.bytes + line.len() > IN_MEMORY)
            && self.spill(stream, &line).is_ok()
        {
            return;
        }
        self.bytes += line.len();
        self.memory.push_back((stream, line));
    }

    pub(super) fn pop(&mut self) -> Option<(StdStream, Vec<u8>)> {
        if let Some((stream, line)) = self.memory.pop_front() {
            self.bytes -= line.len();
            return Some((stream, line));
        }
        let overflow = self.overflow.as_mut()?;
        if overflow.read == overflow.file.written {
            self.overflow = None;
            return None;
        }
        // A file that cannot be read back is lost; what comes after it is not.
        let Ok((stream, line, next)) = overflow.file.read(overflow.read) else {
            self.overflow = None;
            return None;
        };
        overflow.read = next;
        Some((stream, line))
    }

    fn spill(&mut self, stream: StdStream, line: &[u8]) -> io::Result<()> {
        let overflow = match &mut self.overflow {
            Some(overflow) => overflow,
            none => none.insert(Overflow { file: LineFile::new()?, read: 0 }),
        };
        overflow.file.push(stream, line)
    }
}

impl LineFile {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, written: 0 })
    }

    /// Returns where the next line will stand.
    pub(crate) fn end(&self) -> u64 {
        self.written
    }

    pub(crate) fn push(&mut self, stream: StdStream, line: &[u8]) -> io::Result<()> {
        let length = u32::try_from(line.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(HEADER + line.len());
        record.push(u8::from(stream == StdStream::Stderr));
        record.extend(length.to_le_bytes());
        record.extend(line);
        self.file.write_all_at(&record, self.written)?;
        self.written += record.len() as u64;
        Ok(())
    }

    /// Returns the line that begins at an offset, and where the next one begins.
    pub(crate) fn read(&self, at: u64) -> io::Result<(StdStream, Vec<u8>, u64)> {
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, at)?;
        let [tag, length @ ..] = header;
        let mut line = vec![0; u32::from_le_bytes(length) as usize];
        let from = at + HEADER as u64;
        self.file.read_exact_at(&mut line, from)?;
        let next = from + line.len() as u64;
        Ok((if tag == 0 { StdStream::Stdout } else { StdStream::Stderr }, line, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_across_memory_and_file() {
        let mut spool = Spool::default();
        let line = |n: usize| [n.to_string().into_bytes(), vec![b'x'; 1 << 20]].concat();
        let stream =
            |n: usize| if n.is_multiple_of(2) { StdStream::Stdout } else { StdStream::Stderr };

        for n in 0..8 {
            spool.push(stream(n), line(n));
        }
        let mut popped: Vec<_> = (0..6).filter_map(|_| spool.pop()).collect();
        for n in 8..10 {
            spool.push(stream(n), line(n));
        }
        assert!(spool.bytes <= IN_MEMORY);
        popped.extend(std::iter::from_fn(|| spool.pop()));

        let expected: Vec<_> = (0..10).map(|n| (stream(n), line(n))).collect();
        assert!(popped == expected);
    }

    #[test]
    fn returns_to_memory_once_the_file_is_read() {
        let mut spool = Spool::default();
        for _ in 0..6 {
            spool.push(StdStream::Stdout, vec![b'x'; 1 << 20]);
        }
        while spool.pop().is_some() {}

        spool.push(StdStream::Stderr, b"again".to_vec());

        assert!(spool.overflow.is_none());
        assert_eq!(spool.pop(), Some((StdStream::Stderr, b"again".to_vec())));
    }
}
