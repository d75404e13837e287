//! A database file: pages of cells that grow from the end, an array of pointers at the start, and slack between.

use fastrand::Rng;

use super::{
    content::Content,
    words::{Words, zipf},
};

const PAGE: usize = 4096;

/// Makes pages like those of `SQLite`.
pub(super) struct Pages<'a> {
    rng: Rng,
    words: &'a Words,
    row: u32,
    n_columns: u8,
}

impl<'a> Pages<'a> {
    pub(super) fn new(mut rng: Rng, words: &'a Words) -> Self {
        let n_columns = rng.u8(3..9);
        Self { rng, words, row: 1, n_columns }
    }

    fn cell(&mut self) -> Vec<u8> {
        self.row += self.rng.u32(1..3);
        let mut cell = self.row.to_be_bytes().to_vec();
        for column in 0..self.n_columns {
            let rng = &mut self.rng;
            match column % 4 {
                0 => cell.extend(self.words.noun(rng).as_bytes()),
                1 => cell.extend(u16::try_from(zipf(rng, 15)).unwrap_or_default().to_be_bytes()),
                2 => {
                    for _ in 0..rng.u8(1..8) {
                        cell.extend(self.words.pick(rng).as_bytes());
                        cell.push(b' ');
                    }
                }
                // A time or a hash: nothing to gain.
                _ => cell.extend(rng.u64(..).to_be_bytes()),
            }
        }
        cell
    }
}

impl Content for Pages<'_> {
    fn more(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + PAGE, 0);
        if self.rng.u8(..16) == 0 {
            // A free page, or one of a row too long for a page.
            return;
        }
        let slack = self.rng.usize(..PAGE / 3);
        let (mut pointer, mut end, mut n_cells) = (8, PAGE, 0_u16);
        loop {
            let cell = self.cell();
            if pointer + 2 + slack + cell.len() > end {
                break;
            }
            end -= cell.len();
            out[start + end..][..cell.len()].copy_from_slice(&cell);
            let place = u16::try_from(end).expect("a place in a page");
            out[start + pointer..][..2].copy_from_slice(&place.to_be_bytes());
            pointer += 2;
            n_cells += 1;
        }
        out[start] = 0x0d;
        out[start + 3..][..2].copy_from_slice(&n_cells.to_be_bytes());
    }
}
