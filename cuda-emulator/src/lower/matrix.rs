//! Tensor cores: fragments of matrices that a warp holds in its registers.

use super::body::Body;
use super::fail::{invalid, unsupported};
use super::types::{Meaning, Type};
use super::{MatrixType, Op, Source, Space, Target};
use crate::Error;
use crate::ptx::{Opcode, Operand};

/// The products that there are: shape, type of `a` and `b`, and the least architecture; then what they mean.
const PRODUCTS: [(&str, &str, u32, MatrixType, u8); 6] = [
    ("m16n8k8", "f16", 75, MatrixType::F16, 8),
    ("m16n8k16", "f16", 80, MatrixType::F16, 16),
    ("m16n8k8", "bf16", 80, MatrixType::Bf16, 8),
    ("m16n8k16", "bf16", 80, MatrixType::Bf16, 16),
    ("m16n8k4", "tf32", 80, MatrixType::Tf32, 4),
    ("m16n8k8", "tf32", 80, MatrixType::Tf32, 8),
];

impl MatrixType {
    /// Elements in a register.
    pub(crate) fn packed(self) -> u8 {
        if self == MatrixType::Tf32 { 1 } else { 2 }
    }
}

impl<'a> Body<'a, '_> {
    /// The registers of a fragment.
    fn fragment(operand: &Operand, count: usize) -> Result<&[Operand], Error> {
        let items = match operand {
            Operand::Vector(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        if items.len() == count {
            return Ok(items);
        }
        invalid(0, format!("a fragment of {} registers, it takes {count}", items.len()))
    }

    fn fragment_sources(&mut self, operand: &Operand, count: usize, ty: Type) -> Result<Vec<Source>, Error> {
        Self::fragment(operand, count)?.iter().map(|it| self.source(it, ty)).collect()
    }

    fn fragment_targets(&mut self, operand: &Operand, count: usize, ty: Type) -> Result<Vec<Target>, Error> {
        Self::fragment(operand, count)?.iter().map(|it| self.wanted(it, ty)).collect()
    }

    /// `ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {a, b, c, d}, [address]`
    pub(super) fn load_matrix(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let parts: Vec<&str> = opcode.parts.iter().map(String::as_str).collect();
        let (count, rest) = match parts.as_slice() {
            ["sync", "aligned", "m8n8", "x1", rest @ ..] => (1, rest),
            ["sync", "aligned", "m8n8", "x2", rest @ ..] => (2, rest),
            ["sync", "aligned", "m8n8", "x4", rest @ ..] => (4, rest),
            _ => return unsupported(0, "this load of matrices is not known to the emulator"),
        };
        let (transpose, rest) = match rest {
            ["trans", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let space = match rest {
            ["shared" | "shared::cta", "b16"] => Space::Shared,
            ["b16"] => Space::Generic,
            _ => return unsupported(0, "this load of matrices is not known to the emulator"),
        };
        let [targets, address] = Self::exactly(operands)?;
        let address = self.address(address, space)?;
        Ok(Op::LoadMatrix { address, targets: self.fragment_targets(targets, count, Type::B32)?, transpose })
    }

    /// `mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 d, a, b, c`
    pub(super) fn mma(&mut self, opcode: &Opcode, operands: &[Operand]) -> Result<Op, Error> {
        let parts: Vec<&str> = opcode.parts.iter().map(String::as_str).collect();
        let found = match parts.as_slice() {
            ["sync", "aligned", shape, "row", "col", "f32", a, b, "f32"] if a == b => {
                PRODUCTS.iter().find(|it| it.0 == *shape && it.1 == *a)
            }
            _ => None,
        };
        let Some(&(_, _, least, ty, k)) = found else {
            return unsupported(0, "this product of matrices is not known to the emulator");
        };
        self.requires(least)?;
        let [d, a, b, c] = Self::exactly(operands)?;
        // A register of `a` holds two rows' worth of what one of `b` holds: 16 rows against 8 columns.
        let count = usize::from(k / (4 * ty.packed()));
        let a = self.fragment_sources(a, 2 * count, Type::B32)?;
        let b = self.fragment_sources(b, count, Type::B32)?;
        let sum = Type { bits: 32, meaning: Meaning::Float };
        let c = self.fragment_sources(c, 4, sum)?;
        let d = self.fragment_targets(d, 4, sum)?;
        match (c.try_into(), d.try_into()) {
            (Ok(c), Ok(d)) => Ok(Op::Mma { ty, k, a, b, c, d }),
            _ => invalid(0, "a fragment of the wrong size"),
        }
    }
}
