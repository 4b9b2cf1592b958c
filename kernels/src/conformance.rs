//! The suite that every device passes: each family's cases, run on the device and held against the reference.

use crate::{Array, Base, DType, Device, Error, Extern, Kernel, Layout, Memory, Operand, Program, Step};
use crate::{conv, gather, gemm, map, pool, random, reduce, softmax};

/// One kernel with its operands' values.
pub struct Case {
    /// What is special about it.
    pub name: String,
    program: Program,
    memory: Vec<Array>,
    tolerance: f64,
}

impl Case {
    /// A case without operands. `tolerance` bounds the difference of floats from the reference, relative to the largest
    /// magnitude of the result (at least 1); integers and booleans must be equal.
    #[must_use]
    pub fn new(name: impl Into<String>, kernel: Kernel, tolerance: f64) -> Case {
        let name = name.into();
        let step = Step { kernel, inputs: vec![], outputs: vec![], label: name.clone() };
        Case { name, program: Program { arena: 0, externs: vec![], steps: vec![step] }, memory: vec![], tolerance }
    }

    fn memory(&mut self, array: Array, written: bool) -> Base {
        let name = format!("m{}", self.memory.len());
        self.program.externs.push(Extern { name, dtype: array.dtype(), len: array.len(), written });
        self.memory.push(array);
        Base::Extern(self.memory.len() as u32 - 1)
    }

    /// Adds an input: the whole of `array` in row-major order.
    #[must_use]
    pub fn input(self, array: Array) -> Case {
        let layout = Layout::contiguous(array.shape());
        self.input_view(array, 0, layout)
    }

    /// Adds an input: a view of `array` that starts at element `start`.
    #[must_use]
    pub fn input_view(mut self, array: Array, start: usize, layout: Layout) -> Case {
        let dtype = array.dtype();
        let base = self.memory(array, false);
        self.program.steps[0].inputs.push(Operand { base, offset: start * dtype.size(), dtype, layout });
        self
    }

