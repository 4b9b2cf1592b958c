//! `one_hot`: class numbers as rows with a single 1.

use super::prelude::*;

pub(super) const SPEC: OpSpec = composite(
    "one_hot",
    &[one(&[(&[3, 5], -2.0, 2.0)], |x| x[0].argmax(-1).one_hot(5, DType::F64) * &x[0])],
    &[misuse!(|a, _, _| a.one_hot(5, DType::F32))],
);

impl Tensor {
    /// A new last axis of size `depth` that is 1 at the index that this tensor of integers holds, 0 elsewhere: `[..]`
    /// gives `[.., depth]`. A row whose index is negative or beyond `depth` is all 0.
    #[must_use]
    #[track_caller]
    pub fn one_hot(&self, depth: usize, dtype: DType) -> Tensor {
        let place = Location::caller();
        match self.ty() {
            Ok(ty) if !ty.dtype.is_integer() => {
                self.refuse(format!("one_hot of {ty}: class numbers are integers\n  hint: cast() to i64"), place)
            }
            Ok(_) => self.expand_dims(-1).equal(self.graph().arange(depth)).cast(dtype),
            Err(_) => self.clone(),
        }
    }
}
