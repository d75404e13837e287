//! Colors of a diff.

/// Colors signs, or leaves them as they are.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    color: bool,
}

impl Paint {
    pub(super) fn new(color: bool) -> Self {
        Self { color }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Colors a sign as terraform does, and fills it up to the width of the longest.
    pub(super) fn sign(self, sign: &str) -> String {
        let padded = format!("{sign:>3}");
        match sign {
            "+" => self.with("32", &padded),
            "-" | "-/+" | "+/-" => self.with("31", &padded),
            "~" => self.with("33", &padded),
            "<=" => self.with("36", &padded),
            _ => padded,
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
