//! The scalar IR: what a fused elementwise kernel computes for one element.
//!
//! An [`Expr`] is a list of instructions in static single assignment form. The CPU runs it block by block; a GPU backend
//! prints it into the source of a kernel. [`Map`](crate::Map) is an expression over whole arrays; other families take
//! one as their epilogue or prologue.

use crate::{DType, Error};

mod text;

/// A value of the scalar IR: the number of the instruction that computes it.
pub type Value = u32;

macro_rules! operators {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every operator of this kind.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The name in the text form.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The operator of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|op| op.name() == name)
            }
        }
    };
}

operators! {
    /// Operators of one operand. `Not`, `IsNan`, `IsInf` and `IsFinite` give `bool`, the others their operand's dtype.
    Unary {
        Neg "neg", Abs "abs",
        /// -1, 0 or 1 (0 for both zeros, NaN for NaN).
        Sign "sign",
        Exp "exp", Expm1 "expm1", Log "log", Log1p "log1p", Sqrt "sqrt", Rsqrt "rsqrt", Reciprocal "reciprocal",
        Sin "sin", Cos "cos", Tanh "tanh",
        /// 1 / (1 + e^-x), without overflow.
        Sigmoid "sigmoid",
        /// ln(1 + e^x), without overflow.
        Softplus "softplus",
        Erf "erf", Floor "floor", Ceil "ceil",
        /// Half to even.
        Round "round",
        /// max(x, 0); NaN for NaN.
        Relu "relu",
        Square "square", Not "not", IsNan "isnan", IsInf "isinf", IsFinite "isfinite",
    }
}

operators! {
    /// Operators of two operands of one dtype. Comparisons give `bool`.
    Binary {
        Add "add", Sub "sub", Mul "mul",
        /// For integers: truncated toward zero, and 0 for a zero divisor.
        Div "div",
        Pow "pow",
        /// NaN if either is NaN.
        Maximum "maximum",
        /// NaN if either is NaN.
        Minimum "minimum",
        /// a - b * floor(a / b): the sign of the divisor; for integers 0 for a zero divisor.
        Mod "mod",
        And "and", Or "or", Xor "xor",
        Equal "equal", NotEqual "not_equal", Less "less", LessEqual "less_equal", Greater "greater", GreaterEqual "greater_equal",
    }
}

impl Unary {
    /// The dtype of the result for an operand of `dtype`.
    #[must_use]
    pub const fn result(self, dtype: DType) -> DType {
        match self {
            Unary::Not | Unary::IsNan | Unary::IsInf | Unary::IsFinite => DType::Bool,
            _ => dtype,
        }
    }

    /// Whether the operator is defined for operands of `dtype`.
    #[must_use]
    pub const fn accepts(self, dtype: DType) -> bool {
        match self {
            Unary::Not => matches!(dtype, DType::Bool),
            Unary::Neg | Unary::Abs | Unary::Sign | Unary::Square | Unary::Relu => !matches!(dtype, DType::Bool),
            _ => dtype.is_float(),
        }
    }
}

impl Binary {
    /// Whether the result is `bool`.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        use Binary::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    /// The dtype of the result for operands of `dtype`.
    #[must_use]
    pub const fn result(self, dtype: DType) -> DType {
        if self.is_comparison() { DType::Bool } else { dtype }
    }

    /// Whether the operator is defined for operands of `dtype`.
    #[must_use]
    pub const fn accepts(self, dtype: DType) -> bool {
        match self {
            Binary::And | Binary::Or | Binary::Xor => {
                matches!(dtype, DType::Bool | DType::U8 | DType::I32 | DType::I64)
            }
            Binary::Maximum | Binary::Minimum => true,
            Binary::Pow => dtype.is_float(),
            _ if self.is_comparison() => true,
            _ => !matches!(dtype, DType::Bool),
        }
    }
}

/// A constant of the scalar IR, by its bits: equal literals are equal kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Literal {
    /// Dtype of the constant.
    pub dtype: DType,
    /// `f64` bits for floats, the two's complement of the `i64` for integers, 0 or 1 for `bool`.
    bits: u64,
}

impl Literal {
    /// A float (rounded to `dtype` when it is used), integer or boolean constant.
    #[must_use]
    pub fn new(dtype: DType, value: f64) -> Literal {
        if dtype.is_float() {
            Literal { dtype, bits: value.to_bits() }
        } else if dtype == DType::Bool {
            Literal { dtype, bits: u64::from(value != 0.0) }
        } else {
            Literal::int(dtype, value as i64)
        }
    }

