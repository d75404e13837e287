//! Mutated indexes behind a sound tar, with every hash mended: whatever an index says, it is believed
//! only where the tar agrees.

use std::{fs, io::Read, ops::Range};

use devops_core::{
    archive::{CreateOptions, list, restore, verify, verify_sample},
    cancel::Cancel,
    clock::FixedClock,
};
use flate2::{Compression, read::DeflateDecoder, read::DeflateEncoder};
use time::Duration;

use super::{Random, fuzz, sort, sort_restored};
use crate::archive::fixture::{Fixture, START, entries, restore_options, snapshot, write};

/// The bytes around a subfield: before it, behind it.
const AROUND: (usize, usize) = (16, 10);
const FOOTER: usize = 126;
const MAX_SUBFIELD: usize = 16_380;

/// An archive of ours in parts.
struct Parts {
    member: Vec<u8>,
    /// The index, not compressed.
    index: Vec<u8>,
    /// The body of the footer, without its hash.
    footer: Vec<u8>,
}

impl Parts {
    fn of(archive: &[u8]) -> Self {
        let at = archive.len() - FOOTER;
        let footer = archive[at + AROUND.0..at + FOOTER - AROUND.1 - 16].to_vec();
        let start = usize::try_from(u64::from_le_bytes(footer[4..12].try_into().unwrap())).unwrap();
        let mut packed = Vec::new();
        let mut rest = &archive[start..at];
        while !rest.is_empty() {
            let n = usize::from(u16::from_le_bytes(rest[14..16].try_into().unwrap()));
            packed.extend(&rest[AROUND.0..][..n]);
            rest = &rest[AROUND.0 + n + AROUND.1..];
        }
        let mut index = Vec::new();
        DeflateDecoder::new(packed.as_slice()).read_to_end(&mut index).unwrap();
        Self { member: archive[..start].to_vec(), index, footer }
    }

    /// Joins them again; the lengths and hashes in the footer are right.
    fn joined(mut self) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut encoder = DeflateEncoder::new(self.index.as_slice(), Compression::fast());
        encoder.read_to_end(&mut packed).unwrap();
        let put = |footer: &mut Vec<u8>, range: Range<usize>, bytes: &[u8]| {
            footer[range].copy_from_slice(bytes);
        };
        put(&mut self.footer, 4..12, &(self.member.len() as u64).to_le_bytes());
        put(&mut self.footer, 12..20, &(packed.len() as u64).to_le_bytes());
        put(&mut self.footer, 20..28, &(self.index.len() as u64).to_le_bytes());
        put(&mut self.footer, 52..84, blake3::hash(&packed).as_bytes());
        let hash = blake3::hash(&self.footer);
        self.footer.extend(&hash.as_bytes()[..16]);
        let mut archive = self.member;
        for chunk in packed.chunks(MAX_SUBFIELD) {
            push_member(&mut archive, *b"DI", chunk);
        }
        push_member(&mut archive, *b"DF", &self.footer);
        archive
    }
}

fn push_member(archive: &mut Vec<u8>, id: [u8; 2], body: &[u8]) {
    let n = u16::try_from(body.len()).unwrap();
    archive.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
    archive.extend((n + 4).to_le_bytes());
    archive.extend(id);
    archive.extend(n.to_le_bytes());
    archive.extend(body);
    archive.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// Changes an index in a few places, and at times what the footer says of it.
fn mutate(parts: &mut Parts, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(parts.index.len());
        match random.below(6) {
            0 => parts.index[at] ^= 1 << random.below(8),
            1 => parts.index[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            2 => {
                let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
                parts.index.splice(at..at, huge);
            }
            3 => {
                let end = (at + 1 + random.below(60)).min(parts.index.len());
                let copy = parts.index[at..end].to_vec();
                parts.index.splice(at..at, copy);
            }
            4 => {
                let end = (at + 1 + random.below(60)).min(parts.index.len());
                parts.index.drain(at..end);
            }
            _ => {
                // Numbers of segments, of entries, of bytes.
                let number = 28 + 8 * random.below(3);
                let byte = random.below(8);
                parts.footer[number + byte] = random.byte();
            }
        }
        if parts.index.is_empty() {
            parts.index.push(0);
        }
    }
}

/// Demands that an archive found whole is what its tar says, and that nothing at all panics.
fn check(sound: &Fixture, member: &[u8], bytes: &[u8]) {
    let fixture = Fixture::new();
    fs::create_dir(&fixture.dest).unwrap();
    let archive = fixture.dest.join("backup-2026-11-22.tar.gz");
    write(&archive, bytes);
    let listed = list(&archive, &[], &Cancel::new(), &mut |_| true);
    let folder = fixture.path("back");
    let restored = restore(&restore_options(&archive, &folder), &Cancel::new(), &mut |_| {});
    if verify(&archive, &Cancel::new(), &mut |_| {}).is_ok() {
        assert_eq!((sort(&listed), sort_restored(&restored)), ("whole", "whole"));
        assert_eq!(snapshot(&folder), snapshot(&sound.source));
        let plain = fixture.path("plain");
        write(&plain, member);
        let paths =
            |path: &_| entries(path).into_iter().map(|entry| entry.path).collect::<Vec<_>>();
        assert_eq!(paths(&archive), paths(&plain));
    }
    // Whoever can write such an index can spoil what is copied from it; still nothing panics.
    let clock = FixedClock(START + Duration::hours(30));
    let options = CreateOptions { clock: &clock, source: &sound.source, ..fixture.options() };
    let _created = fixture.create_with(&options);
}

#[test]
fn mutated_indexes_do_no_harm() {
    let fixture = Fixture::new();
    fixture.write("a/small", b"small");
    fixture.write("a/other", &[7; 5000]);
    let noise: Vec<u8> =
        (0..2_300_000_u32).map(|n| (n.wrapping_mul(n) >> 9).to_le_bytes()[0]).collect();
    fixture.write("large", &noise);
    fs::hard_link(fixture.source.join("a/small"), fixture.source.join("link")).unwrap();
    let archive = fs::read(fixture.create().path).unwrap();
    let member = Parts::of(&archive).member;
    let baseline = Parts::of(&archive).joined();
    check(&fixture, &member, &baseline);
    let path = fixture.path("baseline");
    write(&path, &baseline);
    let sampled = verify_sample(&path, 1.0, &Cancel::new()).unwrap();
    assert!(sampled.is_some(), "what is mutated here is an index");

    fuzz(
        40,
        |random| {
            let mut parts = Parts::of(&archive);
            mutate(&mut parts, random);
            let bytes = parts.joined();
            (bytes, ())
        },
        |bytes, ()| check(&fixture, &member, bytes),
    );
}
