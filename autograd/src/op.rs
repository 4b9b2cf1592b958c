//! What an op is: a name, a rule for its type, a gradient in graph ops, and the kernel it becomes.

use crate::{DType, Dim, Dims, Grad, Origin, Sliding, Tensor, TensorType};
use std::{any::Any, borrow::Cow, fmt, sync::Arc};
use wengert_kernels::{Array, Binary, ConvPass, CustomKernel, Distribution, PoolOp, ReduceOp, Unary};

/// An operation of the tape. Implementations are small immutable values; `autograd/src/ops/` has one file for each.
pub trait Op: fmt::Debug + Send + Sync + Any {
    /// The name in the text form and in messages.
    fn name(&self) -> &'static str;

    /// Everything besides the operands that determines the result, in the text form's terms.
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    /// The result's type for operands of these types.
    ///
    /// # Errors
    /// Says what does not fit; the caller adds the op's name, its operands and the user's line.
    fn infer(&self, inputs: &[TensorType], context: &mut Infer<'_>) -> Result<TensorType, Refusal>;

    /// The gradient with respect to each operand, as more nodes of the graph.
    fn vjp(&self, v: &Vjp) -> Vec<Grad>;

    /// What the compiler makes of it.
    fn lower(&self) -> Lower;
}

/// What type inference may use and change.
#[derive(Debug)]
pub struct Infer<'a> {
    /// The open sizes; unifying two of them is remembered and checked when values are fed.
    pub dims: &'a mut Dims,
    /// Where the user wrote the op.
    pub origin: &'a Origin,
}

/// Why an op does not take its operands, and what may help.
#[derive(Debug)]
pub struct Refusal {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Refusal {
        Refusal { what: what.into(), hint: None }
    }

    /// Adds a remedy, in the imperative.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    /// What is wrong, and the remedy in a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl From<String> for Refusal {
    fn from(what: String) -> Refusal {
        Refusal::new(what)
    }
}

impl From<&str> for Refusal {
    fn from(what: &str) -> Refusal {
        Refusal::new(what)
    }
}

/// The place of a node in a reverse pass.
#[derive(Debug)]
pub struct Vjp {
    /// The node's operands.
    pub inputs: Vec<Tensor>,
    /// The node itself.
    pub output: Tensor,
    /// The gradient of the differentiated scalar with respect to `output`, of its shape and dtype.
    pub cotangent: Tensor,
    /// Which operands' gradients will be used; the others may be anything.
    pub wanted: Vec<bool>,
}

/// What the compiler can make of an op: the closed set of primitives, each with the meaning that `docs/semantics.md` gives it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lower {
    /// A value from outside: a placeholder or a variable.
    Input,
    /// A value that is known when the graph is built.
    Constant(Array),
    /// A size as a number.
    Size(Dim),
    /// The index along an axis of the result.
    Index(usize),
    /// Elementwise, on one operand.
    Unary(Unary),
    /// Elementwise, on two operands that broadcast.
    Binary(Binary),
    /// Elementwise choice: condition, then, otherwise; all three broadcast.
    Select,
    /// Elementwise conversion to the result's dtype.
    Cast,
    /// A reduction over axes, ascending, which disappear from the shape.
    Reduce(ReduceOp, Vec<usize>),
    /// The product of matrices `[batch.., m, k]` and `[batch.., k, n]` with equal batch axes.
    MatMul,
    /// A product of images `[n, h, w, c]`, filters `[kh, kw, c / groups, o]` and results `[n, p, q, o]`: two of them give the
    /// third.
    Conv {
        /// Which of the three.
        pass: ConvPass,
        /// How the filter slides over the image.
        sliding: Sliding,
        /// Into how many groups the channels are divided.
        groups: usize,
    },
    /// A map between images `[n, h, w, c]` and results `[n, p, q, c]`.
    Pool {
        /// Which.
        op: PoolOp,
        /// Height and width of the window.
        window: [usize; 2],
        /// How the window slides over the image.
        sliding: Sliding,
    },
    /// Softmax along the last axis, or its logarithm.
    Softmax {
        /// Whether the logarithm is taken.
        log: bool,
    },
    /// The same elements under another shape or order.
    View(View),
    /// Operands joined along an axis.
    Concat(usize),
    /// The operand (second) surrounded by the scalar (first): for each axis how much before and after.
    Pad(Vec<(usize, usize)>),
    /// Rows of the first operand along an axis, chosen by the second.
    Gather(usize),
    /// The first operand with rows of the third added where the second says.
    ScatterAdd(usize),
    /// Random numbers from (key, counter) and the op's own stream.
    Random(Distribution, u64),
    /// A kernel of the user's own over row-major operands. It is neither fused nor folded; equal ops are merged.
    Custom(Arc<dyn CustomKernel>),
    /// The first operand as it is.
    Identity,
}

