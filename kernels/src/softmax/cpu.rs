//! Softmax on the CPU: three passes over a row while it is in cache.

use crate::{
    Error, Isa, Operand, Softmax, Step,
    cpu::{
        Context, Cpu, Launch, Place,
        rows::{LANES, Load, Number, Runs, Store, per_isa, put, take},
        share,
    },
};
use std::ops::{Add, Div, Mul, Sub};

/// Elements from which on a second thread pays: some 3 us of work.
const HEAVY: usize = 8 * 1024;

pub(crate) fn prepare(softmax: &Softmax, step: &Step, cpu: Cpu) -> Result<Box<dyn Launch>, Error> {
    let (Some(input), Some(output)) = (step.inputs.first(), step.outputs.first()) else {
        return Err(Error::invalid("softmax takes an input and an output"));
    };
    if input.dtype == crate::DType::F64 {
        Ok(Box::new(Rows::<f64>::new(softmax, input, output, cpu.isa)))
    } else {
        Ok(Box::new(Rows::<f32>::new(softmax, input, output, cpu.isa)))
    }
}

/// Floats with a vectorisable exponential.
pub(crate) trait Real:
    Number + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// e^x for x <= 0 to about an ulp, without branches; 0 where the result would be subnormal. `FMA` says whether `mul_add`
    /// is an instruction.
    fn exp_of_negative<const FMA: bool>(self) -> Self;
    fn ln(self) -> Self;
}

#[inline(always)]
fn fma32<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn fma64<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

impl Real for f32 {
    #[inline(always)]
    fn exp_of_negative<const FMA: bool>(self) -> f32 {
        // x = n ln 2 + r; adding 1.5 * 2^23 rounds to an integer, which is then in the low bits. ln 2 is subtracted in two
        // parts, the first of which has so few bits that its products with n are exact.
        const ROUND: f32 = 12_582_912.0;
        let low = self < -87.3;
        let x = if low { 0.0 } else { self };
        let shifted = fma32::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = fma32::<FMA>(n, -0.693_359_4, x);
        let r = fma32::<FMA>(n, 2.121_944_4e-4, r);
        // Taylor's polynomial, its last coefficients adjusted (Cephes' expf).
        let mut p = fma32::<FMA>(1.987_569_1e-4, r, 1.398_199_9e-3);
        p = fma32::<FMA>(p, r, 8.333_452e-3);
        p = fma32::<FMA>(p, r, 4.166_579_6e-2);
        p = fma32::<FMA>(p, r, 0.166_666_65);
        p = fma32::<FMA>(p, r, 0.5);
        p = fma32::<FMA>(p, r * r, r) + 1.0;
        let scaled = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
        // NaN bits must not be touched; the sum keeps the NaN.
        if low {
            0.0
        } else if self.is_nan() {
            self
        } else {
            scaled
        }
    }

    fn ln(self) -> f32 {
        self.ln()
    }
}

impl Real for f64 {
    #[inline(always)]
    fn exp_of_negative<const FMA: bool>(self) -> f64 {
        const ROUND: f64 = 6_755_399_441_055_744.0;
        const COEFFICIENTS: [f64; 12] = [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
        ];
        let low = self < -708.3;
        let x = if low { 0.0 } else { self };
        let shifted = fma64::<FMA>(x, std::f64::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = fma64::<FMA>(n, -0.693_147_180_369_123_8, x);
        let r = fma64::<FMA>(n, -1.908_214_929_270_587_7e-10, r);
        let mut p = COEFFICIENTS[0];
        for coefficient in &COEFFICIENTS[1..] {
            p = fma64::<FMA>(p, r, *coefficient);
        }
        p = fma64::<FMA>(p, r * r, r) + 1.0;
        let scaled = f64::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 52));
        if low {
            0.0
        } else if self.is_nan() {
            self
        } else {
            scaled
        }
    }

    fn ln(self) -> f64 {
        self.ln()
    }
}

