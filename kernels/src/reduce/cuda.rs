//! Reduce on CUDA: lanes along elements, slots along results.
//!
//! Ladder:
//! 1. a block for a result, its threads along the elements, a tree in shared memory;
//! 2. columns: where results are what lies side by side, neighbouring threads take neighbouring results, so that accesses are
//!    coalesced either way; short sums share a block;
//! 3. two stages where results are few: segments of fixed size leave what they have accumulated in scratch, a second launch
//!    folds that;
//! 4. four elements at a time along rows that are aligned so; sums in chunks of 32, which keeps errors near those of a tree.
//!
//! Rows of a few elements read half-used sectors in single requests, which the L1 cache makes up for.
//!
//! Estimate: memory-bound; bytes of the inputs / bandwidth, and some 3 us for a second stage.
//!
//! What is folded with what depends on sizes and strides alone: lane, chunk, tree and segments are fixed when the program is
//! loaded. There are no atomics.

use super::{Reduce, ReduceOp};
use crate::cuda::{Argument, Launch, PARAMETERS, Prepared, Source, Space, grid_of};
use crate::{DType, Error, Operand, Scalar, Step};
use std::sync::Arc;

mod text;

/// Threads of a block.
const THREADS: usize = 256;

/// Elements that a thread loads together where they lie side by side.
const SIDE_BY_SIDE: usize = 4;

/// Blocks from which on a device is busy: fewer, and the sums are divided. Not asked of the device, so that bits are the same
/// on all.
const BUSY: usize = 512;

/// Loads of a lane from which on dividing its sum pays.
const WORTHWHILE: usize = 16;

/// What all launches of a reduction know.
struct Plan<'a> {
    reduce: &'a Reduce,
    /// The dtype of what is reduced.
    value: DType,
    /// Prologue inputs, further epilogue inputs, outputs.
    inputs: &'a [Operand],
    extra: &'a [Operand],
    outputs: &'a [Operand],
    /// Axes whose indices the expressions use.
    prologue_axes: Vec<u32>,
    epilogue_axes: Vec<u32>,
    /// Results; strides of inputs, prologue axes, extra, outputs, epilogue axes.
    kept: Space,
    /// Elements of one result; strides of inputs and prologue axes.
    reduced: Space,
    width: usize,
}

/// Which part of a reduction a launch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Whole,
    /// From the operands to accumulators in scratch.
    First,
    /// From those to the results.
    Last,
}

/// How threads are dealt to results and elements.
#[derive(Clone, Copy, Debug)]
struct Deal {
    columns: bool,
    /// Threads that share a result; a power of two.
    lanes: usize,
    /// Places where something is loaded, for each result; how many of them a block takes.
    places: usize,
    segment: usize,
}

pub(crate) fn prepare(reduce: &Reduce, step: &Step) -> Result<Prepared, Error> {
    let plan = Plan::new(reduce, step)?;
    let results = plan.kept.len();
    if results == 0 {
        return Ok(Prepared::default());
    }
    let mut deal = plan.deal();
    let blocks = results.div_ceil(THREADS / deal.lanes);
    let segments = (BUSY / blocks).min(deal.places / (deal.lanes * WORTHWHILE)).max(1);
    if segments == 1 {
        return Ok(Prepared::of(vec![plan.launch(Stage::Whole, deal)?]));
    }
    deal.segment = deal.places.div_ceil(segments).next_multiple_of(deal.lanes);
    let segments = deal.places.div_ceil(deal.segment);
    // Accumulators lie in rows of results.
    let last = Deal::new(results >= 32, segments, results);
    let launches = vec![plan.launch(Stage::First, deal)?, plan.launch(Stage::Last, last)?];
    Ok(Prepared { launches, scratch: segments * results * plan.accumulator(), failure: None })
}

impl Deal {
    fn new(columns: bool, places: usize, results: usize) -> Deal {
        let few = if columns {
            // A warp of results, as long as there are so many; what is left of the block shares the elements.
            (THREADS / results.next_power_of_two().min(32)).min(places.div_ceil(4).next_power_of_two())
        } else if results >= THREADS && places < 1024 {
            places.next_power_of_two().min(32)
        } else {
            places.next_power_of_two().min(THREADS)
        };
        Deal { columns, lanes: few.max(1), places, segment: places.max(1) }
    }
}

/// The axes whose indices an expression uses.
fn axes_of(expr: Option<&crate::Expr>) -> Vec<u32> {
    let mut axes = Vec::new();
    for scalar in expr.map_or(&[][..], |expr| expr.body()) {
        if let Scalar::Index(axis) = scalar
            && !axes.contains(axis)
        {
            axes.push(*axis);
        }
    }
    axes
}

