//! Graphs as text: what bug reports quote, what the tests of the rewrite rules are written in, and what [`Recorded`] and
//! [`Canonical`](crate::Canonical) print.
//!
//! ```text
//! # Everything behind a hash is a comment; the printer puts there where an op was written.
//! sizes x.0, y.0
//! input x: f32[x.0, 784]
//! input y: i64[y.0]
//! variable w: f32[784, 10]
//! where x.0 = y.0
//! %0 = input x: f32[y.0, 784]
//! %1 = variable w: f32[784, 10]
//! %2 = matmul(%0, %1): f32[y.0, 10]  # main.rs:12
//! %3 = sum{axes=[0]}(%2): f32[10]
//! %4 = constant{0.5}(): f32[]
//! return %3
//! update w = %1
//! ```
//!
//! One statement a line:
//!
//! ```text
//! statement  = "sizes" name, ..              the open sizes in the order of their numbers, if there are several
//!            | "input" name ":" type         an input of the call; the order of the lines is that of the call
//!            | "variable" name ":" type
//!            | "where" size "=" size         two sizes that met
//!            | "%" word "=" node [":" type]
//!            | "return" "%" word, ..
//!            | "update" name "=" "%" word
//! node       = "input" name | "variable" name
//!            | "constant" "{" values "}" "()"     one value everywhere, or a list in row-major order
//!            | op [ "{" attribute, .. "}" ] "(" "%" word, .. ")"
//! attribute  = word "=" ( number | "true" | "false" | string | dtype | "[" size, .. "]" )
//! type       = dtype "[" size, .. "]"
//! size       = [ "-" ] term { ( "+" | "-" ) term }
//! term       = factor { "*" factor }
//! factor     = number | name | "(" size ")" "/" "(" size ")"
//! name       = letters, digits, `_`, `.` and `/`, or a string
//! ```
//!
//! A node's type may be left out where its op says it. Inputs and variables need lines of their own only where the nodes do
//! not say it all: the printer writes them for inputs in another order, of another type or without a node. Constants of more
//! than 4096 elements are printed as `..`, which cannot be read back.

mod constant;
mod dot;
mod formula;
mod print;
mod read;
mod size;

#[cfg(test)]
mod tests;

use crate::compile::{Policy, Recorded};
use crate::{Error, Function, Graph, Initial};

impl Function {
    /// Compiles a function from its text form, on a graph of its own. Its variables are those of
    /// [`graph`](Function::graph), start as zeros and are found by name.
    ///
    /// ```
    /// # use wengert_autograd::{Device, Function, Policy, Session};
    /// let f = Function::from_text("
    ///     %x = input x: f32[x.0]
    ///     %w = variable w: f32[]
    ///     %y = add(%x, %w)
    ///     return %y
    /// ", Policy::default())?;
    /// let mut session = Session::new(Device::cpu())?;
    /// if let Some(w) = f.graph().by_name("w") {
    ///     session.set(&w, 10.0)?;
    /// }
    /// assert_eq!(f.call(&mut session, &[vec![1.0f32, 2.0].into()])?[0].to_vec::<f32>()?, [11.0, 12.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the text cannot be read, as [`Recorded`]'s `FromStr`; as [`compile`](crate::FunctionBuilder::compile).
    pub fn from_text(text: &str, policy: Policy) -> Result<Function, Error> {
        let recorded: Recorded = text.parse()?;
        let graph = Graph::new();
        for (_, name, ty) in &recorded.0.variables {
            let shape: Option<Vec<usize>> = ty.shape.iter().map(crate::Dim::known).collect();
            let shape = shape.ok_or_else(|| Error::text(format!("the variable `{name}` has an open size")))?;
            let _ = graph.state_variable(name, Initial::zeros(ty.dtype, &shape));
        }
        Function::from_recorded(graph, recorded, policy)
    }
}
