//! Custom: a kernel that a user brings.

use crate::{ArrayView, ArrayViewMut, DType, Error};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod reference;

/// What a user's kernel is made of: a function on the CPU, and, for CUDA devices, source text.
///
/// The name and the version stand for everything else: two kernels that have both in common are taken for one.
pub trait CustomKernel: fmt::Debug + Send + Sync {
    /// A name that nobody else gives, as `my_crate::swish`.
    fn name(&self) -> &str;

    /// Raise it when what is computed changes.
    fn version(&self) -> u32 {
        1
    }

    /// Computes the output from the inputs, all in row-major order. The output holds zeros before.
    ///
    /// # Errors
    /// Whatever the kernel refuses; the run fails with this error.
    fn cpu(&self, inputs: &[ArrayView<'_>], output: ArrayViewMut<'_>) -> Result<(), Error>;

    /// The kernel for a CUDA device and how it is launched for operands of these dtypes and shapes; `None` if there is none, which
    /// makes programs with it an error on such a device.
    fn cuda(&self, inputs: &[(DType, &[usize])], output: (DType, &[usize])) -> Option<CudaKernel> {
        let _ = (inputs, output);
        None
    }
}

/// A launch of a user's CUDA kernel.
///
/// The kernel's parameters are a pointer for each input, a pointer for the output, and a `long long` for each of `arguments`.
/// Operands lie in row-major order; the output holds anything before. Source that does not depend on sizes is compiled once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaKernel {
    /// CUDA C++ without headers; the kernel is `extern "C"`.
    pub source: String,
    /// The kernel's name in it.
    pub name: String,
    /// Blocks of the grid.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// What follows the pointers: sizes, usually.
    pub arguments: Vec<i64>,
}

/// A [`CustomKernel`] in a program.
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | inputs | any | row-major |
/// | output | any | row-major; memory of its own |
///
/// A custom kernel on the CPU runs on the calling thread. Other than the families of this crate it may allocate.
#[derive(Clone, Debug)]
pub struct Custom(pub Arc<dyn CustomKernel>);

impl Custom {
    fn key(&self) -> (&str, u32) {
        (self.0.name(), self.0.version())
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Custom) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Custom {}

impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Base, Device, Extern, Kernel, Memory, Operand, Program, Step};

    /// `a * x + y` for a whole number a.
    #[derive(Debug)]
    pub(crate) struct Axpy(pub(crate) i64);

    impl CustomKernel for Axpy {
        fn name(&self) -> &str {
            "tests::axpy"
        }

        fn cpu(&self, inputs: &[ArrayView<'_>], mut output: ArrayViewMut<'_>) -> Result<(), Error> {
            let (x, y) = (inputs[0].as_slice::<f32>()?, inputs[1].as_slice::<f32>()?);
            for ((z, x), y) in output.as_mut_slice::<f32>()?.iter_mut().zip(x).zip(y) {
                *z = self.0 as f32 * x + y;
            }
            Ok(())
        }

        fn cuda(&self, _: &[(DType, &[usize])], (_, shape): (DType, &[usize])) -> Option<CudaKernel> {
            let len = shape.iter().product::<usize>();
            let source = "extern \"C\" __global__ void axpy(const float* x, const float* y, float* z, long long n, long long a) {
                long long i = blockIdx.x * 128ll + threadIdx.x;
                if (i < n) z[i] = a * x[i] + y[i];
            }";
            Some(CudaKernel {
                source: source.into(),
                name: "axpy".into(),
                grid: [len.div_ceil(128) as u32, 1, 1],
                block: [128, 1, 1],
                shared: 0,
                arguments: vec![len as i64, self.0],
            })
        }
    }

    /// z = 3 x + y, then 2 z + y, over arrays of `n` elements.
    pub(crate) fn program(n: usize) -> Program {
        let memory = |name: &str, written| Extern { name: name.into(), dtype: DType::F32, len: n, written };
        let operand = |base| Operand::contiguous(base, DType::F32, &[n]);
        let step = |a, x, z| Step {
            kernel: Kernel::Custom(Custom(Arc::new(Axpy(a)))),
            inputs: vec![operand(x), operand(Base::Extern(1))],
            outputs: vec![operand(z)],
            label: String::new(),
        };
        Program {
            arena: n * 4,
            externs: vec![memory("x", false), memory("y", false), memory("z", true)],
            steps: vec![step(3, Base::Extern(0), Base::Arena), step(2, Base::Arena, Base::Extern(2))],
        }
    }

    /// Runs the program of 37 elements on a device.
    pub(crate) fn run(device: &Device) -> Result<(), Error> {
        let (x, y, mut z) = ([1.0f32; 37], [0.5f32; 37], [0.0f32; 37]);
        let mut executor = device.executor()?;
        let mut loaded = executor.load(&program(37))?;
        let memory = [
            Memory::Read(bytemuck::cast_slice(&x)),
            Memory::Read(bytemuck::cast_slice(&y)),
            Memory::Write(bytemuck::cast_slice_mut(&mut z)),
        ];
        executor.run(&mut loaded, 1, memory.into_iter())?;
        assert_eq!(z, [7.5; 37]);
        Ok(())
    }

    #[test]
    fn users_kernels_run_on_every_device_of_this_machine() {
        run(&Device::reference()).unwrap();
        run(&Device::cpu().threads(2)).unwrap();
        run(&Device::cpu().threads(1)).unwrap();
    }

    #[test]
    fn name_and_version_stand_for_a_kernel() {
        let kernel = |a| Custom(Arc::new(Axpy(a)));
        assert_eq!(kernel(1), kernel(2));
        assert_eq!(Kernel::Custom(kernel(1)).to_string(), "custom{name=\"tests::axpy\", version=1}");
    }

    #[test]
    fn views_and_overlaps_are_refused() {
        let mut strided = program(4);
        strided.steps[0].inputs[0].layout.strides = vec![0];
        assert!(strided.verify().unwrap_err().to_string().contains("row-major"));
        let mut overlapping = program(4);
        overlapping.steps[1].outputs[0].base = Base::Arena;
        assert!(overlapping.verify().is_err());
    }
}
