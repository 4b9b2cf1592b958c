//! Gather and ScatterAdd on CUDA.
//!
//! The index is looked through first, into scratch: one that is out of range is recorded before anything is written, and the
//! launches after it then write nothing. The executor makes the words of it.
//!
//! Ladder of Gather:
//! 1. a thread for an element of the output, which is read in its order;
//! 2. up to 16 bytes a thread where what follows the axis lies side by side: rows of an embedding at full bandwidth.
//!
//! Ladder of ScatterAdd:
//! 1. a thread for an element of the output looks through the whole index: reads of elements times indices;
//! 2. float atomics: fast, and other bits on every run;
//! 3. the index sorted once, as keys (row, number): each thread finds its row by bisection and adds that row's updates in
//!    their order, each sum rounded to the dtype, exactly as the CPU does. Chunks of 2048 indices are sorted in shared memory;
//!    longer lists are merged in pairs, a launch for each doubling.
//!
//! A row that very many indices name is added up by one thread for each of its elements: its sums have an order to keep.
//!
//! Estimate: memory-bound; Gather twice the output's bytes / bandwidth, ScatterAdd (input + output + updates) / bandwidth, and
//! some 2 us for each launch of the sort.

use super::{Gather, ScatterAdd, out_of_range};
use crate::cuda::{Argument, Failure, Launch, Prepared, Source, Space, grid_of, source};
use crate::{Error, Operand, Step};
use std::sync::Arc;

/// Threads of a block.
const THREADS: usize = 256;

/// Indices that a block sorts.
const CHUNK: usize = 8 * THREADS;

/// Elements that a thread of ScatterAdd takes where they lie side by side.
const SIDE_BY_SIDE: usize = 4;

fn number(number: usize) -> Argument {
    Argument::I64(number as i64)
}

fn strides(strides: &[isize]) -> impl Iterator<Item = Argument> {
    strides.iter().map(|&stride| Argument::I64(stride as i64))
}

fn launch(name: &str, defines: &str, template: &str, blocks: usize, words: Vec<Argument>) -> Result<Launch, Error> {
    let text = format!("{}\n#define THREADS {THREADS}\n{defines}\n{template}", source::PRELUDE);
    Ok(Launch {
        source: Arc::new(Source { name: name.into(), text }),
        grid: [grid_of(blocks)?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: 0,
        arguments: vec![Argument::Words(words)],
    })
}

/// The type of counts: 32 bits wherever they do.
fn number_type(most: usize) -> &'static str {
    if most <= i32::MAX as usize { "u32" } else { "u64" }
}

/// The launch that looks through the index, into the start of the scratch.
fn resolve(index: &Operand, size: usize) -> Result<Launch, Error> {
    let space = Space::merged(&index.layout.shape, &[&index.layout.strides]);
    let count = space.len();
    let mut words = vec![Argument::Failure, Argument::Place(index.into()), Argument::Scratch(0)];
    words.extend([number(count), number(size)]);
    words.extend(space.sizes.iter().map(|&size| number(size)));
    words.extend(strides(&space.strides[0]));
    let defines = format!("typedef {} I;\n#define RANK {}", index.dtype, space.sizes.len());
    launch("resolve", &defines, include_str!("index.cu"), count.div_ceil(THREADS), words)
}

/// Whether a view begins, and goes on along all these axes, at multiples of so many elements.
fn aligned(operand: &Operand, pack: usize, strides: &[&[isize]]) -> bool {
    operand.offset.is_multiple_of(pack * operand.dtype.size())
        && strides.iter().copied().flatten().all(|stride| stride.rem_euclid(pack as isize) == 0)
}

pub(crate) fn prepare_gather(gather: &Gather, step: &Step) -> Result<Prepared, Error> {
    let ([x, index], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("gather takes two inputs and an output"));
    };
    let (axis, shape) = (gather.axis, &x.layout.shape);
    let indices = index.layout.len();
    if indices == 0 {
        return Ok(Prepared::default());
    }
    let (x_before, x_after) = (&x.layout.strides[..axis], &x.layout.strides[axis + 1..]);
    let mut before = Space::merged(&shape[..axis], &[x_before]);
    let mut after = Space::merged(&shape[axis + 1..], &[x_after]);
    let mut along = x.layout.strides[axis];
    // Elements are only moved, so several that lie side by side are one of more bytes.
    let (last, outer) = after.strides[0].split_last().map_or((0, &[][..]), |(last, outer)| (*last, outer));
    let columns = after.sizes.last().copied().unwrap_or(1);
    let fits = |pack: &usize| {
        let others: &[&[isize]] = &[&before.strides[0], outer, &[along]];
        last == 1 && columns.is_multiple_of(*pack) && aligned(x, *pack, others) && aligned(y, *pack, &[])
    };
    let size = x.dtype.size();
    let pack = [16 / size, 8 / size, 4 / size, 2 / size].into_iter().filter(|&pack| pack > 1).find(fits).unwrap_or(1);
    if let Some(columns) = after.sizes.last_mut() {
        *columns /= pack;
    }
    let by = pack as isize;
    along /= by;
    before.strides[0].iter_mut().for_each(|stride| *stride /= by);
    let outermost = after.strides[0].len().saturating_sub(1);
    after.strides[0][..outermost].iter_mut().for_each(|stride| *stride /= by);
    let elements = before.len() * indices * after.len();
    let element = match pack * size {
        1 => "u8",
        2 => "unsigned short",
        4 => "u32",
        8 => "u64",
        _ => "Pack<u32, 4>",
    };
    let defines = format!(
        "typedef {element} E;\ntypedef {} Number;\n#define BEFORE {}\n#define AFTER {}",
        number_type(elements.max(indices)),
        before.sizes.len(),
        after.sizes.len()
    );
    let mut words = vec![Argument::Failure, Argument::Step, Argument::Scratch(0)];
    words.extend([Argument::Place(x.into()), Argument::Place(y.into()), Argument::I64(along as i64)]);
    words.extend([indices, after.len(), elements].map(number));
    words.extend(before.sizes.iter().chain(&after.sizes).map(|&size| number(size)));
    words.extend(strides(&before.strides[0]).chain(strides(&after.strides[0])));
    // One block at least: it is what settles a failure.
    let blocks = elements.div_ceil(THREADS).max(1);
    let moving = launch("gather", &defines, include_str!("gather.cu"), blocks, words)?;
    Ok(Prepared {
        launches: vec![resolve(index, shape[axis])?, moving],
        scratch: indices * size_of::<i64>(),
        failure: Some(Failure { explain: out_of_range, axis, size: shape[axis] }),
    })
}

