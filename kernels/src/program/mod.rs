//! Programs: a list of kernels over planned memory, as plain data.
//!
//! A [`Program`] has sizes and places but no code. A [`Device`](crate::Device) loads it; [`Display`](std::fmt::Display)
//! prints it and `parse` reads it back, exactly.

use crate::{
    Conv, Custom, DType, Error, Gather, Gemm, Layout, Map, Pool, Random, Reduce, ScatterAdd, Softmax, checked_len,
};

mod text;
mod verify;

/// One kernel of each family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kernel {
    Map(Map),
    Reduce(Reduce),
    Gemm(Gemm),
    Conv(Conv),
    Pool(Pool),
    Softmax(Softmax),
    Gather(Gather),
    ScatterAdd(ScatterAdd),
    Random(Random),
    Custom(Custom),
}

impl Kernel {
    /// The family's name in the text form.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Kernel::Map(_) => "map",
            Kernel::Reduce(_) => "reduce",
            Kernel::Gemm(_) => "gemm",
            Kernel::Conv(conv) => conv.pass.name(),
            Kernel::Pool(pool) => pool.op.name(),
            Kernel::Softmax(Softmax { log: false }) => "softmax",
            Kernel::Softmax(Softmax { log: true }) => "log_softmax",
            Kernel::Gather(_) => "gather",
            Kernel::ScatterAdd(_) => "scatter_add",
            Kernel::Random(_) => "random",
            Kernel::Custom(_) => "custom",
        }
    }
}

/// The memory an operand lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// The program's scratch arena.
    Arena,
    /// An [`Extern`] by number.
    Extern(u32),
}

/// Memory that the caller brings to each run: feeds, constants, variables, outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extern {
    /// A name for messages and the text form.
    pub name: String,
    /// Dtype of its elements.
    pub dtype: DType,
    /// Number of its elements, which lie in row-major order.
    pub len: usize,
    /// Whether the program writes to it.
    pub written: bool,
}

impl Extern {
    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> Result<usize, Error> {
        Ok(checked_len(&[self.len], self.dtype.size())? * self.dtype.size())
    }
}

/// A view of memory that a kernel reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Which memory.
    pub base: Base,
    /// Where its first element lies, in bytes from the start of that memory.
    pub offset: usize,
    /// Dtype of its elements.
    pub dtype: DType,
    /// Shape and strides.
    pub layout: Layout,
}

impl Operand {
    /// The whole of an array at the start of `base`, in row-major order.
    #[must_use]
    pub fn contiguous(base: Base, dtype: DType, shape: &[usize]) -> Operand {
        Operand { base, offset: 0, dtype, layout: Layout::contiguous(shape) }
    }
}

/// Where an operand's first element lies: number of the memory (0 is the arena) and byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) base: u32,
    pub(crate) offset: usize,
}

impl From<&Operand> for Place {
    fn from(operand: &Operand) -> Place {
        let base = match operand.base {
            Base::Arena => 0,
            Base::Extern(n) => n + 1,
        };
        Place { base, offset: operand.offset }
    }
}

/// One kernel and its operands, in the order that the kernel's documentation gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The kernel.
    pub kernel: Kernel,
    /// What it reads.
    pub inputs: Vec<Operand>,
    /// What it writes.
    pub outputs: Vec<Operand>,
    /// Where the user wrote what this computes, for messages and `explain()`.
    pub label: String,
}

/// Kernels in the order in which they run, over one arena and the memory that the caller brings.
///
/// The text form has one line for each extern and each step; blank lines and lines that start with `#` are skipped. An
/// operand is memory, `@`, its offset in bytes, dtype and shape, and `/` with the strides if they are not row-major. What
/// follows the `#` of a step is its label. Parsing does not [verify](Program::verify); loading does.
///
/// ```
/// # use wengert_kernels::Program;
/// let text = "program arena=0
/// extern 0 \"x\" f32[6]
/// extern 1 \"y\" f32[6] written
/// %0: softmax (extern0@0 f32[2, 3]/[1, 2]) -> (extern1@0 f32[2, 3]) # attention at model.rs:7:9
/// ";
/// let program: Program = text.parse()?;
/// program.verify()?;
/// assert_eq!(program.to_string(), text);
/// # Ok::<(), wengert_kernels::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Program {
    /// Bytes of the scratch arena; its start is aligned to 64.
    pub arena: usize,
    /// The caller's memory.
    pub externs: Vec<Extern>,
    /// The kernels.
    pub steps: Vec<Step>,
}

impl Program {
    /// Checks that every kernel gets the operands it asks for, that all of them lie inside their memory, and that what is
    /// written is disjoint from what the kernel may not overwrite.
    ///
    /// # Errors
    /// Names the step, the operand and what is wrong with it.
    pub fn verify(&self) -> Result<(), Error> {
        verify::program(self)
    }
}
