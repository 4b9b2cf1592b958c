//! Updates: what becomes of variables when a function is called.

use crate::{Error, Tensor};

/// A variable and what it becomes. All updates of a call read old values and are written together.
#[derive(Clone, Debug)]
pub struct Update {
    pub(crate) variable: Tensor,
    pub(crate) value: Tensor,
}

impl Update {
    /// Whether the key is a variable and the value of its dtype and shape.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (old, new) = (self.variable.ty()?, self.value.ty()?);
        let name = self.variable.name().unwrap_or_default();
        let state = self.variable.graph().state();
        let refuse = |what: String, hint: &str| {
            Err(Error::build(
                format!("update of `{name}`: {what}\n  hint: {hint}"),
                &state.nodes[self.value.id() as usize].origin,
            ))
        };
        if state.nodes[self.variable.id() as usize].op.name() != "variable" {
            return refuse("it is not a variable".into(), "only what Graph::variable gives can be updated");
        }
        let equal = old.rank() == new.rank() && old.shape.iter().zip(&new.shape).all(|(a, b)| state.dims.equal(a, b));
        if old.dtype != new.dtype {
            return refuse(format!("a value of {new} for a variable of {old}"), "cast() the value");
        }
        if !equal {
            return refuse(format!("a value of {new} for a variable of {old}"), "a variable's shape never changes");
        }
        Ok(())
    }
}
