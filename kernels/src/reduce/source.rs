//! Where a reduction's elements come from and where its results go.

use crate::{
    DType, Error, Expr, Isa, Layout, Operand,
    cpu::{
        Context, Place,
        rows::{Load, Number, Runs, Store},
    },
    map::cpu::{Blocks, Port},
};
use std::ops::Range;

/// Elements that are staged or stored at a time.
pub(super) const BLOCK: usize = 512;

/// Bytes of a staging buffer: the widest elements, a multiple of a cache line.
pub(super) const STAGE: usize = BLOCK * 8;

/// The iteration space in row-major order, as numbers `A`.
pub(super) enum Source<A> {
    /// They lie there just so.
    Direct(Place),
    /// They are gathered or converted block by block, unless a block happens to lie there just so.
    Strided { place: Place, runs: Runs, size: isize, load: Load<A>, plain: bool },
    /// They are computed block by block; `load` converts what does not come out as `A`.
    Computed { blocks: Blocks, load: Option<Load<A>> },
}

impl<A: Number> Source<A> {
    pub(super) fn new(prologue: Option<&Expr>, inputs: &[Operand], isa: Isa) -> Result<Source<A>, Error> {
        let first = inputs.first().ok_or_else(|| Error::invalid("a reduction without an input"))?;
        if let Some(expr) = prologue {
            let ports: Vec<Port<'_>> = inputs.iter().map(Port::Operand).collect();
            let dtype = expr.outputs().first().map_or(A::DTYPE, |&(_, dtype)| dtype);
            let blocks = Blocks::new(expr, &first.layout.shape, &ports, &[Port::Given], isa)?;
            return Ok(Source::Computed { blocks, load: (dtype != A::DTYPE).then(|| A::load(dtype)) });
        }
        let (place, runs, plain) = (Place::from(first), Runs::new(&first.layout), first.dtype == A::DTYPE);
        Ok(if plain && runs.is_contiguous() {
            Source::Direct(place)
        } else {
            Source::Strided { place, runs, size: first.dtype.size() as isize, load: A::load(first.dtype), plain }
        })
    }

    pub(super) fn is_direct(&self) -> bool {
        matches!(self, Source::Direct(_))
    }

    /// Bytes of scratch that [`Source::read`] needs.
    pub(super) fn scratch(&self) -> usize {
        match self {
            Source::Direct(_) => 0,
            Source::Strided { .. } => STAGE,
            Source::Computed { blocks, .. } => 2 * STAGE + blocks.scratch(),
        }
    }

    /// The elements `range`, at most [`BLOCK`] of them unless the source is direct.
    ///
    /// # Safety
    /// `range` lies inside the iteration space; `scratch` points to [`Source::scratch`] bytes, aligned to 64, that nobody
    /// else uses while the result is borrowed.
    #[inline]
    pub(super) unsafe fn read<'a>(&self, context: &'a Context<'_>, range: Range<usize>, scratch: *mut u8) -> &'a [A] {
        let len = range.len();
        // SAFETY: operands lie inside their memory, and `scratch` is as large as this asked for.
        unsafe {
            let start: *const A = match self {
                Source::Direct(place) => context.at::<A>(*place).add(range.start),
                Source::Strided { place, runs, size, load, plain } => {
                    let from = context.at::<u8>(*place);
                    if let (true, Some(offset)) = (*plain, runs.contiguous(&range)) {
                        from.cast::<A>().offset(offset)
                    } else {
                        let mut to = scratch.cast::<A>();
                        runs.walk(range, |offset, stride, len| {
                            load(from.offset(offset * size), stride, to, len);
                            to = to.add(len);
                        });
                        scratch.cast::<A>()
                    }
                }
                Source::Computed { blocks, load } => {
                    blocks.run(context, range, std::ptr::null(), scratch, scratch.add(2 * STAGE));
                    match load {
                        None => scratch.cast(),
                        Some(load) => {
                            let to = scratch.add(STAGE).cast();
                            load(scratch, 1, to, len);
                            to
                        }
                    }
                }
            };
            std::slice::from_raw_parts(start, len)
        }
    }
}

/// Where results go: converted and stored, or through an epilogue.
pub(super) struct Sink<A> {
    store: Store<A>,
    to: To,
}

enum To {
    Operand { place: Place, runs: Runs, size: isize },
    Epilogue(Blocks),
}

impl<A: Number> Sink<A> {
    /// `shape` is the result's; `extra` are the epilogue's own inputs.
    pub(super) fn new(
        epilogue: Option<&Expr>,
        shape: &[usize],
        extra: &[Operand],
        outputs: &[Operand],
        isa: Isa,
    ) -> Result<Sink<A>, Error> {
        if let Some(expr) = epilogue {
            let ports: Vec<Port<'_>> = std::iter::once(Port::Given).chain(extra.iter().map(Port::Operand)).collect();
            let outputs: Vec<Port<'_>> = outputs.iter().map(Port::Operand).collect();
            let dtype = expr.inputs().first().copied().unwrap_or(A::DTYPE);
            let blocks = Blocks::new(expr, shape, &ports, &outputs, isa)?;
            return Ok(Sink { store: A::store(dtype), to: To::Epilogue(blocks) });
        }
        let output = outputs.first().ok_or_else(|| Error::invalid("a reduction without an output"))?;
        let (place, runs) = (Place::from(output), Runs::new(&output.layout));
        let to = To::Operand { place, runs, size: output.dtype.size() as isize };
        Ok(Sink { store: A::store(output.dtype), to })
    }

