//! `select`: elementwise choice, NumPy's `where`.

use super::prelude::*;

/// The second operand where the first holds, else the third; all three broadcast.
#[derive(Debug)]
struct Select;

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [condition, a, b] = inputs else { return Err(Refusal::new("it takes three operands")) };
        if condition.dtype != DType::Bool {
            return Err(Refusal::new(format!("the condition is {}, not bool", condition.dtype))
                .hint("compare it: not_equal(0.0), greater(0.5), ..."));
        }
        if a.dtype != b.dtype {
            return Err(Refusal::new("the two choices differ in dtype").hint("cast() one of them"));
        }
        let shape = crate::broadcast(&[&condition.shape, &a.shape, &b.shape], context.dims, context.origin)?;
        Ok(TensorType::new(a.dtype, shape))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let (condition, g) = (&v.inputs[0], &v.cotangent);
        let gradient = |operand: usize| match (v.wanted[operand], operand) {
            (false, _) | (_, 0) => Grad::Disconnected,
            (_, 1) => Grad::Some(condition.select(g, 0.0).sum_to(&v.inputs[1])),
            _ => Grad::Some(condition.select(0.0, g).sum_to(&v.inputs[2])),
        };
        (0..3).map(gradient).collect()
    }

    fn lower(&self) -> Lower {
        Lower::Select
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "select",
    parse: |_| Ok(Arc::new(Select)),
    #[cfg(test)]
    checks: &[
        one(&[(&[3, 5], 0.1, 2.0), (&[3, 5], -2.0, 2.0)], |x| x[1].greater(0.0).select(&x[0], x[0].square())),
        one(&[(&[3, 5], -2.0, 2.0), (&[5], -2.0, 2.0), (&[3, 1], -2.0, 2.0)], |x| {
            x[0].less(0.5).select(x[1].exp(), x[2].exp())
        }),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.select(a, a)),
        misuse!(|a, b, flag| flag.select(a, b)),
        misuse!(|_, b, flag| flag.select(b, 0.0)),
    ],
};

impl Tensor {
    /// `then` where this condition (`bool`) holds, else `otherwise`, elementwise, with NumPy's broadcasting: its
    /// `where`.
    ///
    /// Each choice gets the gradient of the elements that it gave; the condition gets none. The choice that was not
    /// taken is computed all the same: where its own derivative is infinite there, choose its operand too
    /// (`x.greater(0.0).select(x, 1.0)`).
    #[must_use]
    #[track_caller]
    pub fn select(&self, then: impl Operand, otherwise: impl Operand) -> Tensor {
        let place = Location::caller();
        let a = then.beside(otherwise.tensor().unwrap_or(self), place);
        let b = otherwise.beside(&a, place);
        let (a, b) = super::cast::promoted(&a, &b, place);
        self.apply(Select, &[&a, &b], place)
    }
}
