//! Where the bytes of an archive go: encrypted, then counted and hashed; in plain also into the cache.

use std::io::{self, Write};

use age::stream::StreamWriter;
use sha2::{Digest as _, Sha256};

use super::{cache::PlainCopy, encryption::Recipients};

/// What arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivered {
    pub(super) n_bytes: u64,
    /// The SHA-256 in hexadecimal digits, if it was wanted.
    pub(super) sha256: Option<String>,
}

/// Takes an archive in plain.
pub(super) struct Sink<'a> {
    out: Out<'a>,
    copy: Option<&'a mut PlainCopy>,
}

enum Out<'a> {
    Plain(Measured<'a>),
    Sealed(Box<StreamWriter<Measured<'a>>>),
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        writer: &'a mut (dyn Write + Send),
        is_hashed: bool,
        recipients: Option<&Recipients>,
        copy: Option<&'a mut PlainCopy>,
    ) -> io::Result<Self> {
        let hasher = is_hashed.then(Sha256::default);
        let measured = Measured { writer, hasher, n_bytes: 0 };
        let out = match recipients {
            None => Out::Plain(measured),
            Some(recipients) => {
                Out::Sealed(Box::new(recipients.encryptor()?.wrap_output(measured)?))
            }
        };
        Ok(Self { out, copy })
    }

    /// Ends the encryption, without which nobody could open it.
    pub(super) fn finish(self) -> io::Result<Delivered> {
        let mut measured = match self.out {
            Out::Plain(measured) => measured,
            Out::Sealed(sealed) => sealed.finish()?,
        };
        measured.flush()?;
        let Measured { hasher, n_bytes, .. } = measured;
        Ok(Delivered { n_bytes, sha256: hasher.map(hexadecimal) })
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::Plain(measured) => measured.write_all(bytes)?,
            Out::Sealed(sealed) => sealed.write_all(bytes)?,
        }
        if let Some(copy) = &mut self.copy {
            copy.push(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(measured) => measured.flush(),
            Out::Sealed(sealed) => sealed.flush(),
        }
    }
}

/// Counts and hashes what is written.
struct Measured<'a> {
    writer: &'a mut (dyn Write + Send),
    hasher: Option<Sha256>,
    n_bytes: u64,
}

impl Write for Measured<'_> {
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
