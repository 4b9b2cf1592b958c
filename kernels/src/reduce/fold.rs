//! The inner loops: folding contiguous elements along rows and down columns, in an order that depends on sizes only.

use crate::{
    Isa, ReduceOp,
    cpu::rows::{Number, per_isa},
};

/// Elements that are folded lane by lane before partial results are combined in a binary tree.
pub(super) const CHUNK: usize = 512;

const LANES: usize = 32;

/// An associative operation with its neutral element.
pub(super) trait Fold<A>: 'static {
    const START: A;
    fn fold(a: A, b: A) -> A;
}

pub(super) struct Sum;
pub(super) struct Prod;
pub(super) struct Max;
pub(super) struct Min;

impl<A: Number> Fold<A> for Sum {
    const START: A = A::ZERO;
    #[inline(always)]
    fn fold(a: A, b: A) -> A {
        a.plus(b)
    }
}

impl<A: Number> Fold<A> for Prod {
    const START: A = A::ONE;
    #[inline(always)]
    fn fold(a: A, b: A) -> A {
        a.times(b)
    }
}

impl<A: Number> Fold<A> for Max {
    const START: A = A::LOWEST;
    #[inline(always)]
    fn fold(a: A, b: A) -> A {
        // A NaN in `a` stays, as no comparison with it holds.
        if b > a || b.is_nan() { b } else { a }
    }
}

impl<A: Number> Fold<A> for Min {
    const START: A = A::HIGHEST;
    #[inline(always)]
    fn fold(a: A, b: A) -> A {
        if b < a || b.is_nan() { b } else { a }
    }
}

/// Partial results in a binary tree: equal numbers of leaves meet, so that the error of a sum grows with the logarithm of
/// their number. Runs of a power of two of leaves can be folded apart, on any thread, without changing a bit.
pub(super) struct Tree<A> {
    stack: [A; 48],
    depth: usize,
    leaves: usize,
}

impl<A: Number> Tree<A> {
    #[inline(always)]
    pub(super) fn new() -> Tree<A> {
        Tree { stack: [A::ZERO; 48], depth: 0, leaves: 0 }
    }

    #[inline(always)]
    fn clear(&mut self) {
        (self.depth, self.leaves) = (0, 0);
    }

    #[inline(always)]
    pub(super) fn push(&mut self, mut leaf: A, fold: impl Fn(A, A) -> A) {
        for _ in 0..self.leaves.trailing_ones() {
            self.depth -= 1;
            leaf = fold(self.stack[self.depth], leaf);
        }
        self.stack[self.depth] = leaf;
        self.depth += 1;
        self.leaves += 1;
    }

    /// The result of all leaves, of which there is at least one.
    #[inline(always)]
    pub(super) fn finish(&self, fold: impl Fn(A, A) -> A) -> A {
        let (&last, rest) = self.stack[..self.depth].split_last().unwrap_or((&A::ZERO, &[]));
        rest.iter().rev().fold(last, |newer, &older| fold(older, newer))
    }
}

#[inline(always)]
fn chunk<A: Number, O: Fold<A>>(x: &[A]) -> A {
    let (whole, tail) = x.as_chunks::<LANES>();
    let (fours, ones) = tail.as_chunks::<4>();
    let mut acc = [O::START; 4];
    if let Some((first, rest)) = whole.split_first() {
        let mut lanes = *first;
        for lane in rest {
            for i in 0..LANES {
                lanes[i] = O::fold(lanes[i], lane[i]);
            }
        }
        let mut width = LANES / 2;
        while width >= 4 {
            for i in 0..width {
                lanes[i] = O::fold(lanes[i], lanes[i + width]);
            }
            width /= 2;
        }
        acc = [lanes[0], lanes[1], lanes[2], lanes[3]];
    }
    for four in fours {
        for i in 0..4 {
            acc[i] = O::fold(acc[i], four[i]);
        }
    }
    let four = O::fold(O::fold(acc[0], acc[2]), O::fold(acc[1], acc[3]));
    ones.iter().fold(four, |a, &b| O::fold(a, b))
}

/// `out[i]` is the fold of the `len` elements from `i * len` on.
#[inline(always)]
fn rows<const FMA: bool, A: Number, O: Fold<A>>(x: &[A], len: usize, out: &mut [A]) {
    let mut tree = Tree::new();
    for (mut x, out) in x.chunks_exact(len).zip(out) {
        tree.clear();
        loop {
            let (first, rest) = x.split_at(CHUNK.min(x.len()));
            *out = chunk::<A, O>(first);
            if len <= CHUNK {
                break;
            }
            tree.push(*out, O::fold);
            x = rest;
            if x.is_empty() {
                *out = tree.finish(O::fold);
                break;
            }
        }
    }
}