    /// An exact integer constant.
    #[must_use]
    pub fn int(dtype: DType, value: i64) -> Literal {
        if dtype.is_float() || dtype == DType::Bool {
            Literal::new(dtype, value as f64)
        } else {
            Literal { dtype, bits: value as u64 }
        }
    }

    /// The value as `f64`.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        if self.dtype.is_float() { f64::from_bits(self.bits) } else { self.bits as i64 as f64 }
    }

    /// The value as `i64`, exact for integers.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        if self.dtype.is_float() { f64::from_bits(self.bits) as i64 } else { self.bits as i64 }
    }
}

/// One instruction of the scalar IR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// The element of input number `n` at this index; `F16` and `BF16` inputs arrive as `F32`.
    Input(u32),
    /// A constant.
    Const(Literal),
    /// The index along an axis of the iteration space, `I64`.
    Index(u32),
    /// An operator of one operand.
    Unary(Unary, Value),
    /// An operator of two operands of one dtype.
    Binary(Binary, Value, Value),
    /// The second operand where the first (`bool`) holds, else the third.
    Select(Value, Value, Value),
    /// Conversion: floats to integers truncate toward zero and saturate (NaN gives 0), to `bool` test for non-zero.
    Cast(DType, Value),
}

impl Scalar {
    /// The operands, in order.
    pub fn operands(self) -> impl Iterator<Item = Value> {
        let list = match self {
            Scalar::Input(_) | Scalar::Const(_) | Scalar::Index(_) => [None; 3],
            Scalar::Unary(_, a) | Scalar::Cast(_, a) => [Some(a), None, None],
            Scalar::Binary(_, a, b) => [Some(a), Some(b), None],
            Scalar::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        list.into_iter().flatten()
    }

    /// The same instruction with every operand replaced by `f` of it.
    #[must_use]
    pub fn map_operands(self, mut f: impl FnMut(Value) -> Value) -> Scalar {
        match self {
            Scalar::Input(_) | Scalar::Const(_) | Scalar::Index(_) => self,
            Scalar::Unary(op, a) => Scalar::Unary(op, f(a)),
            Scalar::Binary(op, a, b) => Scalar::Binary(op, f(a), f(b)),
            Scalar::Select(a, b, c) => Scalar::Select(f(a), f(b), f(c)),
            Scalar::Cast(dtype, a) => Scalar::Cast(dtype, f(a)),
        }
    }
}

/// A scalar function of several inputs with one or more results, in static single assignment form.
///
/// ```
/// # use wengert_kernels::{DType, Expr, Binary, Unary, Scalar};
/// let mut relu_sum = Expr::new([DType::F32, DType::F32]);
/// let a = relu_sum.push(Scalar::Input(0))?;
/// let b = relu_sum.push(Scalar::Input(1))?;
/// let sum = relu_sum.push(Scalar::Binary(Binary::Add, a, b))?;
/// let relu = relu_sum.push(Scalar::Unary(Unary::Relu, sum))?;
/// relu_sum.output(relu, DType::F32)?;
/// assert_eq!(relu_sum.to_string(), "|f32, f32| {v0 = in0; v1 = in1; v2 = add(v0, v1); v3 = relu(v2); v3:f32}");
/// assert_eq!(relu_sum.to_string().parse::<Expr>()?, relu_sum);
/// # Ok::<(), wengert_kernels::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expr {
    inputs: Vec<DType>,
    body: Vec<Scalar>,
    dtypes: Vec<DType>,
    outputs: Vec<(Value, DType)>,
}

impl Expr {
    /// An expression over inputs of these storage dtypes, without instructions or results yet.
    #[must_use]
    pub fn new(inputs: impl IntoIterator<Item = DType>) -> Expr {
        Expr { inputs: inputs.into_iter().collect(), ..Expr::default() }
    }

    /// The expression that copies an input of dtype `from` to a result of dtype `to`, converting if they differ.
    #[must_use]
    pub fn copy(from: DType, to: DType) -> Expr {
        let mut body = vec![Scalar::Input(0)];
        let mut dtypes = vec![from.compute()];
        if from.compute() != to.compute() {
            body.push(Scalar::Cast(to.compute(), 0));
            dtypes.push(to.compute());
        }
        Expr { inputs: vec![from], outputs: vec![(body.len() as Value - 1, to)], body, dtypes }
    }

    /// Storage dtypes of the inputs.
    #[must_use]
    pub fn inputs(&self) -> &[DType] {
        &self.inputs
    }

    /// The instructions; operands precede their uses.
    #[must_use]
    pub fn body(&self) -> &[Scalar] {
        &self.body
    }

