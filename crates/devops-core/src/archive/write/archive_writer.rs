//! Writes an archive: encrypted, then counted and hashed; unencrypted also into the cache.

use std::io::{self, Write};

use age::stream::StreamWriter;
use sha2::{Digest as _, Sha256};

use super::reuse_cache::CachedCopy;
use crate::archive::format::encryption::Recipients;

/// The size and hash of the written archive.
#[derive(Clone, Debug, Default)]
pub(in crate::archive) struct WriteStats {
    pub(in crate::archive) n_bytes: u64,
    /// The SHA-256 in hexadecimal digits, if it was wanted.
    pub(in crate::archive) sha256: Option<String>,
}

/// Takes an archive in plain.
pub(in crate::archive) struct ArchiveWriter<'a> {
    out: Out<'a>,
    copy: Option<&'a mut CachedCopy>,
}

enum Out<'a> {
    Plain(CountingWriter<'a>),
    Encrypted(Box<StreamWriter<CountingWriter<'a>>>),
}

impl<'a> ArchiveWriter<'a> {
    pub(in crate::archive) fn new(
        writer: &'a mut (dyn Write + Send),
        is_hashed: bool,
        recipients: Option<&Recipients>,
        copy: Option<&'a mut CachedCopy>,
    ) -> io::Result<Self> {
        let hasher = is_hashed.then(Sha256::default);
        let counting = CountingWriter { writer, hasher, n_bytes: 0 };
        let out = match recipients {
            None => Out::Plain(counting),
            Some(recipients) => {
                Out::Encrypted(Box::new(recipients.encryptor()?.wrap_output(counting)?))
            }
        };
        Ok(Self { out, copy })
    }

    /// Ends the encryption, without which nobody could open it.
    pub(in crate::archive) fn finish(self) -> io::Result<WriteStats> {
        let mut counting = match self.out {
            Out::Plain(counting) => counting,
            Out::Encrypted(encrypted) => encrypted.finish()?,
        };
        counting.flush()?;
        let CountingWriter { hasher, n_bytes, .. } = counting;
        Ok(WriteStats { n_bytes, sha256: hasher.map(hexadecimal) })
    }
}

impl Write for ArchiveWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::Plain(counting) => counting.write_all(bytes)?,
            Out::Encrypted(encrypted) => encrypted.write_all(bytes)?,
        }
        if let Some(copy) = &mut self.copy {
            copy.push(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(counting) => counting.flush(),
            Out::Encrypted(encrypted) => encrypted.flush(),
        }
    }
}

/// Counts and hashes what is written.
struct CountingWriter<'a> {
    writer: &'a mut (dyn Write + Send),
    hasher: Option<Sha256>,
    n_bytes: u64,
}

impl Write for CountingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.writer.write(bytes)?;
        self.n_bytes += n as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..n]);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).expect("half a byte is a digit")
}
