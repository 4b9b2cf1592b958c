//! `relu`: max(x, 0).

use super::prelude::*;

unary! {
    /// max(x, 0), elementwise; NaN for NaN. The derivative at 0 is taken as 0.
    relu => Relu,
    // A choice and not a product with the mask, which would turn an infinite cotangent at a masked place into NaN. The mask
    // is taken from the result, which is in memory anyway: the operand then need not be.
    |v| Grad::Some(v.output.greater(0.0).select(&v.cotangent, 0.0)),
    checks: [
        one(&[(&[3, 5], 0.1, 2.0)], |x| x[0].relu()),
        one(&[(&[3, 5], -2.0, -0.1)], |x| x[0].relu()),
        one(&[(&[3, 5], 0.1, 2.0)], |x| x[0].square().relu().square()),
    ],
    misuses: [misuse!(|_, _, flag| flag.relu())],
}
