//! Which files there are, how large, and where: decided before the first byte is written.

use std::collections::HashSet;

use fastrand::Rng;

use super::{
    kind::Kind,
    kind::{SHARES, Share},
    place::Places,
    shape::Shape,
    words::Words,
};

/// One thing to make.
pub(super) struct Planned {
    /// Its path in the tree; parents are made as needed.
    pub(super) path: String,
    pub(super) node: Node,
    pub(super) mode: u32,
    /// Nanoseconds since 1970.
    pub(super) modified_ns: u64,
}

pub(super) enum Node {
    File { kind: Kind, size: u64, seed: u64 },
    Symlink { target: String },
    HardLink { to: String },
}

/// One file in this many, of the kinds that have copies, is one.
const COPY_EVERY: usize = 20;
/// One symlink for so many files; `node_modules/.bin` and the like.
const FILES_A_SYMLINK: usize = 50;
/// One hard link for so many files.
const FILES_A_HARD_LINK: usize = 500;

/// Nothing in the tree is older than 2016 or newer than 2024, in seconds since 1970.
const MODIFIED: std::ops::Range<u64> = 1_450_000_000..1_730_000_000;

/// Plans the whole tree, in the order of a walk by kind.
pub(super) fn plan(shape: Shape, words: &Words) -> Vec<Planned> {
    let mut planner = Planner {
        rng: Rng::with_seed(shape.seed),
        places: Places::new(shape.seed, words),
        taken: HashSet::new(),
        planned: Vec::new(),
    };
    for share in &SHARES {
        planner.files(share, shape);
    }
    planner.links(shape.n_files);
    planner.planned
}

struct Planner<'a> {
    rng: Rng,
    places: Places<'a>,
    taken: HashSet<String>,
    planned: Vec<Planned>,
}

impl Planner<'_> {
    fn files(&mut self, share: &Share, whole: Shape) {
        let n_files = (whole.n_files * share.of_files / 1000).max(1);
        let n_bytes = whole.n_bytes * share.of_bytes / 1000;
        let first = self.planned.len();
        for (n, size) in
            sizes(&mut self.rng, share.spread, n_files, n_bytes).into_iter().enumerate()
        {
            let is_copy = share.kind.has_copies() && n % COPY_EVERY == COPY_EVERY - 1;
            let node = match &self.planned[first..] {
                earlier if is_copy => copy_of(&earlier[self.rng.usize(..n)].node),
                _ => Node::File { kind: share.kind, size, seed: self.rng.u64(..) },
            };
            let path = self.places.file(&mut self.rng, share.kind);
            self.add(&path, node);
        }
    }

    fn links(&mut self, n_files: usize) {
        for _ in 0..n_files / FILES_A_SYMLINK {
            let target = self.any_file();
            let path = self.places.symlink(&mut self.rng);
            let up = "../".repeat(path.matches('/').count());
            self.add(&path, Node::Symlink { target: format!("{up}{target}") });
        }
        for _ in 0..n_files / FILES_A_HARD_LINK {
            let to = self.any_file();
            let path = format!("{to}.linked");
            self.add(&path, Node::HardLink { to });
        }
        self.add("current", Node::Symlink { target: "gone/away".to_owned() });
    }

    fn any_file(&mut self) -> String {
        loop {
            let planned = &self.planned[self.rng.usize(..self.planned.len())];
            if matches!(planned.node, Node::File { .. }) {
                return planned.path.clone();
            }
        }
    }

    fn add(&mut self, wished: &str, node: Node) {
        let mut path = wished.to_owned();
        while !self.taken.insert(path.clone()) {
            path = numbered(wished, self.rng.u32(2..10_000));
        }
        let mode = match self.rng.u8(..) {
            0..16 => 0o755,
            16..32 => 0o600,
            32..40 => 0o664,
            _ => 0o644,
        };
        let modified_ns = self.rng.u64(MODIFIED) * 1_000_000_000 + self.rng.u64(..1_000_000_000);
        self.planned.push(Planned { path, node, mode, modified_ns });
    }
}

fn copy_of(node: &Node) -> Node {
    match *node {
        Node::File { kind, size, seed } => Node::File { kind, size, seed },
        _ => unreachable!("links are planned after all files"),
    }
}

/// Puts a number before the extension.
fn numbered(path: &str, n: u32) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name..].rfind('.') {
        Some(dot) if dot > 0 => {
            let (stem, extension) = path.split_at(name + dot);
            format!("{stem}_{n}{extension}")
        }
        _ => format!("{path}_{n}"),
    }
}

/// Draws log-normal sizes that add up to `n_bytes`, but for rounding.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are far below 2^52"
)]
fn sizes(rng: &mut Rng, spread: f64, n_files: usize, n_bytes: u64) -> Vec<u64> {
    let weights: Vec<f64> = (0..n_files).map(|_| exponential(spread * normal(rng))).collect();
    let scale = n_bytes as f64 / weights.iter().sum::<f64>();
    weights.into_iter().map(|weight| (weight * scale) as u64).collect()
}

/// Draws from about the standard normal distribution, by additions alone:
/// the same bits on every machine, which no logarithm promises.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

/// Returns about e^x, by multiplications alone.
fn exponential(x: f64) -> f64 {
    (0..12).fold(1.0 + x / 4096.0, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_and_have_a_heavy_tail() {
        let mut sizes = sizes(&mut Rng::with_seed(1), 1.6, 10_000, 100_000_000);
        sizes.sort_unstable();

        let sum: u64 = sizes.iter().sum();
        assert!((99_990_000..=100_000_000).contains(&sum), "{sum}");
        // The mean is 10,000; of a log-normal with spread 1.6 the median is 3.6 times less.
        assert!((2_500..3_100).contains(&sizes[5_000]), "{}", sizes[5_000]);
        assert!(sizes[9_999] > 200 * sizes[5_000], "{}", sizes[9_999]);
    }

    #[test]
    fn a_number_goes_before_the_extension() {
        assert_eq!(numbered("a.b/c.rs", 7), "a.b/c_7.rs");
        assert_eq!(numbered("a.b/.profile", 7), "a.b/.profile_7");
        assert_eq!(numbered("a.b/LICENSE", 7), "a.b/LICENSE_7");
    }

    #[test]
    fn a_plan_has_as_many_files_and_bytes_as_asked() {
        let shape = Shape { seed: 1, n_bytes: 100_000_000, n_files: 5_000 };
        let files: Vec<_> = plan(shape, &Words::new(1))
            .into_iter()
            .filter_map(|planned| match planned.node {
                Node::File { size, .. } => Some(size),
                _ => None,
            })
            .collect();

        assert_eq!(files.len(), 5_000);
        let n_bytes: u64 = files.iter().sum();
        // Copies repeat a size that was drawn for another.
        assert!((80_000_000..120_000_000).contains(&n_bytes), "{n_bytes}");
    }
}
