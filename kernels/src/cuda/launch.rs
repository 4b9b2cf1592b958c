//! What a kernel family asks the device to do.

use crate::{Error, program::Place};
use std::sync::Arc;

/// The launches of a step, in order, and the scratch memory that they share.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) launches: Vec<Launch>,
    /// Bytes of scratch. Its content is lost between steps.
    pub(crate) scratch: usize,
    /// What an index out of range means.
    pub(crate) failure: Option<Failure>,
}

impl Prepared {
    /// Launches that cannot fail, without scratch.
    pub(crate) fn of(launches: Vec<Launch>) -> Prepared {
        Prepared { launches, ..Prepared::default() }
    }
}

/// How an index out of range becomes an error: the words, and what they need beside the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) explain: fn(index: i64, axis: usize, size: usize) -> Error,
    pub(crate) axis: usize,
    pub(crate) size: usize,
}

/// One kernel launch.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) source: Arc<Source>,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub(crate) shared: u32,
    /// What the kernel's parameters are, in order.
    pub(crate) arguments: Vec<Argument>,
}

impl Launch {
    /// Bytes of the parameters.
    pub(super) fn parameters(&self) -> usize {
        let words = |argument: &Argument| if let Argument::Words(members) = argument { members.len() } else { 1 };
        self.arguments.iter().map(words).sum::<usize>() * size_of::<u64>()
    }

    /// Whether the kernel may say that an index is out of range.
    pub(super) fn uses_failure(&self) -> bool {
        self.arguments.iter().any(|argument| match argument {
            Argument::Words(members) => members.contains(&Argument::Failure),
            other => *other == Argument::Failure,
        })
    }
}

/// Bytes that all parameters of a kernel may have.
pub(crate) const PARAMETERS: usize = 4096;

/// So many blocks along a grid's first axis.
///
/// # Errors
/// When there are more than a grid can have.
pub(crate) fn grid_of(blocks: usize) -> Result<u32, Error> {
    match u32::try_from(blocks) {
        Ok(number) if blocks <= i32::MAX as usize => Ok(number),
        _ => Err(Error::invalid(format!("cuda: {blocks} blocks are more than a grid can have, 2^31 - 1"))),
    }
}

/// The text of a translation unit with one kernel. Texts name no sizes, so that a new batch size costs no compilation; equal
/// texts are compiled once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// The kernel's `extern "C"` name.
    pub(crate) name: String,
    /// CUDA C++ without headers.
    pub(crate) text: String,
}

/// A parameter of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Argument {
    /// The address of an operand's first element.
    Place(Place),
    /// An address in the step's scratch, as bytes from its start, a multiple of 256 for what is to be aligned so.
    Scratch(usize),
    /// The address of the run's `Failure`, as the prelude has it.
    Failure,
    /// The step's number in its program, as `long long`.
    Step,
    /// `long long`.
    I64(i64),
    /// A structure passed by value, of 8-byte members: any of the above.
    Words(Vec<Argument>),
}
