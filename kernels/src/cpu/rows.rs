//! What the families that work run by run share: walks over strided layouts, conversions to the type in which sums are
//! kept, and functions compiled once for each instruction set.

use crate::{DType, Layout};
use half::{bf16, f16};
use std::ops::Range;

/// Declares a function that chooses between versions of `$body`, an `#[inline(always)]` function whose first parameter
/// `const FMA: bool` says whether `mul_add` is an instruction. The versions are `unsafe` to call: the CPU must have the
/// instruction set, and the body may ask for more.
macro_rules! per_isa {
    ($(#[$meta:meta])* $choose:ident<$($T:ident: $bound:path),*>($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        #[allow(clippy::type_complexity)]
        fn $choose<$($T: $bound),*>(isa: $crate::Isa) -> unsafe fn($($ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            #[allow(unused_unsafe)]
            unsafe fn avx512<$($T: $bound),*>($($arg: $ty),*) {
                // SAFETY: the caller keeps the body's contract, if it has one.
                unsafe { $body::<true, $($T),*>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            #[allow(unused_unsafe)]
            unsafe fn avx2<$($T: $bound),*>($($arg: $ty),*) {
                // SAFETY: the caller keeps the body's contract, if it has one.
                unsafe { $body::<true, $($T),*>($($arg),*) }
            }
            #[allow(unused_unsafe)]
            unsafe fn portable<$($T: $bound),*>($($arg: $ty),*) {
                // SAFETY: the caller keeps the body's contract, if it has one.
                unsafe { $body::<false, $($T),*>($($arg),*) }
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx512 => avx512::<$($T),*>,
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx2 => avx2::<$($T),*>,
                _ => portable::<$($T),*>,
            }
        }
    };
}
pub(crate) use per_isa;

/// A layout with as few axes as its strides allow.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    outer: Vec<(usize, isize)>,
    len: usize,
    stride: isize,
}

impl Runs {
    pub(crate) fn new(layout: &Layout) -> Runs {
        let mut axes: Vec<(usize, isize)> = Vec::with_capacity(layout.rank());
        for (&size, &stride) in layout.shape.iter().zip(&layout.strides).filter(|&(&size, _)| size != 1) {
            match axes.last_mut() {
                Some(last) if last.1 == stride.wrapping_mul(size as isize) => *last = (last.0 * size, stride),
                _ => axes.push((size, stride)),
            }
        }
        let (len, stride) = axes.pop().unwrap_or((1, 1));
        Runs { outer: axes, len, stride }
    }

    /// Whether the elements lie one after another.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.outer.is_empty() && (self.stride == 1 || self.len <= 1)
    }

    /// The offset of the element with row-major number `flat`.
    #[inline]
    pub(crate) fn offset(&self, flat: usize) -> isize {
        if self.outer.is_empty() {
            return flat as isize * self.stride;
        }
        self.row(flat / self.len) + (flat % self.len) as isize * self.stride
    }

    #[inline]
    fn row(&self, mut flat: usize) -> isize {
        let mut offset = 0;
        for &(size, stride) in self.outer.iter().rev() {
            offset += (flat % size) as isize * stride;
            flat /= size;
        }
        offset
    }

    /// If the elements `range` lie one after another: the offset of the first.
    #[inline]
    pub(crate) fn contiguous(&self, range: &Range<usize>) -> Option<isize> {
        let inside = self.outer.is_empty() || range.start % self.len + range.len() <= self.len;
        (inside && (self.stride == 1 || range.len() == 1)).then(|| self.offset(range.start))
    }

    /// Calls `f(offset of the first, stride, length)` for each run of the elements `range`, in order.
    #[inline]
    pub(crate) fn walk(&self, range: Range<usize>, mut f: impl FnMut(isize, isize, usize)) {
        let mut flat = range.start;
        while flat < range.end {
            let column = if self.outer.is_empty() { flat } else { flat % self.len };
            let len = (self.len - column).min(range.end - flat);
            f(self.offset(flat), self.stride, len);
            flat += len;
        }
    }
}

/// Elements that loops handle at a time: a vector of the widest instruction set.
pub(crate) const LANES: usize = 16;

/// `LANES` elements from `x` on, or fewer and then `rest`.
///
/// # Safety
/// `x` points to `len` elements.
#[inline(always)]
pub(crate) unsafe fn take<const MASKS: bool, A: Number>(x: *const A, len: usize, rest: A) -> [A; LANES] {
    let mut lanes = [rest; LANES];
    // SAFETY: at most `len` elements are read. The loop becomes a masked load, which a copy of `len` bytes does not; where
    // there are no masks, it would become a branch for each element.
    unsafe {
        if len >= LANES {
            return *x.cast::<[A; LANES]>();
        }
        if !MASKS {
            std::ptr::copy_nonoverlapping(x, lanes.as_mut_ptr(), len);
            return lanes;
        }
        for (i, lane) in lanes.iter_mut().enumerate() {
            if i < len {
                *lane = *x.add(i);
            }
        }
    }
    lanes
}

/// # Safety
/// `y` points to `len` elements.
#[inline(always)]
pub(crate) unsafe fn put<const MASKS: bool, A: Number>(y: *mut A, len: usize, lanes: [A; LANES]) {
    // SAFETY: at most `len` elements are written.
    unsafe {
        if len >= LANES {
            *y.cast::<[A; LANES]>() = lanes;
            return;
        }
        if !MASKS {
            return std::ptr::copy_nonoverlapping(lanes.as_ptr(), y, len);
        }
        for (i, &lane) in lanes.iter().enumerate() {
            if i < len {
                *y.add(i) = lane;
            }
        }
    }
}

/// The types in which sums and comparisons are kept: `f32` also for the 16-bit floats, `i64` for integers and `bool`.
pub(crate) trait Number: Copy + PartialOrd + Default + Send + Sync + 'static {
    const DTYPE: DType;
    const ZERO: Self;
    const ONE: Self;
    const LOWEST: Self;
    const HIGHEST: Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    fn from_f64(value: f64) -> Self;
    /// Reads elements of a dtype that is kept in this type.
    fn load(dtype: DType) -> Load<Self>;
    /// Writes elements of a dtype that is kept in this type; integers wrap, `bool` tests for non-zero.
    fn store(dtype: DType) -> Store<Self>;
}

/// `(from, stride in elements, to, count)`. `to` is contiguous.
pub(crate) type Load<A> = unsafe fn(*const u8, isize, *mut A, usize);
/// `(from, to, stride in elements, count)`. `from` is contiguous.
pub(crate) type Store<A> = unsafe fn(*const A, *mut u8, isize, usize);

macro_rules! number {
    ($A:ty, $DTYPE:ident, $zero:expr, $one:expr, $low:expr, $high:expr, $plus:expr, $times:expr, $nan:expr, $from:expr,
     $own:ident: { $($dtype:ident $T:ty, $x:ident: $up:expr, $y:ident: $down:expr;)* }) => {
        impl Number for $A {
            const DTYPE: DType = DType::$DTYPE;
            const ZERO: $A = $zero;
            const ONE: $A = $one;
            const LOWEST: $A = $low;
            const HIGHEST: $A = $high;
            #[inline(always)]
            fn plus(self, other: $A) -> $A { $plus(self, other) }
            #[inline(always)]
            fn times(self, other: $A) -> $A { $times(self, other) }
            #[inline(always)]
            fn is_nan(self) -> bool { $nan(self) }
            fn from_f64(value: f64) -> $A { $from(value) }
            fn load(dtype: DType) -> Load<$A> {
                match dtype {
                    $(DType::$dtype => |from, stride, to, count| {
                        let from = from.cast::<$T>();
                        for i in 0..count {
                            // SAFETY: the caller vouches for `count` elements on either side.
                            unsafe {
                                let $x = *from.offset(i as isize * stride);
                                *to.add(i) = $up;
                            }
                        }
                    },)*
                    _ => |from, stride, to, count| {
                        let from = from.cast::<$A>();
                        for i in 0..count {
                            // SAFETY: as above.
                            unsafe { *to.add(i) = *from.offset(i as isize * stride) }
                        }
                    },
                }
            }
            fn store(dtype: DType) -> Store<$A> {
                match dtype {
                    $(DType::$dtype => |from, to, stride, count| {
                        let to = to.cast::<$T>();
                        for i in 0..count {
                            // SAFETY: the caller vouches for `count` elements on either side.
                            unsafe {
                                let $y = *from.add(i);
                                *to.offset(i as isize * stride) = $down;
                            }
                        }
                    },)*
                    _ => |from, to, stride, count| {
                        let to = to.cast::<$A>();
                        for i in 0..count {
                            // SAFETY: as above.
                            unsafe { *to.offset(i as isize * stride) = *from.add(i) }
                        }
                    },
                }
            }
        }
    };
}

number!(f32, F32, 0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY, |a, b| a + b, |a, b| a * b, f32::is_nan, |x| x as f32, own: {
    F16 f16, x: x.to_f32(), y: f16::from_f32(y);
    BF16 bf16, x: x.to_f32(), y: bf16::from_f32(y);
});
number!(f64, F64, 0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY, |a, b| a + b, |a, b| a * b, f64::is_nan, |x| x, own: {});
number!(i64, I64, 0, 1, i64::MIN, i64::MAX, i64::wrapping_add, i64::wrapping_mul, |_| false, |x| x as i64, own: {
    Bool u8, x: i64::from(x != 0), y: u8::from(y != 0);
    U8 u8, x: i64::from(x), y: y as u8;
    I32 i32, x: i64::from(x), y: y as i32;
});

/// Runs `$body` with `$A` bound to the [`Number`] in which a dtype is kept.
macro_rules! by_number {
    ($dtype:expr, $A:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F64 => {
                type $A = f64;
                $body
            }
            $crate::DType::F32 | $crate::DType::F16 | $crate::DType::BF16 => {
                type $A = f32;
                $body
            }
            _ => {
                type $A = i64;
                $body
            }
        }
    };
}
pub(crate) use by_number;
