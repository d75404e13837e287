//! The color sequences in what terraform writes.

/// Removes color sequences (`ESC [ … m`), which terraform writes into pipes, too.
pub(super) fn without_color(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_colors() {
        assert_eq!(without_color("\u{1b}[31m│\u{1b}[0m \u{1b}[1mError: x\u{1b}[0m"), "│ Error: x");
    }
}
