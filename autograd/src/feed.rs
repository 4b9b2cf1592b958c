//! Values from the user's program: feeds, constants, the first values of variables.

use crate::{DType, Dim, TensorType};
use std::{fmt, sync::Arc};
use wengert_kernels::{Array, ArrayView, Element, Error};

/// A value for a placeholder or a constant. Arrays and slices are borrowed, never copied; plain Rust numbers take the dtype
/// of what they meet.
#[derive(Clone, Debug)]
pub struct Feed<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    View(ArrayView<'a>),
    Owned(Array),
    Float(f64),
    Int(i64),
    Failed(String),
}

impl<'a> Feed<'a> {
    /// The value as an array; a plain number becomes a scalar of `dtype`, or of `f32` or `i64`.
    pub(crate) fn to_array(&self, dtype: Option<DType>) -> Result<Array, Error> {
        match &self.0 {
            Kind::View(view) => view.to_array(),
            Kind::Owned(array) => Ok(array.clone()),
            Kind::Float(value) => Array::full(dtype.filter(|d| d.is_float()).unwrap_or(DType::F32), &[], *value),
            Kind::Int(value) => {
                Array::full(dtype.filter(|d| *d != DType::Bool).unwrap_or(DType::I64), &[], *value as f64)
            }
            Kind::Failed(why) => Err(Error::invalid(why.clone())),
        }
    }

    /// The value as a plain number becomes it for a placeholder of `dtype`; other values stay as they are.
    pub(crate) fn settled(self, dtype: DType) -> Result<Feed<'a>, Error> {
        match &self.0 {
            Kind::Float(_) | Kind::Int(_) => self.to_array(Some(dtype)).map(|array| Feed(Kind::Owned(array))),
            Kind::Failed(why) => Err(Error::invalid(why.clone())),
            Kind::View(_) | Kind::Owned(_) => Ok(self),
        }
    }

    /// The array that it is; `None` for a plain number.
    pub(crate) fn view(&self) -> Option<ArrayView<'_>> {
        match &self.0 {
            Kind::View(view) => Some(*view),
            Kind::Owned(array) => Some(array.view()),
            Kind::Float(_) | Kind::Int(_) | Kind::Failed(_) => None,
        }
    }
}

impl<'a> From<ArrayView<'a>> for Feed<'a> {
    fn from(view: ArrayView<'a>) -> Feed<'a> {
        Feed(Kind::View(view))
    }
}

impl<'a> From<&'a Array> for Feed<'a> {
    fn from(array: &'a Array) -> Feed<'a> {
        Feed(Kind::View(array.view()))
    }
}

impl From<Array> for Feed<'_> {
    fn from(array: Array) -> Self {
        Feed(Kind::Owned(array))
    }
}

impl From<Result<Array, Error>> for Feed<'_> {
    fn from(array: Result<Array, Error>) -> Self {
        Feed(array.map_or_else(|why| Kind::Failed(why.to_string()), Kind::Owned))
    }
}

impl<T: Element> From<Vec<T>> for Feed<'_> {
    fn from(values: Vec<T>) -> Self {
        Array::new(&[values.len()], &values).into()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Feed<'_> {
    fn from(values: [T; N]) -> Self {
        Array::new(&[N], &values).into()
    }
}

impl From<f64> for Feed<'_> {
    fn from(value: f64) -> Self {
        Feed(Kind::Float(value))
    }
}

impl From<f32> for Feed<'_> {
    fn from(value: f32) -> Self {
        Feed(Kind::Float(f64::from(value)))
    }
}

impl From<i32> for Feed<'_> {
    fn from(value: i32) -> Self {
        Feed(Kind::Int(i64::from(value)))
    }
}

impl From<i64> for Feed<'_> {
    fn from(value: i64) -> Self {
        Feed(Kind::Int(value))
    }
}

/// How a variable starts in each session: a value, or a draw from the session's generator.
#[derive(Clone)]
pub struct Initial(Result<Start, String>);

#[derive(Clone)]
struct Start {
    dtype: DType,
    shape: Vec<usize>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Value(Array),
    Draw(Arc<Draw>),
}

type Draw = dyn Fn(u64, u64) -> Result<Array, Error> + Send + Sync;

impl Initial {
    /// A value that `draw` makes from the session's seed and the variable's own stream (two keys of
    /// [`Philox::new`](wengert_kernels::Philox::new)). It must be a pure function that gives an array of this dtype and shape.
    pub fn draw(
        dtype: DType,
        shape: &[usize],
        draw: impl Fn(u64, u64) -> Result<Array, Error> + Send + Sync + 'static,
    ) -> Initial {
        Initial(Ok(Start { dtype, shape: shape.to_vec(), source: Source::Draw(Arc::new(draw)) }))
    }

    /// Zeros.
    #[must_use]
    pub fn zeros(dtype: DType, shape: &[usize]) -> Initial {
        Array::zeros(dtype, shape).into()
    }

    /// An initial value that poisons its variable.
    pub fn failed(why: impl Into<String>) -> Initial {
        Initial(Err(why.into()))
    }

    pub(crate) fn ty(&self) -> Result<TensorType, String> {
        let start = self.0.as_ref().map_err(String::clone)?;
        Ok(TensorType::new(start.dtype, start.shape.iter().map(|&size| Dim::Known(size))))
    }

    pub(crate) fn value(&self, seed: u64, stream: u64) -> Result<Array, Error> {
        let start = self.0.as_ref().map_err(|why| Error::invalid(why.clone()))?;
        let value = match &start.source {
            Source::Value(value) => value.clone(),
            Source::Draw(draw) => draw(seed, stream)?,
        };
        if value.dtype() != start.dtype || value.shape() != start.shape {
            let (dtype, shape) = (value.dtype(), value.shape());
            return Err(Error::invalid(format!(
                "an initial value of {} {:?} came out as {dtype} {shape:?}",
                start.dtype, start.shape
            )));
        }
        Ok(value)
    }
}

impl From<Array> for Initial {
    fn from(value: Array) -> Initial {
        Initial(Ok(Start { dtype: value.dtype(), shape: value.shape().to_vec(), source: Source::Value(value) }))
    }
}

impl From<Result<Array, Error>> for Initial {
    fn from(value: Result<Array, Error>) -> Initial {
        value.map_or_else(|why| Initial(Err(why.to_string())), Initial::from)
    }
}

impl fmt::Debug for Initial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty() {
            Ok(ty) => write!(f, "Initial({ty})"),
            Err(why) => write!(f, "Initial({why})"),
        }
    }
}
