//! Real PTX: what NVRTC wrote is read, printed and read again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cuda_emulator::ptx::{self, Item, Module, Statement};

/// Texts of NVRTC; their sources stand beside them.
fn samples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ptx");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "ptx") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() >= 3, "samples are missing in {folder}");
    found
}

/// The tree without the lines of its text, which change when it is printed.
fn without_lines(mut module: Module) -> Module {
    fn clear(statements: &mut [Statement]) {
        for statement in statements {
            match statement {
                Statement::Instruction(instruction) => instruction.ptx_line = 0,
                Statement::Block(inner) => clear(inner),
                _ => {}
            }
        }
    }
    for item in &mut module.items {
        if let Item::Function(function) = item {
            clear(function.body.as_deref_mut().unwrap_or_default());
        }
    }
    module
}

#[test]
fn a_printed_tree_is_the_same_tree() {
    for (name, text) in samples() {
        let tree = ptx::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let printed = tree.to_string();
        let again = ptx::parse(&printed).unwrap_or_else(|error| panic!("{name}, printed: {error}"));
        assert_eq!(without_lines(tree), without_lines(again), "{name}");
    }
}
