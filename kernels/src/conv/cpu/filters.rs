//! Filters as the tiles read them: rows of two vectors, one for each tap and channel that is summed over.

use super::geometry::Axis;
use super::{Grid, Problem};
use crate::DType;
use crate::conv::ConvPass;
use crate::cpu::{
    Context,
    rows::{Load, Number},
    share,
};
use crate::gemm::cpu::{
    microkernel::{Kernels, Real},
    pack::{self, Panel},
};

/// Strides of rows in bytes from which on a copy is faster: strides of this size use few sets of the cache.
const FAR: usize = 1024;

pub(super) struct Filters<A: Real> {
    grid: Grid,
    dtype: DType,
    load: Load<A>,
    kernels: &'static Kernels<A>,
    axes: [Axis; 2],
    /// Channels that are summed over and channels of the result, for each group; how many groups.
    group: [usize; 2],
    groups: usize,
    /// Whether the result's channels are the filters.
    forward: bool,
    /// Whether each channel has its own filter: a tap is a row of all of them.
    depthwise: bool,
    packed: bool,
    /// The first tap of each pair of classes in a packed panel.
    starts: Vec<usize>,
    /// Taps of a packed panel.
    taps: usize,
}

/// What the filters are wanted for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// Tiles, which can read filters where they lie if these lie well.
    InPlace,
    /// Tiles, or what else is made from packed panels.
    Packed,
    /// Filters for a single channel each.
    Depthwise,
}

/// Some channels of the result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<A> {
    pub(super) group: usize,
    /// The first channel of all.
    pub(super) column: usize,
    pub(super) width: usize,
    pub(super) start: *const A,
}

/// The taps that a pair of classes sees: sizes along height and width, steps, elements from channel to channel.
pub(super) struct Taps<A> {
    pub(super) start: *const A,
    pub(super) count: [usize; 2],
    pub(super) step: [isize; 2],
    pub(super) row: isize,
}

