//! Tensor cores: `ldmatrix` and `mma.sync`. All 32 lanes take part.
//!
//! Products are exact in f64 and are summed there, and the sum is rounded to f32 once; hardware's order of summation and its
//! rounding are not documented.

use super::Exec;
use super::access::{Element, locate_in};
use crate::alu::{Lanes, WARP};
use crate::lower::{Address, MatrixType, Source, Space, Target};
use crate::machine::warp::Set;
use crate::memory::Strength;
use crate::{Access, Finding};

/// Bytes of a row of a matrix in shared memory.
const ROW: u64 = 16;

/// The operands of a product.
pub(super) struct Product<'o> {
    pub(super) ty: MatrixType,
    pub(super) k: u8,
    pub(super) a: &'o [Source],
    pub(super) b: &'o [Source],
    pub(super) c: &'o [Source; 4],
    pub(super) d: &'o [Target; 4],
}

impl MatrixType {
    /// Element `index` of a register.
    fn element(self, register: u64, index: usize) -> f64 {
        let half = (register >> (16 * index)) as u16;
        match self {
            MatrixType::F16 => f16(half),
            MatrixType::Bf16 => f64::from(f32::from_bits(u32::from(half) << 16)),
            MatrixType::Tf32 => f64::from(f32::from_bits(register as u32 & !0x1fff)),
        }
    }
}

/// The value of an f16.
fn f16(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * (-24f64).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    };
    if bits >> 15 != 0 { -size } else { size }
}

impl Exec<'_, '_> {
    /// Whether all lanes are there; it is reported if not.
    fn whole(&mut self, lanes: u32) -> bool {
        if lanes != u32::MAX {
            let note = format!("all 32 lanes of the warp must run it; here are {lanes:#010x}");
            self.fault(Finding::BadMask, lanes.trailing_zeros() as usize, None, None, note);
        }
        lanes == u32::MAX
    }

    pub(super) fn load_matrix(&mut self, address: &Address, targets: &[Target], transpose: bool, lanes: u32) {
        if !self.whole(lanes) {
            return;
        }
        let rows = self.gather_addresses(address, lanes);
        let used = u32::MAX >> (32 - 8 * targets.len().clamp(1, 4) as u32);
        self.worker.counters.shared(&rows, used, ROW as u32);
        let mut loaded = [[0; 4]; WARP];
        for lane in Set(used) {
            let (space, address) = locate_in(address.space, rows[lane]);
            if space != Space::Shared || address % ROW != 0 {
                let finding = if space == Space::Shared { Finding::Misaligned } else { Finding::OutOfBounds };
                let access = Access { space: "shared", address: rows[lane], bytes: ROW as u32, write: false };
                self.fault(finding, lane, Some(access), None, "a row of a matrix is 16 aligned bytes".into());
                return;
            }
            let actor = self.actor(lane);
            for (index, word) in (0u64..).zip(&mut loaded[lane]) {
                let address = address.wrapping_add(4 * index);
                *word = self.load_one(lane, actor, Element { space, address, bytes: 4, strength: Strength::WEAK });
            }
        }
        let element = |matrix: usize, row: usize, column: usize| {
            let word = loaded[8 * matrix % WARP + row % 8][column / 2 % 4];
            word >> (16 * (column % 2)) & 0xffff
        };
        for (matrix, target) in targets.iter().enumerate() {
            let value = std::array::from_fn(|lane| {
                let (major, minor) = (lane / 4, 2 * (lane % 4));
                let at = |minor| if transpose { element(matrix, minor, major) } else { element(matrix, major, minor) };
                at(minor) | at(minor + 1) << 16
            });
            self.scatter(Some(*target), &value, lanes);
        }
    }

    pub(super) fn multiply(&mut self, product: &Product<'_>, lanes: u32) {
        if !self.whole(lanes) {
            return;
        }
        let Product { ty, k, .. } = *product;
        let (k, packed) = (usize::from(k).min(16), usize::from(ty.packed()));
        let registers = |sources: &[Source]| sources.iter().map(|it| self.gather(it, lanes)).collect::<Vec<Lanes>>();
        let (a, b, c) = (registers(product.a), registers(product.b), registers(product.c));
        let mut left = [[0.0; 16]; 16];
        let mut right = [[0.0; 16]; 8];
        for lane in 0..WARP {
            let (group, within) = (lane / 4, lane % 4);
            for (index, register) in a.iter().enumerate() {
                for part in 0..packed {
                    let column = packed * within + 4 * packed * (index / 2) + part;
                    left[group + 8 * (index % 2)][column % 16] = ty.element(register[lane], part);
                }
            }
            for (index, register) in b.iter().enumerate() {
                for part in 0..packed {
                    right[group][(packed * within + 4 * packed * index + part) % 16] = ty.element(register[lane], part);
                }
            }
        }
        for (index, (target, start)) in product.d.iter().zip(&c).enumerate() {
            let value = std::array::from_fn(|lane| {
                let (row, column) = (lane / 4 + 8 * (index / 2), 2 * (lane % 4) + index % 2);
                let start = f64::from(f32::from_bits(start[lane] as u32));
                let terms = left[row].iter().zip(&right[column]).take(k);
                let sum = terms.fold(start, |sum, (a, b)| sum + a * b);
                u64::from((sum as f32).to_bits())
            });
            self.scatter(Some(*target), &value, lanes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_each_type() {
        assert_eq!(MatrixType::F16.element(0x3c00_c000, 1), 1.0);
        assert_eq!(MatrixType::F16.element(0x3c00_c000, 0), -2.0);
        assert_eq!(MatrixType::F16.element(0x0001, 0), (-24f64).exp2());
        assert_eq!(MatrixType::F16.element(0x7bff, 0), 65504.0);
        assert_eq!(MatrixType::F16.element(0xfc00, 0), f64::NEG_INFINITY);
        assert!(MatrixType::F16.element(0x7e00, 0).is_nan());
        assert_eq!(MatrixType::Bf16.element(0x3f80_4000, 1), 1.0);
        assert_eq!(MatrixType::Tf32.element(u64::from(1.0f32.to_bits()) | 0x1fff, 0), 1.0);
    }
}