/// Folds `rows` rows of `out.len()` elements, `stride` apart, into `out`, from the first on.
#[inline(always)]
fn columns<const FMA: bool, A: Number, O: Fold<A>>(x: &[A], rows: usize, stride: usize, out: &mut [A]) {
    let mut start = 0;
    while let Some(out) = out.get_mut(start..).and_then(|out| out.first_chunk_mut::<64>()) {
        strip::<64, A, O>(x.get(start..).unwrap_or(&[]), rows, stride, out);
        start += 64;
    }
    while let Some(out) = out.get_mut(start..).and_then(|out| out.first_chunk_mut::<16>()) {
        strip::<16, A, O>(x.get(start..).unwrap_or(&[]), rows, stride, out);
        start += 16;
    }
    let width = out.len();
    if start < width {
        for row in 0..rows {
            let x = &x[row * stride..][..width];
            for (out, &x) in out[start..].iter_mut().zip(&x[start..]) {
                *out = O::fold(*out, x);
            }
        }
    }
}

#[inline(always)]
fn strip<const N: usize, A: Number, O: Fold<A>>(x: &[A], rows: usize, stride: usize, out: &mut [A; N]) {
    let mut lanes = *out;
    for row in 0..rows {
        let x = &x[row * stride..][..N];
        for i in 0..N {
            lanes[i] = O::fold(lanes[i], x[i]);
        }
    }
    *out = lanes;
}

/// The place of the first element equal to `wanted`, which is there; NaN counts as equal to NaN.
#[inline(always)]
fn find<const FMA: bool, A: Number>(x: &[A], wanted: A, place: &mut usize) {
    let nan = wanted.is_nan();
    let hit = |x: A| (x == wanted) | (nan & x.is_nan());
    let (blocks, _) = x.as_chunks::<LANES>();
    // Blocks without a hit are passed without a branch for each element.
    let missed = |block: &&[A; LANES]| block.iter().fold(0, |hits, &x| hits | u32::from(hit(x))) == 0;
    let start = LANES * blocks.iter().take_while(missed).count();
    *place = start + x[start..].iter().position(|&x| hit(x)).unwrap_or(0);
}

per_isa! { choose_find<A: Number>(x: &[A], wanted: A, place: &mut usize) = find }
per_isa! { choose_rows<A: Number, O: Fold<A>>(x: &[A], len: usize, out: &mut [A]) = rows }
per_isa! { choose_columns<A: Number, O: Fold<A>>(x: &[A], rows: usize, stride: usize, out: &mut [A]) = columns }

/// The loops of one operation, element type and instruction set. The CPU must have the instruction set.
#[derive(Clone, Copy)]
pub(super) struct Loops<A> {
    pub(super) start: A,
    pub(super) fold: fn(A, A) -> A,
    pub(super) rows: unsafe fn(&[A], usize, &mut [A]),
    pub(super) columns: unsafe fn(&[A], usize, usize, &mut [A]),
    pub(super) find: unsafe fn(&[A], A, &mut usize),
}

impl<A: Number> Loops<A> {
    /// The loops compiled for what every CPU of the target has.
    fn plain<O: Fold<A>>() -> Loops<A> {
        Loops {
            start: O::START,
            fold: O::fold,
            rows: rows::<false, A, O>,
            columns: columns::<false, A, O>,
            find: find::<false, A>,
        }
    }
}

impl<A: Folded> Loops<A> {
    /// `ArgMax` and `ArgMin` get the loops of the extremes that they search for.
    pub(super) fn new(op: ReduceOp, isa: Isa) -> Loops<A> {
        match op {
            ReduceOp::Sum => A::loops::<Sum>(isa),
            // Products are rare: one code for all instruction sets does.
            ReduceOp::Prod => Loops::plain::<Prod>(),
            ReduceOp::Max | ReduceOp::ArgMax => A::loops::<Max>(isa),
            ReduceOp::Min | ReduceOp::ArgMin => A::loops::<Min>(isa),
        }
    }
}

/// Numbers with loops. Integers are rare here, so only floats are worth code of their own for each instruction set.
pub(super) trait Folded: Number {
    fn loops<O: Fold<Self>>(isa: Isa) -> Loops<Self>;
}

macro_rules! folded {
    ($($A:ty),*) => {$(
        impl Folded for $A {
            fn loops<O: Fold<$A>>(isa: Isa) -> Loops<$A> {
                Loops {
                    start: O::START,
                    fold: O::fold,
                    rows: choose_rows::<$A, O>(isa),
                    columns: choose_columns::<$A, O>(isa),
                    find: choose_find::<$A>(isa),
                }
            }
        }
    )*};
}
folded! { f32, f64 }

impl Folded for i64 {
    fn loops<O: Fold<i64>>(_: Isa) -> Loops<i64> {
        Loops::plain::<O>()
    }
}
