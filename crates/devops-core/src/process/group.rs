//! The processes of a child's group: a launcher may have started the program that was meant.

use std::{collections::BTreeMap, fs, path::Path};

use rustix::process::Pid;

/// The process table of the kernel.
const TABLE: &str = "/proc";

/// A process of a group.
struct Member {
    parent: i32,
    /// The name of the file it runs.
    program: Option<String>,
}

/// The living processes of one group.
pub(super) struct Group {
    members: BTreeMap<i32, Member>,
}

impl Group {
    /// Reads the processes of the group; there are none without a process table.
    pub(super) fn of(leader: Pid) -> Self {
        let entries = fs::read_dir(TABLE).into_iter().flatten().flatten();
        let members = entries.filter_map(|entry| member(&entry.path(), leader.as_raw_pid()));
        Self { members: members.collect() }
    }

    /// Returns whether a process is one of them.
    pub(super) fn has(&self, pid: Pid) -> bool {
        self.members.contains_key(&pid.as_raw_pid())
    }

    /// Returns the process that runs one of `programs`, and that no other such process started.
    pub(super) fn running(&self, programs: &[&str]) -> Option<Pid> {
        let runs = |member: &Member| {
            member.program.as_deref().is_some_and(|name| programs.iter().any(|p| is_named(name, p)))
        };
        let is_within_one = |mut pid: i32| {
            while let Some(member) = self.members.get(&pid) {
                pid = member.parent;
                if self.members.get(&pid).is_some_and(runs) {
                    return true;
                }
            }
            false
        };
        let mut found = self.members.iter().filter(|(_, member)| runs(member));
        let (pid, _) = found.find(|(pid, _)| !is_within_one(**pid))?;
        Pid::from_raw(*pid)
    }

    /// Returns those that no other living one started.
    pub(super) fn roots(&self) -> Vec<Pid> {
        let roots =
            self.members.iter().filter(|(_, member)| !self.members.contains_key(&member.parent));
        roots.filter_map(|(pid, _)| Pid::from_raw(*pid)).collect()
    }
}

/// Returns the process of a folder of the table, if it lives and is in the group.
fn member(folder: &Path, leader: i32) -> Option<(i32, Member)> {
    let pid = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name before it may hold anything, parentheses and spaces too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, parent, group) = (fields.next()?, fields.next()?, fields.next()?);
    if group.parse() != Ok(leader) || matches!(state, "Z" | "X") {
        return None;
    }
    let program = fs::read_link(folder.join("exe")).ok();
    let program = program.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    Some((pid, Member { parent: parent.parse().ok()?, program }))
}

/// Returns whether a file is a program of this name, alone or with a version: `tofu`, `tofu-bin`, `tofu_1.10`.
fn is_named(file: &str, program: &str) -> bool {
    let Some(rest) = file.strip_prefix(program) else { return false };
    let version = rest.strip_prefix(['-', '_']);
    rest.is_empty()
        || version.is_some_and(|text| {
            text == "bin" || text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(i32, i32, &str)]) -> Group {
        let member = |&(pid, parent, program): &(i32, i32, &str)| {
            (pid, Member { parent, program: Some(program.to_owned()) })
        };
        Group { members: members.iter().map(member).collect() }
    }

    fn pid(raw: i32) -> Option<Pid> {
        Pid::from_raw(raw)
    }

    #[test]
    fn finds_the_program_behind_its_launchers() {
        let programs = ["terraform", "tofu"];
        let running = |members: &[(i32, i32, &str)]| group(members).running(&programs);

        assert_eq!(running(&[(9, 1, "node"), (7, 9, "terraform-bin"), (8, 7, "sh")]), pid(7));
        assert_eq!(running(&[(9, 1, "terraform"), (3, 9, "sh"), (2, 3, "terraform")]), pid(9));
        assert_eq!(running(&[(9, 1, "sh"), (3, 9, "terraform-provider-aws_v5")]), None);
        assert_eq!(running(&[(9, 1, "sh"), (3, 9, "tofu_1.10.2")]), pid(3));
    }

    #[test]
    fn roots_are_those_whose_parent_is_gone() {
        assert_eq!(
            group(&[(5, 1, "a"), (6, 5, "b"), (7, 4, "c")]).roots(),
            [pid(5), pid(7)].map(Option::unwrap)
        );
    }
}