pub(crate) fn prepare_scatter_add(scatter: &ScatterAdd, step: &Step) -> Result<Prepared, Error> {
    let ([x, index, updates], [y]) = (&step.inputs[..], &step.outputs[..]) else {
        return Err(Error::invalid("scatter_add takes three inputs and an output"));
    };
    let (axis, shape, rank) = (scatter.axis, &x.layout.shape, index.layout.rank());
    let (indices, size) = (index.layout.len(), shape[axis]);
    if size.max(indices) >= u32::MAX as usize {
        return Err(Error::device("cuda: scatter_add with 2^32 rows or indices"));
    }
    let list = (indices * size_of::<u64>()).next_multiple_of(256);
    let mut launches = Vec::new();
    let mut keys = 0;
    if indices > 0 {
        launches.push(resolve(index, size)?);
        keys = sort(indices, list, &mut launches)?;
    }
    launches.push(add(axis, rank, [x, updates, y], indices, keys)?);
    let failure = Some(Failure { explain: out_of_range, axis, size });
    Ok(Prepared { launches, scratch: 3 * list, failure })
}

/// Launches that sort the rows at the start of the scratch; gives where in it the keys are in the end.
fn sort(indices: usize, list: usize, launches: &mut Vec<Launch>) -> Result<usize, Error> {
    let mut step = |name: &str, each: usize, from: usize, to: usize, run: usize| {
        let mut words = vec![Argument::Failure, Argument::Scratch(0), Argument::Scratch(from), Argument::Scratch(to)];
        words.extend([number(indices), number(run)]);
        launches.push(launch(name, "", include_str!("sort.cu"), indices.div_ceil(each), words)?);
        Ok::<(), Error>(())
    };
    let (mut from, mut to, mut run) = (list, 2 * list, CHUNK);
    step("sort_chunks", CHUNK, to, from, 0)?;
    while run < indices {
        step("merge_runs", THREADS, from, to, run)?;
        (from, to) = (to, from);
        run *= 2;
    }
    Ok(from)
}

/// The launch that adds, by the sorted keys.
fn add(axis: usize, rank: usize, operands: [&Operand; 3], indices: usize, keys: usize) -> Result<Launch, Error> {
    let [x, updates, y] = operands;
    let (shape, layout) = (&x.layout.shape, &updates.layout);
    let (x_strides, u_strides) = (&x.layout.strides, &layout.strides);
    let before = Space::merged(&shape[..axis], &[&x_strides[..axis], &u_strides[..axis]]);
    let along = Space::merged(&layout.shape[axis..axis + rank], &[&u_strides[axis..axis + rank]]);
    let after = Space::merged(&shape[axis + 1..], &[&x_strides[axis + 1..], &u_strides[axis + rank..]]);
    let last = |operand: usize| after.strides[operand].last().copied().unwrap_or(0);
    let outer = |operand: usize| after.strides[operand].split_last().map_or(&[][..], |(_, outer)| outer);
    let uniform = last(0) == 0;
    let straight = after.sizes.last().is_some_and(|columns| columns.is_multiple_of(SIDE_BY_SIDE))
        && (uniform || (last(0) == 1 && aligned(x, SIDE_BY_SIDE, &[&before.strides[0], &[x_strides[axis]], outer(0)])))
        && last(1) == 1
        && aligned(updates, SIDE_BY_SIDE, &[&before.strides[1], &along.strides[0], outer(1)])
        && aligned(y, SIDE_BY_SIDE, &[]);
    let width = if straight { SIDE_BY_SIDE } else { 1 };
    let columns = after.len() / width;
    let groups = before.len() * shape[axis] * columns;
    let in_place = x.base == y.base && x.offset == y.offset;
    let defines = format!(
        "typedef {} T;\ntypedef {} Number;\n#define BEFORE {}\n#define INDEX {}\n#define AFTER {}\n#define WIDTH {width}\n#define UNIFORM {}",
        x.dtype,
        number_type((groups * width).max(indices)),
        before.sizes.len(),
        along.sizes.len(),
        after.sizes.len(),
        u32::from(straight && uniform),
    );
    let mut words = vec![Argument::Failure, Argument::Step, Argument::Scratch(0), Argument::Scratch(keys)];
    words.extend([x, updates, y].map(|operand| Argument::Place(operand.into())));
    words.extend(strides(&x_strides[axis..=axis]));
    words.extend([shape[axis], indices, columns, groups, usize::from(in_place)].map(number));
    words.extend(before.sizes.iter().chain(&along.sizes).chain(&after.sizes).map(|&size| number(size)));
    words.extend(strides(&before.strides[0]).chain(strides(&after.strides[0])));
    words.extend(strides(&before.strides[1]).chain(strides(&along.strides[0])).chain(strides(&after.strides[1])));
    launch("scatter_add", &defines, include_str!("scatter.cu"), groups.div_ceil(THREADS).max(1), words)
}
