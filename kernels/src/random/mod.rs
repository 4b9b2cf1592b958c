//! Random: counter-based random numbers (Philox 4x32-10).

pub(crate) mod cases;
pub(crate) mod cpu;
pub(crate) mod reference;

/// What a [`Random`] draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// 32 random bits as a non-negative `I64`.
    Bits,
    /// Uniform on [0, 1): the top 24 bits (`F32`) or 53 bits (`F64`) of the stream.
    Uniform,
    /// Normal with mean 0 and variance 1, by the Box-Muller transform.
    Normal,
}

/// Independent draws, each a pure function of (key, stream, counter, row-major index).
///
/// | operand | dtype | layout |
/// |---|---|---|
/// | key | `I64` | `[]`: the Session's seed |
/// | counter | `I64` | `[]`: how often the op has run |
/// | output | `F32`, `F64`; `I64` for `Bits` | row-major |
///
/// Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    /// What is drawn.
    pub distribution: Distribution,
    /// The op's own stream: its stable ordinal in the graph.
    pub stream: u64,
}
