//! The permissions of files made for a user.

use std::sync::OnceLock;

/// Returns 0666 less the umask of this process: the mode of a file that a user asked for.
///
/// If the kernel does not tell the umask, only the owner gets access.
pub fn user_mode() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    // The call that returns it also sets it, for all threads.
    0o666
        & !*UMASK.get_or_init(|| {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            umask_in(&status).unwrap_or(0o077)
        })
}

/// Reads the umask in `/proc/PID/status`, see `proc_pid_status(5)`.
fn umask_in(status: &str) -> Option<u32> {
    let value = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(value.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_umask_is_read_as_octal() {
        assert_eq!(umask_in("Name:\tx\nUmask:\t0027\nState:\tR\n"), Some(0o027));
        assert_eq!(umask_in("Name:\tx\n"), None);
    }
}
