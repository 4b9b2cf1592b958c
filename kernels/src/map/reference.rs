//! Map on the reference device: the meaning of every instruction of the scalar IR.

use crate::{
    Binary, DType, Error, Expr, Map, Operand, Scalar, Unary,
    reference::{Results, Values, unravel},
};
use half::{bf16, f16};

pub(crate) fn map(map: &Map, inputs: &[Values], outputs: &[Operand]) -> Results {
    let (taken, given) = (map.expr.inputs().len(), map.expr.outputs().len());
    let mut results = Vec::new();
    for segment in 0..map.segments {
        let read = inputs.get(segment * taken..(segment + 1) * taken);
        let shape = outputs.get(segment * given).map(|output| &output.layout.shape);
        let (Some(read), Some(shape)) = (read, shape) else {
            return Err(Error::invalid(format!("segment {segment} has no operands")));
        };
        let mut columns = vec![Vec::new(); given];
        for element in 0..shape.iter().product() {
            let arguments: Vec<f64> = read.iter().map(|values| values.data[element]).collect();
            let row = eval(&map.expr, &arguments, &unravel(shape, element));
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        results.append(&mut columns);
    }
    Ok(results)
}

/// Evaluates an expression for one index of an iteration space, given one element of each input.
///
/// Floats of every width are computed in `f64` and rounded only by casts; integers wrap to their width.
pub(crate) fn eval(expr: &Expr, inputs: &[f64], index: &[usize]) -> Vec<f64> {
    let mut values: Vec<f64> = Vec::with_capacity(expr.body().len());
    for scalar in expr.body() {
        let of = |value: u32| values[value as usize];
        values.push(match *scalar {
            Scalar::Input(n) => inputs[n as usize],
            Scalar::Const(literal) => round(literal.dtype, literal.to_f64()),
            Scalar::Index(axis) => index[axis as usize] as f64,
            Scalar::Unary(op, a) => unary(op, expr.dtype(a), of(a)),
            Scalar::Binary(op, a, b) => binary(op, expr.dtype(a), of(a), of(b)),
            Scalar::Select(condition, a, b) => of(if of(condition) != 0.0 { a } else { b }),
            Scalar::Cast(to, a) if to.is_float() => round(to, of(a)),
            Scalar::Cast(DType::Bool, a) => truth(of(a) != 0.0),
            Scalar::Cast(to, a) if expr.dtype(a).is_float() => saturate(to, of(a)),
            Scalar::Cast(to, a) => wrap(to, of(a) as i128),
        });
    }
    expr.outputs().iter().map(|&(value, _)| values[value as usize]).collect()
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn round(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::F32 => f64::from(x as f32),
        // A 16-bit float is reached by way of f32, in which it is computed.
        DType::F16 => f16::from_f32(x as f32).to_f64(),
        DType::BF16 => bf16::from_f32(x as f32).to_f64(),
        _ => x,
    }
}

fn saturate(dtype: DType, x: f64) -> f64 {
    match dtype {
        DType::U8 => f64::from(x as u8),
        DType::I32 => f64::from(x as i32),
        _ => x as i64 as f64,
    }
}

fn wrap(dtype: DType, x: i128) -> f64 {
    match dtype {
        DType::Bool => truth(x != 0),
        DType::U8 => f64::from(x as u8),
        DType::I32 => f64::from(x as i32),
        DType::I64 => x as i64 as f64,
        _ => x as f64,
    }
}

fn unary(op: Unary, dtype: DType, x: f64) -> f64 {
    let y = match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x == 0.0 || x.is_nan() => x.abs(),
        Unary::Sign => x.signum(),
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Reciprocal => 1.0 / x,
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Unary::Erf => erf(x),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Relu => {
            if x <= 0.0 {
                0.0
            } else {
                x
            }
        }
        Unary::Square => x * x,
        Unary::Not => truth(x == 0.0),
        Unary::IsNan => truth(x.is_nan()),
        Unary::IsInf => truth(x.is_infinite()),
        Unary::IsFinite => truth(x.is_finite()),
    };
    match op {
        // In i64 the square of what f64 holds exactly may not be exact itself.
        Unary::Square if dtype.is_integer() => wrap(dtype, (x as i128) * (x as i128)),
        _ if dtype.is_integer() => wrap(dtype, y as i128),
        _ => y,
    }
}

fn binary(op: Binary, dtype: DType, a: f64, b: f64) -> f64 {
    match op {
        Binary::Equal => return truth(a == b),
        Binary::NotEqual => return truth(a != b),
        Binary::Less => return truth(a < b),
        Binary::LessEqual => return truth(a <= b),
        Binary::Greater => return truth(a > b),
        Binary::GreaterEqual => return truth(a >= b),
        Binary::Maximum | Binary::Minimum if a.is_nan() || b.is_nan() => return f64::NAN,
        Binary::Maximum => return a.max(b),
        Binary::Minimum => return a.min(b),
        _ => {}
    }
    if dtype.is_float() {
        return match op {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Pow => a.powf(b),
            // The remainder of `fmod` is exact; the quotient of the textbook formula is not.
            Binary::Mod => match a % b {
                rest if rest != 0.0 && (rest < 0.0) != (b < 0.0) => rest + b,
                rest => rest,
            },
            _ => f64::NAN,
        };
    }
    let (a, b) = (a as i128, b as i128);
    wrap(
        dtype,
        match op {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div | Binary::Mod if b == 0 => 0,
            Binary::Div => a / b,
            Binary::Mod => ((a % b) + b) % b,
            Binary::And => a & b,
            Binary::Or => a | b,
            Binary::Xor => a ^ b,
            _ => 0,
        },
    )
}

/// The error function: a series of positive terms near zero, the continued fraction of its complement further out.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() || a > 6.5 {
        return if a.is_nan() { x } else { x.signum() };
    }
    if a < 2.5 {
        // erf x = 2/sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), Abramowitz and Stegun 7.1.6.
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum;
    }
    // erfc x = e^(-x^2) / sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), Abramowitz and Stegun 7.1.14.
    let fraction = (1..200).rev().fold(a, |tail, n| a + f64::from(n) / 2.0 / tail);
    let complement = (-a * a).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / fraction;
    (1.0 - complement).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_has_its_known_values() {
        for (x, y) in [
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.4, 0.999_311_486_103_354_9),
            (2.6, 0.999_763_965_583_470_7),
        ] {
            assert!((erf(x) - y).abs() < 4e-16, "{x} {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }
}
