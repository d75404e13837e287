//! A folder of many archives: which it holds, and in which of them one file is.

use std::fs;

use anyhow::{Context, Result};

use super::{Lab, memory::many_files, works::OURS};
use crate::{
    rounds::{Candidate, Results},
    table,
};

const N_ARCHIVES: usize = 400;
const N_FILES: usize = 20_000;

/// The works of this module.
pub(super) const LIST: &str = "400 archives, list";
pub(super) const FIND: &str = "400 archives, find, cold";

/// Lists the archives from a warm cache, and finds one file with a cold one, which needs root.
pub(super) fn measure(lab: &Lab, results: &mut Results) -> Result<()> {
    lab.place.empty("records")?;
    let tree = lab.place.path("records");
    many_files(&tree, N_FILES)?;
    lab.place.settle()?;
    let archive = lab.back_up(&tree, "folder")?;
    let folder = archive.parent().expect("an archive is in a folder");
    for n in 0..N_ARCHIVES - 1 {
        let (year, month, day) = (n / 336, n / 28 % 12 + 1, n % 28 + 1);
        let copy = folder.join(format!("backup-200{year}-{month:02}-{day:02}.tar.gz"));
        fs::copy(&archive, &copy).with_context(|| copy.display().to_string())?;
    }
    let list = Candidate::new(OURS, lab.tool([&"list", &folder]));
    table::print(LIST, results.measure(LIST, &lab.place, &[list], lab.n_rounds)?);
    if rustix::process::geteuid().is_root() {
        let drop_caches = ["sh", "-c", "sync && echo 3 > /proc/sys/vm/drop_caches"];
        let find = lab.tool([&"find", &folder, &"record-012345.json"]);
        let find = Candidate::new(OURS, find).after(|| lab.place.prepare(&drop_caches, &[]));
        table::print(FIND, results.measure(FIND, &lab.place, &[find], lab.n_rounds)?);
    } else {
        println!("\n({FIND} is left out: only root drops caches)");
    }
    ["records", "folder"].into_iter().try_for_each(|name| lab.place.remove(name))
}
