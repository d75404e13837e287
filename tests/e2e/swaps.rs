//! Tools that run as root in a folder whose owner swaps what is in it for links, over and over.
//!
//! The links lead to files and folders outside. None of those may be read into a copy, written or removed.
//! Each test lasts [`seconds`], and until there were [`LEAST_SWAPS`]; `cargo xtask test --long` gives it a minute.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Stdio,
};

use devops_e2e::{Run, TestEnv, outside};
use rustix::process::geteuid;

use crate::s3push::S3TestEnv;

/// Stands in every file outside, and nowhere else.
const SECRET: &str = "of another folder";
/// The number of swaps that a tool has to stand, however slow the machine is.
const LEAST_SWAPS: u64 = 100_000;
/// The user who swaps.
const STRANGER: u32 = 65534;

fn seconds() -> String {
    std::env::var("DEVOPS_SWAP_SECONDS").unwrap_or_else(|_| "10".to_owned())
}

/// Two names in the folder that are swapped, and what the link at the second leads to.
struct Pair {
    name: PathBuf,
    link: PathBuf,
    target: PathBuf,
}

impl Pair {
    /// Puts the link there again, which a tool or a test may have replaced.
    fn renew(&self) {
        put_by_rename(&self.link, |temp| symlink(&self.target, temp).unwrap());
    }
}

/// Makes something under a name of its own, and renames it: no link is followed. A folder in its place stays.
#[allow(clippy::disallowed_methods, reason = "what the stranger does need not be durable")]
fn put_by_rename(place: &Path, make: impl FnOnce(&Path)) {
    let temp = place.with_extension("new");
    make(&temp);
    if fs::rename(&temp, place).is_err() {
        fs::remove_file(&temp).unwrap();
    }
}

/// A folder of a stranger, and one of root outside of it.
struct Scene<'a> {
    env: &'a TestEnv,
    theirs: PathBuf,
    outside: PathBuf,
}

/// The state by which a file is known to be unchanged.
type State = (PathBuf, u32, u32, i64, i64, Vec<u8>);

impl<'a> Scene<'a> {
    /// Makes the folders; nothing where the tests do not run as root.
    fn new(env: &'a TestEnv) -> Option<Self> {
        if !geteuid().is_root() {
            outside::skip("only root can play two users");
            return None;
        }
        let (theirs, outside) = (env.path("theirs"), env.path("outside"));
        for folder in [&theirs, &outside] {
            fs::create_dir(folder).unwrap();
        }
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["f", "a.txt"] {
            env.write(format!("outside/{name}"), SECRET);
        }
        Some(Self { env, theirs, outside })
    }

    /// Puts beside `name` a link to what has the name `target` outside, or to all of it, to swap them.
    fn pair(&self, name: &str, target: &str) -> Pair {
        let link = self.theirs.join(format!(".link-to-{name}"));
        let pair = Pair { name: self.theirs.join(name), link, target: self.outside.join(target) };
        pair.renew();
        pair
    }

    fn outside(&self) -> Vec<State> {
        let mut states: Vec<_> = fs::read_dir(&self.outside)
            .unwrap()
            .map(|entry| state(&entry.unwrap().path()))
            .collect();
        states.sort();
        states
    }

    /// Lets the stranger swap the pairs, and works until the time is over.
    #[allow(clippy::print_stderr, reason = "how many swaps there were is for who runs it by hand")]
    fn attack(&self, pairs: &[Pair], mut work: impl FnMut(usize) -> Run) {
        give_away(&self.theirs);
        let before = self.outside();
        let mut swap = self.env.tool("misbehave");
        swap.args(["swap", &seconds(), &LEAST_SWAPS.to_string()]);
        swap.args(pairs.iter().flat_map(|pair| [&pair.name, &pair.link]));
        swap.uid(STRANGER).gid(STRANGER).stdout(Stdio::piped());
        let mut swapping = swap.spawn().unwrap();
        let mut n_rounds = 0;
        while swapping.try_wait().unwrap().is_none() {
            pairs.iter().for_each(Pair::renew);
            let run = work(n_rounds);
            let is_clean = !run.stderr.contains("report it") && run.code != 70;
            assert!(is_clean, "{}", run.stderr);
            n_rounds += 1;
        }
        let swaps = Run::from(swapping.wait_with_output().unwrap());
        let n_swaps: u64 = swaps.stdout.trim().parse().unwrap();
        eprintln!("{n_swaps} swaps in {n_rounds} rounds");
        assert!(n_swaps >= LEAST_SWAPS && n_rounds > 0, "{n_swaps} swaps in {n_rounds} rounds");
        assert_eq!(self.outside(), before);
    }
}

fn give_away(folder: &Path) {
    let id = Some(STRANGER);
    chown(folder, id, id).unwrap();
}

fn state(path: &Path) -> State {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = fs::read(path).unwrap_or_default();
    let times = (metadata.ctime(), metadata.ctime_nsec());
    (path.to_owned(), metadata.mode(), metadata.uid(), times.0, times.1, content)
}

/// Returns what an archive holds, unpacked.
fn unpacked(env: &TestEnv, archive: &Path) -> String {
    devops_e2e::finish(env.program("gzip").arg("-dc").arg(archive)).stdout
}

