//! Patterns of rewrite rules: formulas in the names of ops, with letters for operands.

use super::canonical::Builder;
use crate::op::{Attributes, Op};
use crate::{Error, Origin, TensorType};
use std::sync::Arc;

/// A formula: `mul(c, add(x, 1))`. The letters `a` to `d` match constants of one value, other letters anything; a letter
/// that occurs twice matches one and the same value. Ops have no attributes here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    Letter(char),
    Number(f64),
    Op(String, Vec<Pattern>),
}

/// What the letters stand for.
#[derive(Clone, Debug)]
pub(super) struct Bindings {
    letters: Vec<(char, usize)>,
    /// Whether ops below the root may be such that a call returns them.
    through_ends: bool,
}

impl Bindings {
    fn bind(&mut self, letter: char, value: usize) -> bool {
        match self.letters.iter().find(|(have, _)| *have == letter) {
            Some((_, bound)) => *bound == value,
            None => {
                self.letters.push((letter, value));
                true
            }
        }
    }
}

impl Pattern {
    /// Reads a formula.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let mut rest = text.trim();
        let pattern = Pattern::read(&mut rest)?;
        if rest.is_empty() { Ok(pattern) } else { Err(format!("`{rest}` follows a whole formula")) }
    }

    fn read(rest: &mut &str) -> Result<Pattern, String> {
        let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let word = word.trim();
        *rest = after;
        if let Ok(number) = word.parse() {
            return Ok(Pattern::Number(number));
        }
        let Some(mut inside) = rest.strip_prefix('(') else {
            let mut letters = word.chars();
            return match (letters.next(), letters.next()) {
                (Some(letter), None) if letter.is_ascii_lowercase() => Ok(Pattern::Letter(letter)),
                _ => Err(format!("`{word}` is neither a letter nor a number")),
            };
        };
        let mut operands = Vec::new();
        loop {
            operands.push(Pattern::read(&mut inside)?);
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix(',') {
                inside = after.trim_start();
            } else if let Some(after) = inside.strip_prefix(')') {
                *rest = after.trim_start();
                return Ok(Pattern::Op(word.to_owned(), operands));
            } else {
                return Err(format!("`,` or `)` expected before `{inside}`"));
            }
        }
    }

    /// The name of the op at the root.
    pub(super) fn root(&self) -> Option<&str> {
        match self {
            Pattern::Op(name, _) => Some(name),
            Pattern::Letter(_) | Pattern::Number(_) => None,
        }
    }

    /// Whether it is made of these ops alone.
    pub(super) fn is_of(&self, ops: &[&str]) -> bool {
        match self {
            Pattern::Op(name, operands) => {
                ops.contains(&name.as_str()) && operands.iter().all(|operand| operand.is_of(ops))
            }
            Pattern::Letter(_) | Pattern::Number(_) => true,
        }
    }

    /// Matches an op that is about to be emitted; `through_ends`: whether it may be computed from something else than
    /// what a call returns, which would otherwise be one kernel with it.
    pub(super) fn matches(
        &self,
        builder: &Builder,
        op: &Arc<dyn Op>,
        inputs: &[usize],
        through_ends: bool,
    ) -> Option<Bindings> {
        match self {
            Pattern::Op(name, operands) if name == op.name() => {
                all(builder, name, operands, inputs, &Bindings { letters: vec![], through_ends })
            }
            _ => None,
        }
    }

    fn matches_value(&self, builder: &Builder, value: usize, bindings: &Bindings) -> Option<Bindings> {
        let mut bindings = bindings.clone();
        match self {
            Pattern::Letter(letter @ 'a'..='d') => {
                (builder.splat(value).is_some() && bindings.bind(*letter, value)).then_some(bindings)
            }
            Pattern::Letter(letter) => bindings.bind(*letter, value).then_some(bindings),
            Pattern::Number(number) => (builder.splat(value) == Some(*number)).then_some(bindings),
            Pattern::Op(name, operands) => {
                let node = &builder.nodes[value];
                let refused = builder.is_end(value) && !bindings.through_ends;
                if refused || node.leaf.is_some() || node.op.name() != name {
                    return None;
                }
                all(builder, name, operands, &node.inputs, &bindings)
            }
        }
    }

    /// Emits the formula with the letters replaced.
    pub(super) fn emit(
        &self,
        builder: &mut Builder,
        bindings: &Bindings,
        ty: &TensorType,
        origins: &[Origin],
    ) -> Result<usize, Error> {
        match self {
            Pattern::Letter(letter) => match bindings.letters.iter().find(|(have, _)| have == letter) {
                Some((_, value)) => Ok(*value),
                None => Err(Error::run(format!("rewrite: the letter {letter} is not bound"))),
            },
            Pattern::Number(number) => builder.emit_scalar(ty.dtype, *number, origins),
            Pattern::Op(name, operands) => {
                let inputs = operands
                    .iter()
                    .map(|operand| operand.emit(builder, bindings, ty, origins))
                    .collect::<Result<Vec<_>, _>>()?;
                builder.emit_named(name, &Attributes::none(), &inputs, origins)
            }
        }
    }
}

/// Matches operands in order, and for commutative ops in the other order too.
fn all(builder: &Builder, name: &str, operands: &[Pattern], values: &[usize], bindings: &Bindings) -> Option<Bindings> {
    if operands.len() != values.len() {
        return None;
    }
    let in_order = |values: &mut dyn Iterator<Item = usize>| {
        operands
            .iter()
            .zip(values)
            .try_fold(bindings.clone(), |bindings, (operand, value)| operand.matches_value(builder, value, &bindings))
    };
    let commutes = matches!(name, "add" | "mul" | "maximum" | "minimum" | "and" | "or" | "xor" | "equal" | "not_equal");
    in_order(&mut values.iter().copied())
        .or_else(|| if commutes { in_order(&mut values.iter().rev().copied()) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_read() {
        let pattern = Pattern::parse("mul(c, add(x, 1))").unwrap();
        let inner = Pattern::Op("add".into(), vec![Pattern::Letter('x'), Pattern::Number(1.0)]);
        assert_eq!(pattern, Pattern::Op("mul".into(), vec![Pattern::Letter('c'), inner]));
        for wrong in ["add(x", "add(x,)", "foo", "add(x, y) z", ""] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
