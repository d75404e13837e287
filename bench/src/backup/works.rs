//! Each piece of work: who does it, with which command, from which state.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{lab::Lab, peers::Repository};
use crate::{
    archives::keep_only,
    change::{self, Changed},
    rounds::{Candidate, Results},
    table,
};

pub(super) const OURS: &str = "devops-backup";
pub(super) const OURS_STDOUT: &str = "devops-backup to stdout, no fsync";
pub(super) const PIGZ_6: &str = "tar | pigz -6 -p 2";
pub(super) const PIGZ_1: &str = "tar | pigz -1 -p 2";
pub(super) const TAR_LIST: &str = "tar tzf";
pub(super) const TAR_EXTRACT: &str = "tar xzf";

/// About the median of the files that people ask for.
const TYPICAL_FILE: u64 = 20_000;

fn measure(
    lab: &Lab,
    results: &mut Results,
    (work, title): (&'static str, &str),
    candidates: &[Candidate<'_>],
) -> Result<()> {
    println!("\n... {title}: {} candidates, {} rounds", candidates.len(), lab.n_rounds);
    let rows = results.measure(work, &lab.place, candidates, lab.n_rounds)?;
    table::print(title, rows);
    Ok(())
}

/// The first backup, at the default level of each tool.
pub(super) fn create(lab: &Lab, results: &mut Results) -> Result<()> {
    let tree = lab.tree.display();
    let out = lab.place.path("peer.tar.gz");
    let shown = out.display();
    let mut candidates = ours(lab, None);
    candidates.extend(pigz(lab, PIGZ_6, 6));
    if lab.installed.has("gzip") {
        let gzip = format!("tar -C {tree} -cf - . | gzip > {shown}");
        candidates.push(Candidate::pipeline("tar | gzip", &gzip).makes(&out));
    }
    if lab.installed.has("bsdtar") {
        let pack = ["bsdtar", "-C", &tree.to_string(), "-czf", &shown.to_string(), "."];
        candidates.push(Candidate::new("bsdtar czf", pack).makes(&out));
    }
    if lab.installed.has("python3") {
        let base = shown.to_string().replace(".tar.gz", "");
        let script = format!("import shutil; shutil.make_archive('{base}', 'gztar', '{tree}')");
        candidates.push(Candidate::new("shutil", ["python3", "-c", &script]).makes(&out));
    }
    for peer in Repository::installed(lab) {
        candidates.push(peer.create(lab, &lab.tree).after(move || peer.init(lab)));
    }
    measure(lab, results, ("create", "Create"), &candidates)
}

/// The first backup where speed matters more than size.
pub(super) fn fast(lab: &Lab, results: &mut Results) -> Result<()> {
    let mut candidates = ours(lab, Some("fast"));
    candidates.extend(pigz(lab, PIGZ_1, 1));
    measure(lab, results, ("fast", "Create, fast"), &candidates)
}

/// The tool into a folder, and to a pipe: the one syncs what it wrote, the other leaves that to the reader.
fn ours<'a>(lab: &'a Lab, level: Option<&str>) -> Vec<Candidate<'a>> {
    let (dest, out) = (lab.place.path("dest"), lab.place.path("stdout.tar.gz"));
    let mut to_folder = lab.tool([&"create", &lab.tree, &dest]);
    let mut to_stdout = lab.tool([&"create", &lab.tree, &"-"]);
    for argv in [&mut to_folder, &mut to_stdout] {
        argv.extend(level.into_iter().flat_map(|level| ["--level".into(), level.into()]));
    }
    let fresh = Candidate::new(OURS, to_folder).makes(&dest).after(|| lab.place.remove("dest"));
    vec![fresh, Candidate::new(OURS_STDOUT, to_stdout).writes(&out)]
}

fn pigz<'a>(lab: &Lab, who: &str, level: u8) -> Vec<Candidate<'a>> {
    if !lab.installed.has("pigz") {
        return Vec::new();
    }
    let out = lab.place.path("pigz.tar.gz");
    let (tree, shown) = (lab.tree.display(), out.display());
    let script = format!("tar -C {tree} -cf - . | pigz -{level} -p 2 > {shown}");
    let synced = format!("{script} && sync {shown}");
    vec![
        Candidate::pipeline(who, &script).makes(&out),
        Candidate::pipeline(&format!("{who}, then sync"), &synced).makes(&out),
    ]
}

/// A second backup where nothing has changed.
pub(super) fn again(lab: &Lab, results: &mut Results) -> Result<()> {
    second(lab, results, ("again", "Second run, nothing changed"), None)
}

/// A second backup where one byte in a hundred has changed, in one folder.
pub(super) fn changed_bytes(lab: &Lab, results: &mut Results) -> Result<()> {
    let change: &Change = &|tree| change::bytes_in_one_folder(tree);
    second(
        lab,
        results,
        ("bytes", "Second run, 1 % of the bytes changed in one folder"),
        Some(change),
    )
}

/// A second backup where one file in a hundred has changed, anywhere.
pub(super) fn changed_files(lab: &Lab, results: &mut Results) -> Result<()> {
    let change: &Change = &|tree| change::files_at_random(tree, lab.seed);
    second(lab, results, ("files", "Second run, 1 % of the files changed at random"), Some(change))
}

type Change<'a> = dyn Fn(&Path) -> Result<Changed> + 'a;

