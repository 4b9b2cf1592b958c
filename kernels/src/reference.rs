//! The reference device: every kernel as plain loops over `f64`, one element at a time, without SIMD or threads.
//!
//! It is the measure of every other device, and it never shares code with one. Integers beyond 2^53 are not represented.

use crate::resident::Bytes;
use crate::{Base, Element, Error, Expr, Kernel, Operand, Program, Step, dispatch};
use crate::{conv, custom, gather, gemm, map, plain, pool, random, reduce, softmax};

/// An operand's elements in row-major order.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// Results of a kernel, one list of elements for each output, in row-major order.
pub(crate) type Results = Result<Vec<Vec<f64>>, Error>;

#[derive(Debug, Default)]
pub(crate) struct Executor {
    arena: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Loaded(Program);

impl Executor {
    pub(crate) fn load(&mut self, program: &Program) -> Result<Loaded, Error> {
        if let Some(more) = program.arena.checked_sub(self.arena.len()) {
            let refused = |_| Error::out_of_memory(format!("cannot allocate {} bytes", program.arena));
            self.arena.try_reserve_exact(more).map_err(refused)?;
            self.arena.resize(program.arena, 0);
        }
        Ok(Loaded(program.clone()))
    }

    pub(crate) fn run<'a>(
        &mut self,
        loaded: &mut Loaded,
        steps: usize,
        memory: impl Iterator<Item = Bytes<'a>>,
    ) -> Result<(), Error> {
        let Loaded(program) = loaded;
        let mut memory: Vec<Bytes<'a>> = memory.collect();
        if memory.len() != program.externs.len() {
            return Err(Error::invalid(format!(
                "the program has {} externs, got memory for {}",
                program.externs.len(),
                memory.len()
            )));
        }
        for (memory, spec) in memory.iter().zip(&program.externs) {
            let bytes = spec.bytes()?;
            let fits = match memory {
                Bytes::Read(given) => given.len() == bytes && !spec.written,
                Bytes::Write(given) => given.len() == bytes,
                Bytes::PerStep(given) => Some(given.len()) == bytes.checked_mul(steps) && !spec.written,
            };
            if !fits {
                return Err(Error::invalid(format!("the memory for extern `{}` does not fit", spec.name)));
            }
        }
        for number in 0..steps {
            for step in &program.steps {
                let inputs: Vec<Values> =
                    step.inputs.iter().map(|operand| self.read(operand, &memory, number, program)).collect();
                let results = evaluate(step, &inputs)?;
                for (operand, result) in step.outputs.iter().zip(&results) {
                    self.write(operand, result, &mut memory);
                }
            }
        }
        Ok(())
    }

    fn read(&self, operand: &Operand, memory: &[Bytes<'_>], number: usize, program: &Program) -> Values {
        let bytes: &[u8] = match operand.base {
            Base::Arena => &self.arena,
            Base::Extern(n) => match &memory[n as usize] {
                Bytes::Read(bytes) => bytes,
                Bytes::Write(bytes) => bytes,
                Bytes::PerStep(bytes) => {
                    let spec = &program.externs[n as usize];
                    &bytes[number * spec.len * spec.dtype.size()..]
                }
            },
        };
        let data = dispatch!(operand.dtype, T => operand.layout.offsets().map(|offset| {
            let start = operand.offset.wrapping_add_signed(offset * size_of::<T>() as isize);
            plain::element::<T>(&bytes[start..start + size_of::<T>()]).unwrap_or_default().to_f64()
        }).collect());
        Values { shape: operand.layout.shape.clone(), data }
    }

    fn write(&mut self, operand: &Operand, values: &[f64], memory: &mut [Bytes<'_>]) {
        let bytes: &mut [u8] = match operand.base {
            Base::Arena => &mut self.arena,
            Base::Extern(n) => match &mut memory[n as usize] {
                Bytes::Write(bytes) => bytes,
                Bytes::Read(_) | Bytes::PerStep(_) => return,
            },
        };
        dispatch!(operand.dtype, T => for (offset, &value) in operand.layout.offsets().zip(values) {
            let start = operand.offset.wrapping_add_signed(offset * size_of::<T>() as isize);
            bytes[start..start + size_of::<T>()].copy_from_slice(plain::bytes_of(&[T::from_f64(value)]));
        });
    }
}

/// The one place where a kernel family is chosen on the reference device.
fn evaluate(step: &Step, inputs: &[Values]) -> Results {
    match &step.kernel {
        Kernel::Map(map) => map::reference::map(map, inputs, &step.outputs),
        Kernel::Reduce(reduce) => reduce::reference::reduce(reduce, inputs, &step.outputs),
        Kernel::Gemm(gemm) => gemm::reference::gemm(gemm, inputs),
        Kernel::Conv(conv) => conv::reference::conv(conv, inputs, &step.outputs[0].layout.shape),
        Kernel::Pool(pool) => pool::reference::pool(pool, inputs, &step.outputs[0].layout.shape),
        Kernel::Softmax(softmax) => softmax::reference::softmax(softmax, inputs),
        Kernel::Gather(gather) => gather::reference::gather(gather, inputs),
        Kernel::ScatterAdd(scatter) => gather::reference::scatter_add(scatter, inputs),
        Kernel::Random(random) => random::reference::random(random, inputs, &step.outputs[0]),
        Kernel::Custom(custom) => custom::reference::custom(custom, inputs, &step.inputs, &step.outputs),
    }
}

/// What an epilogue makes of a kernel's result, or the result.
pub(crate) fn finish(epilogue: Option<&Expr>, result: Vec<f64>, extra: &[Values], shape: &[usize]) -> Vec<Vec<f64>> {
    let Some(expr) = epilogue else { return vec![result] };
    let mut results = vec![Vec::with_capacity(result.len()); expr.outputs().len()];
    for (flat, &value) in result.iter().enumerate() {
        let taken: Vec<f64> = std::iter::once(value).chain(extra.iter().map(|values| values.data[flat])).collect();
        let given = map::reference::eval(expr, &taken, &unravel(shape, flat));
        for (result, value) in results.iter_mut().zip(given) {
            result.push(value);
        }
    }
    results
}

/// The index along each axis of the element with row-major number `flat`.
pub(crate) fn unravel(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &size) in index.iter_mut().zip(shape).rev() {
        *place = flat % size;
        flat /= size;
    }
    index
}
