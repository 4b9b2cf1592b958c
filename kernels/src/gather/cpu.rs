//! Gather and ScatterAdd on the CPU.
//!
//! The index is resolved first, into scratch that all threads read: an error is found before anything is written.

use super::out_of_range;
use crate::{
    DType, Error, Gather, Isa, Layout, Operand, ScatterAdd, Step,
    cpu::{
        Context, Cpu, Launch, Place,
        rows::{Load, Number, Runs, per_isa},
        share,
    },
};
use half::{bf16, f16};
use std::ops::Range;

/// Bytes moved from which on a second thread pays: some 3 us of work.
const HEAVY: usize = 128 * 1024;

/// An array around the axis that the index replaces.
struct Around {
    place: Place,
    before: Runs,
    /// Elements from one row to the next.
    stride: isize,
    after: Runs,
}

impl Around {
    /// `axes` stand in place of the indexed axis: one for the array, those of the index for rows.
    fn new(operand: &Operand, axis: usize, axes: usize) -> Around {
        let Layout { shape, strides } = &operand.layout;
        let part = |range: Range<usize>| {
            Runs::new(&Layout { shape: shape[range.clone()].to_vec(), strides: strides[range].to_vec() })
        };
        let stride = if axes == 1 { strides[axis] } else { 0 };
        Around { place: operand.into(), before: part(0..axis), stride, after: part(axis + axes..shape.len()) }
    }
}

/// The index operand and what it indexes.
struct Index {
    place: Place,
    runs: Runs,
    element: isize,
    load: Load<i64>,
    count: usize,
    axis: usize,
    /// Size of the axis.
    size: usize,
}

impl Index {
    fn new(index: &Operand, x: &Operand, axis: usize) -> Index {
        Index {
            place: index.into(),
            runs: Runs::new(&index.layout),
            element: index.dtype.size() as isize,
            load: i64::load(index.dtype),
            count: index.layout.len(),
            axis,
            size: x.layout.shape[axis],
        }
    }

    /// Writes the row that each index names to the shared scratch.
    fn resolve<'a>(&self, context: &'a Context<'_>) -> Result<&'a [i64], Error> {
        let from = context.at::<u8>(self.place);
        let mut to = context.shared_scratch().cast::<i64>();
        // SAFETY: the operand lies inside its memory, the scratch has room for `count` rows, and no other thread is at work.
        let rows = unsafe {
            self.runs.walk(0..self.count, |offset, stride, len| {
                (self.load)(from.offset(offset * self.element), stride, to, len);
                to = to.add(len);
            });
            std::slice::from_raw_parts_mut(context.shared_scratch().cast::<i64>(), self.count)
        };
        for row in &mut *rows {
            let resolved = if *row < 0 { row.wrapping_add(self.size as i64) } else { *row };
            if resolved < 0 || resolved >= self.size as i64 {
                return Err(out_of_range(*row, self.axis, self.size));
            }
            *row = resolved;
        }
        Ok(rows)
    }

    fn scratch(&self) -> usize {
        self.count.saturating_mul(size_of::<i64>())
    }
}

/// Copies elements of a given size: `(from, stride in elements, to, count)`.
type Copy = unsafe fn(*const u8, isize, *mut u8, usize);

fn copy_strided<T: std::marker::Copy>() -> Copy {
    |from, stride, to, count| {
        let (from, to) = (from.cast::<T>(), to.cast::<T>());
        for i in 0..count {
            // SAFETY: the caller vouches for `count` elements on either side.
            unsafe { *to.add(i) = *from.offset(i as isize * stride) }
        }
    }
}

fn copy_of(element: usize) -> Copy {
    match element {
        1 => copy_strided::<u8>(),
        2 => copy_strided::<u16>(),
        4 => copy_strided::<u32>(),
        _ => copy_strided::<u64>(),
    }
}

/// Copies elements `range` of the row at `from` to `to`.
///
/// # Safety
/// The elements exist on either side, and do not overlap.
#[inline]
unsafe fn copy_row(runs: &Runs, from: *const u8, range: Range<usize>, mut to: *mut u8, element: usize, copy: Copy) {
    runs.walk(range, |offset, stride, len| {
        // SAFETY: as the caller promises.
        unsafe {
            let from = from.offset(offset * element as isize);
            if stride == 1 && len > 1 {
                std::ptr::copy_nonoverlapping(from, to, len * element);
            } else {
                copy(from, stride, to, len);
            }
            to = to.add(len * element);
        }
    });
}

