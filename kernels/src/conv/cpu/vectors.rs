//! What is computed along channels, in vectors, besides the tiles of matrix products.

use super::geometry::Axis;
use super::{Finish, Problem, depthwise, transform, winograd};
use crate::Isa;
use crate::cpu::{Cpu, Launch};
use crate::gemm::cpu::microkernel::{Portable, Real, Simd, Tile};
#[cfg(target_arch = "x86_64")]
use crate::gemm::cpu::x86::{Avx2, Avx512};

/// The functions of one instruction set for elements of type `T`.
pub(super) struct Vectors<T: 'static> {
    /// Tile, pixels, channels.
    pub(super) depthwise: unsafe fn(&Tile<'_, T>, usize, usize),
    /// Tile, channels.
    pub(super) depthwise_weights: unsafe fn(&Tile<'_, T>, usize),
}

/// A transform of squares. Only `f32` has them: others would take long to compile for what they are used.
pub(super) type TransformFn = unsafe fn(transform::Kind, &transform::Move<f32>);

/// Prepares a convolution for a method.
pub(super) type Make = fn(&Problem, [Axis; 2], Finish, Cpu) -> Box<dyn Launch>;

/// Element types that have them.
pub(super) trait Vectored: Real {
    /// Winograd's method, if there is one for this type.
    const SQUARES: Option<Make>;
    fn vectors(isa: Isa) -> &'static Vectors<Self>;
}

macro_rules! vectors {
    ($module:ident, $simd:ty, [$($feature:meta)?]) => {
        mod $module {
            use super::*;

            $(#[$feature])?
            unsafe fn depthwise<T: Copy + Default>(tile: &Tile<'_, T>, pixels: usize, channels: usize)
            where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { depthwise::pixels::<$simd, T>(tile, pixels, channels) }
            }
            $(#[$feature])?
            unsafe fn depthwise_weights<T: Copy + Default>(tile: &Tile<'_, T>, channels: usize) where $simd: Simd<T> {
                // SAFETY: the caller's duty.
                unsafe { depthwise::weights::<$simd, T>(tile, channels) }
            }
            $(#[$feature])?
            pub(super) unsafe fn transform(kind: transform::Kind, args: &transform::Move<f32>) {
                // SAFETY: the caller's duty.
                unsafe { transform::transform::<$simd, f32>(kind, args) }
            }
            vectors!(@table F32, f32);
            vectors!(@table F64, f64);
        }
    };
    (@table $name:ident, $T:ty) => {
        pub(super) static $name: Vectors<$T> = Vectors {
            depthwise: depthwise::<$T>,
            depthwise_weights: depthwise_weights::<$T>,
        };
    };
}

#[cfg(target_arch = "x86_64")]
vectors!(avx512, Avx512, [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]);
#[cfg(target_arch = "x86_64")]
vectors!(avx2, Avx2, [target_feature(enable = "avx2,fma")]);
vectors!(portable, Portable, []);

pub(super) fn transform(isa: Isa) -> TransformFn {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::transform,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::transform,
        _ => portable::transform,
    }
}

macro_rules! vectored {
    ($($T:ty, $table:ident, $squares:expr;)*) => {$(
        impl Vectored for $T {
            const SQUARES: Option<Make> = $squares;

            fn vectors(isa: Isa) -> &'static Vectors<$T> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => &avx512::$table,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => &avx2::$table,
                    _ => &portable::$table,
                }
            }
        }
    )*};
}
vectored! { f32, F32, Some(winograd::launch); f64, F64, None; }
