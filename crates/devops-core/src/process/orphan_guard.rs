//! Looks after a child when we are killed: interrupts it once, and reads what it still has to say.
//!
//! The kernel's own way (`PR_SET_PDEATHSIG`) does not do: it follows the thread that started the child,
//! hands the child to our other threads as they die, and sends the signal each time. Terraform takes a second
//! SIGINT for the wish to lose data.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
};

use os_pipe::{PipeReader, PipeWriter};

/// Waits for a line on stdin. Its end without a line is our death: then the child is interrupted, or the
/// program that it launched, and its pipes, whose read ends are here as 1 and 2, are emptied, since a full
/// or a closed one would end it.
///
/// The arguments are the child and the names of programs. Of several processes of the group that run one, the
/// oldest is meant: it started the others.
const SCRIPT: &str = "\
child=$1
shift
read -r released || {
    target=
    for folder in /proc/[0-9]*; do
        file=$(readlink \"$folder/exe\") && read -r stat <\"$folder/stat\" || continue
        pid=${folder#/proc/}
        for name; do
            case ${file##*/} in
            \"$name\" | \"$name\"[-_]bin | \"$name\"[-_][0-9]* | \"$name\"[-_]v[0-9]*) ;;
            *) continue ;;
            esac
            group=${stat##*) }
            group=${group#* * }
            [ \"${group%% *}\" = \"$child\" ] || continue
            [ -n \"$target\" ] && [ \"$target\" -lt \"$pid\" ] || target=$pid
        done
    done 2>/dev/null
    kill -INT \"${target:-$child}\"
    cat <&1 >/dev/null & cat <&2 >/dev/null & wait
}";

/// A process that outlives us if we are killed, and then looks after the child.
pub(super) struct OrphanGuard {
    handle: duct::Handle,
    control: PipeWriter,
}

impl OrphanGuard {
    /// Starts to wait for our death.
    pub(super) fn start(child: u32, launched: &[&str], pipes: [PipeReader; 2]) -> io::Result<Self> {
        let [stdout, stderr] = pipes;
        let (stdin, control) = os_pipe::pipe()?;
        let child = child.to_string();
        let args = [&["-c", SCRIPT, "sh", &child][..], launched].concat();
        let handle = duct::cmd("/bin/sh", args)
            .unchecked()
            .stdin_file(stdin)
            .stdout_file(stdout)
            .stderr_file(stderr)
            // What is sent to our group is not for it.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .start()?;
        Ok(Self { handle, control })
    }

    /// Ends the wait; to be called while the child's process id is still its own.
    pub(super) fn release(mut self) {
        // It has no other way to end than this line, so neither step can hang or matter if it fails.
        let _told = self.control.write_all(b"released\n");
        let _reaped = self.handle.wait();
    }
}