/// Another look at the same elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// The result's shape, in row-major order.
    Reshape,
    /// Axis `i` of the result is axis `axes[i]` of the operand.
    Permute(Vec<usize>),
    /// The result's shape by broadcasting.
    Broadcast,
    /// For each axis: first index, step (negative walks backwards); the result's shape says how many.
    Slice(Vec<(Dim, isize)>),
}

/// The attributes of an op, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub Vec<(Cow<'static, str>, Attribute)>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Bool(bool),
    Text(String),
    DType(DType),
    Dims(Vec<Dim>),
}

impl Attributes {
    /// No attributes.
    #[must_use]
    pub fn none() -> Attributes {
        Attributes::default()
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Attributes {
        self.0.push((name.into(), value.into()));
        self
    }
}

macro_rules! attribute_getters {
    ($($name:ident $variant:ident $ty:ty;)*) => {
        impl Attributes {$(
            #[doc = concat!("The attribute of that name, which must be of the kind `", stringify!($variant), "`.")]
            ///
            /// # Errors
            /// When there is none, or it is of another kind.
            pub fn $name(&self, name: &str) -> Result<$ty, String> {
                match self.0.iter().find(|(have, _)| *have == name) {
                    Some((_, Attribute::$variant(value))) => Ok(value.clone()),
                    Some((_, other)) => Err(format!("attribute {name}={other} should be {}", stringify!($ty))),
                    None => Err(format!("attribute {name} is missing")),
                }
            }
        )*}
    };
}

attribute_getters! {
    int Int i64;
    ints Ints Vec<i64>;
    float Float f64;
    bool Bool bool;
    text Text String;
    dtype DType DType;
}

impl Attributes {
    /// The attribute of that name: sizes. In the text form sizes that are all known look like integers.
    ///
    /// # Errors
    /// When there is none, or it is of another kind.
    pub fn dims(&self, name: &str) -> Result<Vec<Dim>, String> {
        match self.0.iter().find(|(have, _)| *have == name) {
            Some((_, Attribute::Dims(dims))) => Ok(dims.clone()),
            _ => Ok(self.sizes(name)?.into_iter().map(Dim::Known).collect()),
        }
    }

    /// The attribute of that name: integers that are not negative.
    ///
    /// # Errors
    /// When there is none, or it is of another kind.
    pub fn sizes(&self, name: &str) -> Result<Vec<usize>, String> {
        let ints = self.ints(name)?;
        ints.iter()
            .map(|&value| usize::try_from(value).map_err(|_| format!("attribute {name} has a negative entry")))
            .collect()
    }
}

macro_rules! attribute_from {
    ($($ty:ty => $variant:ident $value:ident $to:expr;)*) => {$(
        impl From<$ty> for Attribute {
            fn from($value: $ty) -> Attribute { Attribute::$variant($to) }
        }
    )*};
}

attribute_from! {
    i64 => Int x x;
    usize => Int x x as i64;
    u64 => Int x x as i64;
    f64 => Float x x;
    bool => Bool x x;
    &str => Text x x.to_owned();
    String => Text x x;
    DType => DType x x;
    Vec<i64> => Ints x x;
    &[usize] => Ints x x.iter().map(|&v| v as i64).collect();
    &[Dim] => Dims x x.to_vec();
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Int(value) => write!(f, "{value}"),
            Attribute::Ints(values) => write!(f, "{values:?}"),
            Attribute::Float(value) => write!(f, "{value:?}"),
            Attribute::Bool(value) => write!(f, "{value}"),
            Attribute::Text(value) => write!(f, "{value:?}"),
            Attribute::DType(value) => write!(f, "{value}"),
            Attribute::Dims(values) => write!(f, "{values:?}"),
        }
    }
}

impl fmt::Display for Attributes {
    /// `{axis=1, keepdims=true}`; nothing when there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let parts: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// An op's identity: two nodes with equal keys and operands compute the same.
pub(crate) fn key(op: &Arc<dyn Op>) -> String {
    match op.lower() {
        Lower::Constant(array) if array.len() <= 16 => {
            format!("constant {} {:?} {:?}", array.dtype(), array.shape(), array.bytes())
        }
        Lower::Constant(array) => format!("constant {:p} {:?}", array.bytes(), array.shape()),
        _ => format!("{}{}", op.name(), op.attributes()),
    }
}
