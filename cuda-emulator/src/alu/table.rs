//! The table of all forms.

use std::collections::HashMap;

use super::lanes::Loop;
use super::{Alu, Class, Compute};

/// Forms by their full text.
#[derive(Default)]
pub(super) struct Table {
    rows: HashMap<String, Alu>,
}

impl Table {
    /// Adds a function under its opcodes: `add{,.rn}.{f32,f64}` names four.
    pub(super) fn row(&mut self, names: &str, class: Class, flops: u8, (sources, compute): Loop) {
        self.row_with(names, Alu { sources, compute, second: None, class, flops });
    }

    /// As [`row`](Table::row), with a second result.
    pub(super) fn row_two(&mut self, names: &str, class: Class, (sources, compute): Loop, second: Compute) {
        self.row_with(names, Alu { sources, compute, second: Some(second), class, flops: 0 });
    }

    fn row_with(&mut self, names: &str, alu: Alu) {
        for name in expand(names) {
            let before = self.rows.insert(name, alu);
            debug_assert!(before.is_none(), "{names} stands twice in the table");
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Alu> {
        self.rows.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

/// All texts that a pattern with alternatives in braces stands for.
fn expand(pattern: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}').unwrap_or((after, ""));
        let longer = |text: &String| -> Vec<String> {
            inside.split(',').map(|choice| format!("{text}{before}{choice}")).collect()
        };
        texts = texts.iter().flat_map(longer).collect();
        rest = behind;
    }
    texts.iter_mut().for_each(|text| text.push_str(rest));
    texts
}

#[cfg(test)]
mod tests {
    #[test]
    fn braces_stand_for_each_choice() {
        assert_eq!(super::expand("ret"), ["ret"]);
        assert_eq!(super::expand("a{,.b}.{c,d}e"), ["a.ce", "a.de", "a.b.ce", "a.b.de"]);
    }
}
