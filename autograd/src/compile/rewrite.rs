//! Rewrite rules: rows of data, each with the class of what it promises.

use super::canonical::Builder;
use super::pattern::Pattern;
use super::reduce_rules;
use crate::op::{Attributes, Lower, Op, View};
use crate::{Error, Origin, TensorType};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};
use wengert_kernels::{ReduceOp, Unary};

/// What a rule promises about the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same bits, but for the sign of a zero.
    Exact,
    /// The same real function, evaluated in another order: results differ by rounding.
    Rounding,
    /// The same real function where the written form overflows, cancels or divides zeros: results are closer to it.
    Stabilising,
    /// The same only if every value is finite; applied only when a function asks for it.
    AssumesFinite,
}

/// A rewrite rule: what is replaced, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What it promises.
    pub class: Class,
    /// The formula that is replaced; see the patterns' grammar in `compile/pattern.rs`.
    pub from: &'static str,
    /// The formula that replaces it.
    pub to: &'static str,
}

const fn rule(class: Class, from: &'static str, to: &'static str) -> Rule {
    Rule { class, from, to }
}

use Class::{AssumesFinite, Exact, Rounding, Stabilising};

/// Every rule, tried in this order.
pub const RULES: &[Rule] = &[
    // neutral elements
    rule(Exact, "add(x, 0)", "x"),
    rule(Exact, "sub(x, 0)", "x"),
    rule(Exact, "sub(0, x)", "neg(x)"),
    rule(Exact, "mul(x, 1)", "x"),
    rule(Exact, "mul(x, -1)", "neg(x)"),
    rule(Exact, "div(x, 1)", "x"),
    rule(Exact, "div(1, x)", "reciprocal(x)"),
    // signs
    rule(Exact, "neg(neg(x))", "x"),
    rule(Exact, "add(x, neg(y))", "sub(x, y)"),
    rule(Exact, "sub(x, neg(y))", "add(x, y)"),
    rule(Exact, "mul(neg(x), neg(y))", "mul(x, y)"),
    rule(Exact, "mul(neg(x), c)", "mul(x, neg(c))"),
    rule(Exact, "square(neg(x))", "square(x)"),
    rule(Exact, "abs(neg(x))", "abs(x)"),
    // powers
    rule(Exact, "pow(x, 0)", "1"),
    rule(Exact, "pow(x, 1)", "x"),
    rule(Exact, "pow(x, 2)", "square(x)"),
    rule(Rounding, "pow(x, 0.5)", "sqrt(x)"),
    rule(Rounding, "pow(x, -0.5)", "rsqrt(x)"),
    rule(Exact, "pow(x, -1)", "reciprocal(x)"),
    rule(Exact, "mul(x, x)", "square(x)"),
    rule(Rounding, "reciprocal(sqrt(x))", "rsqrt(x)"),
    rule(Rounding, "reciprocal(reciprocal(x))", "x"),
    // like terms
    rule(Exact, "add(x, x)", "mul(x, 2)"),
    rule(Rounding, "add(mul(c, x), mul(d, x))", "mul(add(c, d), x)"),
    rule(Rounding, "sub(mul(c, x), mul(d, x))", "mul(sub(c, d), x)"),
    rule(Rounding, "add(mul(c, x), x)", "mul(add(c, 1), x)"),
    rule(Rounding, "mul(c, mul(d, x))", "mul(mul(c, d), x)"),
    rule(Rounding, "add(c, add(d, x))", "add(add(c, d), x)"),
    rule(Rounding, "div(mul(c, x), d)", "mul(div(c, d), x)"),
    rule(Rounding, "mul(c, div(x, d))", "mul(div(c, d), x)"),
    // choices
    rule(Exact, "select(x, y, y)", "y"),
    rule(Exact, "select(not(x), y, z)", "select(x, z, y)"),
    rule(Exact, "not(not(x))", "x"),
    rule(Exact, "relu(relu(x))", "relu(x)"),
    rule(Exact, "maximum(x, x)", "x"),
    rule(Exact, "minimum(x, x)", "x"),
    // forms that keep their digits
    rule(Stabilising, "log(add(x, 1))", "log1p(x)"),
    rule(Stabilising, "sub(exp(x), 1)", "expm1(x)"),
    rule(Stabilising, "log1p(exp(x))", "softplus(x)"),
    rule(Stabilising, "log(softmax(x))", "log_softmax(x)"),
    rule(Stabilising, "log(exp(x))", "x"),
    rule(Stabilising, "reciprocal(add(exp(neg(x)), 1))", "sigmoid(x)"),
    rule(Stabilising, "div(exp(x), add(exp(x), 1))", "sigmoid(x)"),
    rule(Stabilising, "log(sigmoid(x))", "neg(softplus(neg(x)))"),
    rule(Stabilising, "log(sub(1, sigmoid(x)))", "neg(softplus(x))"),
    // only for finite values
    rule(AssumesFinite, "mul(x, 0)", "0"),
    rule(AssumesFinite, "sub(x, x)", "0"),
    rule(AssumesFinite, "div(x, x)", "1"),
    rule(AssumesFinite, "div(mul(x, y), y)", "x"),
    rule(AssumesFinite, "exp(log(x))", "x"),
];