/// Makes a first backup with each tool, changes a copy of the tree if asked, and measures the second;
/// every round starts from the same first backup.
fn second(
    lab: &Lab,
    results: &mut Results,
    title: (&'static str, &str),
    change: Option<&Change<'_>>,
) -> Result<()> {
    let copy = lab.place.path("changed");
    let tree = if change.is_some() { &copy } else { &lab.tree };
    if change.is_some() {
        lab.place.copy(&lab.tree, "changed")?;
        lab.place.settle()?;
    }
    let base = lab.back_up(tree, "second")?;
    let mut peers = Vec::new();
    for peer in Repository::installed(lab) {
        peers.push((peer, peer.base(lab, tree)?));
    }
    if let Some(change) = change {
        let Changed { n_files, n_bytes, folder } = change(tree)?;
        println!("\nChanged {n_bytes} bytes in {n_files} files below {}", folder.display());
    }
    let folder = base.parent().expect("an archive is in a folder");
    let argv = lab.tool([&"create", tree, &folder]);
    let mut candidates = vec![Candidate::new(OURS, argv).after(|| keep_only(&base))];
    for (peer, kept) in &peers {
        let back = move || lab.place.copy(kept, &peer.state());
        candidates.push(peer.create(lab, tree).after(back));
    }
    measure(lab, results, title, &candidates)?;
    drop(candidates);
    lab.place.remove("changed")
}

/// Listing all entries.
pub(super) fn list(lab: &Lab, results: &mut Results) -> Result<()> {
    let archive = lab.archive()?;
    let shown = archive.display().to_string();
    let mut candidates = vec![
        Candidate::new(OURS, lab.tool([&"list", &archive])),
        Candidate::new(TAR_LIST, ["tar", "-tzf", &shown]),
    ];
    if lab.installed.has("bsdtar") {
        candidates.push(Candidate::new("bsdtar tzf", ["bsdtar", "-tzf", &shown]));
    }
    for peer in Repository::installed(lab) {
        peer.base(lab, &lab.tree)?;
        candidates.push(peer.list(lab));
    }
    measure(lab, results, ("list", "List"), &candidates)
}

/// Getting one file back.
pub(super) fn one(lab: &Lab, results: &mut Results) -> Result<()> {
    let archive = lab.archive()?;
    let file = change::typical_file(&lab.tree, TYPICAL_FILE)?;
    let name = file.to_str().context("the file has a UTF-8 name")?;
    let (shown, out) = (archive.display().to_string(), lab.place.path("out"));
    let extract = |who, first: &[&str]| {
        let argv =
            [first, &["-xzf", &shown, "-C", out.to_str().unwrap_or_default(), name]].concat();
        Candidate::new(who, argv).after(|| lab.place.empty("out"))
    };
    let restore = lab.tool([&"restore", &archive, &file, &"--to", &out]);
    let mut candidates = vec![
        Candidate::new(OURS, restore).after(|| lab.place.empty("out")),
        extract(TAR_EXTRACT, &["tar"]),
        extract("tar xzf --occurrence", &["tar", "--occurrence"]),
    ];
    for peer in Repository::installed(lab) {
        peer.base(lab, &lab.tree)?;
        candidates.push(peer.one(lab, name, &lab.place.path("one")));
    }
    measure(lab, results, ("one", "Restore one file"), &candidates)
}

/// Getting everything back.
pub(super) fn restore(lab: &Lab, results: &mut Results) -> Result<()> {
    // A run that was ended may have left some.
    lab.remove_aside()?;
    let archive = lab.archive()?;
    let out = lab.place.path("out");
    let (shown, to) = (archive.display().to_string(), out.display().to_string());
    let fresh = || lab.set_aside("out");
    let ours = lab.tool([&"restore", &archive, &"--to", &out]);
    let mut candidates = vec![
        Candidate::new(OURS, ours).after(fresh),
        Candidate::new(TAR_EXTRACT, ["tar", "-xzf", &shown, "-C", &to]).after(fresh),
    ];
    if lab.installed.has("pigz") {
        let script = format!("pigz -dc {shown} | tar -C {to} -xf -");
        candidates.push(Candidate::pipeline("pigz -dc | tar x", &script).after(fresh));
    }
    if lab.installed.has("bsdtar") {
        let argv = ["bsdtar", "-xzf", &shown, "-C", &to];
        candidates.push(Candidate::new("bsdtar xzf", argv).after(fresh));
    }
    for peer in Repository::installed(lab) {
        peer.base(lab, &lab.tree)?;
        candidates.push(peer.restore(lab, &out).after(fresh));
    }
    measure(lab, results, ("restore", "Restore everything"), &candidates)?;
    same_content(lab)?;
    lab.remove_aside()
}

/// A fast restore that is not right is worth nothing: the last word is with `diff`.
fn same_content(lab: &Lab) -> Result<()> {
    lab.place.remove("out")?;
    let (archive, out) = (lab.archive()?, lab.place.path("out"));
    let argv = lab.tool([&"restore", &archive, &"--to", &out]);
    let restored = lab.place.command(&argv).output()?;
    ensure!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let mut diff = lab.place.command(&["diff", "-r", "--no-dereference"]);
    let differs = diff.arg(&lab.tree).arg(&out).output()?;
    ensure!(differs.status.success(), "{}", String::from_utf8_lossy(&differs.stdout));
    lab.place.remove("out")
}

/// Proving that the archive is whole.
pub(super) fn verify(lab: &Lab, results: &mut Results) -> Result<()> {
    let archive = lab.archive()?;
    let shown = archive.display().to_string();
    let mut candidates = vec![
        Candidate::new(OURS, lab.tool([&"verify", &archive])),
        Candidate::new("gzip -t", ["gzip", "-t", &shown]),
    ];
    if lab.installed.has("pigz") {
        candidates.push(Candidate::new("pigz -t", ["pigz", "-t", &shown]));
    }
    for peer in Repository::installed(lab) {
        peer.base(lab, &lab.tree)?;
        candidates.push(peer.verify(lab));
    }
    measure(lab, results, ("verify", "Verify"), &candidates)
}
