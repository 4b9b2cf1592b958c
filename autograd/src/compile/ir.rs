//! What the first two stages are made of: ops over numbered values in topological order.

use crate::op::{Lower, Op};
use crate::{Dims, Error, Origin, TensorType};
use std::{fmt, sync::Arc};

/// A list of ops, each after its operands.
#[derive(Clone)]
pub(crate) struct Ir {
    pub(crate) nodes: Vec<IrNode>,
    /// What each call returns.
    pub(crate) outputs: Vec<usize>,
    /// What each call writes: variable's number in the graph, new value.
    pub(crate) updates: Vec<(usize, usize)>,
    /// The types of the inputs, in the order of the call.
    pub(crate) inputs: Vec<(String, TensorType)>,
    /// The variables that are read or written: number in the graph, name, type.
    pub(crate) variables: Vec<(usize, String, TensorType)>,
    pub(crate) dims: Dims,
}

/// One op.
#[derive(Clone)]
pub(crate) struct IrNode {
    pub(crate) op: Arc<dyn Op>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) ty: TensorType,
    pub(crate) leaf: Option<Leaf>,
    /// Every place that wrote it: merging keeps them all.
    pub(crate) origins: Vec<Origin>,
}

/// Where a value from outside comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Leaf {
    /// An input of the call, by position.
    Input(usize),
    /// A variable of the graph, by number.
    Variable(usize),
}

impl Ir {
    /// Drops the nodes that nothing needs. Inputs of the call stay inputs even when unused.
    pub(crate) fn without_dead_code(self) -> Ir {
        let mut live = vec![false; self.nodes.len()];
        for &end in self.outputs.iter().chain(self.updates.iter().map(|(_, value)| value)) {
            live[end] = true;
        }
        for n in (0..self.nodes.len()).rev() {
            if live[n] {
                self.nodes[n].inputs.iter().for_each(|&input| live[input] = true);
            }
        }
        let mut place = vec![usize::MAX; self.nodes.len()];
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (n, mut node) in self.nodes.into_iter().enumerate() {
            if live[n] {
                node.inputs.iter_mut().for_each(|input| *input = place[*input]);
                place[n] = nodes.len();
                nodes.push(node);
            }
        }
        Ir {
            nodes,
            outputs: self.outputs.into_iter().map(|n| place[n]).collect(),
            updates: self.updates.into_iter().map(|(variable, n)| (variable, place[n])).collect(),
            ..self
        }
    }

    /// Checks that every node comes after its operands and has the type that its op infers from theirs.
    ///
    /// # Errors
    /// Names the node.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        let mut dims = self.dims.clone();
        for (n, node) in self.nodes.iter().enumerate() {
            let wrong =
                |what: String| Error::run(format!("verify: %{n} = {}{}: {what}", node.op.name(), node.op.attributes()));
            if node.inputs.iter().any(|&input| input >= n) {
                return Err(wrong("it comes before an operand".into()));
            }
            if node.leaf.is_some() {
                continue;
            }
            let types: Vec<TensorType> = node.inputs.iter().map(|&input| self.nodes[input].ty.clone()).collect();
            let origin = node.origins.first().cloned().unwrap_or_else(Origin::here);
            let ty = node
                .op
                .infer(&types, &mut crate::op::Infer { dims: &mut dims, origin: &origin })
                .map_err(|refusal| wrong(format!("of {types:?}: {}", refusal.what)))?;
            let equal =
                ty.rank() == node.ty.rank() && ty.shape.iter().zip(&node.ty.shape).all(|(a, b)| dims.equal(a, b));
            if ty.dtype != node.ty.dtype || !equal {
                return Err(wrong(format!("its type is {}, inferred {ty}", node.ty)));
            }
        }
        let ends = self.outputs.iter().chain(self.updates.iter().map(|(_, value)| value));
        match ends.copied().find(|&end| end >= self.nodes.len()) {
            Some(end) => Err(Error::run(format!("verify: %{end} is not defined"))),
            None => Ok(()),
        }
    }
}

impl IrNode {
    pub(crate) fn lower(&self) -> Lower {
        if self.leaf.is_some() { Lower::Input } else { self.op.lower() }
    }

    /// The place that best explains the node.
    pub(crate) fn label(&self) -> String {
        self.origins.first().map_or_else(String::new, |origin| {
            let file = origin.file().rsplit('/').next().unwrap_or_default();
            let scope = origin.scope().map_or(String::new(), |scope| format!("{scope} "));
            format!("{scope}{file}:{}", origin.line())
        })
    }
}

impl fmt::Debug for Ir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
