//! Element types.

use crate::{Error, plain::Plain};
use half::{bf16, f16};
use std::{fmt, str::FromStr};

/// The type of an array's elements.
///
/// `F16` and `BF16` are storage types: arithmetic on them happens in `f32`. `Bool` is one byte, 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DType {
    /// `bool`, one byte.
    Bool,
    /// `u8`.
    U8,
    /// `i32`.
    I32,
    /// `i64`.
    I64,
    /// IEEE half precision, storage only.
    F16,
    /// bfloat16, storage only.
    BF16,
    /// `f32`, the default.
    F32,
    /// `f64`.
    F64,
}

impl DType {
    /// Every dtype, in the order of promotion.
    pub const ALL: [DType; 8] =
        [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

    /// Bytes an element takes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 => 1,
            DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// The name in messages and in the text form: `f32`, `i64`, `bool`, ...
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// Whether this is one of the four floating-point types.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// Whether this is an integer type (`bool` is not).
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self, DType::U8 | DType::I32 | DType::I64)
    }

    /// The type in which arithmetic on this dtype is done: `f32` for the 16-bit floats, else itself.
    #[must_use]
    pub const fn compute(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(name: &str) -> Result<DType, Error> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| {
            Error::invalid(format!("`{name}` is not a dtype; known are bool, u8, i32, i64, f16, bf16, f32, f64"))
        })
    }
}

/// A Rust type that can be an array's element.
pub trait Element: Plain + PartialEq + fmt::Debug + Default + Send + Sync + 'static {
    /// The dtype this type stands for.
    const DTYPE: DType;
    /// The value as `f64`; an `i64` beyond 2^53 is rounded.
    fn to_f64(self) -> f64;
    /// The nearest value of this type; floats to integers truncate toward zero and saturate, to `bool` test for non-zero.
    fn from_f64(value: f64) -> Self;
}

macro_rules! element {
    ($($ty:ty, $dtype:ident, $value:ident => $to:expr, $from:expr;)*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn to_f64(self) -> f64 { let $value = self; $to }
            #[inline]
            fn from_f64($value: f64) -> $ty { $from }
        }
    )*};
}

element! {
    bool, Bool, x => f64::from(u8::from(x)), x != 0.0;
    u8, U8, x => f64::from(x), x as u8;
    i32, I32, x => f64::from(x), x as i32;
    i64, I64, x => x as f64, x as i64;
    f16, F16, x => x.to_f64(), f16::from_f64(x);
    bf16, BF16, x => x.to_f64(), bf16::from_f64(x);
    f32, F32, x => f64::from(x), x as f32;
    f64, F64, x => x, x;
}

/// Runs `$body` with `$T` bound to the Rust type of a dtype.
#[macro_export]
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::F16 => {
                type $T = $crate::half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = $crate::half::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            #[allow(unreachable_patterns)]
            _ => unreachable!(),
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
        }
        assert!("float".parse::<DType>().unwrap_err().to_string().contains("`float`"));
    }

    #[test]
    fn floats_truncate_toward_zero_and_saturate() {
        assert_eq!(i32::from_f64(-2.9), -2);
        assert_eq!(u8::from_f64(300.0), 255);
        assert_eq!(i64::from_f64(f64::NAN), 0);
    }
}
