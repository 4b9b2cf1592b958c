//! Scalar expressions as CUDA source.

use crate::{DType, Expr, Literal, Scalar};
use std::fmt::Write;

/// Types and operators that every kernel begins with.
pub(crate) const PRELUDE: &str = include_str!("prelude.cu");

/// The axes whose indices an expression uses.
pub(crate) fn indices(expr: &Expr) -> Vec<u32> {
    let axis = |scalar: &Scalar| if let Scalar::Index(axis) = scalar { Some(*axis) } else { None };
    expr.body().iter().filter_map(axis).collect()
}

/// The statements that compute an expression: `const f32 v2 = op_add(v0, v1);` and so on. `input` and `index` say how a stored
/// element of an input and the index along an axis are written; [`result`] how a result is.
pub(crate) fn statements(expr: &Expr, input: impl Fn(u32) -> String, index: impl Fn(u32) -> String) -> String {
    let mut text = String::new();
    for (number, scalar) in expr.body().iter().enumerate() {
        let value = match *scalar {
            Scalar::Input(n) => format!("widen({})", input(n)),
            Scalar::Const(constant) => literal(constant),
            Scalar::Index(axis) => format!("(i64)({})", index(axis)),
            Scalar::Unary(op, a) => format!("op_{}(v{a})", op.name()),
            Scalar::Binary(op, a, b) => format!("op_{}(v{a}, v{b})", op.name()),
            Scalar::Select(condition, a, b) => format!("v{condition} ? v{a} : v{b}"),
            Scalar::Cast(to, a) => format!("Cast<{to}>::of(v{a})"),
        };
        // A String can be written to without failure.
        let _ = writeln!(text, "        const {} v{number} = {value};", expr.dtype(number as u32));
    }
    text
}

/// A result of an expression as it is stored.
pub(crate) fn result(expr: &Expr, number: usize) -> String {
    let (value, dtype) = expr.outputs()[number];
    format!("Narrow<{dtype}>::of(v{value})")
}

/// A constant by its bits, so that none is lost in decimal digits.
pub(crate) fn literal(constant: Literal) -> String {
    match constant.dtype {
        DType::F64 => format!("__longlong_as_double({:#x}ll)", constant.to_f64().to_bits()),
        DType::F32 => format!("__uint_as_float({:#x}u)", (constant.to_f64() as f32).to_bits()),
        DType::F16 | DType::BF16 => {
            format!("Cast<{}>::of(__uint_as_float({:#x}u))", constant.dtype, (constant.to_f64() as f32).to_bits())
        }
        DType::Bool => format!("{}", constant.to_i64() != 0),
        other => format!("({other}){:#x}ull", constant.to_i64()),
    }
}
