//! Custom kernels on the reference device: the user's function, which is its own measure.

use super::Custom;
use crate::reference::{Results, Values};
use crate::{Array, ArrayView, ArrayViewMut, Error, Operand};

pub(crate) fn custom(custom: &Custom, inputs: &[Values], operands: &[Operand], outputs: &[Operand]) -> Results {
    let arrays = inputs.iter().zip(operands).map(|(values, operand)| {
        let value = |i: usize| values.data.get(i).copied().unwrap_or_default();
        Array::from_fn(operand.dtype, &values.shape, value)
    });
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let views: Vec<ArrayView<'_>> = arrays.iter().map(Array::view).collect();
    let operand = outputs.first().ok_or_else(|| Error::invalid("a custom kernel has an output"))?;
    let mut result = Array::zeros(operand.dtype, &operand.layout.shape)?;
    let output = ArrayViewMut::zeroed(operand.dtype, &operand.layout.shape, result.bytes_mut()?);
    custom.0.cpu(&views, output)?;
    Ok(vec![result.to_f64()])
}