    /// Adds an output of its own memory.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn output(mut self, dtype: DType, shape: &[usize]) -> Result<Case, Error> {
        let array = Array::zeros(dtype, shape)?;
        let base = self.memory(array, true);
        self.program.steps[0].outputs.push(Operand::contiguous(base, dtype, shape));
        Ok(self)
    }

    /// Adds an output that is a view of memory with `len` elements, from element `start` on.
    ///
    /// # Errors
    /// When the memory is not to be had.
    pub fn output_view(mut self, dtype: DType, len: usize, start: usize, layout: Layout) -> Result<Case, Error> {
        let array = Array::zeros(dtype, &[len])?;
        let base = self.memory(array, true);
        self.program.steps[0].outputs.push(Operand { base, offset: start * dtype.size(), dtype, layout });
        Ok(self)
    }

    /// Adds an output that overwrites input number `n`.
    #[must_use]
    pub fn output_in_place(mut self, n: usize) -> Case {
        let operand = self.program.steps[0].inputs[n].clone();
        if let Base::Extern(n) = operand.base {
            self.program.externs[n as usize].written = true;
        }
        self.program.steps[0].outputs.push(operand);
        self
    }

    /// The program of its one step.
    #[cfg(all(test, feature = "cuda"))]
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    fn run(&self, device: &Device) -> Result<Vec<Array>, Error> {
        let mut executor = device.executor()?;
        let mut loaded = executor.load(&self.program)?;
        let mut memory = self.memory.clone();
        let mut bytes = Vec::new();
        for (array, spec) in memory.iter_mut().zip(&self.program.externs) {
            bytes.push(if spec.written { Memory::Write(array.bytes_mut()?) } else { Memory::Read(array.bytes()) });
        }
        executor.run(&mut loaded, 1, bytes.into_iter())?;
        Ok(memory)
    }

    /// Runs the case on `device` and on the reference and compares every byte of memory.
    ///
    /// # Errors
    /// Says which element of which memory differs. A case that both refuse agrees, if with the same kind of words.
    pub fn check(&self, device: &Device) -> Result<(), Error> {
        let (got, wanted) = match (self.run(device), self.run(&Device::reference())) {
            (Ok(got), Ok(wanted)) => (got, wanted),
            (Err(got), Err(wanted)) if got.to_string() == wanted.to_string() => return Ok(()),
            (got, wanted) => {
                return Err(Error::invalid(format!("{}: {device} says {got:?}, the reference {wanted:?}", self.name)));
            }
        };
        for (number, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let (got_values, wanted_values) = (got.to_f64(), wanted.to_f64());
            let scale = wanted_values.iter().filter(|x| x.is_finite()).fold(1.0f64, |max, x| max.max(x.abs()));
            let bound = if got.dtype().is_float() { self.tolerance * scale } else { 0.0 };
            for (element, (&a, &b)) in got_values.iter().zip(&wanted_values).enumerate() {
                let agree = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= bound;
                if !agree {
                    return Err(Error::invalid(format!(
                        "{}: memory {number} ({} {:?}), element {element}: {device} gives {a:e}, the reference {b:e}, bound {bound:e}",
                        self.name,
                        got.dtype(),
                        got.shape(),
                    )));
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Case({})\n{:?}", self.name, self.program)
    }
}

/// Makes the cases of a family.
pub type Cases = fn() -> Result<Vec<Case>, Error>;

/// The families and their cases.
pub const FAMILIES: &[(&str, Cases)] = &[
    ("map", map::cases::cases),
    ("reduce", reduce::cases::cases),
    ("gemm", gemm::cases::cases),
    ("conv", conv::cases::cases),
    ("pool", pool::cases::cases),
    ("softmax", softmax::cases::cases),
    ("gather", gather::cases::cases),
    ("random", random::cases::cases),
];

/// Runs every case of a family on `device`; gives how many there were.
///
/// # Errors
/// The first case that differs, or an unknown family.
pub fn run(family: &str, device: &Device) -> Result<usize, Error> {
    let (_, cases) = FAMILIES
        .iter()
        .find(|(name, _)| *name == family)
        .ok_or_else(|| Error::invalid(format!("no family `{family}`")))?;
    let cases = cases()?;
    cases.iter().try_for_each(|case| case.check(device))?;
    Ok(cases.len())
}

/// Runs every case of a family on `device` with one thread and with each number of `threads`: the bits must be the same.
///
/// # Errors
/// The first case that differs, or an unknown family.
pub fn same_bits(family: &str, device: &Device, threads: &[usize]) -> Result<(), Error> {
    let (_, cases) = FAMILIES
        .iter()
        .find(|(name, _)| *name == family)
        .ok_or_else(|| Error::invalid(format!("no family `{family}`")))?;
    for case in cases()? {
        let bits = |threads: usize| match case.run(&device.clone().threads(threads)) {
            Ok(memory) => Ok(memory.iter().map(|array| array.bytes().to_vec()).collect::<Vec<_>>()),
            Err(why) => Err(why.to_string()),
        };
        let alone = bits(1);
        for &threads in threads {
            if bits(threads) != alone {
                return Err(Error::invalid(format!("{}: {threads} threads differ from one", case.name)));
            }
        }
    }
    Ok(())
}

/// Generates one test for each family on a device: `conformance!(cpu_avx2, Device::cpu().isa(Isa::Avx2))`. The expression
/// is a `Result<Device, Error>`; a machine that lacks the device prints so and passes.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $device:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $crate::conformance!(@tests $device, map reduce gemm conv pool softmax gather random);
        }
    };
    (@tests $device:expr, $($family:ident)*) => {$(
        #[test]
        fn $family() {
            match $device {
                Ok(device) => assert!($crate::conformance::run(stringify!($family), &device).unwrap() > 0),
                Err(why) => eprintln!("skipped: {why}"),
            }
        }
    )*};
}
