use crate::archive::{Count, Facets};
use crate::cli::screen::{Paint, count, short, tame};

/// Of each kind so many are shown; with `--json` there are more.
const MOST: usize = 10;

pub(super) fn told(facets: &Facets) -> String {
    let kinds = [
        ("account", &facets.account),
        ("sender", &facets.sender),
        ("year", &facets.year),
        ("type of attachment", &facets.kind),
        ("verdict", &facets.verdict),
    ];
    kinds.into_iter().filter(|(_, counts)| !counts.is_empty()).map(|(name, counts)| of_kind(name, counts)).collect()
}

fn of_kind(name: &str, counts: &[Count]) -> String {
    let mut text = format!("\nby {}\n", Paint::stdout().bold(name));
    for Count { value, messages } in counts.iter().take(MOST) {
        text.push_str(&format!("  {:>9}  {}\n", count(*messages), short(&tame(value), 60)));
    }
    let rest = counts.len().saturating_sub(MOST);
    if rest > 0 {
        text.push_str(&format!("  {:>9}  {rest} more\n", ""));
    }
    text
}
