//! Texts of sentences and paragraphs, which come back to the same phrases.

use fastrand::Rng;

use super::{
    content::Content,
    words::{Words, zipf},
};

/// Makes Markdown-like text.
pub(super) struct Prose<'a> {
    rng: Rng,
    words: &'a Words,
    /// What this text is about: phrases it repeats.
    phrases: Vec<String>,
}

/// As a power of two.
const PHRASES: u32 = 6;

impl<'a> Prose<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        let phrases = (0..1 << PHRASES).map(|_| phrase(&mut rng, words)).collect();
        Self { rng, words, phrases }
    }

    fn sentence(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        for _ in 0..self.rng.u8(4..18) {
            if self.rng.u8(..16) == 0 {
                out.extend(self.phrases[zipf(&mut self.rng, PHRASES)].as_bytes());
            } else {
                out.extend(self.words.pick(&mut self.rng).as_bytes());
            }
            out.extend(if self.rng.u8(..12) == 0 { &b", "[..] } else { b" " });
        }
        out[start].make_ascii_uppercase();
        out.truncate(out.trim_ascii_end().len());
        out.extend(b". ");
    }
}

impl Content for Prose<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        if self.rng.u8(..6) == 0 {
            out.extend(b"## ");
            out.extend(self.phrases[zipf(&mut self.rng, PHRASES)].as_bytes());
            out.extend(b"\n\n");
        }
        for _ in 0..self.rng.u8(2..9) {
            self.sentence(out);
        }
        out.extend(b"\n\n");
    }
}

/// Returns two to five words that belong together.
fn phrase(rng: &mut Rng, words: &Words) -> String {
    let words: Vec<_> = (0..rng.u8(2..6)).map(|_| words.pick(rng)).collect();
    words.join(" ")
}
