//! The text form of expressions: `|f32, i64| {v0 = in0; v1 = 2.0:f32; v2 = mul(v0, v1); v2:f16}`.
//!
//! The dtypes of the inputs stand first, then the instructions, then the results. A NaN with other bits than the usual
//! ones is written `nan0x...`, so that every expression reads back as itself.

use super::{Binary, Expr, Literal, Scalar, Unary, Value};
use crate::{DType, Error, text::Cursor};
use std::{fmt, str::FromStr};

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let float = f64::from_bits(self.bits);
        if !self.dtype.is_float() {
            write!(f, "{}:{}", self.to_i64(), self.dtype)
        } else if float.is_nan() && self.bits != f64::NAN.to_bits() {
            write!(f, "nan{:#x}:{}", self.bits, self.dtype)
        } else {
            write!(f, "{float:?}:{}", self.dtype)
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = |n: usize| if n == 0 { "" } else { ", " };
        f.write_str("|")?;
        for (n, dtype) in self.inputs.iter().enumerate() {
            write!(f, "{}{dtype}", separator(n))?;
        }
        f.write_str("| {")?;
        for (value, scalar) in self.body.iter().enumerate() {
            write!(f, "v{value} = ")?;
            match *scalar {
                Scalar::Input(n) => write!(f, "in{n}")?,
                Scalar::Const(literal) => write!(f, "{literal}")?,
                Scalar::Index(axis) => write!(f, "index{axis}")?,
                Scalar::Unary(op, a) => write!(f, "{}(v{a})", op.name())?,
                Scalar::Binary(op, a, b) => write!(f, "{}(v{a}, v{b})", op.name())?,
                Scalar::Select(c, a, b) => write!(f, "select(v{c}, v{a}, v{b})")?,
                Scalar::Cast(dtype, a) => write!(f, "cast_{dtype}(v{a})")?,
            }
            f.write_str("; ")?;
        }
        for (n, (value, dtype)) in self.outputs.iter().enumerate() {
            write!(f, "{}v{value}:{dtype}", separator(n))?;
        }
        f.write_str("}")
    }
}

impl FromStr for Expr {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) prints. Instructions must be numbered in order, and none may repeat another:
    /// an expression holds each instruction once.
    fn from_str(text: &str) -> Result<Expr, Error> {
        let mut cursor = Cursor::new(text);
        let expr = Expr::parse(&mut cursor)?;
        cursor.end()?;
        Ok(expr)
    }
}

impl Expr {
    /// Reads an expression at `cursor`.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Expr, Error> {
        let mut expr = Expr::new(cursor.list("|", "|", dtype)?);
        cursor.expect("{")?;
        while !cursor.eat("}") {
            let start = cursor.clone();
            let value: Value = cursor.numbered("v")?;
            if !cursor.eat("=") {
                *cursor = start;
                outputs(cursor, &mut expr)?;
                break;
            }
            let place = cursor.clone();
            let scalar = instruction(cursor)?;
            let number = expr.body.len();
            let pushed = expr.push(scalar).map_err(|why| place.error(why))?;
            if pushed as usize != number {
                return Err(place.error(format_args!("v{pushed} is the same instruction")));
            }
            if value != pushed {
                return Err(start.error(format_args!("expected v{number}, the next value")));
            }
            cursor.expect(";")?;
        }
        Ok(expr)
    }
}

/// Reads the results and the closing brace.
fn outputs(cursor: &mut Cursor<'_>, expr: &mut Expr) -> Result<(), Error> {
    loop {
        let place = cursor.clone();
        let value = cursor.numbered("v")?;
        cursor.expect(":")?;
        expr.output(value, dtype(cursor)?).map_err(|why| place.error(why))?;
        if cursor.eat("}") {
            return Ok(());
        }
        cursor.expect(",")?;
    }
}

pub(crate) fn dtype(cursor: &mut Cursor<'_>) -> Result<DType, Error> {
    cursor.word("a dtype", |word| word.parse().ok())
}

fn instruction(cursor: &mut Cursor<'_>) -> Result<Scalar, Error> {
    let place = cursor.clone();
    let atom = cursor.atom("an instruction", |atom| (!atom.is_empty()).then_some(atom))?;
    let unknown = |what: &str| Err(place.clone().expected(what));
    if cursor.rest().trim_start().starts_with('(') {
        let operands: Vec<Value> = cursor.list("(", ")", |cursor| cursor.numbered("v"))?;
        let cast = atom.strip_prefix("cast_").and_then(|name| name.parse().ok());
        return match (operands.as_slice(), Unary::from_name(atom), Binary::from_name(atom), cast) {
            (&[a], Some(op), _, _) => Ok(Scalar::Unary(op, a)),
            (&[a], _, _, Some(dtype)) => Ok(Scalar::Cast(dtype, a)),
            (&[a, b], _, Some(op), _) => Ok(Scalar::Binary(op, a, b)),
            (&[c, a, b], _, _, _) if atom == "select" => Ok(Scalar::Select(c, a, b)),
            (_, None, None, None) if atom != "select" => unknown("an operator"),
            _ => Err(place.error(format_args!("{} operands are too many or too few for {atom}", operands.len()))),
        };
    }
    if cursor.eat(":") {
        let dtype = dtype(cursor)?;
        return literal(dtype, atom)
            .map_or_else(|| unknown(&format!("a constant of {dtype}")), |it| Ok(Scalar::Const(it)));
    }
    let numbered = |prefix| atom.strip_prefix(prefix).and_then(|number: &str| number.parse().ok());
    match (numbered("index"), numbered("in")) {
        (Some(axis), _) => Ok(Scalar::Index(axis)),
        (_, Some(input)) => Ok(Scalar::Input(input)),
        _ => unknown("an input, an index, a constant or an operator"),
    }
}

