//! SHA-256 of two messages of one length at once (FIPS 180-4).
//!
//! Each SHA instruction of a processor waits for the one before it, so that one message keeps the unit
//! that computes them busy for a part of the time only; a second message fills the gaps. No crate offers
//! that for messages that come in pieces. Where the instructions are missing, `sha2` does the work.

use sha2::block_api::compress256;

/// A block of SHA-256.
type Block = [u8; 64];

/// The hash before the first block.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Hashes two messages of one length, piece by piece.
pub(crate) struct Sha256Pair {
    states: [[u32; 8]; 2],
    size: u64,
    /// The bytes of the last pieces beyond whole blocks; others may not follow.
    rest: [Vec<u8>; 2],
}

impl Sha256Pair {
    pub(crate) fn new() -> Self {
        Self { states: [START; 2], size: 0, rest: Default::default() }
    }

    /// Adds a piece to each message, both of one length; all but the last pieces consist of whole blocks.
    pub(crate) fn update(&mut self, pieces: [&[u8]; 2]) {
        assert_eq!(pieces[0].len(), pieces[1].len(), "the messages have one length");
        assert!(self.rest[0].is_empty(), "only the last pieces may end within a block");
        self.size += pieces[0].len() as u64;
        let [first, second] = pieces.map(|piece| piece.as_chunks());
        compress(&mut self.states, [first.0, second.0]);
        self.rest = [first.1.to_vec(), second.1.to_vec()];
    }

    /// Returns the hashes of both messages.
    pub(crate) fn finish(mut self) -> [[u8; 32]; 2] {
        let bits = (self.size * 8).to_be_bytes();
        let ends = self.rest.map(|mut end| {
            end.push(0x80);
            end.resize((end.len() + bits.len()).next_multiple_of(64) - bits.len(), 0);
            end.extend(bits);
            end
        });
        let [first, second] = &ends;
        compress(&mut self.states, [first.as_chunks().0, second.as_chunks().0]);
        self.states.map(|state| {
            let mut hash = [0; 32];
            for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
                *bytes = word.to_be_bytes();
            }
            hash
        })
    }
}

fn compress(states: &mut [[u32; 8]; 2], blocks: [&[Block]; 2]) {
    #[cfg(target_arch = "x86_64")]
    if x86::is_known() {
        #[allow(
            unsafe_code,
            reason = "the processor was asked whether it knows the instructions"
        )]
        // SAFETY: as the reason says.
        return unsafe { x86::compress(states, blocks) };
    }
    for (state, blocks) in states.iter_mut().zip(blocks) {
        compress256(state, blocks);
    }
}

