pub(crate) fn prepare(
    _: &crate::Map,
    _: &crate::Step,
    _: crate::cpu::Cpu,
) -> Result<Box<dyn crate::cpu::Launch>, crate::Error> {
    Err(crate::Error::invalid("not there yet"))
}

/// Where one input or output of a [`Blocks`] lies.
pub(crate) enum Port<'a> {
    /// A kernel's operand, whose layout has the shape of the iteration space.
    Operand(&'a crate::Operand),
    /// Memory named at each run: the elements of the range, one after another.
    Given,
}

/// An expression made ready to run over row-major ranges of an iteration space: the body of Map, and the prologues and
/// epilogues of the other families.
pub(crate) struct Blocks {}

impl Blocks {
    /// Prepares `expr` for operands of the given layouts. At most one input and one output are `Given`.
    pub(crate) fn new(
        expr: &crate::Expr,
        shape: &[usize],
        inputs: &[Port<'_>],
        outputs: &[Port<'_>],
        isa: crate::Isa,
    ) -> Result<Blocks, crate::Error> {
        let _ = (expr, shape, inputs, outputs, isa);
        Err(crate::Error::invalid("not there yet"))
    }

    /// Bytes of scratch that a run needs.
    pub(crate) fn scratch(&self) -> usize {
        0
    }

    /// Evaluates the elements with row-major numbers `range`.
    ///
    /// # Safety
    /// `range` lies inside the iteration space; `given_in` and `given_out`, if there are such ports, point to the range's
    /// elements; `scratch` points to [`Blocks::scratch`] bytes, aligned to 64, that no other thread uses; no other thread
    /// runs an overlapping range.
    pub(crate) unsafe fn run(
        &self,
        context: &crate::cpu::Context<'_>,
        range: std::ops::Range<usize>,
        given_in: *const u8,
        given_out: *mut u8,
        scratch: *mut u8,
    ) {
        let _ = (context, range, given_in, given_out, scratch);
    }
}
