//! The output of items whose turn has not come: in memory, and past a limit in an unnamed temporary file.

use std::{collections::BTreeMap, io, ops::Range};

use crate::process::{LineFile, StdStream};

/// The bytes that all items keep in memory before they go to the file.
const IN_MEMORY: usize = 4 << 20;
/// The memory of a line beside its bytes.
const LINE_COST: usize = size_of::<(StdStream, Vec<u8>)>();

/// The output of every item that waits.
#[derive(Default)]
pub(super) struct Held {
    items: BTreeMap<usize, Item>,
    in_memory: usize,
    file: Option<LineFile>,
    /// The disk has no room: everything waits in memory.
    has_no_room: bool,
}

/// The output of one item: first what stands in the file, then what is in memory.
#[derive(Default)]
struct Item {
    in_file: Vec<Range<u64>>,
    in_memory: Vec<(StdStream, Vec<u8>)>,
}

impl Held {
    /// Keeps what the item at an index wrote.
    pub(super) fn push(&mut self, at: usize, stream: StdStream, bytes: Vec<u8>) {
        self.in_memory += LINE_COST + bytes.len();
        self.items.entry(at).or_default().in_memory.push((stream, bytes));
        if self.in_memory > IN_MEMORY && !self.has_no_room {
            self.has_no_room = self.spill().is_err();
        }
    }

    /// Moves everything to the file, each item in one piece.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(LineFile::new()?),
        };
        for item in self.items.values_mut() {
            let start = file.end();
            for (stream, bytes) in &item.in_memory {
                file.push(*stream, bytes)?;
            }
            item.in_file.push(start..file.end());
            self.in_memory -= cost(&item.in_memory);
            item.in_memory.clear();
        }
        Ok(())
    }

    /// Hands on what the item at an index wrote so far, and forgets it.
    pub(super) fn release(&mut self, at: usize, take: &mut dyn FnMut(StdStream, Vec<u8>)) {
        let Some(item) = self.items.remove(&at) else { return };
        self.in_memory -= cost(&item.in_memory);
        for range in item.in_file {
            let mut at = range.start;
            // A file that cannot be read back is lost; what comes after it is not.
            while at < range.end
                && let Some(Ok((stream, line, next))) = self.file.as_ref().map(|file| file.read(at))
            {
                take(stream, line);
                at = next;
            }
        }
        for (stream, line) in item.in_memory {
            take(stream, line);
        }
        if self.items.is_empty() {
            self.file = None;
        }
    }

    /// Returns the first item that waits.
    pub(super) fn first(&self) -> Option<usize> {
        self.items.keys().next().copied()
    }
}

fn cost(lines: &[(StdStream, Vec<u8>)]) -> usize {
    lines.iter().map(|(_, line)| LINE_COST + line.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_back_in_order_from_memory_and_file() {
        let mut held = Held::default();
        let line =
            |at: usize, n: usize| [format!("{at}.{n}").into_bytes(), vec![b'x'; 1 << 19]].concat();
        let stream =
            |n: usize| if n.is_multiple_of(2) { StdStream::Stdout } else { StdStream::Stderr };
        for n in 0..12 {
            held.push(n % 3, stream(n), line(n % 3, n));
        }
        assert!(held.in_memory <= IN_MEMORY && held.file.is_some());

        for at in [2, 0, 1] {
            let mut found = Vec::new();
            held.release(at, &mut |stream, bytes| found.push((stream, bytes)));

            let expected: Vec<_> =
                (0..12).filter(|n| n % 3 == at).map(|n| (stream(n), line(at, n))).collect();
            assert!(found == expected, "{at}");
        }
        assert!(held.in_memory == 0 && held.file.is_none() && held.first().is_none());
    }
}