#[test]
fn create_stores_nothing_of_another_folder() {
    let env = TestEnv::new();
    let Some(scene) = Scene::new(&env) else { return };
    env.write("theirs/d/f", "theirs");
    env.write("theirs/a.txt", "theirs");
    // Who can swap DEST decides where the archives are, and about nothing that is there.
    let (dests, elsewhere) = (env.path("dests"), env.path("elsewhere"));
    let names = [dests.join("to"), dests.join(".link-to-to")];
    let [name, link] = names.clone();
    fs::create_dir_all(&name).unwrap();
    env.write("elsewhere/f", "of root");
    let dest = Pair { name, link, target: elsewhere.clone() };
    dest.renew();
    give_away(&dests);
    let pairs = [scene.pair("d", ""), scene.pair("a.txt", "a.txt"), dest];

    scene.attack(&pairs, |_| env.run("devops-backup", ["create", "theirs", "dests/to", "--full"]));

    let folders = names.iter().filter(|name| !name.is_symlink()).chain([&elsewhere]);
    let files: Vec<_> = folders
        .flat_map(|folder| devops_e2e::names_in(folder).into_iter().map(|name| folder.join(name)))
        .collect();
    let archives = files.iter().filter(|file| file.extension().is_some_and(|end| end == "gz"));
    assert!(archives.clone().count() > 0, "{files:?}");
    for archive in archives {
        env.run("devops-backup", ["verify", archive.to_str().unwrap()]).expect_code(0);
        assert!(!unpacked(&env, archive).contains(SECRET));
    }
    assert_eq!(fs::read_to_string(elsewhere.join("f")).unwrap(), "of root");
}

#[test]
fn restore_writes_nothing_outside() {
    let env = TestEnv::new();
    let Some(scene) = Scene::new(&env) else { return };
    env.write("source/d/f", "restored");
    env.write("source/a.txt", "restored");
    // Owners come back as well, and the folder must stay the stranger's.
    for folder in ["source", "source/d"] {
        give_away(&env.path(folder));
    }
    env.run("devops-backup", ["create", "source", "archives"]).expect_code(0);
    fs::create_dir(env.path("theirs/d")).unwrap();
    let pairs = [scene.pair("d", ""), scene.pair("a.txt", "a.txt")];

    let mut n_restored = 0;
    scene.attack(&pairs, |_| {
        let restore = ["restore", "archives", "--to", "theirs", "--overwrite", "always"];
        let run = env.run("devops-backup", restore);
        n_restored += u32::from(run.stdout.starts_with("Restored "));
        run
    });
    assert!(n_restored > 0, "nothing was ever restored");
}

#[test]
fn get_writes_nothing_outside() {
    let setting = S3TestEnv::new();
    let Some(scene) = Scene::new(&setting.env) else { return };
    fs::create_dir(scene.theirs.join("d")).unwrap();
    let pairs = [scene.pair("d", ""), scene.pair("a.txt", "a.txt")];

    scene.attack(&pairs, |n_rounds| {
        for key in ["p/d/f", "p/a.txt"] {
            setting.server.put("backups", key, format!("fetched {n_rounds}").as_bytes());
        }
        setting.run(&["get", "s3://backups/p/", "theirs", "--overwrite"])
    });
}

#[test]
fn sync_puts_nothing_of_another_folder() {
    let setting = S3TestEnv::new();
    let Some(scene) = Scene::new(&setting.env) else { return };
    setting.env.write("theirs/d/f", "theirs");
    setting.env.write("theirs/a.txt", "theirs");
    let pairs = [scene.pair("d", ""), scene.pair("a.txt", "a.txt")];

    scene.attack(&pairs, |n_rounds| {
        let run = setting.run(&["sync", "theirs", &format!("s3://backups/{n_rounds}/")]);
        for key in setting.server.keys("backups") {
            assert!(!String::from_utf8_lossy(&setting.object(&key)).contains(SECRET), "{key}");
        }
        run
    });
}

#[test]
fn put_replaces_no_file_outside_by_its_receipt_and_metrics() {
    let setting = S3TestEnv::new();
    let Some(scene) = Scene::new(&setting.env) else { return };
    setting.env.write("file", "content");
    for name in ["f", "a.txt"] {
        setting.env.write(format!("theirs/{name}"), "");
    }
    let pairs = [scene.pair("f", "f"), scene.pair("a.txt", "a.txt")];

    scene.attack(&pairs, |_| {
        let receipts = ["--receipt", "theirs/f", "--metrics-file", "theirs/a.txt", "--overwrite"];
        setting.run(&[&["put", "file", "s3://backups/file"][..], &receipts].concat())
    });
}

#[test]
fn prune_removes_nothing_outside() {
    let env = TestEnv::new();
    let Some(scene) = Scene::new(&env) else { return };
    env.write("source/a.txt", "text");
    let created = env.run("devops-backup", ["create", "source", "archives"]);
    let archive = created.expect_code(0).stdout.trim().rsplit_once(": ").unwrap().1.to_owned();
    let names = [1, 2, 3, 4].map(|day| format!("backup-2026-01-0{day}.tar.gz"));
    for name in &names {
        fs::copy(env.path(&archive), scene.outside.join(name)).unwrap();
    }
    let lock = scene.pair(".devops.lock", "f");
    let pairs = [scene.pair(&names[0], &names[0]), scene.pair(&names[3], &names[3]), lock];

    scene.attack(&pairs, |_| {
        for name in &names {
            put_by_rename(&scene.theirs.join(name), |temp| {
                fs::copy(env.path(&archive), temp).unwrap();
            });
        }
        env.run("devops-backup", ["prune", "theirs", "--keep-last", "1"])
    });
}
