//! The law and its tests: every clause of docs/semantics.md is cited, every citation has its clause.
//!
//! A clause is a line that starts `**2.3**`. A citation is the text `semantics 2.3` anywhere in a Rust source outside this
//! crate.

use crate::{Outcome, files};
use std::collections::BTreeMap;
use std::path::Path;

/// Chapter and number.
type Clause = (u32, u32);

pub(crate) fn check(root: &Path) -> Outcome {
    let law = files::read(&root.join("docs/semantics.md"))?;
    let mut cited = BTreeMap::new();
    for path in files::rust_sources(root)? {
        if path.starts_with(root.join("xtask")) {
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        citations(&name, &files::read(&path)?, &mut cited);
    }
    let faults = faults(&clauses(&law)?, &cited);
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if !faults.is_empty() {
        return Err(format!("{} clauses and citations do not match", faults.len()));
    }
    println!("clauses: each is cited");
    Ok(())
}

/// The clause at the start of `text`, and what follows.
fn number(text: &str) -> Option<(Clause, &str)> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (chapter, rest) = text.split_at(digits(text));
    let rest = rest.strip_prefix('.')?;
    let (clause, rest) = rest.split_at(digits(rest));
    Some(((chapter.parse().ok()?, clause.parse().ok()?), rest))
}

/// The clauses of the law, each with its line.
fn clauses(law: &str) -> Result<BTreeMap<Clause, usize>, String> {
    let mut found = BTreeMap::new();
    for (line, text) in law.lines().enumerate() {
        let clause = text.strip_prefix("**").and_then(number).filter(|(_, rest)| rest.starts_with("**"));
        if let Some((clause, _)) = clause
            && let Some(first) = found.insert(clause, line + 1)
        {
            let (chapter, number) = clause;
            return Err(format!(
                "docs/semantics.md:{}: clause {chapter}.{number} is in line {first} already",
                line + 1
            ));
        }
    }
    Ok(found)
}

/// Adds the citations of a source, each with its first place.
fn citations(name: &str, source: &str, cited: &mut BTreeMap<Clause, String>) {
    for (line, text) in source.lines().enumerate() {
        for rest in text.split("semantics ").skip(1) {
            if let Some((clause, _)) = number(rest) {
                cited.entry(clause).or_insert_with(|| format!("{name}:{}", line + 1));
            }
        }
    }
}

fn faults(clauses: &BTreeMap<Clause, usize>, cited: &BTreeMap<Clause, String>) -> Vec<String> {
    let uncited = clauses.iter().filter(|(clause, _)| !cited.contains_key(clause));
    let unknown = cited.iter().filter(|(clause, _)| !clauses.contains_key(clause));
    uncited
        .map(|((chapter, number), line)| format!("docs/semantics.md:{line}: no test cites clause {chapter}.{number}"))
        .chain(unknown.map(|((chapter, number), place)| format!("{place}: there is no clause {chapter}.{number}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: &str = "# Law\n**1.1** Shapes.\n**1.2**: more\ntext **1.3** is no clause\n**2.10** Ten.\n**x.1** no";

    fn check(source: &str) -> Vec<String> {
        let mut cited = BTreeMap::new();
        citations("a.rs", source, &mut cited);
        faults(&clauses(LAW).unwrap(), &cited)
    }

    #[test]
    fn clauses_start_their_line() {
        assert_eq!(clauses(LAW).unwrap().into_iter().collect::<Vec<_>>(), [((1, 1), 2), ((1, 2), 3), ((2, 10), 5)]);
        let twice = clauses("**1.1** a\n**1.1** b").unwrap_err();
        assert_eq!(twice, "docs/semantics.md:2: clause 1.1 is in line 1 already");
    }

    #[test]
    fn every_clause_cited_is_well() {
        assert!(check("// semantics 1.1 and semantics 1.2.\n/// (semantics 2.10)").is_empty());
    }

    #[test]
    fn uncited_and_unknown_clauses_are_faults() {
        let source = "// semantics 1.1\n// semantics 2.1 is not 2.10; semantics of 1.2\n// semantics 1.2";
        let expected =
            ["docs/semantics.md:5: no test cites clause 2.10".to_owned(), "a.rs:2: there is no clause 2.1".to_owned()];
        assert_eq!(check(source), expected);
    }
}
