//! Map on CUDA: one thread for one element, or for four that lie side by side.
//!
//! Ladder:
//! 1. a thread for an element, its index divided into axes;
//! 2. axes merged over all operands, so that most maps have one axis and no division;
//! 3. four elements a thread with accesses of up to 16 bytes, where every operand lies side by side or is the same for all.
//!
//! Estimate: memory-bound; (bytes read + bytes written) / bandwidth, for all but a handful of expressions.
//!
//! All segments are one launch. What differs between them (addresses, sizes, strides) stands in a table among the kernel's
//! parameters; the text depends on the expression, on the number of axes and segments, and on how operands lie.

use crate::cuda::{Argument, Launch, PARAMETERS, Prepared, Source, Space, grid_of, source};
use crate::{Error, Expr, Map, Operand, Step};
use std::fmt::Write;
use std::sync::Arc;

/// Threads of a block.
const THREADS: usize = 256;

/// Elements that one thread takes where they lie side by side.
const SIDE_BY_SIDE: usize = 4;

/// How an operand lies along the innermost axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inner {
    /// One element for all.
    Uniform,
    /// Side by side.
    Straight,
    /// Anything else.
    Strided,
}

/// One segment: its space with the strides of inputs, outputs and used indices, in this order.
struct Segment<'a> {
    space: Space,
    operands: Vec<&'a Operand>,
}

pub(crate) fn prepare(map: &Map, step: &Step) -> Result<Prepared, Error> {
    let expr = &map.expr;
    let (taken, given) = (expr.inputs().len(), expr.outputs().len());
    let axes = source::indices(expr);
    let mut segments = Vec::new();
    for number in 0..map.segments {
        let inputs = step.inputs[number * taken..(number + 1) * taken].iter();
        let operands: Vec<&Operand> = inputs.chain(&step.outputs[number * given..(number + 1) * given]).collect();
        let Some(output) = operands.last() else { continue };
        let shape = &output.layout.shape;
        // The index along an axis is what an operand would have as its offset that steps by one along it.
        let unit = |axis: u32| (0..shape.len()).map(|it| isize::from(it == axis as usize)).collect::<Vec<_>>();
        let units: Vec<Vec<isize>> = axes.iter().map(|&axis| unit(axis)).collect();
        let strides: Vec<&[isize]> =
            operands.iter().map(|operand| &*operand.layout.strides).chain(units.iter().map(|it| &**it)).collect();
        let space = Space::merged(shape, &strides);
        if space.len() > 0 {
            segments.push(Segment { space, operands });
        }
    }
    let rank = segments.iter().map(|segment| segment.space.sizes.len()).max().unwrap_or(1);
    segments.iter_mut().for_each(|segment| segment.space.extend(rank));
    let words = 2 + rank + (taken + given) + (taken + given + axes.len()) * rank;
    let most = (PARAMETERS / (words * size_of::<u64>())).max(1);
    let launches = segments.chunks(most).map(|segments| launch(expr, &axes, rank, segments));
    Ok(Prepared::of(launches.collect::<Result<_, _>>()?))
}

