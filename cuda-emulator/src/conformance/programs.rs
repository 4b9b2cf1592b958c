//! Programs of instructions that are not arithmetic: between lanes, between threads, in memory, and what only registers have.
//!
//! A body finds its input in `%a` to `%d` (the low halves in `%ra` to `%rd`) and leaves its output in `%x` and `%y`.

mod atomics;
mod memory;
mod registers;
mod warps;

use super::inputs::Random;
use super::{Input, THREADS};

/// A program with its own way to its result.
pub(super) struct Special {
    pub(super) name: String,
    pub(super) architecture: u32,
    pub(super) body: String,
    /// What a thread reads.
    input: fn(usize, &mut Random) -> Input,
    /// What a thread writes, by what all threads read.
    pub(super) expected: Expected,
}

type Expected = Box<dyn Fn(usize, &[Input]) -> [u64; 2] + Send + Sync>;

impl std::fmt::Debug for Special {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Special").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Special {
    /// A program on random bits.
    fn new(
        name: impl Into<String>,
        body: impl AsRef<str>,
        expected: impl Fn(usize, &[Input]) -> [u64; 2] + Send + Sync + 'static,
    ) -> Self {
        let body = format!("{BEGIN}{}{END}", body.as_ref());
        let expected = Box::new(expected);
        Special { name: name.into(), architecture: 75, body, input: |_, random| random4(random), expected }
    }

    fn needs(self, architecture: u32) -> Self {
        Special { architecture, ..self }
    }

    fn with(self, input: fn(usize, &mut Random) -> Input) -> Self {
        Special { input, ..self }
    }

    pub(super) fn inputs(&self, threads: usize) -> Vec<Input> {
        let mut random = Random::new(&self.name);
        (0..threads).map(|thread| (self.input)(thread, &mut random)).collect()
    }
}

fn random4(random: &mut Random) -> Input {
    [(); 4].map(|()| random.next())
}

/// Predicates that are all true, all false, mixed, or all true but one, by the warp, in the lowest bit of the first number.
fn votes(thread: usize, random: &mut Random) -> Input {
    let [a, b, c, d] = random4(random);
    let bit = match thread / 32 % 4 {
        0 => 1,
        1 => 0,
        2 => a & 1,
        _ => u64::from(thread % 32 != 5),
    };
    [bit, b, c, d]
}

const BEGIN: &str = "	.reg .b64 %a, %b, %c, %d, %x, %y;
	.reg .b32 %ra, %rb, %rc, %rd, %lane;
	.reg .f32 %f<4>;
	.reg .f64 %g<4>;
	.shared .align 16 .b8 buffer[4096];
	ld.global.b64 %a, [%in];
	ld.global.b64 %b, [%in+8];
	ld.global.b64 %c, [%in+16];
	ld.global.b64 %d, [%in+24];
	cvt.u32.u64 %ra, %a;
	cvt.u32.u64 %rb, %b;
	cvt.u32.u64 %rc, %c;
	cvt.u32.u64 %rd, %d;
	mov.u32 %lane, %laneid;
	mov.b64 %x, 0;
	mov.b64 %y, 0;
";

const END: &str = "	st.global.b64 [%out], %x;
	st.global.b64 [%out+8], %y;
";

/// What the threads of a thread's warp read.
fn warp(thread: usize, inputs: &[Input]) -> &[Input] {
    let first = thread / 32 * 32;
    inputs.get(first..first + 32).unwrap_or_default()
}

/// What the threads of its block read.
fn block(thread: usize, inputs: &[Input]) -> &[Input] {
    let first = thread / THREADS * THREADS;
    inputs.get(first..first + THREADS).unwrap_or_default()
}

/// The low half of a number.
fn low(value: u64) -> u64 {
    value & 0xffff_ffff
}

pub(super) fn programs() -> Vec<Special> {
    [warps::programs(), memory::programs(), atomics::programs(), registers::programs()].into_iter().flatten().collect()
}
