//! The order of rooms: which may import which, in one place.

use super::{findings::Findings, imports::Graph, sources::Source};

/// A folder whose rooms have an order.
struct Area {
    folder: &'static str,
    /// The rooms, from the ground up. A room imports from layers below its own; only on the ground
    /// rooms import each other.
    layers: &'static [&'static [&'static str]],
}

const AREAS: [Area; 3] = [
    Area {
        folder: "crates/devops-core/src",
        layers: &[
            &[
                "kind",
                "cancel",
                "clock",
                "exposition",
                "fs",
                "http",
                "limits",
                "lock",
                "owners",
                "roots",
                "secret",
                "terminal",
                "units",
            ],
            &["retention", "archive_index", "verdicts"],
            &["archive", "s3", "process", "metrics"],
            &["lessons", "offsite", "profile", "terraform"],
        ],
    },
    Area {
        folder: "crates/devops-core/src/s3",
        layers: &[
            &["object"],
            &["plan"],
            &["error"],
            &["store"],
            &["request"],
            &["upload"],
            &["download"],
            &["verify"],
            &["maintain"],
            &["sync"],
            &["doctor", "metrics_file"],
        ],
    },
    Area {
        folder: "crates/devops-core/src/archive",
        layers: &[
            &["error"],
            &["format"],
            &["scan"],
            &["options", "event"],
            &["read"],
            &["write"],
            &["restore"],
            &["folder", "prune"],
        ],
    },
];

impl Area {
    /// Returns the room of a file and its layer; `None` for a file outside, and for the one that opens the area.
    fn room<'a>(&self, file: &'a str) -> Option<(&'a str, Option<usize>)> {
        let inside = file.strip_prefix(self.folder)?.strip_prefix('/')?;
        let room = inside.split('/').next()?;
        let room = room.strip_suffix(".rs").unwrap_or(room);
        (room != "lib").then(|| (room, self.layers.iter().position(|layer| layer.contains(&room))))
    }

    /// Returns the line by which a document shows the order.
    fn line(&self) -> String {
        let layers: Vec<String> = self.layers.iter().map(|layer| layer.join(", ")).collect();
        format!("`{}`: {}", self.folder, layers.join(" < "))
    }

    fn allows(from: (&str, usize), to: (&str, usize)) -> bool {
        from.0 == to.0 || to.1 < from.1 || (to.1 == 0 && from.1 == 0)
    }
}

/// Finds files that import each other in a circle: neither can be read, tested or moved alone.
pub(crate) fn check_circles(files: &[Source], graph: &Graph, findings: &mut Findings) {
    for circle in graph.circles() {
        let mut text = format!("import circle of {} files:", circle.len());
        for file in &circle {
            for (other, taken) in &graph.imports[*file] {
                if circle.contains(other) {
                    let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
                    let (from, to) = (&files[*file].name, &files[*other].name);
                    text.extend(["\n    ", from, " takes ", &taken.join(", "), " from ", to]);
                }
            }
        }
        findings.error(text);
    }
}

/// Finds imports against the order of rooms, and rooms without a place in it.
pub(crate) fn check_order(files: &[Source], graph: &Graph, findings: &mut Findings) {
    for area in &AREAS {
        for (place, file) in files.iter().enumerate().filter(|(_, file)| !file.is_test()) {
            let Some((room, layer)) = area.room(&file.name) else { continue };
            let Some(layer) = layer else {
                findings
                    .error(format!("{}: the room `{room}` has no place in its order", file.name));
                continue;
            };
            for other in graph.imports[place].keys().map(|other| &files[*other].name) {
                if let Some((below, Some(lower))) = area.room(other)
                    && !Area::allows((room, layer), (below, lower))
                {
                    findings.error(format!("{}: `{room}` must not import `{other}`", file.name));
                }
            }
        }
    }
}

/// Checks that the document of the architecture shows the same order.
pub(crate) fn check_document(text: &str, findings: &mut Findings) {
    for line in AREAS.iter().map(Area::line) {
        if !text.contains(&line) {
            findings.error(format!("ARCHITECTURE.md does not show the order of rooms: {line}"));
        }
    }
}
