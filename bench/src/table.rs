//! Tables of figures, for people.

use super::rounds::Row;

/// Prints the rows of one piece of work, each against the first.
pub(crate) fn print(title: &str, rows: &[Row]) {
    println!("\n{title}");
    for row in rows {
        println!("  {}: $ {}", row.who, row.command);
    }
    let Some(first) = rows.first() else { return };
    let cells = rows.iter().map(|row| {
        let (fastest, slowest) = row.range();
        [
            row.who.clone(),
            format!("{:.3} s", row.wall()),
            format!("{fastest:.3}-{slowest:.3}"),
            ratio(row.wall() / first.wall()),
            format!("{:.2} s", row.cpu()),
            mebibytes(row.peak()),
            row.size().map_or_else(String::new, |size| size.to_string()),
        ]
    });
    let header = ["", "wall", "range", "x first", "cpu", "peak", "bytes"].map(str::to_owned);
    aligned(&std::iter::once(header).chain(cells).collect::<Vec<_>>());
}

/// Prints the first row as a part of each other one.
pub(crate) fn print_against(rows: &[Row]) {
    let Some((first, others)) = rows.split_first() else { return };
    let header = [format!("{} of", first.who), "wall".to_owned(), "cpu".to_owned()];
    let cells = others.iter().map(|other| {
        let ratios = [first.wall() / other.wall(), first.cpu() / other.cpu()];
        let [wall, cpu] = ratios.map(|value| format!("{} x", ratio(value)));
        [other.who.clone(), wall, cpu]
    });
    aligned(&std::iter::once(header).chain(cells).collect::<Vec<_>>());
}

/// Returns a ratio with three figures.
pub(crate) fn ratio(value: f64) -> String {
    let n_decimals = if value < 0.1 { 4 } else { 2 + usize::from(value < 1.0) };
    format!("{value:.n_decimals$}")
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Prints columns, the first flush left and the others flush right.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) {
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut line = format!("  {:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line.push_str("  ");
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            line.push_str(cell);
        }
        println!("{}", line.trim_end());
    }
}
