//! Custom kernels on CUDA: the user's source, launched as the user says.

use super::Custom;
use crate::cuda::{Argument, Launch, Prepared, Source};
use crate::{DType, Error, Operand, Step};
use std::sync::Arc;

pub(crate) fn prepare(custom: &Custom, step: &Step) -> Result<Prepared, Error> {
    fn about(operand: &Operand) -> (DType, &[usize]) {
        (operand.dtype, &operand.layout.shape)
    }
    let inputs: Vec<_> = step.inputs.iter().map(about).collect();
    let output = step.outputs.first().ok_or_else(|| Error::invalid("a custom kernel has an output"))?;
    let name = custom.0.name();
    let kernel = custom.0.cuda(&inputs, about(output));
    let kernel = kernel.ok_or_else(|| Error::device(format!("the custom kernel `{name}` has no source for CUDA")))?;
    if kernel.grid.contains(&0) {
        return Ok(Prepared::default());
    }
    let pointers = step.inputs.iter().chain([output]).map(|operand| Argument::Place(operand.into()));
    let launch = Launch {
        source: Arc::new(Source { name: kernel.name, text: kernel.source }),
        grid: kernel.grid,
        block: kernel.block,
        shared: kernel.shared,
        arguments: pointers.chain(kernel.arguments.into_iter().map(Argument::I64)).collect(),
    };
    Ok(Prepared { launches: vec![launch], ..Prepared::default() })
}
