use crate::{
    Error, Reduce,
    reference::{Results, Values},
};
pub(crate) fn reduce(_: &Reduce, _: &[Values]) -> Results {
    Err(Error::invalid("not there yet"))
}
