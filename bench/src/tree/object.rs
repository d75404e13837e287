//! Object code: instructions, tables of addresses, names, and zeros between sections.

use fastrand::Rng;

use super::{
    content::Content,
    words::{Words, zipf},
};

/// As a power of two.
const INSTRUCTIONS: u32 = 9;

/// Makes the sections of one object file or library.
pub(super) struct Object<'a> {
    rng: Rng,
    words: &'a Words,
    /// Opcodes with their registers; those that take a value, with its length.
    instructions: Vec<(Vec<u8>, usize)>,
    address: u64,
}

impl<'a> Object<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        // The processor is the same for all files; which instructions are frequent differs little.
        let mut processor = Rng::with_seed(0x0070_726f_6365_7373);
        let instructions = (0..1 << INSTRUCTIONS)
            .map(|_| {
                let opcode = (0..processor.usize(1..5)).map(|_| processor.u8(..)).collect();
                (opcode, [0, 0, 1, 1, 4][processor.usize(..5)])
            })
            .collect();
        let address = 0x40_0000 + rng.u64(..0x10_0000);
        Self { rng, words, instructions, address }
    }

    fn code(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(64..1024) {
            let (opcode, n_value) = &self.instructions[zipf(&mut self.rng, INSTRUCTIONS)];
            out.extend(opcode);
            // Offsets and constants are small numbers most of the time.
            let value = zipf(&mut self.rng, if *n_value == 4 { 18 } else { 7 });
            out.extend(&value.to_le_bytes()[..*n_value]);
        }
        out.resize(out.len().next_multiple_of(16), 0xcc);
    }

    fn table(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(32..512) {
            self.address += 8 * self.rng.u64(1..24);
            out.extend(self.address.to_le_bytes());
            out.extend(u32::from(self.rng.u8(..6)).to_le_bytes());
            out.extend(u32::from(self.rng.u16(..2048)).to_le_bytes());
        }
    }

    fn names(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(32..256) {
            out.extend(b"_ZN");
            for _ in 0..self.rng.u8(2..5) {
                let word = self.words.noun(&mut self.rng);
                out.extend(word.len().to_string().as_bytes());
                out.extend(word.as_bytes());
            }
            out.extend(format!("17h{:016x}E\0", self.rng.u64(..)).as_bytes());
        }
    }
}

impl Content for Object<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        match self.rng.u8(..10) {
            0..5 => self.code(out),
            5..7 => self.table(out),
            7..9 => self.names(out),
            _ => out.resize(out.len() + self.rng.usize(16..4096), 0),
        }
    }
}