type Table = HashMap<String, Vec<(Class, Pattern, Pattern)>>;

/// The rules by the op at their root.
fn table() -> Result<&'static Table, Error> {
    static TABLE: OnceLock<Result<Table, String>> = OnceLock::new();
    let made = TABLE.get_or_init(|| {
        let mut table = Table::new();
        for rule in RULES {
            let (from, to) = (Pattern::parse(rule.from)?, Pattern::parse(rule.to)?);
            let root = from.root().ok_or("a rule replaces an op")?.to_owned();
            table.entry(root).or_default().push((rule.class, from, to));
        }
        Ok(table)
    });
    made.as_ref().map_err(|why| Error::run(format!("rewrite rules: {why}")))
}

/// What computes the same as `op` over `inputs` more simply, if anything does.
pub(super) fn simplify(
    builder: &mut Builder,
    op: &Arc<dyn Op>,
    inputs: &[usize],
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    if let Lower::View(view) = op.lower() {
        return simplify_view(builder, &view, inputs[0], ty, origins);
    }
    if matches!(op.lower(), Lower::Cast) && builder.ty(inputs[0]).dtype == ty.dtype {
        return Ok(Some(inputs[0]));
    }
    if let Lower::Reduce(ReduceOp::Sum, axes) = op.lower()
        && let Some(simpler) = reduce_rules::simplify_sum(builder, &axes, inputs[0], ty, origins)?
    {
        return Ok(Some(simpler));
    }
    // The negative of a repeated number is a number repeated, which a sum can take out (Exact).
    if matches!(op.lower(), Lower::Unary(Unary::Neg))
        && ty.rank() > 0
        && let Some(number) = reduce_rules::number(builder, inputs[0])
    {
        let negated = builder.emit(op.clone(), &[number], origins)?;
        let shape = Attributes::none().with("shape", ty.shape.as_slice());
        return builder.emit_named("broadcast_to", &shape, &[negated], origins).map(Some);
    }
    // The neutral elements of integers and booleans are others; the rules are about floats.
    if !ty.dtype.is_float() && !inputs.iter().any(|&input| builder.ty(input).dtype.is_float()) {
        return Ok(None);
    }
    let Some(rules) = table()?.get(op.name()) else { return Ok(None) };
    for (class, from, to) in rules {
        if *class == AssumesFinite && !builder.policy.assume_finite {
            continue;
        }
        if let Some(bindings) = from.matches(builder, op, inputs) {
            let simpler = to.emit(builder, &bindings, ty, origins)?;
            if builder.ty(simpler).dtype != ty.dtype {
                continue;
            }
            // A constant or an operand of fewer axes may have been all that is left.
            if builder.same_shape(builder.ty(simpler), ty) {
                return Ok(Some(simpler));
            }
            let shape = Attributes::none().with("shape", ty.shape.as_slice());
            return builder.emit_named("broadcast_to", &shape, &[simpler], origins).map(Some);
        }
    }
    Ok(None)
}

/// Views that change nothing, and two that are one.
fn simplify_view(
    builder: &mut Builder,
    view: &View,
    input: usize,
    ty: &TensorType,
    origins: &[Origin],
) -> Result<Option<usize>, Error> {
    let unchanged = match view {
        View::Reshape | View::Broadcast => builder.same_shape(builder.ty(input), ty),
        View::Permute(axes) => axes.iter().copied().eq(0..axes.len()),
        View::Slice(_) => false,
    };
    if unchanged {
        return Ok(Some(input));
    }
    let inner = &builder.nodes[input];
    let Lower::View(before) = inner.lower() else { return Ok(None) };
    let base = inner.inputs[0];
    let shape = || Attributes::none().with("shape", ty.shape.as_slice());
    match (&before, view) {
        (View::Reshape, View::Reshape) => builder.emit_named("reshape", &shape(), &[base], origins).map(Some),
        (View::Broadcast, View::Broadcast) => builder.emit_named("broadcast_to", &shape(), &[base], origins).map(Some),
        (View::Permute(first), View::Permute(second)) => {
            let axes: Vec<usize> = second.iter().map(|&axis| first[axis]).collect();
            builder
                .emit_named("transpose", &Attributes::none().with("axes", axes.as_slice()), &[base], origins)
                .map(Some)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_read_and_names_ops_that_exist() {
        fn check(pattern: &Pattern) {
            if let Pattern::Op(name, operands) = pattern {
                assert!(crate::ops::make(name, &Attributes::none()).is_ok(), "there is no op {name}");
                operands.iter().for_each(check);
            }
        }
        table().unwrap();
        for rule in RULES {
            check(&Pattern::parse(rule.from).unwrap());
            check(&Pattern::parse(rule.to).unwrap());
        }
    }
}
