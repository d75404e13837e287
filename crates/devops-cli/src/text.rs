//! Text for people: names made safe to print, and tables.

use std::{ffi::OsString, path::Path};

use comfy_table::{ContentArrangement, Table, presets};
use devops_core::terminal::Escaped;

/// Shows a path with control characters escaped, so that a name cannot steer the terminal.
pub fn quote(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Escapes control characters and those that turn the direction of a text.
pub(crate) fn escaped(text: &str) -> String {
    Escaped(text).to_string()
}

/// Shows values in one line, with control characters escaped.
pub(crate) fn list(values: &[OsString]) -> String {
    values.iter().map(|value| escaped(&value.to_string_lossy())).collect::<Vec<_>>().join(", ")
}

/// Lays out rows under a header in aligned columns.
pub fn table<R, C>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: ToString,
{
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(ToString::to_string));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| cell.to_string()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Shows permission bits as `ls -l` does.
pub fn permissions(mode: u32) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut shown = String::new();
    for ((bit, with, without), shift) in special.into_iter().zip([6, 3, 0]) {
        let bits = mode >> shift;
        shown.push(if bits & 4 != 0 { 'r' } else { '-' });
        shown.push(if bits & 2 != 0 { 'w' } else { '-' });
        shown.push(match (mode & bit != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(quote(Path::new("a\u{1b}[31m\nb")), "a\\u{1b}[31m\\nb");
    }

    #[test]
    fn columns_are_aligned() {
        let text = table(&["name", "size"], [["a", "1"], ["longer", "22"]]);

        assert_eq!(text, "name    size\na       1\nlonger  22");
    }

    #[test]
    fn shows_permissions_as_ls_does() {
        assert_eq!(permissions(0o644), "rw-r--r--");
        assert_eq!(permissions(0o6755), "rwsr-sr-x");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
        assert_eq!(permissions(0o7000), "--S--S--T");
    }
}
