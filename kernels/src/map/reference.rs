use crate::{
    Error, Map, Operand,
    reference::{Results, Values},
};
pub(crate) fn map(_: &Map, _: &[Values], _: &[Operand]) -> Results {
    Err(Error::invalid("not there yet"))
}
/// Evaluates an expression for one index of an iteration space, given one element of each input.
pub(crate) fn eval(_expr: &crate::Expr, _inputs: &[f64], _index: &[usize]) -> Vec<f64> {
    vec![]
}
