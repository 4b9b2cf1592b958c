//! What becomes of the elements of a result: an epilogue, or just the result's dtype.

use super::{Argument, Space, source};
use crate::{DType, Expr, Operand};
use std::fmt::Write;

/// The text of `finish(const Finish& to, Flat flat, sum)`, which takes the element with row-major number `flat`, and the
/// members of its `struct Finish`. Whoever calls it once for each element need not know what an epilogue reads: those inputs
/// are found from the element's number, whose digits cost divisions only where an input lies otherwise than the result.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) text: String,
    pub(crate) members: Vec<Argument>,
}

impl Finish {
    /// For kernels that finish nothing. (A structure without members would have a size nevertheless.)
    pub(crate) fn none() -> Finish {
        Finish { text: "struct Finish { u64 none; };\n".into(), members: vec![Argument::I64(0)] }
    }

    /// `computed` is the dtype of the sums, `extra` are the expression's inputs after its first, `outputs` its results, all of
    /// the same shape; outputs are row-major.
    pub(crate) fn new(expr: Option<&Expr>, computed: DType, extra: &[Operand], outputs: &[Operand]) -> Finish {
        let plain;
        let expr = match (expr, outputs.first()) {
            (Some(expr), _) => expr,
            (None, Some(output)) => {
                plain = Expr::copy(output.dtype, output.dtype);
                &plain
            }
            (None, None) => return Finish::none(),
        };
        let shape = outputs.first().map_or(&[][..], |output| &output.layout.shape);
        let axes = source::indices(expr);
        let units = axes.iter().map(|&axis| (0..shape.len()).map(|it| isize::from(it == axis as usize)).collect());
        let units: Vec<Vec<isize>> = units.collect();
        // The result itself keeps the order of the axes, so that they merge only where numbers go on.
        let strides: Vec<&[isize]> =
            extra.iter().map(|operand| &*operand.layout.strides).chain(units.iter().map(|it| &**it)).collect();
        let space = Space::merged(shape, &strides);
        let rank = space.sizes.len();

        let mut members: Vec<Argument> =
            extra.iter().chain(outputs).map(|operand| Argument::Place(operand.into())).collect();
        let mut axis_members = String::new();
        if !strides.is_empty() {
            members.extend(space.sizes.iter().map(|&size| Argument::I64(size as i64)));
            members.extend(space.strides.iter().flatten().map(|&stride| Argument::I64(stride as i64)));
            axis_members = format!(" i64 size[{rank}], stride[{}][{rank}];", strides.len());
        }

        let flat = if shape.iter().product::<usize>() <= u32::MAX as usize { "u32" } else { "u64" };
        let mut text = format!(
            "typedef {flat} Flat;
struct Finish {{ u64 address[{}];{axis_members} }};
FN void finish(const Finish& to, Flat flat, {} sum) {{\n",
            extra.len() + outputs.len(),
            computed.compute(),
        );
        if !strides.is_empty() {
            let _ = writeln!(text, "    Flat rest = flat;");
            for axis in (1..rank).rev() {
                let _ = writeln!(
                    text,
                    "    const i64 i{axis} = rest % (Flat)to.size[{axis}];\n    rest /= (Flat)to.size[{axis}];"
                );
            }
            let _ = writeln!(text, "    const i64 i0 = rest;");
        }
        for number in 0..strides.len() {
            let along = (0..rank).map(|axis| format!("i{axis} * to.stride[{number}][{axis}]"));
            let _ = writeln!(text, "    const i64 at{number} = {};", along.collect::<Vec<_>>().join(" + "));
        }
        if let Some(given) = expr.inputs().first() {
            let _ = writeln!(text, "    const {given} given = Narrow<{given}>::of(sum);");
        }
        let input = |n: u32| match (n as usize).checked_sub(1) {
            None => "given".into(),
            Some(n) => format!("((const {}*)to.address[{n}])[at{n}]", expr.inputs()[n + 1]),
        };
        let index = |axis: u32| format!("at{}", extra.len() + axes.iter().position(|&it| it == axis).unwrap_or(0));
        text += &source::statements(expr, input, index);
        for (number, (_, dtype)) in expr.outputs().iter().enumerate() {
            let address = extra.len() + number;
            let _ = writeln!(text, "    (({dtype}*)to.address[{address}])[flat] = {};", source::result(expr, number));
        }
        text += "}\n";
        Finish { text, members }
    }
}