struct GatherRows {
    x: Around,
    index: Index,
    y: Place,
    element: usize,
    before: usize,
    after: usize,
    copy: Copy,
}

pub(crate) fn prepare_gather(gather: &Gather, step: &Step, _: Cpu) -> Result<Box<dyn Launch>, Error> {
    let ([x, index], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("gather takes two inputs and an output"));
    };
    let (axis, shape, element) = (gather.axis, &x.layout.shape, x.dtype.size());
    Ok(Box::new(GatherRows {
        x: Around::new(x, axis, 1),
        index: Index::new(index, x, axis),
        y: y.into(),
        element,
        before: shape[..axis].iter().product(),
        after: shape[axis + 1..].iter().product(),
        copy: copy_of(element),
    }))
}

impl GatherRows {
    /// # Safety
    /// The output's rows `part` exist, and no other thread writes them.
    unsafe fn part(&self, context: &Context<'_>, rows: &[i64], part: Range<usize>) {
        let x = context.at::<u8>(self.x.place);
        let bytes = self.after * self.element;
        let mut y = context.at::<u8>(self.y).wrapping_add(part.start * bytes);
        let element = self.element as isize;
        let mut number = part.start;
        while number < part.end {
            let (outer, first) = (number / rows.len(), number % rows.len());
            let count = (rows.len() - first).min(part.end - number);
            let x = x.wrapping_offset(self.x.before.offset(outer) * element);
            for &row in &rows[first..first + count] {
                let x = x.wrapping_offset(row as isize * self.x.stride * element);
                // SAFETY: the index was checked, the operands lie inside their memory.
                unsafe { copy_row(&self.x.after, x, 0..self.after, y, self.element, self.copy) };
                y = y.wrapping_add(bytes);
            }
            number += count;
        }
    }
}

impl Launch for GatherRows {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let rows = self.index.resolve(context)?;
        let count = self.before * rows.len();
        let bytes = count * self.after.max(8) * self.element;
        let threads = if bytes >= HEAVY { context.team.threads().min(count).max(1) } else { 1 };
        context.team.run(threads, &|thread| {
            // SAFETY: the rows exist; they are shared out.
            unsafe { self.part(context, rows, share(count, 1, threads, thread)) }
        });
        Ok(())
    }

    fn scratch_shared(&self) -> usize {
        self.index.scratch()
    }
}

/// Elements that can be added.
trait Addend: std::marker::Copy {
    fn plus(self, other: Self) -> Self;
}

macro_rules! addend {
    ($($T:ty: $a:ident, $b:ident => $sum:expr;)*) => {$(
        impl Addend for $T {
            #[inline(always)]
            fn plus(self, other: $T) -> $T { let ($a, $b) = (self, other); $sum }
        }
    )*};
}

addend! {
    u8: a, b => a.wrapping_add(b);
    i32: a, b => a.wrapping_add(b);
    i64: a, b => a.wrapping_add(b);
    f16: a, b => f16::from_f32(a.to_f32() + b.to_f32());
    bf16: a, b => bf16::from_f32(a.to_f32() + b.to_f32());
    f32: a, b => a + b;
    f64: a, b => a + b;
}

/// Adds rows: `(from, stride in elements, to, count)`.
type Add = unsafe fn(*const u8, isize, *mut u8, usize);

/// The loop that adds rows. Only the floats that models are made of have one for each instruction set.
fn add_of(dtype: DType, isa: Isa) -> Add {
    match dtype {
        // `bool` is never added: a program with such a step does not pass verification.
        DType::Bool | DType::U8 => add::<false, u8>,
        DType::I32 => add::<false, i32>,
        DType::I64 => add::<false, i64>,
        DType::F16 => add::<false, f16>,
        DType::BF16 => add::<false, bf16>,
        DType::F32 => choose_add::<f32>(isa),
        DType::F64 => choose_add::<f64>(isa),
    }
}

/// # Safety
/// There are `count` elements on either side, which do not overlap.
#[inline(always)]
unsafe fn add<const FMA: bool, T: Addend>(from: *const u8, stride: isize, to: *mut u8, count: usize) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    // SAFETY: as the caller promises.
    unsafe {
        if stride == 1 {
            let (from, to) = (std::slice::from_raw_parts(from, count), std::slice::from_raw_parts_mut(to, count));
            for (to, &from) in to.iter_mut().zip(from) {
                *to = to.plus(from);
            }
        } else {
            for i in 0..count {
                let to = &mut *to.add(i);
                *to = to.plus(*from.offset(i as isize * stride));
            }
        }
    }
}

per_isa! { choose_add<T: Addend>(from: *const u8, stride: isize, to: *mut u8, count: usize) = add }

