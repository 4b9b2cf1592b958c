//! A function bound to sizes and loaded on a device.

use crate::compile::{Fused, Planned};
use crate::{Error, TensorType};
use wengert_kernels::{Array, ArrayView, Executor, Loaded, Memory, Resident};

/// A program ready to run for inputs of certain shapes.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) planned: Planned,
    loaded: Loaded,
    /// The program's constants, where the device computes.
    constants: Vec<Resident>,
    /// Shapes of the inputs that it is for, one after another.
    shapes: Vec<usize>,
    /// When it was last used, for the least recently used one to leave.
    pub(crate) used: u64,
}

/// The shape of an input, without the leading axis that counts steps if there is one.
fn shape<'a>(input: &'a ArrayView<'_>, per_step: bool) -> &'a [usize] {
    &input.shape()[usize::from(per_step).min(input.shape().len())..]
}

impl Bound {
    /// Binds the sizes that the inputs have.
    pub(crate) fn new(
        fused: &Fused,
        executor: &mut Executor,
        inputs: &[ArrayView<'_>],
        per_step: bool,
    ) -> Result<Bound, Error> {
        let mut symbols = fused.dims.unbound();
        for ((name, ty), input) in fused.inputs.iter().zip(inputs) {
            check_input(name, ty, input, shape(input, per_step))?;
            for (axis, (dim, &size)) in ty.shape.iter().zip(shape(input, per_step)).enumerate() {
                fused.dims.bind(&mut symbols, dim, size).map_err(|why| {
                    let shape = shape(input, per_step);
                    Error::feed(format!("the feed of `{name}` has shape {shape:?} where {ty} is expected: size {size} of axis {axis}, but {why}"))
                })?;
            }
        }
        fused.dims.settle(&mut symbols)?;
        let planned = Planned::new(fused, &symbols)?;
        let loaded = executor.load(planned.program())?;
        let constants =
            planned.constants().iter().map(|constant| executor.upload(constant.clone())).collect::<Result<_, _>>()?;
        let shapes = inputs.iter().flat_map(|input| shape(input, per_step)).copied().collect();
        Ok(Bound { planned, loaded, constants, shapes, used: 0 })
    }

    /// Whether it is for inputs of these shapes.
    pub(crate) fn fits(&self, inputs: &[ArrayView<'_>], per_step: bool) -> bool {
        let mut rest = self.shapes.as_slice();
        for input in inputs {
            let shape = shape(input, per_step);
            match rest.split_at_checked(shape.len()) {
                Some((head, tail)) if head == shape => rest = tail,
                _ => return false,
            }
        }
        rest.is_empty()
    }

    /// Runs `steps` steps. `variables` are all of the session's; the program takes those it knows.
    pub(crate) fn run(
        &mut self,
        executor: &mut Executor,
        steps: usize,
        inputs: &[ArrayView<'_>],
        variables: &mut [Option<Resident>],
        outputs: &mut [Array],
        per_step: bool,
    ) -> Result<(), Error> {
        let expected = self.planned.outputs();
        if outputs.len() != expected.len() {
            return Err(Error::feed(format!(
                "the function has {} outputs, got room for {}",
                expected.len(),
                outputs.len()
            )));
        }
        for (number, (output, (dtype, shape))) in outputs.iter().zip(expected).enumerate() {
            if output.dtype() != *dtype || output.shape() != shape {
                let (have, given) = (output.dtype(), output.shape());
                return Err(Error::feed(format!(
                    "output {number} is {dtype} {shape:?}, got room for {have} {given:?}"
                )));
            }
        }
        let inputs = inputs
            .iter()
            .map(|input| if per_step { Memory::PerStep(input.bytes()) } else { Memory::Read(input.bytes()) });
        let constants = self.constants.iter().map(Memory::Keep);
        let mut wanted = self.planned.variables().iter().copied().peekable();
        let variables = variables.iter_mut().enumerate().filter_map(|(index, variable)| {
            let planned = wanted.next_if(|planned| planned.index == index)?;
            let value = variable.as_mut()?;
            Some(if planned.written { Memory::Update(value) } else { Memory::Keep(value) })
        });
        let outputs = outputs.iter_mut().map(|output| Memory::Write(output.bytes_mut().unwrap_or_default()));
        executor.run(&mut self.loaded, steps, inputs.chain(constants).chain(variables).chain(outputs))?;
        Ok(())
    }

    /// Room for the outputs.
    pub(crate) fn outputs(&self) -> Result<Vec<Array>, Error> {
        self.planned.outputs().iter().map(|(dtype, shape)| Ok(Array::zeros(*dtype, shape)?)).collect()
    }
}

/// Whether a feed has the dtype, the rank and the known sizes of its placeholder.
pub(crate) fn check_input(name: &str, ty: &TensorType, input: &ArrayView<'_>, shape: &[usize]) -> Result<(), Error> {
    if input.dtype() != ty.dtype {
        let hint = "convert the array with cast(), or make the placeholder of that dtype";
        return Err(Error::feed(format!(
            "the feed of `{name}` is {} where {ty} is expected\n  hint: {hint}",
            input.dtype()
        )));
    }
    let fits = shape.len() == ty.rank()
        && ty.shape.iter().zip(shape).all(|(dim, &size)| dim.known().is_none_or(|known| known == size));
    if fits {
        return Ok(());
    }
    let hint = match shape.len().cmp(&ty.rank()) {
        std::cmp::Ordering::Less => "\n  hint: a batch of one sample has a leading axis of size 1",
        _ => "",
    };
    Err(Error::feed(format!("the feed of `{name}` has shape {shape:?} where {ty} is expected{hint}")))
}
