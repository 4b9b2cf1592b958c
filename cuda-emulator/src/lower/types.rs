//! Types of PTX and the constants written for them.

use super::fail::invalid;
use crate::Error;
use crate::ptx::Operand;

/// What the bits of a type mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A predicate.
    Predicate,
    /// Nothing in particular: `.b32`.
    Bits,
    /// An integer.
    Integer {
        /// `.s32` and not `.u32`.
        signed: bool,
    },
    /// A float of 32 or 64 bits. Constants cannot be written for other floats, which count as bits.
    Float,
}

/// A type: `.f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    /// Its width: 1, 8, 16, 32 or 64.
    pub(super) bits: u8,
    /// What they mean.
    pub(super) meaning: Meaning,
}

/// How a register's own type must fit an instruction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The same width, and no float where an integer belongs or the other way round.
    Exact,
    /// As wide or wider, as loads, stores and conversions take it; floats have one width.
    Wider,
    /// Anything.
    Any,
}

/// What an instruction wants of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// The type, which says what constants mean.
    pub(super) ty: Type,
    /// What registers are taken.
    pub(super) fit: Fit,
}

impl From<Type> for Want {
    fn from(ty: Type) -> Self {
        Want { ty, fit: Fit::Exact }
    }
}

impl Want {
    /// Whether a register of this type will do: the operand type checks of the PTX ISA.
    pub(super) fn takes(self, have: Type) -> bool {
        if self.fit == Fit::Any {
            return true;
        }
        let wide = have.bits == self.ty.bits || (self.fit == Fit::Wider && have.bits > self.ty.bits);
        wide && match (self.ty.meaning, have.meaning) {
            (Meaning::Predicate, other) | (other, Meaning::Predicate) => other == Meaning::Predicate,
            (Meaning::Bits, _) | (_, Meaning::Bits) => true,
            (Meaning::Float, Meaning::Float) => have.bits == self.ty.bits,
            (Meaning::Integer { .. }, Meaning::Integer { .. }) => true,
            _ => false,
        }
    }
}

const SIGNED: Meaning = Meaning::Integer { signed: true };
const UNSIGNED: Meaning = Meaning::Integer { signed: false };

/// All types that registers and memory can have.
const TYPES: [(&str, u8, Meaning); 21] = [
    ("pred", 1, Meaning::Predicate),
    ("b8", 8, Meaning::Bits),
    ("b16", 16, Meaning::Bits),
    ("b32", 32, Meaning::Bits),
    ("b64", 64, Meaning::Bits),
    ("u8", 8, UNSIGNED),
    ("u16", 16, UNSIGNED),
    ("u32", 32, UNSIGNED),
    ("u64", 64, UNSIGNED),
    ("s8", 8, SIGNED),
    ("s16", 16, SIGNED),
    ("s32", 32, SIGNED),
    ("s64", 64, SIGNED),
    ("f16", 16, Meaning::Bits),
    ("bf16", 16, Meaning::Bits),
    ("f16x2", 32, Meaning::Bits),
    ("bf16x2", 32, Meaning::Bits),
    ("tf32", 32, Meaning::Bits),
    ("f32", 32, Meaning::Float),
    ("f64", 64, Meaning::Float),
    ("e4m3", 8, Meaning::Bits),
];

impl Type {
    /// Addresses, and integers that need no shortening.
    pub(super) const B64: Type = Type { bits: 64, meaning: Meaning::Bits };
    /// Masks, lanes and counts.
    pub(super) const B32: Type = Type { bits: 32, meaning: Meaning::Bits };
    /// Numbers of bits and places of bits.
    pub(super) const U32: Type = Type { bits: 32, meaning: UNSIGNED };
    /// Addresses in registers.
    pub(super) const U64: Type = Type { bits: 64, meaning: UNSIGNED };
    /// Predicates.
    pub(super) const PREDICATE: Type = Type { bits: 1, meaning: Meaning::Predicate };

    /// The type of this name.
    pub(super) fn named(name: &str) -> Option<Type> {
        let found = TYPES.iter().find(|it| it.0 == name)?;
        Some(Type { bits: found.1, meaning: found.2 })
    }

