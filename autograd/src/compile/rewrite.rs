//! Rewrite rules: rows of data, each with the class of what it promises.

use super::canonical::Builder;
use super::pattern::Pattern;
use super::reduce_rules;
use crate::op::{Attributes, Lower, Op, View};
use crate::{DType, Error, Origin, TensorType};
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
    rule(Exact, "neg(sub(x, y))", "sub(y, x)"),
    rule(Exact, "neg(mul(c, x))", "mul(neg(c), x)"),
    rule(Exact, "add(x, neg(y))", "sub(x, y)"),
    rule(Exact, "sub(x, neg(y))", "add(x, y)"),
    rule(Exact, "mul(neg(x), neg(y))", "mul(x, y)"),
    rule(Exact, "mul(neg(x), c)", "mul(x, neg(c))"),
    rule(Exact, "div(neg(x), neg(y))", "div(x, y)"),
    rule(Exact, "square(neg(x))", "square(x)"),
    rule(Exact, "square(abs(x))", "square(x)"),
    rule(Exact, "abs(neg(x))", "abs(x)"),
    rule(Exact, "abs(abs(x))", "abs(x)"),
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
    rule(Rounding, "add(c, sub(d, x))", "sub(add(c, d), x)"),
    rule(Rounding, "add(c, sub(x, d))", "add(sub(c, d), x)"),
    rule(Rounding, "sub(c, add(d, x))", "sub(sub(c, d), x)"),
    rule(Rounding, "sub(c, sub(d, x))", "add(sub(c, d), x)"),
    rule(Rounding, "sub(c, sub(x, d))", "sub(add(c, d), x)"),
    rule(Rounding, "sub(add(c, x), d)", "add(sub(c, d), x)"),
    rule(Rounding, "sub(sub(c, x), d)", "sub(sub(c, d), x)"),
    rule(Rounding, "sub(sub(x, c), d)", "sub(x, add(c, d))"),
    rule(Rounding, "div(mul(c, x), d)", "mul(div(c, d), x)"),
    rule(Rounding, "div(div(x, c), d)", "div(x, mul(c, d))"),
    rule(Rounding, "div(div(c, x), d)", "div(div(c, d), x)"),
    rule(Rounding, "div(c, mul(d, x))", "div(div(c, d), x)"),
    rule(Rounding, "mul(c, div(x, d))", "mul(div(c, d), x)"),
    rule(Rounding, "mul(c, div(d, x))", "div(mul(c, d), x)"),
    // choices
    rule(Exact, "select(x, y, y)", "y"),
    rule(Exact, "select(1, y, z)", "y"),
    rule(Exact, "select(0, y, z)", "z"),
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
    rule(Stabilising, "sqrt(square(x))", "abs(x)"),
    rule(Stabilising, "reciprocal(add(exp(x), 1))", "sigmoid(neg(x))"),
    rule(Stabilising, "div(exp(x), add(exp(x), 1))", "sigmoid(x)"),
    rule(Stabilising, "sub(1, sigmoid(x))", "sigmoid(neg(x))"),
    rule(Stabilising, "div(sub(exp(x), exp(neg(x))), add(exp(x), exp(neg(x))))", "tanh(x)"),
    rule(Stabilising, "log(sigmoid(x))", "neg(softplus(neg(x)))"),
    rule(Stabilising, "log1p(neg(sigmoid(x)))", "neg(softplus(x))"),
    // only for finite values
    rule(AssumesFinite, "mul(x, 0)", "0"),
    rule(AssumesFinite, "div(0, x)", "0"),
    rule(AssumesFinite, "sub(x, x)", "0"),
    rule(AssumesFinite, "div(x, x)", "1"),
    rule(AssumesFinite, "div(mul(x, y), y)", "x"),
    rule(AssumesFinite, "exp(log(x))", "x"),
];

/// A rule that was read.
struct Row {
    class: Class,
    from: Pattern,
    to: Pattern,
    /// Which dtypes besides floats it holds for.
    ring: bool,
    logic: bool,
    /// Whether it makes a product or quotient of constants, which may leave the range that its operands were in.
    scales: bool,
}

impl Row {
    fn new(rule: &Rule) -> Result<Row, String> {
        let (from, to) = (Pattern::parse(rule.from)?, Pattern::parse(rule.to)?);
        let only = |ops: &[&str]| from.is_of(ops) && to.is_of(ops) && rule.class != Stabilising;
        // Integers wrap: they are a ring, in which no sum or product of them is ever rounded.
        let ring = only(&["add", "sub", "mul", "neg", "square"]);
        let logic = only(&["select", "not", "maximum", "minimum"]);
        let scales = rule.to.contains("mul(c, d)") || rule.to.contains("div(c, d)");
        Ok(Row { class: rule.class, from, to, ring, logic, scales })
    }

    fn holds_for(&self, dtype: DType) -> bool {
        dtype.is_float() || self.logic || (self.ring && dtype.is_integer())
    }
}

type Table = HashMap<String, Vec<Row>>;

/// The rules by the op at their root.
fn table() -> Result<&'static Table, Error> {
    static TABLE: OnceLock<Result<Table, String>> = OnceLock::new();
    let made = TABLE.get_or_init(|| {
        let mut table = Table::new();
        for rule in RULES {
            let row = Row::new(rule)?;
            let root = row.from.root().ok_or("a rule replaces an op")?.to_owned();
            table.entry(root).or_default().push(row);
        }
        Ok(table)
    });
    made.as_ref().map_err(|why| Error::run(format!("rewrite rules: {why}")))
}

/// Whether the constants of a node are normal numbers of its dtype: `(x * 1e30) * 1e30` is not `x * inf`.
fn keeps_range(builder: &Builder, n: usize) -> bool {
    let smallest = match builder.ty(n).dtype {
        DType::F64 => f64::MIN_POSITIVE,
        DType::F16 => 2f64.powi(-14),
        dtype if dtype.is_float() => f64::from(f32::MIN_POSITIVE),
        _ => return true,
    };
    let constants = builder.nodes[n].inputs.iter().filter_map(|&input| builder.splat(input));
    constants.into_iter().all(|value| value.is_finite() && value.abs() >= smallest)
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
    if let Some(simpler) = super::order_rules::simplify(builder, op, inputs, ty, origins)? {
        return Ok(Some(simpler));
    }
    if let Some(simpler) = super::row_rules::simplify(builder, op, inputs, origins)? {
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
    let Some(rows) = table()?.get(op.name()) else { return Ok(None) };
    for row in rows {
        let allowed = row.class != AssumesFinite || builder.policy.assume_finite;
        if !allowed || !row.holds_for(ty.dtype) {
            continue;
        }
        // Digits are worth a kernel; another order of operations is not.
        let through_ends = row.class == Stabilising || row.to.root().is_none();
        if let Some(bindings) = row.from.matches(builder, op, inputs, through_ends) {
            let simpler = row.to.emit(builder, &bindings, ty, origins)?;
            if builder.ty(simpler).dtype != ty.dtype || (row.scales && !keeps_range(builder, simpler)) {
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
