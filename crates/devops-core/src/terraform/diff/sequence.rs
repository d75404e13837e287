//! Finds which items of a list, or lines of a text, stayed.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Longer runs that differ are not compared item by item: that takes the square of their length.
const COMPARED: usize = 2000;

/// One item of a diff, by its place before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Same(usize, usize),
    Gone(usize),
    New(usize),
}

/// Compares two sequences: what stayed, what went, what came, in order.
pub(super) fn compare<T: Eq + std::hash::Hash>(before: &[T], after: &[T]) -> Vec<Item> {
    let start = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let (before_rest, after_rest) = (&before[start..], &after[start..]);
    let end = before_rest.iter().rev().zip(after_rest.iter().rev());
    let end = end.take_while(|(one, other)| one == other).count();
    let before_rest = &before_rest[..before_rest.len() - end];
    let after_rest = &after_rest[..after_rest.len() - end];
    let mut items: Vec<_> = (0..start).map(|at| Item::Same(at, at)).collect();
    if before_rest.len().max(after_rest.len()) > COMPARED {
        items.extend((0..before_rest.len()).map(|at| Item::Gone(start + at)));
        items.extend((0..after_rest.len()).map(|at| Item::New(start + at)));
    } else {
        for op in capture_diff_slices(Algorithm::Myers, before_rest, after_rest) {
            add(&mut items, op, start);
        }
    }
    let (before_end, after_end) = (before.len() - end, after.len() - end);
    items.extend((0..end).map(|at| Item::Same(before_end + at, after_end + at)));
    items
}

fn add(items: &mut Vec<Item>, op: DiffOp, start: usize) {
    let (before, after) = (op.old_range(), op.new_range());
    if let DiffOp::Equal { .. } = op {
        let pairs = before.zip(after);
        items.extend(pairs.map(|(one, other)| Item::Same(start + one, start + other)));
        return;
    }
    items.extend(before.map(|at| Item::Gone(start + at)));
    items.extend(after.map(|at| Item::New(start + at)));
}
