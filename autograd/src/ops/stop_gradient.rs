//! `stop_gradient`: a value that counts as a constant.

use super::prelude::*;

/// The operand; no gradient passes.
#[derive(Debug)]
struct StopGradient;

impl Op for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        Ok(x.clone())
    }

    fn vjp(&self, _: &Vjp) -> Vec<Grad> {
        vec![Grad::Disconnected]
    }

    fn lower(&self) -> Lower {
        Lower::Identity
    }
}

pub(super) const SPEC: OpSpec = spec("stop_gradient", |_| Ok(Arc::new(StopGradient)), &[], &[]);

impl Tensor {
    /// The same value, through which no gradient passes: the gradient of `x * x.stop_gradient()` is `x`.
    #[must_use]
    #[track_caller]
    pub fn stop_gradient(&self) -> Tensor {
        self.apply(StopGradient, &[], Location::caller())
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, GradOptions, Graph, gradients};

    #[test]
    fn it_cuts_and_says_so() {
        let x = Graph::new().placeholder("x", DType::F32, []);
        assert!((&x * x.stop_gradient()).grad(&[&x])[0].ty().is_ok());
        let error = x.stop_gradient().grad(&[&x])[0].ty().unwrap_err();
        assert!(error.is_gradient() && error.to_string().contains("cut by stop_gradient"), "{error}");
        let zeros = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
        assert!(gradients(&[&x.stop_gradient()], &[&x], &zeros)[0].ty().is_ok());
    }
}
