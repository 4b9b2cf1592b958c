//! `custom_vjp`: a function with a gradient of the user's own.

use super::prelude::*;
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

type Backward = dyn Fn(&[Tensor], &Tensor, &Tensor) -> Vec<Tensor> + Send + Sync;

/// The first operand, which was computed from the others; their gradients are those of a function.
struct CustomVjp {
    backward: Arc<Backward>,
    /// Two functions are two ops.
    serial: u64,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl fmt::Debug for CustomVjp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomVjp({})", self.serial)
    }
}

impl Op for CustomVjp {
    fn name(&self) -> &'static str {
        "custom_vjp"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("serial", self.serial)
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        inputs.first().cloned().ok_or_else(|| Refusal::new("it takes a result and what it was computed from"))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let inputs = &v.inputs[1..];
        let gradients = (self.backward)(inputs, &v.output, &v.cotangent);
        let mut all = vec![Grad::Disconnected];
        if gradients.len() != inputs.len() {
            all.extend(inputs.iter().map(|_| Grad::NotImplemented("its function gives another number of gradients")));
            return all;
        }
        all.extend(inputs.iter().zip(gradients).map(|(x, gradient)| {
            Grad::Some(match (x.ty(), gradient.ty()) {
                (Ok(want), Ok(have)) if want != have => x.refuse(
                    format!("custom_vjp: its function gives a gradient of {have} for an operand of {want}"),
                    Location::caller(),
                ),
                _ => gradient,
            })
        }));
        all
    }

    fn lower(&self) -> Lower {
        Lower::Identity
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "custom_vjp",
    // The function of the gradient is not part of the text form; what is computed does not need it.
    parse: |attributes| {
        Ok(Arc::new(CustomVjp { backward: Arc::new(|_, _, _| vec![]), serial: attributes.int("serial")? as u64 }))
    },
    #[cfg(test)]
    checks: &[one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0)], |x| {
        crate::custom_vjp(
            &[&x[0], &x[1]],
            |x| (&x[0] * &x[1]).exp(),
            |x, y, g| vec![g * y * &x[1], (g * y * &x[0]).sum_axes([0])],
        )
    })],
    #[cfg(test)]
    misuses: &[],
};

/// What `forward` makes of `inputs`, with the gradients that `backward` makes of the inputs, the result, and the
/// result's cotangent: one for each input, of its shape and dtype.
///
/// `backward` is written in graph ops, so it can be differentiated in turn. Gradients flow to `inputs` only, not to
/// other tensors that `forward` uses.
///
/// ```
/// # use wengert_autograd::{DType, Graph, custom_vjp};
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None]);
/// // Rounds, and lets the gradient pass as if it did not.
/// let y = custom_vjp(&[&x], |x| x[0].round(), |_, _, g| vec![g.clone()]);
/// assert_eq!(y.sum().grad(&[&x])[0].shape()?, x.shape()?);
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
#[must_use]
#[track_caller]
pub fn custom_vjp(
    inputs: &[&Tensor],
    forward: impl FnOnce(&[Tensor]) -> Tensor,
    backward: impl Fn(&[Tensor], &Tensor, &Tensor) -> Vec<Tensor> + Send + Sync + 'static,
) -> Tensor {
    let place = Location::caller();
    let owned: Vec<Tensor> = inputs.iter().copied().cloned().collect();
    let op = CustomVjp { backward: Arc::new(backward), serial: NEXT.fetch_add(1, Ordering::Relaxed) };
    forward(&owned).apply(op, inputs, place)
}

#[cfg(test)]
mod tests {
    use crate::{DType, Graph, custom_vjp};

    #[test]
    fn wrong_gradients_are_errors() {
        // semantics 3.9
        let x = Graph::new().placeholder("x", DType::F32, [Some(3)]);
        let few = custom_vjp(&[&x], |x| x[0].sum(), |_, _, _| vec![]);
        assert!(few.grad(&[&x])[0].ty().unwrap_err().is_gradient());
        let wrong = custom_vjp(&[&x], |x| x[0].sum(), |_, _, g| vec![g.clone()]);
        let error = wrong.grad(&[&x])[0].ty().unwrap_err().to_string();
        assert!(error.contains("f32[] for an operand of f32[3]") && error.contains("custom_vjp.rs"), "{error}");
    }
}
