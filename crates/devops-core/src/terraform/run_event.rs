//! Events of a terraform run.

use std::{path::PathBuf, time::Duration};

use super::{events::Event, shown::Shown};
use crate::process::{SignalReason, StdStream};

/// An event while terraform works.
#[derive(Clone, Debug)]
pub enum TerraformEvent {
    /// A command starts.
    Command {
        /// The program's name and its arguments, values of variables hidden.
        line: String,
    },
    /// Terraform wrote an event of its JSON stream.
    Ui(Event),
    /// Terraform wrote a line that is no event.
    Line {
        /// The place of the copy.
        stream: StdStream,
        /// The line without its newline.
        text: Shown<String>,
    },
    /// Terraform was sent a signal.
    Signalled {
        /// The signal that was sent.
        signal: i32,
        /// The cause.
        reason: SignalReason,
    },
    /// An error came that may pass, and the command is tried again.
    Retrying {
        /// The wait before.
        pause: Duration,
    },
    /// Terraform could not save the state, and wrote it to a file.
    NotSaved {
        /// The file.
        path: PathBuf,
        /// Its copy in the folder for such states, if one could be made.
        copy: Option<PathBuf>,
    },
}
