//! Peak memory where programs lose their measure: very many files, one very large file.

use std::{fs::File, path::Path};

use anyhow::{Context, Result};

use super::{Lab, works::OURS};
use crate::{
    change,
    rounds::{Candidate, Results},
    table,
    tree::{self, Kind},
};

const N_MANY: usize = 100_000;
const LARGE: u64 = 5 << 30;
/// What a dense large file needs: itself, its archive, and itself restored.
const ROOM: u64 = 3 * LARGE;

/// The works of this module.
pub(super) const MANY: &str = "100,000 files";
pub(super) const SPARSE: &str = "5 GiB, sparse";
pub(super) const DENSE: &str = "5 GiB, dense";

/// Measures each once: a peak does not vary as a time does.
pub(super) fn measure(lab: &Lab, results: &mut Results) -> Result<()> {
    lab.place.empty("memory")?;
    many_files(&lab.place.path("memory"), N_MANY)?;
    all_commands(lab, results, MANY)?;

    lab.place.empty("memory")?;
    change::sparse_file(&lab.place.path("memory/sparse"), LARGE)?;
    all_commands(lab, results, SPARSE)?;

    lab.place.empty("memory")?;
    let room = rustix::fs::statvfs(lab.place.path(""))?;
    if room.f_bavail * room.f_frsize < ROOM {
        println!("\n({DENSE} is left out: fewer than {ROOM} bytes are free)");
        return Ok(());
    }
    tree::fill_file(&lab.place.path("memory/dense"), LARGE, Kind::Object, lab.seed)?;
    all_commands(lab, results, DENSE)?;
    lab.place.remove("memory")
}

/// Makes many small files in a folder.
pub(super) fn many_files(folder: &Path, n_files: usize) -> Result<()> {
    for n in 0..n_files {
        let path = folder.join(format!("record-{n:06}.json"));
        let mut file = File::create(&path).with_context(|| path.display().to_string())?;
        std::io::Write::write_all(&mut file, format!("{{\"n\": {n}}}\n").as_bytes())?;
    }
    Ok(())
}

fn all_commands(lab: &Lab, results: &mut Results, work: &'static str) -> Result<()> {
    lab.place.settle()?;
    let tree = lab.place.path("memory");
    let archive = lab.back_up(&tree, "memory-archive")?;
    let out = lab.place.path("out");
    let folder = archive.parent().expect("an archive is in a folder");
    let dest = lab.place.path("dest");
    let create = lab.tool([&"create", &tree, &dest]);
    let name = |what: &str| format!("{OURS} {what}");
    let candidates = [
        Candidate::new(&name("create"), create).makes(&dest).after(|| lab.place.remove("dest")),
        Candidate::new(&name("create again"), lab.tool([&"create", &tree, &folder])),
        Candidate::new(&name("list"), lab.tool([&"list", &archive])),
        Candidate::new(&name("verify"), lab.tool([&"verify", &archive])),
        Candidate::new(&name("restore"), lab.tool([&"restore", &archive, &"--to", &out]))
            .after(|| lab.place.empty("out")),
    ];
    let rows = results.measure(work, &lab.place, &candidates, 1)?;
    table::print(work, rows);
    for name in ["out", "dest", "memory-archive"] {
        lab.place.remove(name)?;
    }
    Ok(())
}
