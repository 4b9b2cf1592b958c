//! Constant folding: an op over constants is evaluated once, on the reference device.

use super::ir::{Ir, IrNode};
use super::{Canonical, Fused, Planned, Policy};
use crate::op::{Lower, Op, View};
use crate::{Dim, Dims, Error, TensorType};
use std::sync::Arc;
use wengert_kernels::{Array, Device, Memory};

/// Larger results are not worth carrying in a program.
const LARGEST: usize = 4096;

/// The value of `op` over constants, if it is small enough to be kept instead of computed.
pub(super) fn fold(op: &Arc<dyn Op>, inputs: &[Array], ty: &TensorType) -> Result<Option<Array>, Error> {
    let shape: Option<Vec<usize>> = ty.shape.iter().map(Dim::known).collect();
    let Some(shape) = shape else { return Ok(None) };
    let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
    let small = len.is_some_and(|len| len <= LARGEST) && inputs.iter().map(Array::len).sum::<usize>() <= LARGEST;
    let foldable = match op.lower() {
        Lower::Input | Lower::Constant(_) | Lower::Index(_) | Lower::Random(..) | Lower::Custom(_) => false,
        Lower::Size(dim) => dim.known().is_some(),
        // A repeated value is better repeated by its reader.
        Lower::View(View::Broadcast) => false,
        _ => true,
    };
    if !small || !foldable {
        return Ok(None);
    }
    let mut nodes: Vec<IrNode> = Vec::new();
    for value in inputs {
        let ty = TensorType::new(value.dtype(), value.shape().iter().map(|&size| Dim::Known(size)));
        let constant: Arc<dyn Op> = Arc::new(crate::ops::Constant { value: value.clone() });
        nodes.push(IrNode { op: constant, inputs: vec![], ty, leaf: None, origins: vec![] });
    }
    let root = nodes.len();
    nodes.push(IrNode { op: op.clone(), inputs: (0..root).collect(), ty: ty.clone(), leaf: None, origins: vec![] });
    let ir =
        Ir { nodes, outputs: vec![root], updates: vec![], inputs: vec![], variables: vec![], dims: Dims::default() };
    let planned = Planned::new(&Fused::new(&Canonical(ir), Policy::PLAIN)?, &[])?;
    let mut executor = Device::reference().executor()?;
    let mut loaded = executor.load(planned.program())?;
    let mut result = Array::zeros(ty.dtype, &shape)?;
    let constants = planned.constants().iter().map(|constant| Memory::Read(constant.bytes()));
    // What fails (an index out of range) is to fail when it is called, if it ever is.
    let ran = executor.run(&mut loaded, 1, constants.chain([Memory::Write(result.bytes_mut()?)]));
    Ok(ran.is_ok().then_some(result))
}
