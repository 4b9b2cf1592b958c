//! The transforms of Winograd's F(2x2, 3x3) and of its gradient, in vectors of channels.

use crate::gemm::cpu::microkernel::Simd;

/// Which transform.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// 4x4 pixels to planes.
    Pixels,
    /// 3x3 taps to planes.
    Filter,
    /// Planes to 2x2 results.
    Results,
    /// Gradients of 2x2 results to planes: the transpose of `Results`.
    Gradients,
    /// Planes to gradients of 3x3 taps: the transpose of `Filter`.
    Taps,
}

/// A row of squares to be transformed: where they lie in images and in planes.
#[derive(Clone, Copy)]
pub(super) struct Move<T> {
    pub(super) image: *mut T,
    pub(super) row: isize,
    pub(super) pixel: isize,
    /// Elements from one square to the next.
    pub(super) square: isize,
    pub(super) planes: *mut T,
    pub(super) plane: usize,
    /// Elements from one square to the next in a plane.
    pub(super) element: usize,
    pub(super) squares: usize,
    /// Rows and columns of results or their gradients that there are; what lies beyond is neither read nor written.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) channels: usize,
}

/// A transform along one axis, which maps `N` elements to `M`.
trait Side<const N: usize, const M: usize> {
    unsafe fn apply<S: Simd<T>, T: From<f32>>(x: [S::V; N]) -> [S::V; M];
}

struct Pixels;
struct Filter;
struct Results;
struct Gradients;
struct Taps;

/// `a - b`, without rounding the product.
#[inline(always)]
unsafe fn minus<S: Simd<T>, T: From<f32>>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller's duty.
    unsafe { S::mul_add(b, S::splat(T::from(-1.0)), a) }
}

impl Side<4, 4> for Pixels {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>, T: From<f32>>([a, b, c, d]: [S::V; 4]) -> [S::V; 4] {
        // SAFETY: the caller's duty.
        unsafe { [minus::<S, T>(a, c), S::add(b, c), minus::<S, T>(c, b), minus::<S, T>(b, d)] }
    }
}

impl Side<3, 4> for Filter {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>, T: From<f32>>([a, b, c]: [S::V; 3]) -> [S::V; 4] {
        // SAFETY: the caller's duty.
        unsafe {
            let (half, less) = (S::splat(T::from(0.5)), S::splat(T::from(-0.5)));
            let outer = S::mul_add(S::add(a, c), half, S::splat(T::from(0.0)));
            [a, S::mul_add(b, half, outer), S::mul_add(b, less, outer), c]
        }
    }
}

impl Side<4, 2> for Results {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>, T: From<f32>>([a, b, c, d]: [S::V; 4]) -> [S::V; 2] {
        // SAFETY: the caller's duty.
        unsafe { [S::add(a, S::add(b, c)), minus::<S, T>(minus::<S, T>(b, c), d)] }
    }
}

impl Side<2, 4> for Gradients {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>, T: From<f32>>([a, b]: [S::V; 2]) -> [S::V; 4] {
        // SAFETY: the caller's duty.
        unsafe {
            let zero = S::splat(T::from(0.0));
            [a, S::add(a, b), minus::<S, T>(a, b), minus::<S, T>(zero, b)]
        }
    }
}

impl Side<4, 3> for Taps {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>, T: From<f32>>([a, b, c, d]: [S::V; 4]) -> [S::V; 3] {
        // SAFETY: the caller's duty.
        unsafe {
            let (half, zero) = (S::splat(T::from(0.5)), S::splat(T::from(0.0)));
            let sum = S::add(b, c);
            [S::mul_add(sum, half, a), S::mul_add(minus::<S, T>(b, c), half, zero), S::mul_add(sum, half, d)]
        }
    }
}