    /// Registers of this width or wider.
    pub(super) fn wider(self) -> Want {
        Want { ty: self, fit: Fit::Wider }
    }

    /// Any register.
    pub(super) fn any(self) -> Want {
        Want { ty: self, fit: Fit::Any }
    }

    /// Twice as wide.
    pub(super) fn double(self) -> Type {
        Type { bits: self.bits.saturating_mul(2).min(64), ..self }
    }

    /// Bytes in memory.
    pub(super) fn bytes(self) -> u8 {
        self.bits / 8
    }

    /// Whether narrow values are extended by their sign.
    pub(super) fn signed(self) -> bool {
        self.meaning == SIGNED
    }

    /// The bits of a constant of this type. Integers are cut to the width; floats of the other width are converted.
    pub(super) fn constant(self, operand: &Operand) -> Result<u64, Error> {
        match (operand, self.meaning, self.bits) {
            (Operand::Integer(value), Meaning::Predicate, _) => Ok(u64::from(*value != 0)),
            (Operand::Integer(_), Meaning::Float, _) => {
                invalid(0, format!("the integer {operand} where a float belongs"))
            }
            (Operand::Integer(value), _, bits) => Ok(value & (u64::MAX >> (64 - bits.clamp(1, 64)))),
            (Operand::F32(bits), Meaning::Float | Meaning::Bits, 32) => Ok(u64::from(*bits)),
            (Operand::F64(bits), Meaning::Float | Meaning::Bits, 64) => Ok(*bits),
            (Operand::F32(bits), Meaning::Float, _) => Ok(f64::from(f32::from_bits(*bits)).to_bits()),
            (Operand::F64(bits), Meaning::Float, _) => Ok(u64::from((f64::from_bits(*bits) as f32).to_bits())),
            _ => invalid(0, format!("`{operand}` where a constant of another kind belongs")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(name: &str, operand: Operand) -> Option<u64> {
        Type::named(name)?.constant(&operand).ok()
    }

    #[test]
    fn registers_fit_as_ptxas_has_it() {
        let fits = |want: &str, have: &str| {
            let (want, have) = (Type::named(want).unwrap(), Type::named(have).unwrap());
            (Want::from(want).takes(have), want.wider().takes(have))
        };
        assert_eq!(fits("u32", "s32"), (true, true));
        assert_eq!(fits("f32", "b32"), (true, true));
        assert_eq!(fits("b32", "f32"), (true, true));
        assert_eq!(fits("f32", "b64"), (false, true));
        assert_eq!(fits("b16", "f32"), (false, true));
        assert_eq!(fits("u32", "f32"), (false, false));
        assert_eq!(fits("f32", "u32"), (false, false));
        assert_eq!(fits("f32", "f64"), (false, false));
        assert_eq!(fits("u32", "b16"), (false, false));
        assert_eq!(fits("pred", "b8"), (false, false));
        assert_eq!(fits("b8", "pred"), (false, false));
    }

    #[test]
    fn constants_take_the_bits_of_their_type() {
        let minus_one = Operand::Integer(u64::MAX);
        assert_eq!(bits("s16", minus_one.clone()), Some(0xffff));
        assert_eq!(bits("u64", minus_one.clone()), Some(u64::MAX));
        assert_eq!(bits("pred", minus_one), Some(1));
        assert_eq!(bits("f32", Operand::F32(0x3f80_0000)), Some(0x3f80_0000));
        assert_eq!(bits("f32", Operand::F64(1.5f64.to_bits())), Some(u64::from(1.5f32.to_bits())));
        assert_eq!(bits("f64", Operand::F32(1.5f32.to_bits())), Some(1.5f64.to_bits()));
        assert_eq!(bits("b32", Operand::F32(7)), Some(7));
        // ptxas refuses these too.
        assert_eq!(bits("f32", Operand::Integer(1)), None);
        assert_eq!(bits("s32", Operand::F32(1)), None);
        assert_eq!(bits("b32", Operand::F64(1)), None);
    }
}
