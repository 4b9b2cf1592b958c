//! `div`: a / b with NumPy's broadcasting; the quotient of integers is a float.

use super::prelude::*;

binary! {
    Div,
    // By the divisor: -a / b^2, written with the quotient that is there already.
    |v| [Grad::Some(&v.cotangent / &v.inputs[1]), Grad::Some(-&v.cotangent * &v.output / &v.inputs[1])],
    checks: [
        one(&[(&[3, 5], -2.0, 2.0), (&[3, 5], 0.5, 2.0)], |x| &x[0] / &x[1]),
        one(&[(&[3, 1, 2], -2.0, 2.0), (&[5, 1], -2.0, -0.5)], |x| &x[0] / &x[1]),
    ],
    misuses: [misuse!(|a, b, _| a / b)],
}

/// True division: integers and `bool` become `f32` first.
fn div(a: &Tensor, b: &Tensor, place: Place) -> Tensor {
    let (a, b) = super::cast::promoted(a, b, place);
    RULE.record(&super::cast::to_float(&a, place), &super::cast::to_float(&b, place), place)
}

operator!(Div, div, div);