/// The instructions are described in Intel's "SHA Extensions" (2013), with the order of the words.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::{
        is_x86_feature_detected,
        x86_64::{
            __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32,
            _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
            _mm_shuffle_epi8, _mm_shuffle_epi32,
        },
    };

    use super::Block;

    /// The round constants of SHA-256, four rounds a row.
    #[rustfmt::skip]
    const CONSTANTS: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// A state in the order of the instructions: its words A, B, E, F and C, D, G, H.
    #[derive(Clone, Copy)]
    struct State {
        abef: __m128i,
        cdgh: __m128i,
    }

    pub(super) fn is_known() -> bool {
        is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1")
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn compress(states: &mut [[u32; 8]; 2], blocks: [&[Block]; 2]) {
        let mut both = [packed(states[0]), packed(states[1])];
        for (one, other) in blocks[0].iter().zip(blocks[1]) {
            add_blocks(&mut both, [one, other]);
        }
        *states = [unpacked(both[0]), unpacked(both[1])];
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn add_blocks(states: &mut [State; 2], blocks: [&Block; 2]) {
        let before = *states;
        let mut words = [words_of(blocks[0]), words_of(blocks[1])];
        for (n, constants) in CONSTANTS.iter().enumerate() {
            // One step of each message after the other: while one waits for its result the other computes.
            for (state, words) in states.iter_mut().zip(&mut words) {
                if n >= 4 {
                    *words = next(*words);
                }
                let these = words[n.min(3)];
                *state = after_four_rounds(*state, _mm_add_epi32(these, vector(*constants)));
            }
        }
        for (state, before) in states.iter_mut().zip(before) {
            state.abef = _mm_add_epi32(state.abef, before.abef);
            state.cdgh = _mm_add_epi32(state.cdgh, before.cdgh);
        }
    }

    /// Returns the last sixteen words of the message schedule, four of them new.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn next([a, b, c, d]: [__m128i; 4]) -> [__m128i; 4] {
        let partial = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
        [b, c, d, _mm_sha256msg2_epu32(partial, d)]
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn after_four_rounds(State { abef, cdgh }: State, words: __m128i) -> State {
        let second = _mm_sha256rnds2_epu32(cdgh, abef, words);
        let first = _mm_sha256rnds2_epu32(abef, second, _mm_shuffle_epi32::<0b1110>(words));
        State { abef: first, cdgh: second }
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn words_of(block: &Block) -> [__m128i; 4] {
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let (halves, _) = block.as_chunks::<8>();
        let word = |n: usize| {
            let [low, high] = [halves[2 * n], halves[2 * n + 1]].map(i64::from_le_bytes);
            _mm_shuffle_epi8(_mm_set_epi64x(high, low), big_endian)
        };
        [word(0), word(1), word(2), word(3)]
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn packed(state: [u32; 8]) -> State {
        State {
            abef: vector([state[5], state[4], state[1], state[0]]),
            cdgh: vector([state[7], state[6], state[3], state[2]]),
        }
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn unpacked(state: State) -> [u32; 8] {
        let (abef, cdgh) = (lanes(state.abef), lanes(state.cdgh));
        [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]]
    }

    /// The first word is the lowest.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn vector(words: [u32; 4]) -> __m128i {
        let [a, b, c, d] = words.map(u32::cast_signed);
        _mm_set_epi32(d, c, b, a)
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn lanes(vector: __m128i) -> [u32; 4] {
        let lanes = [
            _mm_extract_epi32::<0>(vector),
            _mm_extract_epi32::<1>(vector),
            _mm_extract_epi32::<2>(vector),
            _mm_extract_epi32::<3>(vector),
        ];
        lanes.map(i32::cast_unsigned)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    fn pair_of(messages: [&[u8]; 2], piece: usize) -> [[u8; 32]; 2] {
        let mut pair = Sha256Pair::new();
        for (one, other) in messages[0].chunks(piece).zip(messages[1].chunks(piece)) {
            pair.update([one, other]);
        }
        pair.finish()
    }

    proptest! {
        #[test]
        fn both_hashes_are_those_of_another_implementation(
            both in prop::collection::vec(any::<[u8; 2]>(), 0..1500),
            blocks in 1_usize..5,
        ) {
            let messages = [0, 1].map(|n| both.iter().map(|bytes| bytes[n]).collect::<Vec<_>>());

            let hashes = pair_of([&messages[0], &messages[1]], blocks * 64);

            prop_assert_eq!(hashes, messages.map(|message| <[u8; 32]>::from(Sha256::digest(message))));
        }
    }

    // The examples of FIPS 180-4 for "abc" and for no bytes.
    #[test]
    fn agrees_with_the_published_examples() {
        let hex =
            |hashes: [[u8; 32]; 2]| hashes.map(|hash| crate::s3::object::checksum::hex(&hash));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

        assert_eq!(hex(pair_of([b"abc", b"abc"], 64)), [abc; 2]);
        assert_eq!(hex(pair_of([b"", b""], 64)), [empty; 2]);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_instructions_and_the_other_way_agree() {
        if !x86::is_known() {
            return;
        }
        let bytes: Vec<u8> = (0..64_000_u32).map(|n| (n % 253) as u8).collect();
        let (blocks, _) = bytes.as_chunks();
        let (first, second) = blocks.split_at(500);
        let mut plain = [START; 2];
        compress256(&mut plain[0], first);
        compress256(&mut plain[1], second);
        let mut states = [START; 2];

        compress(&mut states, [first, second]);

        assert_eq!(states, plain);
    }
}
