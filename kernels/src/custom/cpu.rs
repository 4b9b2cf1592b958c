//! Custom kernels on the CPU: the user's function over views of memory.

use super::{Custom, CustomKernel};
use crate::cpu::{Context, Launch, Place};
use crate::{ArrayView, ArrayViewMut, DType, Error, Operand, Step};
use std::sync::Arc;

pub(crate) fn prepare(custom: &Custom, step: &Step) -> Result<Box<dyn Launch>, Error> {
    let whole = |operand: &Operand| Whole {
        place: operand.into(),
        dtype: operand.dtype,
        shape: operand.layout.shape.clone(),
        bytes: operand.layout.len() * operand.dtype.size(),
    };
    let output = step.outputs.first().ok_or_else(|| Error::invalid("a custom kernel has an output"))?;
    let inputs = step.inputs.iter().map(whole).collect();
    Ok(Box::new(Call { kernel: custom.0.clone(), inputs, output: whole(output) }))
}

/// A row-major operand.
struct Whole {
    place: Place,
    dtype: DType,
    shape: Vec<usize>,
    bytes: usize,
}

struct Call {
    kernel: Arc<dyn CustomKernel>,
    inputs: Vec<Whole>,
    output: Whole,
}

impl Launch for Call {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let inputs = self.inputs.iter().map(|input| {
            // SAFETY: a row-major operand lies inside its memory, which nobody writes during this launch: the output is
            // disjoint from it, as `Program::verify` has seen, and only this thread is at work.
            let bytes = unsafe { std::slice::from_raw_parts(context.at::<u8>(input.place), input.bytes) };
            ArrayView::from_bytes(input.dtype, &input.shape, bytes)
        });
        let inputs: Vec<ArrayView<'_>> = inputs.collect();
        let Whole { place, dtype, shape, bytes } = &self.output;
        // SAFETY: as above; the output is this launch's alone.
        let bytes = unsafe { std::slice::from_raw_parts_mut(context.at::<u8>(*place), *bytes) };
        self.kernel.cpu(&inputs, ArrayViewMut::zeroed(*dtype, shape, bytes))
    }
}