    /// Bytes of scratch that [`Sink::write`] needs.
    pub(super) fn scratch(&self) -> usize {
        match &self.to {
            To::Operand { .. } => 0,
            To::Epilogue(blocks) => STAGE + blocks.scratch(),
        }
    }

    /// Hands over the results from number `start` on, at most [`BLOCK`] of them.
    ///
    /// # Safety
    /// The results exist, and no other thread writes them; `scratch` points to [`Sink::scratch`] bytes, aligned to 64, that
    /// nobody else uses.
    #[inline]
    pub(super) unsafe fn write(&self, context: &Context<'_>, start: usize, values: &[A], scratch: *mut u8) {
        let range = start..start + values.len();
        // SAFETY: operands lie inside their memory, and `scratch` is as large as this asked for.
        unsafe {
            match &self.to {
                To::Operand { place, runs, size } => {
                    let (to, mut from) = (context.at::<u8>(*place), values.as_ptr());
                    runs.walk(range, |offset, stride, len| {
                        (self.store)(from, to.offset(offset * size), stride, len);
                        from = from.add(len);
                    });
                }
                To::Epilogue(blocks) => {
                    (self.store)(values.as_ptr(), scratch, 1, values.len());
                    blocks.run(context, range, scratch, std::ptr::null_mut(), scratch.add(STAGE));
                }
            }
        }
    }
}

/// The iteration space as alternating groups of kept and reduced axes. Its elements are known by their row-major numbers,
/// whatever the operands' strides: so the order in which they are folded depends on sizes only.
pub(super) struct Plan {
    /// Elements reduced for one result.
    pub(super) reduced: usize,
    /// Number of results.
    pub(super) results: usize,
    /// Size of the last group, and whether it is reduced.
    pub(super) last: usize,
    pub(super) rows: bool,
    /// Numbers of the starts of results (of runs of `last` results, if the last group is kept).
    pub(super) kept: Runs,
    /// Number of reduced elements before the last reduced group, and their numbers relative to a result's start.
    pub(super) before: usize,
    pub(super) outer: Runs,
    /// Size of the last reduced group.
    pub(super) inner: usize,
}

impl Plan {
    pub(super) fn new(shape: &[usize], axes: &[usize]) -> Plan {
        let mut groups: Vec<(bool, usize)> = Vec::new();
        for (axis, &size) in shape.iter().enumerate().filter(|&(_, &size)| size != 1) {
            let reduced = axes.contains(&axis);
            match groups.last_mut() {
                Some(last) if last.0 == reduced => last.1 *= size,
                _ => groups.push((reduced, size)),
            }
        }
        let count = |wanted: bool| groups.iter().filter(|group| group.0 == wanted).map(|group| group.1).product();
        let (reduced, results) = (count(true), count(false));
        let sizes: Vec<usize> = groups.iter().map(|group| group.1).collect();
        let strides = Layout::contiguous(&sizes).strides;
        let pick = |wanted: bool, skip_last: bool| {
            let mut picked: Vec<usize> = (0..groups.len()).filter(|&n| groups[n].0 == wanted).collect();
            let last = if skip_last { picked.pop() } else { None };
            let layout = Layout {
                shape: picked.iter().map(|&n| sizes[n]).collect(),
                strides: picked.iter().map(|&n| strides[n]).collect(),
            };
            (Runs::new(&layout), layout.len(), last.map_or(1, |n| sizes[n]))
        };
        // A single element to reduce, or a single result, is a row: it needs no accumulators in memory.
        let rows = groups.last().is_none_or(|group| group.0);
        let (kept, _, last_kept) = pick(false, !rows);
        let (outer, before, inner) = pick(true, true);
        Plan { reduced, results, last: if rows { inner } else { last_kept }, rows, kept, before, outer, inner }
    }
}

/// The value of a reduction over nothing, as the accumulator of `dtype`.
pub(super) fn of_nothing<A: Number>(op: crate::ReduceOp, dtype: DType) -> A {
    use crate::ReduceOp::{ArgMax, ArgMin, Max, Min, Prod, Sum};
    match (op, dtype) {
        (Sum | ArgMax | ArgMin, _) | (Max, DType::Bool | DType::U8) => A::ZERO,
        (Prod, _) | (Min, DType::Bool) => A::ONE,
        (Max, DType::I32) => A::from_f64(f64::from(i32::MIN)),
        (Min, DType::I32) => A::from_f64(f64::from(i32::MAX)),
        (Min, DType::U8) => A::from_f64(255.0),
        (Max, _) => A::LOWEST,
        (Min, _) => A::HIGHEST,
    }
}