    /// The dtype of an instruction's result.
    #[must_use]
    pub fn dtype(&self, value: Value) -> DType {
        self.dtypes[value as usize]
    }

    /// Values of the results and the dtypes they are stored as (a 16-bit float for an `F32` value is rounded when stored).
    #[must_use]
    pub fn outputs(&self) -> &[(Value, DType)] {
        &self.outputs
    }

    /// Adds an input and gives its number.
    pub fn input(&mut self, dtype: DType) -> u32 {
        self.inputs.push(dtype);
        self.inputs.len() as u32 - 1
    }

    /// Adds an instruction, or finds the equal one that is there, and gives its value.
    ///
    /// # Errors
    /// When an operand does not exist yet or has a dtype that the instruction does not take.
    pub fn push(&mut self, scalar: Scalar) -> Result<Value, Error> {
        let dtype = self.infer(scalar)?;
        if let Some(found) = self.body.iter().position(|&other| other == scalar) {
            return Ok(found as Value);
        }
        self.body.push(scalar);
        self.dtypes.push(dtype);
        Ok(self.body.len() as Value - 1)
    }

    /// Names `value` as the next result, stored as `dtype`.
    ///
    /// # Errors
    /// When `value` is not of the type in which `dtype` is computed.
    pub fn output(&mut self, value: Value, dtype: DType) -> Result<(), Error> {
        match self.dtypes.get(value as usize) {
            Some(&have) if have == dtype.compute() => {
                self.outputs.push((value, dtype));
                Ok(())
            }
            Some(have) => Err(Error::dtype(format!("a value of {have} cannot be stored as {dtype} without a cast"))),
            None => Err(Error::invalid(format!("v{value} is not defined"))),
        }
    }

    /// Forgets the results, so that others can be named.
    pub fn clear_outputs(&mut self) {
        self.outputs.clear();
    }

    fn infer(&self, scalar: Scalar) -> Result<DType, Error> {
        let of = |value: Value| {
            self.dtypes.get(value as usize).copied().ok_or_else(|| Error::invalid(format!("v{value} is not defined")))
        };
        let refuse = |op: &str, dtype: DType| Err(Error::dtype(format!("{op} is not defined for {dtype}")));
        match scalar {
            Scalar::Input(n) => self
                .inputs
                .get(n as usize)
                .map(|dtype| dtype.compute())
                .ok_or_else(|| Error::invalid(format!("there is no input {n}"))),
            Scalar::Const(literal) => Ok(literal.dtype.compute()),
            Scalar::Index(_) => Ok(DType::I64),
            Scalar::Unary(op, a) => match of(a)? {
                dtype if op.accepts(dtype) => Ok(op.result(dtype)),
                dtype => refuse(op.name(), dtype),
            },
            Scalar::Binary(op, a, b) => match (of(a)?, of(b)?) {
                (left, right) if left != right => {
                    Err(Error::dtype(format!("{} needs operands of one dtype, got {left} and {right}", op.name())))
                }
                (dtype, _) if op.accepts(dtype) => Ok(op.result(dtype)),
                (dtype, _) => refuse(op.name(), dtype),
            },
            Scalar::Select(condition, a, b) => match (of(condition)?, of(a)?, of(b)?) {
                (DType::Bool, left, right) if left == right => Ok(left),
                (condition, left, right) => {
                    Err(Error::dtype(format!("select needs (bool, T, T), got ({condition}, {left}, {right})")))
                }
            },
            Scalar::Cast(dtype, a) => of(a).map(|_| dtype.compute()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_instructions_are_one() {
        let mut expr = Expr::new([DType::F32]);
        let a = expr.push(Scalar::Input(0)).unwrap();
        let b = expr.push(Scalar::Input(0)).unwrap();
        assert_eq!(a, b);
        assert_eq!(expr.body().len(), 1);
    }

    #[test]
    fn dtypes_are_checked() {
        let mut expr = Expr::new([DType::F16, DType::I64]);
        let half = expr.push(Scalar::Input(0)).unwrap();
        let long = expr.push(Scalar::Input(1)).unwrap();
        assert_eq!(expr.dtype(half), DType::F32);
        let mixed = expr.push(Scalar::Binary(Binary::Add, half, long)).unwrap_err();
        assert_eq!(mixed.to_string(), "add needs operands of one dtype, got f32 and i64");
        assert!(expr.push(Scalar::Unary(Unary::Exp, long)).unwrap_err().is_dtype());
        assert!(expr.output(long, DType::F32).is_err());
        assert!(expr.output(half, DType::F16).is_ok());
    }
}
