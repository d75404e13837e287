//! Where the files of a home stand: projects and their dependencies, builds, caches, documents, pictures.

use fastrand::Rng;

use super::{
    kind::Kind,
    words::{Words, one_of, zipf},
};

/// Makes paths.
pub(super) struct Places<'a> {
    words: &'a Words,
    /// The person's own work.
    projects: Vec<String>,
    /// What it stands on, by other people.
    packages: Vec<String>,
}

/// As powers of two.
const PROJECTS: u32 = 5;
const PACKAGES: u32 = 7;
/// The packages of one project.
const NEEDED: u32 = 4;
/// The folders below one place.
const FOLDERS: u32 = 4;

impl<'a> Places<'a> {
    pub(super) fn new(seed: u64, words: &'a Words) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x504c_4143);
        let projects = (0..1 << PROJECTS).map(|_| words.noun(&mut rng).to_owned()).collect();
        let packages = (0..1 << PACKAGES)
            .map(|_| format!("{}-{}", words.noun(&mut rng), words.noun(&mut rng)))
            .collect();
        Self { words, projects, packages }
    }

    /// Returns a path for a file of this kind; it may be taken.
    pub(super) fn file(&self, rng: &mut Rng, kind: Kind) -> String {
        match kind {
            Kind::Source => self.source(rng),
            Kind::Prose => self.prose(rng),
            Kind::Records => self.records(rng),
            Kind::Log => {
                let name = self.program(rng);
                format!(".local/state/{name}/{name}.{}.log", rng.u8(..8))
            }
            Kind::Database => {
                let folder = one_of(rng, &[".config", ".mozilla/profile", ".local/share", "data"]);
                format!("{folder}/{}/{}.sqlite", self.program(rng), self.words.noun(rng))
            }
            Kind::Object => self.object(rng),
            Kind::Document => {
                let extension = one_of(rng, &["pdf", "docx", "xlsx", "odt"]);
                format!("Documents/{}/{}.{extension}", rng.u32(2014..2025), self.title(rng))
            }
            Kind::Photo => self.photo(rng),
            Kind::Video => {
                let extension = one_of(rng, &["mp4", "mp3", "webm"]);
                format!("Videos/{}.{extension}", self.title(rng))
            }
            Kind::Archive => self.archive(rng),
            Kind::Loose => {
                let project = &self.projects[zipf(rng, 2)];
                let (first, rest) = (rng.u8(..), rng.u64(..));
                format!("projects/{project}/.git/objects/{first:02x}/{rest:038x}")
            }
            Kind::Setting => {
                format!(".config/{}/{}.conf", self.program(rng), self.words.noun(rng))
            }
            Kind::Empty => {
                let name = one_of(rng, &["__init__.py", ".gitkeep", "py.typed", ".lock"]);
                format!("{}/{}{name}", self.project(rng), self.folders(rng, 4))
            }
        }
    }

    /// Returns a path for a symlink; it may be taken.
    pub(super) fn symlink(&self, rng: &mut Rng) -> String {
        match rng.u8(..4) {
            0 => format!(".local/bin/{}", self.words.noun(rng)),
            _ => format!("{}/node_modules/.bin/{}", self.project(rng), self.words.noun(rng)),
        }
    }

    fn project(&self, rng: &mut Rng) -> String {
        format!("projects/{}", self.projects[zipf(rng, PROJECTS)])
    }

    fn package(&self, rng: &mut Rng) -> &str {
        &self.packages[zipf(rng, PACKAGES)]
    }

    /// Returns the folder of a package in a project; packages bring packages, which bring packages.
    fn needed(&self, rng: &mut Rng) -> String {
        let project = zipf(rng, PROJECTS);
        // A project needs the same packages each time, at the same places.
        let mut rng = Rng::with_seed((project << NEEDED | zipf(rng, NEEDED)) as u64);
        let mut path = format!("projects/{}", self.projects[project]);
        for _ in 0..=zipf(&mut rng, 3) {
            path.push_str("/node_modules/");
            path.push_str(self.package(&mut rng));
        }
        path
    }

