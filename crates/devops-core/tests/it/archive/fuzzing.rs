//! Mutated archives against the reader and the restore, from a seed that makes every run the same.
//!
//! A fuzzer that looks at coverage needs a nightly compiler, which this workspace does not use. Here the
//! mutations know the format instead: they swap, repeat and splice blocks, put odd numbers into fields,
//! and mend the checksums so that most of what they break is reached. `cargo xtask fuzz reader` and
//! `fuzz index` run it for minutes; a plain test run does a few hundred rounds.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    time::{Duration, Instant},
};

use devops_core::{
    archive::{
        ArchiveError, Entry, ListEvent, Lookup, RestoreOptions, RestoreSummary, list, restore,
        survey, verify,
    },
    cancel::Cancel,
};
use devops_fakes::random::Random;
use flate2::bufread::GzDecoder;

use crate::archive::{
    fixture::{Fixture, restore_options, snapshot, write},
    foreign::gzip,
    hostile::{expect_nothing_temporary, fix_checksum, outside, rich},
    sparse,
};

mod index;

const BLOCK: usize = 512;
const ROUNDS: u64 = 300;
/// No mutation of these small archives may take more memory, in KiB.
const MAX_MEMORY: u64 = 512 << 10;

/// One of our own archives, unpacked.
fn ours() -> Vec<u8> {
    let fixture = Fixture::new();
    fixture.write("a", b"content");
    fixture.write(&format!("{}/b", "d".repeat(200)), &[b'b'; 2000]);
    fs::hard_link(fixture.source.join("a"), fixture.source.join("c")).unwrap();
    let mut tar = Vec::new();
    let bytes = fs::read(fixture.create().path).unwrap();
    std::io::Read::read_to_end(&mut GzDecoder::new(&bytes[..]), &mut tar).unwrap();
    tar
}

fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = vec![rich(), ours()];
    corpus.extend(sparse::dialects().map(|blocks| [blocks.0, vec![0; 2 * BLOCK]].concat()));
    corpus
}

/// Fields of a header: where they begin and how long they are.
const FIELDS: [(usize, usize); 14] = [
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (329, 16),
    (345, 155),
    (386, 96),
    (482, 1),
    (483, 12),
];

const VALUES: [&[u8]; 24] = [
    b"",
    b"0",
    b"1",
    b"777",
    b"1000",
    b"00000001000",
    b"77777777777",
    b"-1",
    b"9",
    b" 12 ",
    b"\x80\0\0\0\0\0\0\0\0\0\x02\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"..",
    b"../victim",
    b"/etc/passwd",
    b"d/long",
    b"soft/victim",
    b"./.",
    b"d/",
    b"ustar  \0",
    b"ustar\x0000",
    b"\n",
    b"%s",
];

const FLAGS: &[u8] = b"01234567xgXLKSVDMNA\0Qz";

/// Changes an archive in a few places.
fn mutate(tar: &mut Vec<u8>, random: &mut Random, corpus: &[Vec<u8>]) {
    for _ in 0..=random.below(4) {
        let n_blocks = (tar.len() / BLOCK).max(1);
        let at = random.below(n_blocks) * BLOCK;
        let block = at..(at + BLOCK).min(tar.len());
        match random.below(11) {
            0 if !tar.is_empty() => {
                let position = random.below(tar.len());
                tar[position] ^= 1 << random.below(8);
            }
            1 => put(&mut tar[block], 156, &[*random.pick(FLAGS)]),
            2 | 3 => {
                let (start, length) = *random.pick(&FIELDS);
                let value = random.pick(&VALUES);
                put(&mut tar[block], start, &value[..value.len().min(length)]);
            }
            // A digit of a pax record or of a map.
            4 | 5 => {
                let digits: Vec<usize> =
                    (0..tar.len()).filter(|&n| tar[n].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    tar[*random.pick(&digits)] = *random.pick(b"0123456789-, \n=");
                }
            }
            6 => {
                let copy = tar[block].to_vec();
                tar.splice(at..at, copy);
            }
            7 => drop(tar.drain(block)),
            8 => {
                let other = random.pick(corpus);
                let start = random.below(other.len() / BLOCK) * BLOCK;
                let n = (1 + random.below(4)) * BLOCK;
                let part = other[start..(start + n).min(other.len())].to_vec();
                tar.splice(at..at, part);
            }
            9 if random.below(4) == 0 => tar.truncate(random.below(tar.len() + 1)),
            _ => {
                let (start, byte) = (random.below(BLOCK), random.byte());
                put(&mut tar[block], start, &[byte]);
            }
        }
    }
    if random.below(8) > 0 {
        mend(tar);
    }
}

fn put(block: &mut [u8], start: usize, value: &[u8]) {
    for (byte, new) in block.iter_mut().skip(start).zip(value) {
        *byte = *new;
    }
}

/// Gives every block that looks like a header the right checksum.
fn mend(tar: &mut [u8]) {
    for block in tar.chunks_exact_mut(BLOCK) {
        if block[257..262] == *b"ustar" {
            fix_checksum(block);
        }
    }
}

