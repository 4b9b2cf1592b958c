//! The values of constants.

use crate::{DType, TensorType};
use std::fmt;
use wengert_kernels::{Array, Error, text::Cursor};

/// A constant of more elements is not printed: a text is for people.
const LARGEST: usize = 4096;

/// The values as the text form has them.
pub(super) struct Values<'a>(pub(super) &'a Array);

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Values(array) = self;
        if array.len() > LARGEST {
            return f.write_str("..");
        }
        let elements = elements(array);
        let size = array.dtype().size();
        let first = &array.bytes()[..size.min(array.bytes().len())];
        match elements.first() {
            Some(one) if array.bytes().chunks_exact(size).all(|element| element == first) => f.write_str(one),
            _ => write!(f, "[{}]", elements.join(", ")),
        }
    }
}

/// Every element in the fewest digits that tell it from its neighbours.
fn elements(array: &Array) -> Vec<String> {
    let exact = |values: Option<&[i64]>| values.map(|values| values.iter().map(i64::to_string).collect());
    let floats = || array.to_f64().into_iter();
    match array.dtype() {
        DType::I64 => exact(array.as_slice().ok()).unwrap_or_default(),
        DType::F64 => floats().map(|value| format!("{value:?}")).collect(),
        dtype if dtype.is_float() => floats().map(|value| format!("{:?}", value as f32)).collect(),
        DType::Bool => floats().map(|value| (value != 0.0).to_string()).collect(),
        _ => floats().map(|value| value.to_string()).collect(),
    }
}

/// What stands between the braces, before the dtype is known.
pub(super) struct Written<'a> {
    values: Vec<(Cursor<'a>, &'a str)>,
    everywhere: bool,
}

impl<'a> Written<'a> {
    pub(super) fn read(at: &mut Cursor<'a>) -> Result<Written<'a>, Error> {
        if at.eat("..") {
            return Err(at.error("this constant was too large to be printed with its values"));
        }
        let value = |at: &mut Cursor<'a>| {
            let place = at.clone();
            Ok((place, at.atom("a value", |text| (!text.is_empty()).then_some(text))?))
        };
        let everywhere = !at.clone().eat("[");
        let values = if everywhere { vec![value(at)?] } else { at.list("[", "]", value)? };
        Ok(Written { values, everywhere })
    }

    /// The constant of that type; `place` is where the type stands.
    pub(super) fn array(&self, ty: &TensorType, place: &Cursor<'a>) -> Result<Array, Error> {
        let shape: Option<Vec<usize>> = ty.shape.iter().map(crate::Dim::known).collect();
        let shape = shape.ok_or_else(|| place.error("a constant has no open sizes"))?;
        let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)).filter(|&len| len <= LARGEST);
        let len = len.ok_or_else(|| place.error(format_args!("a constant has {LARGEST} elements at most")))?;
        if !self.everywhere && self.values.len() != len {
            return Err(place.error(format_args!("expected {len} values, found {}", self.values.len())));
        }
        let value = |i: usize| &self.values[if self.everywhere { 0 } else { i }];
        if ty.dtype == DType::I64 {
            let values = (0..len).map(|i| parsed(value(i), ty.dtype)).collect::<Result<Vec<i64>, Error>>()?;
            return Array::new(&shape, &values);
        }
        let values = (0..len).map(|i| number(value(i), ty.dtype)).collect::<Result<Vec<f64>, Error>>()?;
        Array::from_fn(ty.dtype, &shape, |i| values[i])
    }
}

fn parsed<T: std::str::FromStr>((place, text): &(Cursor<'_>, &str), dtype: DType) -> Result<T, Error> {
    text.parse().map_err(|_| place.clone().expected(format_args!("a value of {dtype}")))
}

fn number(value: &(Cursor<'_>, &str), dtype: DType) -> Result<f64, Error> {
    match dtype {
        DType::Bool => parsed(value, dtype).map(|flag: bool| f64::from(u8::from(flag))),
        DType::U8 => parsed(value, dtype).map(|value: u8| f64::from(value)),
        DType::I32 => parsed(value, dtype).map(|value: i32| f64::from(value)),
        _ => parsed(value, dtype),
    }
}