    /// Returns one of few folders, up to `most` deep, each part with its slash.
    fn folders(&self, rng: &mut Rng, most: u32) -> String {
        let mut rng = Rng::with_seed(zipf(rng, FOLDERS) as u64);
        let mut path = String::new();
        for _ in 0..rng.u32(..=most) {
            path.push_str(self.words.noun(&mut rng));
            path.push('/');
        }
        path
    }

    /// Returns the name of one of few programs.
    fn program(&self, rng: &mut Rng) -> &str {
        self.words.noun(&mut Rng::with_seed(zipf(rng, FOLDERS) as u64))
    }

    fn source(&self, rng: &mut Rng) -> String {
        let extension = one_of(rng, &["rs", "py", "ts", "js", "c", "h", "go", "java"]);
        let folder = match rng.u8(..20) {
            0..8 => {
                let part = one_of(rng, &["src", "src", "lib", "tests", "examples"]);
                format!("{}/{part}/{}", self.project(rng), self.folders(rng, 4))
            }
            8..15 => {
                let part = one_of(rng, &["", "", "lib/"]);
                format!("{}/{part}", self.needed(rng))
            }
            _ => {
                let package = self.package(rng);
                let (major, minor) = (package.len() % 5, package.len() % 13);
                format!(
                    ".cargo/registry/src/{package}-{major}.{minor}.0/src/{}",
                    self.folders(rng, 1)
                )
            }
        };
        format!("{folder}{}_{}.{extension}", self.words.noun(rng), self.words.noun(rng))
    }

    fn prose(&self, rng: &mut Rng) -> String {
        let extension = one_of(rng, &["md", "txt", "html", "rst"]);
        match rng.u8(..4) {
            0 => format!("Documents/notes/{}.{extension}", self.title(rng)),
            1 => format!("{}/README.{extension}", self.needed(rng)),
            _ => {
                let folders = self.folders(rng, 2);
                format!("{}/docs/{folders}{}.{extension}", self.project(rng), self.words.noun(rng))
            }
        }
    }

    fn records(&self, rng: &mut Rng) -> String {
        let extension = one_of(rng, &["json", "json", "csv", "json"]);
        let name = self.words.noun(rng);
        match rng.u8(..4) {
            0 => format!("data/{}/{name}.{extension}", self.program(rng)),
            1 => format!(".cache/{}/{name}.{extension}", self.program(rng)),
            _ => format!("{}/{name}.{extension}", self.needed(rng)),
        }
    }

    fn object(&self, rng: &mut Rng) -> String {
        let id = rng.u64(..);
        let name = self.words.noun(rng);
        match rng.u8(..8) {
            0 => format!(".local/lib/lib{name}.so.{}", rng.u8(..9)),
            1 => format!(".local/bin/{name}"),
            2..4 => format!("{}/build/{}{name}.o", self.project(rng), self.folders(rng, 2)),
            _ => format!("{}/target/debug/deps/{name}-{id:016x}.rlib", self.project(rng)),
        }
    }

    fn photo(&self, rng: &mut Rng) -> String {
        match rng.u8(..3) {
            0 => format!("{}/assets/{}.png", self.project(rng), self.words.noun(rng)),
            1 => format!(".cache/thumbnails/large/{:016x}.png", rng.u64(..)),
            _ => {
                let (year, month) = (rng.u32(2014..2025), rng.u32(1..=12));
                format!("Pictures/{year}/{month:02}/IMG_{:05}.jpg", rng.u32(..100_000))
            }
        }
    }

    fn archive(&self, rng: &mut Rng) -> String {
        match rng.u8(..3) {
            0 => format!("Downloads/{}.zip", self.title(rng)),
            1 => {
                format!(".cache/pip/{}-{}.whl", self.words.noun(rng), rng.u32(..100))
            }
            _ => {
                let (one, two) = (rng.u64(..), rng.u64(..));
                format!("{}/.git/objects/pack/pack-{one:016x}{two:016x}.pack", self.project(rng))
            }
        }
    }

    /// Returns a name as people give them, with spaces and letters beyond ASCII.
    fn title(&self, rng: &mut Rng) -> String {
        let n_words = 1 + zipf(rng, 3);
        let mut title: Vec<_> = (0..n_words).map(|_| self.words.noun(rng)).collect();
        if rng.u8(..8) == 0 {
            title.push(one_of(rng, &["für später", "café", "(2)", "копия", "第二版"]));
        }
        title.join(" ")
    }
}
