//! `transpose`: axes in another order.

use super::prelude::*;

/// Axis `i` of the result is axis `axes[i]` of the operand.
#[derive(Debug)]
struct Transpose(Vec<usize>);

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn attributes(&self) -> Attributes {
        Attributes::none().with("axes", self.0.as_slice())
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [x] = inputs else { return Err(Refusal::new("it takes one operand")) };
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return Err(Refusal::new(format!("{:?} is no order of its {} axes", self.0, x.rank())));
        }
        Ok(TensorType::new(x.dtype, self.0.iter().map(|&axis| x.shape[axis].clone())))
    }

    fn vjp(&self, v: &Vjp) -> Vec<Grad> {
        let mut inverse = vec![0; self.0.len()];
        for (to, &from) in self.0.iter().enumerate() {
            inverse[from] = to;
        }
        vec![Grad::Some(v.cotangent.transpose(inverse))]
    }

    fn lower(&self) -> Lower {
        Lower::View(View::Permute(self.0.clone()))
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "transpose",
    parse: |attributes| Ok(Arc::new(Transpose(attributes.sizes("axes")?))),
    #[cfg(test)]
    checks: &[
        one(&[(&[2, 3, 4], -2.0, 2.0)], |x| x[0].transpose([2, 0, 1]).exp()),
        one(&[(&[2, 3, 4], -2.0, 2.0)], |x| x[0].t().exp()),
    ],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.transpose([0, 0])),
        misuse!(|a, _, _| a.transpose([0])),
        misuse!(|a, _, _| a.sum().t()),
    ],
};

impl Tensor {
    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this tensor.
    #[must_use]
    #[track_caller]
    pub fn transpose(&self, axes: impl AsRef<[usize]>) -> Tensor {
        self.apply(Transpose(axes.as_ref().to_vec()), &[], Location::caller())
    }

    /// The last two axes exchanged: the transposed matrices.
    #[must_use]
    #[track_caller]
    pub fn t(&self) -> Tensor {
        let place = Location::caller();
        match self.ty() {
            Ok(ty) if ty.rank() >= 2 => {
                let mut axes: Vec<usize> = (0..ty.rank()).collect();
                axes.swap(ty.rank() - 2, ty.rank() - 1);
                self.apply(Transpose(axes), &[], place)
            }
            Ok(ty) => self.refuse(format!("t of {ty}: a matrix has two axes"), place),
            Err(_) => self.clone(),
        }
    }
}
