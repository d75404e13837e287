//! Drift as a real provider shows it: only what was changed outside of terraform counts.

use std::fs;

use serde_json::{Value, json};

use super::lab::Lab;
use crate::tf::{event, events};

const THING: &str = r#"
resource "lab_thing" "a" {
  name   = "a"
  size   = "small"
  tags   = { x = "1", y = "2" }
  secret = "hunter2-hunter2"
}
"#;
const SIZE: &str = "output \"size\" { value = lab_thing.a.size }\n";
const READING: &str = "data \"lab_reading\" \"r\" { name = \"r\" }\n";
const MOVED: &str = "moved {\n  from = lab_thing.a\n  to   = lab_thing.b\n}\n";

/// One situation: what is done after the apply, and what is drift then.
#[derive(Default)]
struct Situation<'a> {
    name: &'a str,
    /// The configuration that is applied, without [`THING`].
    before: &'a str,
    /// The whole configuration afterwards, where it is another.
    after: Option<String>,
    /// An attribute of the thing that is changed outside.
    set: Option<(&'a str, Value)>,
    ignore: &'a [&'a str],
    /// The resources and outputs that have drifted.
    drifted: (Vec<&'a str>, Vec<&'a str>),
}

impl Situation<'_> {
    /// Applies, changes, and compares what `drift` says, for programs and for people.
    fn check(self, outside: &dyn Fn(&Lab)) {
        let Some(lab) = Lab::new(&[THING, self.before].concat()) else { return };
        lab.stack.env.write("lab/r", "one");
        lab.stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
        if let Some(after) = &self.after {
            lab.rewrite(after);
        }
        if let Some((attribute, value)) = self.set {
            lab.set("a", attribute, value);
        }
        outside(&lab);
        let state = fs::read(lab.stack.path("terraform.tfstate")).unwrap();
        let ignored = self.ignore.iter().flat_map(|pattern| ["--ignore", pattern]);
        let args: Vec<_> = ["drift", "infra"].into_iter().chain(ignored).collect();

        let machine = lab.stack.run(&[&["--json"], &args[..]].concat());
        let human = lab.stack.run(&args);

        let code = if self.drifted == (Vec::new(), Vec::new()) { 0 } else { 10 };
        for run in [&machine, &human] {
            run.expect_code(code);
            for secret in ["hunter2", "correct-horse"] {
                assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
            }
        }
        let events = events(&machine);
        let drift = event(&events, "drift");
        let resources: Vec<_> = drift["resources"].as_array().unwrap().iter().collect();
        let resources: Vec<_> = resources
            .iter()
            .map(|one| format!("{} {}", one["change"], one["address"]).replace(['"', '\\'], ""))
            .collect();
        assert_eq!(resources, self.drifted.0, "{}", self.name);
        assert_eq!(drift["outputs"], json!(self.drifted.1), "{}", self.name);
        assert_eq!(fs::read(lab.stack.path("terraform.tfstate")).unwrap(), state, "{}", self.name);
    }
}

fn moved() -> String {
    [&THING.replace("\"a\" {", "\"b\" {"), &SIZE.replace(".a.", ".b."), MOVED].concat()
}

#[test]
fn what_was_changed_outside_is_drift() {
    let large = || Some(("size", json!("large")));
    let base = || Situation { before: SIZE, ..Situation::default() };
    let update = |outputs: &[&'static str]| (vec!["update lab_thing.a"], outputs.to_vec());
    let each = "resource \"lab_thing\" \"each\" {\n  for_each = toset([\"p\", \"q\"])\n  name = each.key\n}\n\
                output \"all\" { value = [for thing in lab_thing.each : thing.size] }\n";

    Situation { name: "attribute", set: large(), drifted: update(&["size"]), ..base() }
        .check(&|_| ());
    let gone = (vec!["destroy lab_thing.a"], vec!["size"]);
    Situation { name: "deleted", drifted: gone, ..base() }
        .check(&|lab| fs::remove_file(lab.file("a")).unwrap());
    let drifted = (vec!["update lab_thing.b"], vec!["size"]);
    Situation { name: "moved", after: Some(moved()), set: large(), drifted, ..base() }
        .check(&|_| ());
    let secret = Some(("secret", json!("correct-horse")));
    Situation { name: "secret", set: secret, drifted: update(&[]), ..base() }
        .check(&|lab| lab.set("a", "copy", json!("correct-horse")));
    let drifted = (vec!["update lab_thing.each[q]"], vec!["all"]);
    Situation { name: "instance", before: each, drifted, ..Situation::default() }
        .check(&|lab| lab.set("q", "size", json!("large")));
    let local = "locals { size = lab_thing.a.size }\noutput \"local\" { value = local.size }\n";
    let drifted = update(&["local"]);
    Situation { name: "local", before: local, set: large(), drifted, ..Situation::default() }
        .check(&|_| ());
}

#[test]
fn what_is_read_anew_is_drift_of_the_outputs_that_show_it() {
    let shown = [READING, "output \"r\" { value = data.lab_reading.r.value }\n"].concat();
    let change = |lab: &Lab| drop(lab.stack.env.write("lab/r", "two"));

    let drifted = (vec![], vec!["r"]);
    Situation { name: "data", before: &shown, drifted, ..Situation::default() }.check(&change);
    Situation { name: "data unused", before: READING, ..Situation::default() }.check(&change);
}

#[test]
fn what_the_configuration_changes_is_no_drift() {
    let whole = |more: &str| Some([THING, SIZE, more].concat());
    let import = "resource \"lab_thing\" \"i\" { name = \"i\" }\nimport {\n  to = lab_thing.i\n  id = \"i\"\n}\n";
    let removed =
        "removed {\n  from = lab_thing.a\n  lifecycle {\n    destroy = false\n  }\n}\n".to_owned();
    for (name, after) in [
        ("none", None),
        ("moved", Some(moved())),
        ("output edited", Some([THING, &SIZE.replace(".size", ".name")].concat())),
        ("new output", whole("output \"new\" { value = lab_thing.a.name }\n")),
        ("no output", Some(THING.to_owned())),
        ("import block", whole(import)),
        ("resource removed", Some("locals {}\n".to_owned())),
        ("removed block", Some(removed)),
        ("attribute", Some([&THING.replace("small", "huge"), SIZE].concat())),
    ] {
        Situation { name, before: SIZE, after, ..Situation::default() }.check(&|lab| {
            fs::copy(lab.file("a"), lab.file("i")).unwrap();
            lab.set("i", "id", json!("i"));
            lab.set("i", "name", json!("i"));
        });
    }
}

#[test]
fn what_is_ignored_is_no_drift_and_what_else_changed_is() {
    let ignore = &["lab_thing.*:tags.x"];
    for (tags, drifted) in [
        (json!({"x": "9", "y": "2"}), vec![]),
        (json!({"x": "9", "y": "8"}), vec!["update lab_thing.a"]),
    ] {
        let (set, drifted) = (Some(("tags", tags)), (drifted, vec![]));
        Situation { name: "tags", before: SIZE, set, ignore, drifted, ..Situation::default() }
            .check(&|_| ());
    }
}