fn literal(dtype: DType, text: &str) -> Option<Literal> {
    if !dtype.is_float() {
        let value = text.parse().ok()?;
        return (dtype != DType::Bool || value == 0 || value == 1).then(|| Literal::int(dtype, value));
    }
    match text.strip_prefix("nan0x") {
        // Bits, not a value: a float in a register may lose the payload.
        Some(bits) => Some(Literal { dtype, bits: u64::from_str_radix(bits, 16).ok()? })
            .filter(|literal| f64::from_bits(literal.bits).is_nan()),
        None => Some(Literal::new(dtype, text.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mutated;

    /// Every instruction, and constants at the edges of their dtypes.
    fn rich() -> Expr {
        let mut expr = Expr::new([DType::F32, DType::BF16, DType::I64, DType::Bool, DType::F64, DType::U8]);
        let push = |expr: &mut Expr, scalar| expr.push(scalar).unwrap();
        let x = push(&mut expr, Scalar::Input(0));
        let half = push(&mut expr, Scalar::Input(1));
        let long = push(&mut expr, Scalar::Input(2));
        let flag = push(&mut expr, Scalar::Input(3));
        for float in [-0.0, 0.1, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 1e21] {
            for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
                push(&mut expr, Scalar::Const(Literal::new(dtype, float)));
            }
        }
        for (dtype, value) in
            [(DType::I64, i64::MIN), (DType::I64, i64::MAX), (DType::I32, -1), (DType::U8, 255), (DType::Bool, 1)]
        {
            push(&mut expr, Scalar::Const(Literal::int(dtype, value)));
        }
        push(&mut expr, Scalar::Const(Literal { dtype: DType::F64, bits: 0x7ff0_0000_0000_0001 }));
        push(&mut expr, Scalar::Index(7));
        for &op in Unary::ALL {
            let operand = if op.accepts(DType::F32) { x } else { flag };
            push(&mut expr, Scalar::Unary(op, operand));
        }
        for &op in Binary::ALL {
            let (a, b) = if op.accepts(DType::F32) { (x, half) } else { (long, long) };
            push(&mut expr, Scalar::Binary(op, a, b));
        }
        let chosen = push(&mut expr, Scalar::Select(flag, x, half));
        for dtype in DType::ALL {
            push(&mut expr, Scalar::Cast(dtype, chosen));
        }
        expr.output(chosen, DType::F16).unwrap();
        expr.output(long, DType::I64).unwrap();
        expr
    }

    #[test]
    fn expressions_round_trip() {
        let unused = Expr::new([DType::F32]);
        for expr in [rich(), Expr::default(), unused, Expr::copy(DType::I32, DType::F16)] {
            let text = expr.to_string();
            assert_eq!(text.parse::<Expr>().map_err(|why| format!("{why} in {text}")), Ok(expr));
        }
    }

    #[test]
    fn refusals_name_the_place() {
        let cases = [
            ("", "line 1, column 1: expected `|`, found the end of the text"),
            ("|f31| {}", "line 1, column 2: expected a dtype, found `f31`"),
            ("|f32| {v1 = in0;}", "line 1, column 8: expected v0, the next value"),
            ("|f32| {v0 = in1;}", "line 1, column 13: there is no input 1"),
            ("|f32| {v0 = in0; v1 = in0;}", "line 1, column 23: v0 is the same instruction"),
            ("|f32| {v0 = in0; v1 = exp(v1);}", "line 1, column 23: v1 is not defined"),
            ("|i64| {v0 = in0; v1 = exp(v0);}", "line 1, column 23: exp is not defined for i64"),
            ("|i64| {v0 = in0; v1 = add(v0);}", "line 1, column 23: 1 operands are too many or too few for add"),
            ("|i64| {v0 = in0; v1 = plus(v0);}", "line 1, column 23: expected an operator, found `plus`"),
            ("|| {v0 = 1.5:i64;}", "line 1, column 10: expected a constant of i64, found `1.5`"),
            ("|| {v0 = 2:bool;}", "line 1, column 10: expected a constant of bool, found `2`"),
            ("|| {v0 = nan0x1:f32;}", "line 1, column 10: expected a constant of f32, found `nan0x1`"),
            ("|| {v0 = x;}", "line 1, column 10: expected an input, an index, a constant or an operator, found `x`"),
            ("|f32| {v0 = in0; v0:i64}", "line 1, column 18: a value of f32 cannot be stored as i64 without a cast"),
            ("|f32| {v0 = in0; v0:f32", "line 1, column 24: expected `,`, found the end of the text"),
            ("|f32| {} x", "line 1, column 10: expected the end, found `x`"),
        ];
        for (text, why) in cases {
            assert_eq!(text.parse::<Expr>().unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn mutated_expressions_never_panic() {
        let (text, mut state) = (rich().to_string(), 3);
        for _ in 0..5_000 {
            let text = mutated(text.as_bytes(), &mut state);
            if let Ok(expr) = String::from_utf8_lossy(&text).parse::<Expr>() {
                assert_eq!(expr.to_string().parse::<Expr>().unwrap(), expr);
            }
        }
    }
}
