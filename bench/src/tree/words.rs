//! Words and their frequencies: the rank of a word decides how often it comes (Zipf's law).

use fastrand::Rng;

/// Short words that stand between the others; the most frequent of all.
const COMMON: [&str; 48] = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "with", "as", "on", "be", "at",
    "by", "this", "from", "or", "an", "are", "not", "which", "can", "has", "when", "all", "one",
    "if", "no", "each", "will", "into", "more", "than", "use", "its", "but", "was", "only", "new",
    "so", "then", "other", "may", "two", "any", "out",
];

const ONSETS: [&str; 24] = [
    "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pr",
    "ch", "sh", "th", "pl", "gr", "",
];
const VOWELS: [&str; 12] = ["a", "e", "i", "o", "u", "e", "a", "i", "ou", "ea", "io", "ai"];
const CODAS: [&str; 16] =
    ["", "", "", "n", "r", "s", "t", "l", "m", "d", "nt", "ck", "st", "x", "rt", "ng"];
const ENDINGS: [&str; 12] =
    ["", "", "", "", "er", "ing", "ed", "tion", "able", "ly", "ment", "ness"];

/// The number of words there are, as a power of two.
const BITS: u32 = 13;

/// A vocabulary, the most frequent words first.
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x574f_5244);
        let mut words: Vec<String> = COMMON.map(str::to_owned).into();
        while words.len() < 1 << BITS {
            words.push(invented(&mut rng));
        }
        Self(words)
    }

    /// Returns a word: one of rank r comes about 1/r as often as the first.
    pub(super) fn pick(&self, rng: &mut Rng) -> &str {
        &self.0[zipf(rng, BITS)]
    }

    /// Returns a word that means something: none of the short ones between.
    pub(super) fn noun(&self, rng: &mut Rng) -> &str {
        let rank = COMMON.len() + zipf(rng, BITS - 1);
        &self.0[rank]
    }
}

fn invented(rng: &mut Rng) -> String {
    let mut word = String::new();
    for _ in 0..=rng.u8(0..6) / 2 {
        for part in [&ONSETS[..], &VOWELS, &CODAS] {
            word.push_str(one_of(rng, part));
        }
    }
    word.push_str(one_of(rng, &ENDINGS));
    word
}

/// Returns one of some, each as likely as the others.
pub(super) fn one_of<'a, T: ?Sized>(rng: &mut Rng, some: &[&'a T]) -> &'a T {
    some[rng.usize(..some.len())]
}

/// Returns a number below 2^`bits` where n comes with a probability of about 1/(n + 1),
/// in integers alone: floating-point logarithms differ between machines.
pub(super) fn zipf(rng: &mut Rng, bits: u32) -> usize {
    let magnitude = rng.u32(..bits);
    let low = 1_usize << magnitude;
    low - 1 + rng.usize(..low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_zipf_distribution_comes_about_twice_as_often_as_the_second() {
        let mut rng = Rng::with_seed(1);
        let drawn: Vec<_> = (0..26_000).map(|_| zipf(&mut rng, BITS)).collect();
        let count = |rank| drawn.iter().filter(|&&drawn| drawn == rank).count();

        assert!((1_800..2_200).contains(&count(0)), "{}", count(0));
        assert!((900..1_100).contains(&count(1)), "{}", count(1));
        assert!(drawn.iter().all(|&rank| rank < 1 << BITS));
    }
}
