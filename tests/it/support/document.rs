//! Tables and blocks of the documents under `schemas/`, for tests that hold the program to them.

/// What stands between the line `mark` and the next `<!-- end -->`.
pub(crate) fn between<'a>(document: &'a str, mark: &str) -> &'a str {
    let (_, rest) = document.split_once(mark).unwrap_or_else(|| panic!("no {mark} in the document"));
    rest.split_once("<!-- end -->").expect("an end").0.trim()
}

/// The rows of the first table below a heading, without its head.
pub(crate) fn table_below<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = document.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let rows = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(cells).collect()
}

pub(crate) fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The words of a cell that stand in `backquotes`.
pub(crate) fn words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Octets in hex, 16 a line.
pub(crate) fn dump(octets: &[u8]) -> String {
    let lines = octets.chunks(16).map(|line| line.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>());
    lines.map(|line| line.join(" ")).collect::<Vec<_>>().join("\n")
}