/// Packs an archive in one of the ways there are, at times with an error.
fn packed(tar: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(4) {
        0 | 1 => return tar.to_vec(),
        2 => gzip(tar),
        _ => tar.chunks(1 + random.below(4000)).flat_map(gzip).collect(),
    };
    match random.below(6) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 if !bytes.is_empty() => {
            let position = random.below(bytes.len());
            bytes[position] ^= 1 << random.below(8);
        }
        2 => bytes.extend((0..random.below(40)).map(|_| random.byte())),
        _ => {}
    }
    bytes
}

/// Lists, verifies and restores one archive, and compares what they say.
fn check(bytes: &[u8], restores: bool) {
    let fixture = Fixture::new();
    let archive = fixture.path("archive");
    write(&archive, bytes);
    let mut entries = Vec::new();
    let listed = list(&archive, &[], &Cancel::new(), &mut |event| {
        if let ListEvent::Entry(entry) = event {
            entries.push(entry.clone());
        }
        true
    });
    let verified = verify(&archive, &Cancel::new(), &mut |_| {});
    assert_eq!(sort(&listed), sort(&verified));
    if let Ok(verified) = &verified {
        assert_eq!(verified.n_entries, entries.len() as u64);
    }
    entries.iter().for_each(expect_sound);
    if verified.is_err() {
        let surveyed = survey(&archive, None, &Cancel::new(), &mut |_| {});
        assert_ne!(sort(&surveyed), "something else");
    }
    if restores {
        let listed = listed.map(|()| entries.len());
        check_restore(&fixture, &archive, sort(&listed));
    }
}

/// Says how something ended.
fn sort<T>(result: &Result<T, ArchiveError>) -> &'static str {
    match result {
        Ok(_) => "whole",
        Err(ArchiveError::Damaged { .. }) => "damaged",
        Err(ArchiveError::NotAnArchive { .. }) => "no archive",
        Err(_) => "something else",
    }
}

/// Says how a restore ended, which does not stop at damage.
fn sort_restored(result: &Result<RestoreSummary, ArchiveError>) -> &'static str {
    match result {
        Ok(summary) if summary.damage.is_some() => "damaged",
        result => sort(result),
    }
}

fn expect_sound(entry: &Entry) {
    let mut end = 0;
    for extent in entry.extents.iter().flatten() {
        assert!(end <= extent.start && extent.start < extent.end && extent.end <= entry.size);
        end = extent.end;
    }
    assert!(entry.mtime.nanoseconds < 1_000_000_000);
}

fn check_restore(fixture: &Fixture, archive: &Path, listed: &'static str) {
    write(&fixture.path("victim"), b"untouched");
    fs::create_dir(fixture.path("to")).unwrap();
    let before = outside(fixture);
    let restored = |name: &str, lookup| {
        let folder = fixture.path(name);
        let options = RestoreOptions { lookup, ..restore_options(archive, &folder) };
        let result = restore(&options, &Cancel::new(), &mut |_| {});
        (sort_restored(&result), if folder.exists() { snapshot(&folder) } else { Vec::new() })
    };

    let by_kernel = restored("to", Lookup::Kernel);
    let by_components = restored("to/again", Lookup::Components);

    assert_eq!(outside(fixture), before);
    expect_nothing_temporary(&fixture.path("to"));
    assert_eq!(by_kernel.0, listed);
    assert_eq!(by_components.0, listed);
    let plain = |(_, all): &(_, Vec<(std::path::PathBuf, String)>)| {
        // Not the root itself: what the archive does not say about it differs from run to run.
        all.iter().skip(1).map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(plain(&by_kernel), plain(&by_components));
}

fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Makes archives from seeds and checks each: for as long as `DEVOPS_FUZZ_SECONDS` says, else `n_rounds`.
#[allow(clippy::print_stderr, reason = "it says with which seed to go on")]
fn fuzz<T>(n_rounds: u64, make: impl Fn(&mut Random) -> (Vec<u8>, T), check: impl Fn(&[u8], T)) {
    let first = variable("DEVOPS_FUZZ_SEED").unwrap_or(0);
    let until = variable("DEVOPS_FUZZ_SECONDS")
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut seed = first;
    loop {
        let is_over = until.map_or(seed - first >= n_rounds, |until| Instant::now() >= until);
        if is_over {
            break;
        }
        let (bytes, more) = make(&mut Random::new(seed));
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&bytes, more)));
        if let Err(panic) = outcome {
            let kept = env::temp_dir().join(format!("devops-fuzz-{seed}"));
            write(&kept, &bytes);
            eprintln!("DEVOPS_FUZZ_SEED={seed} fails; its archive is {}", kept.display());
            resume_unwind(panic);
        }
        assert!(peak_memory() < MAX_MEMORY, "DEVOPS_FUZZ_SEED={seed} takes too much memory");
        seed += 1;
    }
    if until.is_some() {
        eprintln!("{} archives, {} MiB at most", seed - first, peak_memory() >> 10);
    }
}

#[test]
fn mutated_archives_do_no_harm() {
    let corpus = corpus();
    fuzz(
        ROUNDS,
        |random| {
            let mut tar = random.pick(&corpus).clone();
            mutate(&mut tar, random, &corpus);
            let bytes = packed(&tar, random);
            (bytes, random.below(4) == 0)
        },
        check,
    );
}