/// Transforms squares of vectors: along the columns, then along the rows.
#[inline(always)]
unsafe fn both<F: Side<N, M>, S: Simd<T>, T: From<f32>, const N: usize, const M: usize>(
    x: [[S::V; N]; N],
) -> [[S::V; M]; M] {
    // SAFETY: the caller's duty.
    unsafe {
        let zero = S::splat(T::from(0.0));
        let (mut half, mut out) = ([[zero; N]; M], [[zero; M]; M]);
        for j in 0..N {
            let mut column = [zero; N];
            for (i, element) in column.iter_mut().enumerate() {
                *element = x[i][j];
            }
            for (i, element) in F::apply::<S, T>(column).into_iter().enumerate() {
                half[i][j] = element;
            }
        }
        for (out, half) in out.iter_mut().zip(half) {
            *out = F::apply::<S, T>(half);
        }
        out
    }
}

/// Transforms a row of squares.
///
/// # Safety
/// The squares are there on either side, and the CPU has the instruction set.
#[inline(always)]
pub(super) unsafe fn transform<S: Simd<T>, T: From<f32>>(kind: Kind, args: &Move<T>) {
    // SAFETY: the caller's duty.
    unsafe {
        match kind {
            Kind::Pixels => to_planes::<Pixels, S, T, 4>(args),
            Kind::Filter => to_planes::<Filter, S, T, 3>(args),
            Kind::Results => from_planes::<Results, S, T, 2>(args),
            Kind::Gradients => to_planes::<Gradients, S, T, 2>(args),
            Kind::Taps => from_planes::<Taps, S, T, 3>(args),
        }
    }
}

#[inline(always)]
unsafe fn to_planes<F: Side<N, 4>, S: Simd<T>, T: From<f32>, const N: usize>(args: &Move<T>) {
    for square in 0..args.squares {
        let from = args.image.wrapping_offset(square as isize * args.square);
        let to = args.planes.wrapping_add(square * args.element);
        // Only gradients end in the middle of a square.
        let whole = N > 2 || (args.rows >= 2 && args.columns >= 2 * square + 2);
        for channel in (0..args.channels).step_by(S::LANES) {
            // SAFETY: the caller's duty.
            unsafe {
                let mask = S::mask(S::LANES.min(args.channels - channel));
                let mut x = [[S::splat(T::from(0.0)); N]; N];
                for (i, row) in x.iter_mut().enumerate() {
                    for (j, element) in row.iter_mut().enumerate() {
                        if !whole && (i >= args.rows || j + 2 * square >= args.columns) {
                            continue;
                        }
                        let at = i as isize * args.row + j as isize * args.pixel;
                        *element = S::load_some(from.wrapping_offset(at).wrapping_add(channel), mask);
                    }
                }
                for (i, row) in both::<F, S, T, N, 4>(x).into_iter().enumerate() {
                    for (j, element) in row.into_iter().enumerate() {
                        S::store_some(to.wrapping_add((4 * i + j) * args.plane + channel), element, mask);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn from_planes<F: Side<4, M>, S: Simd<T>, T: From<f32>, const M: usize>(args: &Move<T>) {
    for square in 0..args.squares {
        let from = args.planes.wrapping_add(square * args.element);
        let to = args.image.wrapping_offset(square as isize * args.square);
        let columns = args.columns - M * square;
        for channel in (0..args.channels).step_by(S::LANES) {
            // SAFETY: the caller's duty.
            unsafe {
                let mask = S::mask(S::LANES.min(args.channels - channel));
                let mut x = [[S::splat(T::from(0.0)); 4]; 4];
                for (i, row) in x.iter_mut().enumerate() {
                    for (j, element) in row.iter_mut().enumerate() {
                        *element = S::load_some(from.wrapping_add((4 * i + j) * args.plane + channel), mask);
                    }
                }
                for (i, row) in both::<F, S, T, 4, M>(x).into_iter().enumerate().take(args.rows) {
                    for (j, element) in row.into_iter().enumerate() {
                        if j < columns {
                            let at = i as isize * args.row + j as isize * args.pixel;
                            S::store_some(to.wrapping_offset(at).wrapping_add(channel), element, mask);
                        }
                    }
                }
            }
        }
    }
}