struct ScatterRows {
    x: Around,
    /// The axis and all after it.
    slab: Runs,
    index: Index,
    updates: Around,
    /// The layout of the index within the updates.
    inner: Runs,
    y: Place,
    in_place: bool,
    element: usize,
    before: usize,
    after: usize,
    copy: Copy,
    add: Add,
}

pub(crate) fn prepare_scatter_add(scatter: &ScatterAdd, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let ([x, index, updates], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("scatter_add takes three inputs and an output"));
    };
    let (axis, shape, rank) = (scatter.axis, &x.layout.shape, index.layout.rank());
    let inner = Layout {
        shape: updates.layout.shape[axis..axis + rank].to_vec(),
        strides: updates.layout.strides[axis..axis + rank].to_vec(),
    };
    let slab = Layout { shape: shape[axis..].to_vec(), strides: x.layout.strides[axis..].to_vec() };
    Ok(Box::new(ScatterRows {
        x: Around::new(x, axis, 1),
        slab: Runs::new(&slab),
        index: Index::new(index, x, axis),
        updates: Around::new(updates, axis, rank),
        inner: Runs::new(&inner),
        y: y.into(),
        in_place: x.base == y.base && x.offset == y.offset,
        element: x.dtype.size(),
        before: shape[..axis].iter().product(),
        after: shape[axis + 1..].iter().product(),
        copy: copy_of(x.dtype.size()),
        add: add_of(x.dtype, cpu.isa),
    }))
}

impl ScatterRows {
    /// Works on the columns `columns` of every row of the outer index `outer`.
    ///
    /// # Safety
    /// They exist, and no other thread works on them.
    unsafe fn part(&self, context: &Context<'_>, rows: &[i64], outer: usize, columns: Range<usize>) {
        let (size, element) = (self.element, self.element as isize);
        let x = context.at::<u8>(self.x.place).wrapping_offset(self.x.before.offset(outer) * element);
        let y = context.at::<u8>(self.y).wrapping_add(outer * self.index.size * self.after * size);
        if !self.in_place && columns.len() == self.after {
            let all = 0..self.index.size * self.after;
            // SAFETY: the operands lie inside their memory; input and output do not overlap.
            unsafe { copy_row(&self.slab, x, all, y, size, self.copy) };
        } else if !self.in_place {
            for row in 0..self.index.size {
                let x = x.wrapping_offset(row as isize * self.x.stride * element);
                let y = y.wrapping_add((row * self.after + columns.start) * size);
                // SAFETY: as above.
                unsafe { copy_row(&self.x.after, x, columns.clone(), y, size, self.copy) };
            }
        }
        let updates = context.at::<u8>(self.updates.place).wrapping_offset(self.updates.before.offset(outer) * element);
        let mut number = 0;
        self.inner.walk(0..rows.len(), |offset, stride, len| {
            for (i, &row) in rows[number..number + len].iter().enumerate() {
                let from = updates.wrapping_offset((offset + i as isize * stride) * element);
                let mut to = y.wrapping_add((row as usize * self.after + columns.start) * size);
                self.updates.after.walk(columns.clone(), |offset, stride, len| {
                    // SAFETY: the index was checked, the operands lie inside their memory, and the CPU was checked for the
                    // instruction set.
                    unsafe { (self.add)(from.wrapping_offset(offset * element), stride, to, len) };
                    to = to.wrapping_add(len * size);
                });
            }
            number += len;
        });
    }
}

impl Launch for ScatterRows {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let rows = self.index.resolve(context)?;
        // Threads take columns, in whole cache lines, or outer indices: never updates, which add in their order.
        let line = 64 / self.element;
        let lines = self.after.div_ceil(line);
        let units = self.before * lines;
        let moved = if self.in_place { rows.len() } else { rows.len() + self.index.size };
        let bytes = self.before * self.after * moved * self.element;
        let threads = if bytes >= HEAVY { context.team.threads().min(units).max(1) } else { 1 };
        context.team.run(threads, &|thread| {
            let part = share(units, 1, threads, thread);
            let mut unit = part.start;
            while unit < part.end {
                let (outer, first) = (unit / lines, unit % lines);
                let count = (lines - first).min(part.end - unit);
                let columns = first * line..((first + count) * line).min(self.after);
                // SAFETY: existing columns, shared out.
                unsafe { self.part(context, rows, outer, columns) };
                unit += count;
            }
        });
        Ok(())
    }

    fn scratch_shared(&self) -> usize {
        self.index.scratch()
    }
}
