//! The follower of the work on a stack, and the secrets that are kept from it.

use super::{
    TerraformEvent,
    events::{Event, Piece},
    redact::Secrets,
};
use crate::{cancel::Cancel, process::StdStream};

/// Follows the work on a stack.
pub struct Watch<'a> {
    /// Ends the work.
    pub cancel: &'a Cancel,
    /// The known secrets; they grow with what is read.
    pub secrets: &'a mut Secrets,
    /// Gets what happens, without secrets.
    pub on_event: &'a mut dyn FnMut(TerraformEvent),
}

impl Watch<'_> {
    /// Passes on a piece of a stream, without what must not be shown.
    pub(super) fn show(&mut self, stream: StdStream, piece: Piece) {
        let event = match piece {
            Piece::Event(event) => TerraformEvent::Ui(Event::new(self.secrets.event(event))),
            Piece::Line(bytes) => {
                let text = self.secrets.line(&String::from_utf8_lossy(&bytes));
                TerraformEvent::Line { stream, text }
            }
        };
        (self.on_event)(event);
    }
}
