//! The table of all forms.

use std::collections::HashMap;

use super::lanes::Loop;
use super::{Alu, Class, Compute};

/// Forms by their full text. Modifiers may stand in any order, as ptxas has it; types may not.
#[derive(Default)]
pub(super) struct Table {
    rows: HashMap<String, (String, Alu)>,
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
            let before = self.rows.insert(key(&name), (name, alu));
            debug_assert!(before.is_none(), "{names} stands twice in the table");
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Alu> {
        self.rows.get(&key(name)).map(|it| it.1)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.values().map(|it| it.0.as_str())
    }
}

/// An opcode with its modifiers in alphabetical order before its types.
fn key(name: &str) -> String {
    let is_type = |part: &str| part == "pred" || part.contains(|it: char| it.is_ascii_digit());
    let mut parts: Vec<&str> = name.split('.').collect();
    // Stable: types keep their order.
    parts.get_mut(1..).unwrap_or_default().sort_by_key(|part| if is_type(part) { (true, "") } else { (false, *part) });
    parts.join(".")
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
    fn modifiers_may_stand_in_any_order() {
        assert_eq!(super::key("fma.ftz.rn.f32"), super::key("fma.rn.ftz.f32"));
        assert_eq!(super::key("cvt.rn.f16.f32"), "cvt.rn.f16.f32");
        assert_ne!(super::key("cvt.rn.f16.f32"), super::key("cvt.rn.f32.f16"));
        assert_eq!(super::key("ret"), "ret");
    }

    #[test]
    fn braces_stand_for_each_choice() {
        assert_eq!(super::expand("ret"), ["ret"]);
        assert_eq!(super::expand("a{,.b}.{c,d}e"), ["a.ce", "a.de", "a.b.ce", "a.b.de"]);
    }
}
