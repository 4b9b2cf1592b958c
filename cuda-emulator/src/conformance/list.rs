//! The list of forms, `CONFORMANCE.md`.

use std::fmt::Write as _;

use super::{cases, programs, rows};

/// The text of `CONFORMANCE.md`: every form, how it is compared, and whether hardware has confirmed it.
pub fn list() -> String {
    let mut table = String::new();
    let mut forms = 0;
    for row in rows::ARITHMETIC.iter().chain(rows::COMPARISONS.iter().flatten()) {
        let cases = cases(row);
        forms += cases.len();
        let architectures: Vec<u32> = cases.iter().map(|it| it.architecture).collect();
        let least = architectures.iter().min().copied().unwrap_or_default();
        let most = architectures.iter().max().copied().unwrap_or_default();
        let target = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        let _ = writeln!(table, "| `{}` | {} | {target} | {} | not yet |", row.names, cases.len(), row.how);
    }
    let programs = programs::programs();
    for special in &programs {
        let _ = writeln!(table, "| `{}` | 1 | {} | bit for bit | not yet |", special.name, special.architecture);
    }
    format!("{BEFORE}{forms} programs of arithmetic and {} others.\n\n{HEADER}{table}", programs.len())
}

const BEFORE: &str = "# Instruction conformance

One small program for each instruction and type runs on edges and random bits and is compared with an independent computation
(`src/conformance`). The same programs can run on a real GPU. Until they have, two readings of the PTX ISA by one author agree, and
no more; its text was not at hand, so the bounds of approximate functions in particular want a second look. What PTX leaves open is
said in the column on comparison. ptxas takes every program for the architecture given.

The test `conformance::tests::the_list_is_current` checks this file; with `WENGERT_WRITE_CONFORMANCE=1` it writes it.

";

const HEADER: &str = "| Forms (choices in braces) | Programs | sm_ | How it is compared | Confirmed on hardware |
|---|---|---|---|---|
";