impl<A: Number + Real> Filters<A> {
    pub(super) fn new(
        problem: &Problem,
        axes: &[Axis; 2],
        group: [usize; 2],
        kernels: &'static Kernels<A>,
        form: Form,
    ) -> Filters<A> {
        let forward = problem.pass == ConvPass::Forward;
        let [_, _, channel, filter] = problem.b.strides;
        let dense = filter == 1 || problem.sizes.filters == 1;
        let far = channel.unsigned_abs().saturating_mul(size_of::<A>()) >= FAR && group[0] > 1;
        let mut taps = 0;
        let mut starts = Vec::new();
        for [down, right] in
            axes[0].classes.iter().flat_map(|down| axes[1].classes.iter().map(move |right| [down, right]))
        {
            starts.push(taps);
            taps += down.taps.len() * right.taps.len();
        }
        Filters {
            grid: problem.b,
            dtype: problem.dtype,
            load: A::load(problem.dtype),
            kernels,
            axes: axes.clone(),
            group,
            groups: problem.groups,
            forward,
            depthwise: form == Form::Depthwise,
            packed: form != Form::InPlace || !forward || !dense || far || problem.dtype != <A as Number>::DTYPE,
            starts,
            taps,
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        self.packed
    }

    pub(super) fn scratch(&self) -> usize {
        if self.packed { self.count() * self.panel() * size_of::<A>() } else { 0 }
    }

    /// Elements of a packed panel.
    pub(super) fn panel(&self) -> usize {
        self.taps * self.tap()
    }

    /// Elements of a tap in a packed panel.
    pub(super) fn tap(&self) -> usize {
        if self.depthwise { self.groups } else { self.group[0] * 2 * self.kernels.lanes }
    }

    fn panels_of_group(&self) -> usize {
        self.group[1].div_ceil(2 * self.kernels.lanes)
    }

    /// How many panels there are.
    pub(super) fn count(&self) -> usize {
        if self.depthwise { 1 } else { self.groups * self.panels_of_group() }
    }

    fn columns(&self, context: &Context<'_>, number: usize) -> Columns<A> {
        if self.depthwise {
            return Columns { group: 0, column: 0, width: self.groups, start: context.shared_scratch().cast() };
        }
        let width = 2 * self.kernels.lanes;
        let (group, first) = (number / self.panels_of_group(), number % self.panels_of_group() * width);
        let column = group * self.group[1] + first;
        let start = if self.packed {
            context.shared_scratch().cast::<A>().wrapping_add(number * self.panel())
        } else {
            context.at::<A>(self.grid.place).wrapping_offset(column as isize * self.grid.strides[3])
        };
        Columns { group, column, width: width.min(self.group[1] - first), start }
    }

    /// All channels of the result.
    pub(super) fn panels(&self, context: &Context<'_>) -> impl Iterator<Item = Columns<A>> {
        (0..self.count()).map(|number| self.columns(context, number))
    }

    /// The taps of a class of rows and one of columns.
    #[inline]
    pub(super) fn taps(&self, panel: &Columns<A>, classes: [usize; 2]) -> Taps<A> {
        let count = [0, 1].map(|axis| self.axes[axis].classes[classes[axis]].taps.len());
        if !self.packed {
            let [i, j, row, _] = self.grid.strides;
            return Taps { start: panel.start, count, step: [i, j], row };
        }
        let (row, tap) = (2 * self.kernels.lanes, self.tap());
        let start = self.starts[classes[0] * self.axes[1].classes.len() + classes[1]];
        let step = [(count[1] * tap) as isize, tap as isize];
        Taps { start: panel.start.wrapping_add(start * tap), count, step, row: row as isize }
    }

    /// Copies this thread's share of the filters to the scratch that all threads read.
    pub(super) fn pack(&self, context: &Context<'_>, parts: usize, thread: usize) {
        let panels = self.count();
        let mine = share(panels * self.taps, 1, parts, thread);
        let tap = self.tap();
        let down = &self.axes[0].classes;
        let right = &self.axes[1].classes;
        for number in 0..panels {
            let panel = self.columns(context, number);
            let mut at = 0;
            for [down, right] in down.iter().flat_map(|down| right.iter().map(move |right| [down, right])) {
                for [i, j] in down.taps.iter().flat_map(|&i| right.taps.iter().map(move |&j| [i, j])) {
                    if mine.contains(&(number * self.taps + at)) {
                        // SAFETY: the tap is one of the filter's; the threads copy different ones.
                        unsafe { self.pack_tap(context, &panel, [i, j], panel.start.wrapping_add(at * tap).cast_mut()) }
                    }
                    at += 1;
                }
            }
        }
    }

    /// Copies a tap's channels: rows are those that are summed over, columns those of the panel.
    ///
    /// # Safety
    /// The tap is one of the filter's, and `to` has room for its rows, which no other thread writes.
    unsafe fn pack_tap(&self, context: &Context<'_>, panel: &Columns<A>, [i, j]: [usize; 2], to: *mut A) {
        let size = self.dtype.size() as isize;
        let [_, _, channel, filter] = self.grid.strides;
        // Channels of the filter's axis are counted within the group.
        let (start, k, column) = if self.forward {
            ([i, j, 0, panel.column], channel, filter)
        } else {
            ([i, j, panel.column - panel.group * self.group[1], panel.group * self.group[0]], filter, channel)
        };
        let from = context.at::<u8>(self.grid.place).wrapping_offset(self.grid.offset(start) * size);
        let width = 2 * self.kernels.lanes;
        let block =
            Panel { b: from.cast_const().cast(), b_k: k, b_column: column, k: self.group[0], columns: panel.width, to };
        // SAFETY: the caller's duty; the kernels are those of the device's instruction set.
        unsafe {
            if self.depthwise {
                (self.load)(from, filter, to, panel.width);
            } else if self.dtype != <A as Number>::DTYPE {
                for row in 0..self.group[0] {
                    let bytes = (row as isize).wrapping_mul(k).wrapping_mul(size);
                    (self.load)(from.wrapping_offset(bytes), column, to.wrapping_add(row * width), panel.width);
                }
            } else if column == 1 {
                (self.kernels.pack_rows)(&block);
            } else if k == 1 {
                (self.kernels.pack_columns)(&block);
            } else {
                pack::scattered(&block, width);
            }
        }
    }
}
