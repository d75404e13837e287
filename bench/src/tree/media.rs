//! What is compressed already: pictures, video, archives, packs; framed like the real thing, with noise inside.

use fastrand::Rng;

use super::{content::Content, words::Words};

const STRETCH: usize = 32 << 10;

fn noise(rng: &mut Rng, n: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + n, 0);
    rng.fill(&mut out[start..]);
}

/// Makes a picture like a JPEG: a header, then entropy-coded bytes where 0xff is followed by zero.
pub(super) struct Photo {
    rng: Rng,
    is_begun: bool,
}

impl Photo {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, is_begun: false }
    }
}

impl Content for Photo {
    fn more(&mut self, out: &mut Vec<u8>) {
        if !self.is_begun {
            self.is_begun = true;
            out.extend(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xdb\0\x43\0");
            out.extend((0..64).map(|n| 3 + n / 2));
            out.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0");
        }
        let mut bytes = vec![0; STRETCH];
        self.rng.fill(&mut bytes);
        for piece in bytes.split_inclusive(|&byte| byte == 0xff) {
            out.extend(piece);
            out.push(0);
        }
    }
}

/// Makes a video like an MP4: boxes of samples, each with its length.
pub(super) struct Video {
    rng: Rng,
}

impl Video {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng }
    }
}

impl Content for Video {
    fn more(&mut self, out: &mut Vec<u8>) {
        let n_samples = self.rng.u32(4..40);
        out.extend(b"\0\0\0\x18moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x01\0\0\0\0trun");
        for _ in 0..n_samples {
            out.extend(self.rng.u32(200..2000).to_be_bytes());
        }
        out.extend(b"\0\0\x80\0mdat");
        noise(&mut self.rng, STRETCH, out);
    }
}

/// Makes an archive like a zip, an office document or a pack: a short header for each member.
pub(super) struct Deflated<'a> {
    rng: Rng,
    words: &'a Words,
    is_loose: bool,
}

impl<'a> Deflated<'a> {
    pub(super) fn new(rng: Rng, words: &'a Words) -> Self {
        Self { rng, words, is_loose: false }
    }

    /// Makes one deflated thing without a frame, like a loose object of git.
    pub(super) fn loose(rng: Rng, words: &'a Words) -> Self {
        Self { rng, words, is_loose: true }
    }
}

impl Content for Deflated<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        let n = self.rng.usize(256..STRETCH);
        if !self.is_loose {
            out.extend(b"PK\x03\x04\x14\0\x08\x08\x08\0");
            out.extend(self.rng.u64(..).to_le_bytes());
            out.extend(u32::try_from(n).expect("a stretch is short").to_le_bytes());
            for _ in 0..self.rng.u8(1..5) {
                out.extend(self.words.noun(&mut self.rng).as_bytes());
                out.push(b'/');
            }
        }
        noise(&mut self.rng, n, out);
    }
}
