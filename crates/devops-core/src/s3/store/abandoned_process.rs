//! Ends a `credential_process` that is not waited for any longer, with what it started.
//!
//! The AWS chain starts it, and leaves it to itself when it is given up.

use std::{collections::HashSet, fs};

use rustix::process::{Pid, Signal, getpid, kill_process};

/// The processes that this one has started.
pub(crate) struct Children(HashSet<Pid>);

impl Children {
    /// Looks which there are.
    pub(crate) fn now() -> Self {
        Self(children_of(getpid()))
    }

    /// Kills those that have come since, with their descendants.
    pub(crate) fn kill_newer(&self) {
        kill(Self::now().0.difference(&self.0).copied().collect());
    }
}

/// Kills processes with all that they have started.
fn kill(mut processes: Vec<Pid>) {
    let mut next = 0;
    while let Some(&process) = processes.get(next) {
        processes.extend(children_of(process));
        next += 1;
    }
    for process in processes {
        // It may have ended by itself.
        let _killed = kill_process(process, Signal::KILL);
    }
}

/// Returns the children of a process; none where the kernel does not tell (`CONFIG_PROC_CHILDREN`).
fn children_of(process: Pid) -> HashSet<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| pids(&list)).collect()
}

fn pids(list: &str) -> Vec<Pid> {
    let numbers = list.split_whitespace().filter_map(|number| number.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::process::ExitStatusExt,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "what is killed has to be started first")]
    fn a_program_is_killed_with_what_it_started() {
        let before = Children::now();
        // The second process holds the pipe open, too.
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo started; wait"]).stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut said = [0; 8];
        program.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        let pid = Pid::from_child(&program);

        assert!(Children::now().0.contains(&pid) && !before.0.contains(&pid));
        kill(vec![pid]);

        let mut rest = Vec::new();
        program.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        assert_eq!(program.wait().unwrap().signal(), Some(9));
    }
}