fn launch(expr: &Expr, axes: &[u32], rank: usize, segments: &[Segment<'_>]) -> Result<Launch, Error> {
    let operands = expr.inputs().len() + expr.outputs().len();
    let inner: Vec<Inner> = (0..operands + axes.len()).map(|operand| inner(segments, operand)).collect();
    let width = if side_by_side(segments, &inner[..operands]) { SIDE_BY_SIDE } else { 1 };
    let mut words = Vec::new();
    let mut blocks = 0usize;
    for segment in segments {
        let sizes = &segment.space.sizes;
        let (outer, last) = sizes.split_at(rank - 1);
        let groups = outer.iter().product::<usize>() * last.iter().product::<usize>().div_ceil(width);
        words.extend([Argument::I64(blocks as i64), Argument::I64(groups as i64)]);
        words.extend(sizes.iter().map(|&size| Argument::I64(size as i64)));
        words.extend(segment.operands.iter().map(|&operand| Argument::Place(operand.into())));
        words.extend(segment.space.strides.iter().flatten().map(|&stride| Argument::I64(stride as i64)));
        blocks += groups.div_ceil(THREADS);
    }
    Ok(Launch {
        source: Arc::new(text(expr, axes, rank, segments.len(), &inner, width)),
        grid: [grid_of(blocks)?, 1, 1],
        block: [THREADS as u32, 1, 1],
        shared: 0,
        arguments: vec![Argument::Words(words)],
    })
}

/// How an operand (or an index) lies along the innermost axis, in all segments.
fn inner(segments: &[Segment<'_>], operand: usize) -> Inner {
    let strides = || segments.iter().filter_map(|segment| segment.space.strides[operand].last());
    match strides().next() {
        Some(0) if strides().all(|&stride| stride == 0) => Inner::Uniform,
        Some(1) if strides().all(|&stride| stride == 1) => Inner::Straight,
        _ => Inner::Strided,
    }
}

/// Whether every operand's elements can be moved several at a time: each group begins at a multiple of its own size.
fn side_by_side(segments: &[Segment<'_>], inner: &[Inner]) -> bool {
    let fits = |segment: &Segment<'_>| {
        let (sizes, width) = (&segment.space.sizes, SIDE_BY_SIDE);
        let rows_fit = sizes.len() == 1 || sizes.last().is_some_and(|size| size.is_multiple_of(width));
        rows_fit
            && segment.operands.iter().zip(&segment.space.strides).zip(inner).all(|((operand, strides), inner)| {
                let outer = strides.split_last().map_or(&[][..], |(_, outer)| outer);
                let aligned = operand.offset.is_multiple_of(width * operand.dtype.size())
                    && outer.iter().all(|stride| stride.rem_euclid(width as isize) == 0);
                *inner == Inner::Uniform || aligned
            })
    };
    // Outputs are never uniform, unless there is a single element.
    !inner.contains(&Inner::Strided) && segments.iter().all(fits)
}

/// The kernel's text.
fn text(expr: &Expr, axes: &[u32], rank: usize, segments: usize, inner: &[Inner], width: usize) -> Source {
    let (taken, operands) = (expr.inputs().len(), expr.inputs().len() + expr.outputs().len());
    let dtypes: Vec<_> = expr.inputs().iter().chain(expr.outputs().iter().map(|(_, dtype)| dtype)).collect();
    let (mut offsets, mut loads, mut stores) = (String::new(), String::new(), String::new());
    for (operand, inner) in inner.iter().enumerate() {
        let _ = write!(offsets, "    const i64 at{operand} = ");
        for axis in 0..rank - 1 {
            let _ = write!(offsets, "i{axis} * s.stride[{operand}][{axis}] + ");
        }
        let _ = match inner {
            Inner::Uniform => writeln!(offsets, "0;"),
            Inner::Straight => writeln!(offsets, "inner;"),
            Inner::Strided => writeln!(offsets, "inner * s.stride[{operand}][{}];", rank - 1),
        };
    }
    for (operand, dtype) in dtypes.iter().enumerate() {
        let address = format!("({dtype}*)s.address[{operand}] + at{operand}");
        let _ = match (operand < taken, inner[operand]) {
            (true, Inner::Uniform) => writeln!(loads, "    const {dtype} x{operand} = *({address});"),
            (true, _) => {
                writeln!(loads, "    const Pack<{dtype}, WIDTH> x{operand} = load_pack<WIDTH>({address}, count);")
            }
            (false, _) => {
                let _ = writeln!(loads, "    Pack<{dtype}, WIDTH> x{operand};");
                writeln!(stores, "    store_pack<WIDTH>({address}, x{operand}, count);")
            }
        };
    }
    let input = |n: u32| match inner[n as usize] {
        Inner::Uniform => format!("x{n}"),
        _ => format!("x{n}.at[k]"),
    };
    let index = |axis: u32| {
        let operand = operands + axes.iter().position(|&it| it == axis).unwrap_or(0);
        match inner[operand] {
            Inner::Uniform => format!("at{operand}"),
            _ => format!("at{operand} + k * s.stride[{operand}][{}]", rank - 1),
        }
    };
    let body = source::statements(expr, input, index);
    let results: String = (0..expr.outputs().len())
        .map(|number| format!("        x{}.at[k] = {};\n", taken + number, source::result(expr, number)))
        .collect();
    let axes_of: String = (0..rank - 1)
        .rev()
        .map(|axis| format!("    const i64 i{axis} = rest % (u64)s.size[{axis}];\n    rest /= (u64)s.size[{axis}];\n"))
        .collect();
    let text = format!(
        "{prelude}
#define WIDTH {width}
struct Segment {{ i64 first, groups, size[{rank}]; u64 address[{operands}]; i64 stride[{all}][{rank}]; }};
struct Segments {{ Segment at[{segments}]; }};

extern \"C\" __global__ void __launch_bounds__({THREADS}) map(const __grid_constant__ Segments table) {{
    int number = 0;
    while (number + 1 < {segments} && (i64)blockIdx.x >= table.at[number + 1].first) number++;
    const Segment& s = table.at[number];
    u64 rest = (u64)(blockIdx.x - (u32)s.first) * {THREADS} + threadIdx.x;
    if (rest >= (u64)s.groups) return;
    const i64 size = s.size[{last}];
    const u64 along = (size + WIDTH - 1) / WIDTH;
    const i64 inner = (i64)({inner_group}) * WIDTH;
    const i64 count = size - inner;
{split}{axes_of}{offsets}{loads}    for (int k = 0; k < WIDTH; k++) {{
{body}{results}    }}
{stores}}}
",
        prelude = source::PRELUDE,
        all = operands + axes.len(),
        last = rank - 1,
        inner_group = if rank == 1 { "rest" } else { "rest % along" },
        split = if rank == 1 { "" } else { "    rest /= along;\n" },
    );
    Source { name: "map".into(), text }
}
