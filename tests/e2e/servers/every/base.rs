//! The archive of the second day, made of the one before.

use std::{fs, path::PathBuf};

use crate::servers::{
    rig::{MIB, Rig, bytes, event},
    traits::{Traits, note, traits},
};

/// Makes the archive of a day, in which only the diary is new.
fn archive(rig: &Rig, day: u32) -> PathBuf {
    rig.env.write("home/diary.txt", bytes(MIB + day as usize));
    rig.env.run("devops-backup", ["create", "home", "made"]).expect_code(0);
    let made = fs::read_dir(rig.env.path("made")).unwrap().next().unwrap().unwrap().path();
    let path = rig.env.write(format!("home-2026-11-{day:02}.tar.gz"), fs::read(&made).unwrap());
    fs::remove_file(made).unwrap();
    path
}

#[test]
fn the_next_archive_is_copied_from_the_one_before_whether_doctor_was_there_or_not() {
    for with_doctor in [false, true] {
        let rig = Rig::new();
        if with_doctor {
            rig.run(&["doctor", &rig.uri("")]).expect_code(0);
        }
        let Traits { proofs: [_, best], compares, .. } = traits();
        // What was seen to compare nothing is not believed either.
        let is_believed = *compares || !with_doctor || *best != "full";
        copies_what_both_have(&rig, if is_believed { best } else { "etag" });
    }
}

fn copies_what_both_have(rig: &Rig, proof: &str) {
    for n in 0..6 {
        rig.env.write(format!("home/{n}.bin"), bytes((5 * MIB) + n));
    }
    let (first, second) = (archive(rig, 1), archive(rig, 2));
    let target = rig.uri("laptop/");
    rig.run(&["put", first.to_str().unwrap(), &target]).expect_code(0);

    let run = rig.run(&["put", second.to_str().unwrap(), &target, "--json"]);

    run.expect_code(0);
    let object = event(&run, "object");
    let (sent, copied) = (&object["bytes_sent"], &object["bytes_copied"]);
    let (sent, copied) = (sent.as_u64().unwrap(), copied.as_u64().unwrap());
    let size = second.metadata().unwrap().len();
    assert_eq!(sent + copied, size);
    if traits().copies == Some(false) {
        assert_eq!(copied, 0);
        note("base", "all is sent");
    } else {
        assert!(copied > size / 2, "{copied} of {size}: {}", run.stdout);
    }
    assert_eq!(object["proof"], proof);
    rig.check("laptop/home-2026-11-01.tar.gz", &fs::read(first).unwrap());
    rig.check("laptop/home-2026-11-02.tar.gz", &fs::read(second).unwrap());
    assert!(rig.uploads().is_empty());
}
