//! `log_softmax` along an axis.

use super::prelude::*;
use super::softmax::{infer, last_axis};

/// x - ln sum e^x along the last axis.
#[derive(Debug)]
struct LogSoftmax;

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        infer(inputs)
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (y, g) = (&v.output, &v.cotangent);
        vec![Grad::Some(g - y.exp() * g.sum_keepdims([-1]))]
    }

    fn lower(&self) -> Lower {
        Lower::Softmax { log: true }
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "log_softmax",
    parse: |_| Ok(Arc::new(LogSoftmax)),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 5], -2.0, 2.0), (&[5], -1.0, 1.0)], |x| x[0].log_softmax(-1) * &x[1]),
        one(&[(&[3, 2, 4], -2.0, 2.0), (&[2, 1], -1.0, 1.0)], |x| x[0].log_softmax(0) * &x[1]),
    ],
    #[cfg(test)]
    misuses: &[misuse!(|a, _, _| a.log_softmax(2)), misuse!(|_, _, flag| flag.log_softmax(-1))],
};

impl Tensor {
    /// x - ln sum e^x along `axis`, for floats: the logarithm of [`softmax`](Tensor::softmax), without its underflow.
    #[must_use]
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        let place = Location::caller();
        last_axis(self, axis, "log_softmax", place, |x| x.apply(LogSoftmax, &[], place))
    }
}