#[inline(always)]
fn across<A: Real>(mut lanes: [A; LANES], f: impl Fn(A, A) -> A) -> A {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Softmax of `count` rows of `len` elements from `x` to `y`, which may be the same memory: each vector is read before it is
/// written, which also spares the compiler a check for overlap.
///
/// # Safety
/// There are so many rows on either side.
#[inline(always)]
unsafe fn rows<const FMA: bool, A: Real>(x: *const A, y: *mut A, len: usize, count: usize, log: bool) {
    let larger = |a: A, b: A| if b > a || b.is_nan() { b } else { a };
    for row in 0..count {
        // SAFETY: the caller vouches for `count` rows on either side; `take` and `put` stay inside a row.
        unsafe {
            let (x, y) = (x.add(row * len), y.add(row * len));
            if len <= LANES {
                // A row of a vector stays in its register.
                let mut lanes = take::<FMA, A>(x, len, A::LOWEST);
                let max = across(lanes, larger);
                let mut exp = lanes;
                for i in 0..LANES {
                    lanes[i] = lanes[i] - max;
                    exp[i] = lanes[i].exp_of_negative::<FMA>();
                }
                let sum = across(exp, |a, b| a + b);
                let (scale, shift) = (A::ONE / sum, if log { sum.ln() } else { sum });
                for i in 0..LANES {
                    exp[i] = if log { lanes[i] - shift } else { exp[i] * scale };
                }
                put::<FMA, A>(y, len, exp);
                continue;
            }
            let mut max = [A::LOWEST; LANES];
            for at in (0..len).step_by(LANES) {
                let lanes = take::<FMA, A>(x.add(at), len - at, A::LOWEST);
                for i in 0..LANES {
                    max[i] = larger(max[i], lanes[i]);
                }
            }
            let max = across(max, larger);
            let mut sum = [A::ZERO; LANES];
            for at in (0..len).step_by(LANES) {
                let mut lanes = take::<FMA, A>(x.add(at), len - at, A::LOWEST);
                for i in 0..LANES {
                    lanes[i] = (lanes[i] - max).exp_of_negative::<FMA>();
                    sum[i] = sum[i] + lanes[i];
                }
                if !log {
                    put::<FMA, A>(y.add(at), len - at, lanes);
                }
            }
            let sum = across(sum, |a, b| a + b);
            let (scale, shift) = (A::ONE / sum, if log { sum.ln() } else { sum });
            let from = if log { x } else { y.cast_const() };
            for at in (0..len).step_by(LANES) {
                let mut lanes = take::<FMA, A>(from.add(at), len - at, A::ZERO);
                for lane in &mut lanes {
                    *lane = if log { *lane - max - shift } else { *lane * scale };
                }
                put::<FMA, A>(y.add(at), len - at, lanes);
            }
        }
    }
}

per_isa! { choose<A: Real>(x: *const A, y: *mut A, len: usize, count: usize, log: bool) = rows }

struct Rows<A> {
    log: bool,
    len: usize,
    count: usize,
    x: Place,
    y: Place,
    size: isize,
    /// The input's layout, unless its rows lie one after another as `A`.
    runs: Option<(Runs, Load<A>)>,
    /// Set if the output is not of `A`.
    store: Option<Store<A>>,
    rows: unsafe fn(*const A, *mut A, usize, usize, bool),
}

impl<A: Real> Rows<A> {
    fn new(softmax: &Softmax, input: &Operand, output: &Operand, isa: Isa) -> Rows<A> {
        let len = input.layout.shape.last().copied().unwrap_or(1);
        let runs = Runs::new(&input.layout);
        let converts = input.dtype != A::DTYPE;
        Rows {
            log: softmax.log,
            len,
            count: input.layout.len().checked_div(len).unwrap_or(0),
            x: input.into(),
            y: output.into(),
            size: input.dtype.size() as isize,
            runs: (converts || !runs.is_contiguous()).then(|| (runs, A::load(input.dtype))),
            store: converts.then(|| A::store(output.dtype)),
            rows: choose::<A>(isa),
        }
    }

    /// # Safety
    /// The rows exist, and no other thread works on them.
    unsafe fn part(&self, context: &Context<'_>, thread: usize, part: std::ops::Range<usize>) {
        let len = self.len;
        let (x, y) = (context.at::<u8>(self.x), context.at::<u8>(self.y));
        // SAFETY: operands lie inside their memory, the scratch has room for a row, and the CPU was checked for the
        // instruction set.
        unsafe {
            let Some((runs, load)) = &self.runs else {
                let (x, y) = (x.cast::<A>().add(part.start * len), y.cast::<A>().add(part.start * len));
                return (self.rows)(x, y, len, part.len(), self.log);
            };
            for row in part {
                let y = y.offset((row * len) as isize * self.size);
                let stage = if self.store.is_some() { context.scratch(thread).cast() } else { y.cast::<A>() };
                let mut to = stage;
                runs.walk(row * len..(row + 1) * len, |offset, stride, len| {
                    load(x.offset(offset * self.size), stride, to, len);
                    to = to.add(len);
                });
                (self.rows)(stage, stage, len, 1, self.log);
                if let Some(store) = self.store {
                    store(stage, y, 1, len);
                }
            }
        }
    }
}

impl<A: Real> Launch for Rows<A> {
    fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        let heavy = self.len * self.count >= HEAVY;
        let threads = if heavy { context.team.threads().min(self.count) } else { 1 };
        context.team.run(threads, &|thread| {
            // SAFETY: the rows exist; they are shared out.
            unsafe { self.part(context, thread, share(self.count, 1, threads, thread)) }
        });
        Ok(())
    }

    fn scratch_per_thread(&self) -> usize {
        if self.store.is_some() { self.len * size_of::<A>() } else { 0 }
    }
}
