//! `pow`: a^b.

use super::prelude::*;

binary! {
    /// This tensor to the power of `exponent`, elementwise, with NumPy's broadcasting, for floats; a negative base
    /// takes integer exponents only, else the result is NaN. 0^0 is 1.
    ///
    /// Both get a gradient: that of the exponent is a^b ln a, NaN for a negative base.
    pow => Pow,
    |v| [Grad::Some(&v.cotangent * by_base(&v.inputs[0], &v.inputs[1])), Grad::Some(by_exponent(v))],
    checks: [
        one(&[(&[3, 5], 0.5, 2.0), (&[3, 5], -2.0, 2.0)], |x| x[0].pow(&x[1])),
        one(&[(&[3, 1], 0.5, 2.0), (&[5], -2.0, 2.0)], |x| x[0].pow(&x[1])),
        one(&[(&[5], -2.0, -0.5)], |x| x[0].pow(3.0)),
        one(&[(&[5], -2.0, -0.5)], |x| x[0].powi(5) + x[0].powi(-2) + x[0].powi(0)),
    ],
    misuses: [misuse!(|a, b, _| a.pow(b)), misuse!(|_, _, flag| flag.pow(2)), misuse!(|_, _, flag| flag.powi(2))],
}

/// b a^(b - 1). 0^0 is constant, where the formula would say 0 * inf.
fn by_base(a: &Tensor, b: &Tensor) -> Tensor {
    let constant = a.equal(0.0).logical_and(b.equal(0.0));
    b * a.pow(constant.select(1.0, b - 1.0))
}

/// g a^b ln a; 0 for a base of 0.
fn by_exponent(v: &Vjp) -> Tensor {
    let a = &v.inputs[0];
    &v.cotangent * &v.output * a.equal(0.0).select(1.0, a).log()
}

impl Tensor {
    /// This tensor to the power of the integer `n`, by repeated squaring: for negative elements too, and for integers
    /// when `n` is not negative.
    #[must_use]
    #[track_caller]
    pub fn powi(&self, n: i32) -> Tensor {
        let place = Location::caller();
        match self.ty() {
            Ok(ty) if ty.dtype == DType::Bool || (n < 0 && ty.dtype.is_integer()) => {
                self.refuse(format!("powi of {ty}: it has no power {n}\n  hint: cast() to a float first"), place)
            }
            Ok(_) if n == 0 => self.filled_like(1.0, place),
            Ok(_) => self.graph().composed(place, || {
                let power = power(self, n.unsigned_abs());
                if n < 0 { power.reciprocal() } else { power }
            }),
            Err(_) => self.clone(),
        }
    }
}

fn power(x: &Tensor, n: u32) -> Tensor {
    match n {
        0 | 1 => x.clone(),
        _ if n.is_multiple_of(2) => power(x, n / 2).square(),
        _ => power(x, n - 1) * x,
    }
}