impl<'a> Plan<'a> {
    fn new(reduce: &'a Reduce, step: &'a Step) -> Result<Plan<'a>, Error> {
        let taken = reduce.prologue.as_ref().map_or(1, |expr| expr.inputs().len());
        let (Some(first), true) = (step.inputs.first(), step.inputs.len() >= taken) else {
            return Err(Error::invalid("a reduction without its inputs"));
        };
        let value = match &reduce.prologue {
            Some(expr) => expr.outputs().first().map_or(first.dtype, |&(_, dtype)| dtype),
            None => first.dtype,
        };
        let (inputs, extra) = step.inputs.split_at(taken);
        let shape = &first.layout.shape;
        let is_kept = |axis: &usize| !reduce.axes.contains(axis);
        let kept_axes: Vec<usize> = (0..shape.len()).filter(is_kept).collect();
        let pick = |axes: &[usize], of: &dyn Fn(usize) -> isize| axes.iter().map(|&axis| of(axis)).collect::<Vec<_>>();
        let sizes = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>();
        let (prologue_axes, epilogue_axes) = (axes_of(reduce.prologue.as_ref()), axes_of(reduce.epilogue.as_ref()));
        let along = |axes: &[usize]| {
            // The index along an axis is what an operand would have as its offset that steps by one along it.
            let operands = inputs.iter().map(|operand| pick(axes, &|axis| operand.layout.strides[axis]));
            let units = prologue_axes.iter().map(|&unit| pick(axes, &|axis| isize::from(axis == unit as usize)));
            operands.chain(units).collect::<Vec<_>>()
        };
        let mut kept_strides = along(&kept_axes);
        kept_strides.extend(extra.iter().chain(&step.outputs).map(|operand| operand.layout.strides.clone()));
        let numbers: Vec<usize> = (0..kept_axes.len()).collect();
        kept_strides
            .extend(epilogue_axes.iter().map(|&unit| pick(&numbers, &|axis| isize::from(axis == unit as usize))));
        let reduced_strides = along(&reduce.axes);
        let space = |axes: &[usize], strides: &[Vec<isize>]| {
            Space::merged(&sizes(axes), &strides.iter().map(|it| &**it).collect::<Vec<_>>())
        };
        let (kept, reduced) = (space(&kept_axes, &kept_strides), space(&reduce.axes, &reduced_strides));
        let mut plan = Plan {
            reduce,
            value,
            inputs,
            extra,
            outputs: &step.outputs,
            prologue_axes,
            epilogue_axes,
            kept,
            reduced,
            width: 1,
        };
        if !plan.columns() && plan.side_by_side() {
            plan.width = SIDE_BY_SIDE;
        }
        Ok(plan)
    }

    /// Whether neighbouring results lie closer together than neighbouring elements of one result.
    fn columns(&self) -> bool {
        let near = |space: &Space| {
            let strides = self.inputs.iter().zip(&space.strides).map(|(input, strides)| {
                let stride = strides.last().map_or(0, |stride| stride.unsigned_abs());
                stride.saturating_mul(input.dtype.size()).min(32)
            });
            strides.sum::<usize>()
        };
        self.kept.len() > 1 && (self.reduced.len() == 1 || near(&self.kept) < near(&self.reduced))
    }

    /// Whether the elements of every result can be loaded several at a time.
    fn side_by_side(&self) -> bool {
        let (sizes, width) = (&self.reduced.sizes, SIDE_BY_SIDE);
        let whole = sizes.len() == 1 || sizes.last().is_some_and(|size| size.is_multiple_of(width));
        let spaces = self.kept.strides.iter().zip(&self.reduced.strides);
        whole
            && self.inputs.iter().zip(spaces).all(|(input, (kept, reduced))| {
                let (last, outer) = reduced.split_last().map_or((0, &[][..]), |(last, outer)| (*last, outer));
                last == 1
                    && input.offset.is_multiple_of(width * input.dtype.size())
                    && kept.iter().chain(outer).all(|stride| stride.rem_euclid(width as isize) == 0)
            })
    }

    fn deal(&self) -> Deal {
        Deal::new(self.columns(), self.reduced.len().div_ceil(self.width), self.kept.len())
    }

    fn is_arg(&self) -> bool {
        matches!(self.reduce.op, ReduceOp::ArgMax | ReduceOp::ArgMin)
    }

    /// Bytes of an accumulator.
    fn accumulator(&self) -> usize {
        if self.is_arg() { 16 } else { self.value.compute().size() }
    }

    fn launch(&self, stage: Stage, deal: Deal) -> Result<Launch, Error> {
        let (results, elements) = (self.kept.len(), self.reduced.len());
        let segments = deal.places.div_ceil(deal.segment).max(1);
        let number = |number: usize| Argument::I64(number as i64);
        let mut words = [results, elements, deal.lanes, deal.places, deal.segment].map(number).to_vec();
        words.push(if stage == Stage::Whole { number(0) } else { Argument::Scratch(0) });
        words.extend(self.kept.sizes.iter().chain(&self.reduced.sizes).map(|&size| number(size)));
        let operands = self.inputs.iter().chain(self.extra).chain(self.outputs);
        words.extend(operands.map(|operand| Argument::Place(operand.into())));
        let strides = self.kept.strides.iter().chain(&self.reduced.strides).flatten();
        words.extend(strides.map(|&stride| Argument::I64(stride as i64)));
        if words.len() * size_of::<u64>() > PARAMETERS {
            return Err(Error::invalid("cuda: reduce with more operands than fit into a kernel's parameters"));
        }
        // 32-bit numbers wherever they do.
        let narrow = results.max(elements) <= i32::MAX as usize;
        let text = self.text(stage, deal.columns, narrow);
        let blocks = results.div_ceil(THREADS / deal.lanes);
        Ok(Launch {
            source: Arc::new(Source { name: "reduce".into(), text }),
            grid: [grid_of(blocks)?, segments as u32, 1],
            block: [THREADS as u32, 1, 1],
            shared: 0,
            arguments: vec![Argument::Words(words)],
        })
    }
}
