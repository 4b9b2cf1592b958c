//! The second stage: equal nodes merged, constants folded, rewrite rules applied, dead code gone.
//!
//! Nodes are emitted one by one into a new list; each emission first tries to be something simpler, so one pass reaches a
//! form in which no rule applies any more.

use super::ir::{Ir, IrNode};
use super::{Policy, Recorded, fold, rewrite};
use crate::op::{Attributes, Infer, Lower, Op, View, key};
use crate::{DType, Dims, Error, Origin, TensorType};
use std::{collections::HashMap, sync::Arc};
use wengert_kernels::Array;

/// A function's graph in its simplest form.
#[derive(Clone, Debug)]
pub struct Canonical(pub(crate) Ir);

impl Canonical {
    /// Simplifies what was recorded, as far as `policy` allows.
    ///
    /// # Errors
    /// When a rewritten op does not fit its operands, which would be a defect of a rule.
    pub fn new(recorded: &Recorded, policy: Policy) -> Result<Canonical, Error> {
        let Recorded(ir) = recorded;
        let mut builder = Builder {
            nodes: Vec::with_capacity(ir.nodes.len()),
            known: HashMap::new(),
            splats: Vec::new(),
            ends: Vec::new(),
            dims: ir.dims.clone(),
            policy,
        };
        let mut place = vec![0; ir.nodes.len()];
        let mut is_end = vec![false; ir.nodes.len()];
        ir.outputs.iter().chain(ir.updates.iter().map(|(_, value)| value)).for_each(|&end| is_end[end] = true);
        for n in updates_first(ir) {
            let node = &ir.nodes[n];
            let inputs: Vec<usize> = node.inputs.iter().map(|&input| place[input]).collect();
            place[n] = match node.leaf {
                Some(_) => builder.push(IrNode { inputs, ..node.clone() }, None),
                None => builder.emit(node.op.clone(), &inputs, &node.origins)?,
            };
            if is_end[n] {
                builder.ends.resize(builder.nodes.len(), false);
                builder.ends[place[n]] = true;
            }
        }
        let canonical = Canonical(
            Ir {
                nodes: builder.nodes,
                outputs: ir.outputs.iter().map(|&n| place[n]).collect(),
                updates: ir.updates.iter().map(|&(variable, n)| (variable, place[n])).collect(),
                inputs: ir.inputs.clone(),
                variables: ir.variables.clone(),
                dims: builder.dims,
            }
            .without_dead_code(),
        );
        if cfg!(debug_assertions) {
            canonical.0.verify()?;
        }
        Ok(canonical)
    }
}

/// The nodes in their order, but first leaves and all that updates need: what is only returned, such as the end of a loss, then stands
/// behind the updates and does not keep their kernels apart.
fn updates_first(ir: &Ir) -> Vec<usize> {
    let mut updating = vec![false; ir.nodes.len()];
    ir.updates.iter().for_each(|&(_, value)| updating[value] = true);
    for (n, node) in ir.nodes.iter().enumerate().rev() {
        if updating[n] {
            node.inputs.iter().for_each(|&input| updating[input] = true);
        }
    }
    let first = |&n: &usize| updating[n] || ir.nodes[n].leaf.is_some();
    let (mut order, rest): (Vec<usize>, Vec<usize>) = (0..ir.nodes.len()).partition(first);
    order.extend(rest);
    order
}

/// The list under construction.
pub(super) struct Builder {
    pub(super) nodes: Vec<IrNode>,
    known: HashMap<(String, Vec<usize>), usize>,
    /// The value of nodes that are known to have one value everywhere.
    splats: Vec<Option<f64>>,
    /// What calls return or write.
    ends: Vec<bool>,
    dims: Dims,
    pub(super) policy: Policy,
}

impl Builder {
    /// The one value that a node has everywhere, if that is known.
    pub(super) fn splat(&self, n: usize) -> Option<f64> {
        self.splats[n]
    }

    /// Whether a node's value is stored whatever is made of it.
    pub(super) fn is_end(&self, n: usize) -> bool {
        self.ends.get(n).copied().unwrap_or(false)
    }

    pub(super) fn ty(&self, n: usize) -> &TensorType {
        &self.nodes[n].ty
    }

    /// The constant that a node is.
    pub(super) fn constant(&self, n: usize) -> Option<Array> {
        match self.nodes[n].lower() {
            Lower::Constant(array) => Some(array),
            _ => None,
        }
    }

    pub(super) fn same_shape(&self, a: &TensorType, b: &TensorType) -> bool {
        a.rank() == b.rank() && a.shape.iter().zip(&b.shape).all(|(a, b)| self.dims.equal(a, b))
    }

    fn push(&mut self, node: IrNode, splat: Option<f64>) -> usize {
        self.nodes.push(node);
        self.splats.push(splat);
        self.nodes.len() - 1
    }

    /// A constant without axes.
    pub(super) fn emit_scalar(&mut self, dtype: DType, value: f64, origins: &[Origin]) -> Result<usize, Error> {
        self.emit(Arc::new(crate::ops::Constant { value: Array::full(dtype, &[], value)? }), &[], origins)
    }

    /// The op of that name.
    pub(super) fn emit_named(
        &mut self,
        name: &str,
        attributes: &Attributes,
        inputs: &[usize],
        origins: &[Origin],
    ) -> Result<usize, Error> {
        let op = crate::ops::make(name, attributes).map_err(|why| Error::run(format!("rewrite: {name}: {why}")))?;
        self.emit(op, inputs, origins)
    }

    /// Adds a node, or finds what already computes its value.
    pub(super) fn emit(&mut self, op: Arc<dyn Op>, inputs: &[usize], origins: &[Origin]) -> Result<usize, Error> {
        if matches!(op.lower(), Lower::Identity) {
            return Ok(inputs[0]);
        }
        let types: Vec<TensorType> = inputs.iter().map(|&input| self.nodes[input].ty.clone()).collect();
        let origin = origins.first().cloned().unwrap_or_else(Origin::here);
        let ty = op.infer(&types, &mut Infer { dims: &mut self.dims, origin: &origin }).map_err(|refusal| {
            Error::build(format!("{}{} of {types:?}: {}", op.name(), op.attributes(), refusal.what), &origin)
        })?;
        if self.policy.rewrite {
            if let Some(simpler) = rewrite::simplify(self, &op, inputs, &ty, origins)? {
                return Ok(self.also(simpler, origins));
            }
            let constants: Option<Vec<Array>> = inputs.iter().map(|&input| self.constant(input)).collect();
            if let Some(constants) = constants
                && let Some(value) = fold::fold(&op, &constants, &ty)?
            {
                return self.emit(Arc::new(crate::ops::Constant { value }), &[], origins);
            }
        }
        let merge = self.policy.rewrite.then(|| (key(&op), inputs.to_vec()));
        if let Some(found) = merge.as_ref().and_then(|merge| self.known.get(merge)) {
            return Ok(self.also(*found, origins));
        }
        let splat = match op.lower() {
            Lower::Constant(array) => one_value(&array),
            Lower::View(View::Broadcast | View::Reshape) => self.splats[inputs[0]],
            _ => None,
        };
        let node = IrNode { op, inputs: inputs.to_vec(), ty, leaf: None, origins: origins.to_vec() };
        let place = self.push(node, splat);
        if let Some(merge) = merge {
            self.known.insert(merge, place);
        }
        Ok(place)
    }

    /// Notes that a node also stands for what was written elsewhere.
    fn also(&mut self, n: usize, origins: &[Origin]) -> usize {
        let node = &mut self.nodes[n];
        for origin in origins {
            // A list that grows with every merge would make merging quadratic; a few places explain enough.
            if node.origins.len() < 8 && !node.origins.contains(origin) {
                node.origins.push(origin.clone());
            }
        }
        n
    }
}

/// The value of a small array whose elements all are the same bits.
fn one_value(array: &Array) -> Option<f64> {
    let size = array.dtype().size();
    let mut elements = (array.len() <= 64).then(|| array.bytes().chunks_exact(size))?;
    let first = elements.next()?;
    elements.all(|element| element == first).then(|| array.to_f64()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Tensor};

    #[test]
    fn merged_nodes_keep_their_places() {
        // semantics 2.2
        let g = Graph::new();
        let x = g.placeholder("x", DType::F32, [None]);
        let lines = [line!() + 1, line!() + 2];
        let a = x.relu();
        let b = x.relu();
        let outputs: [&Tensor; 2] = [&a, &b];
        let f = g.function(&[&x], &outputs).compile().unwrap();
        let canonical = Canonical::new(f.recorded(), Policy::OPTIMISED).unwrap();
        let relu: Vec<&IrNode> = canonical.0.nodes.iter().filter(|node| node.op.name() == "relu").collect();
        assert_eq!(relu.len(), 1);
        assert_eq!(relu[0].origins.iter().map(Origin::line).collect::<Vec<_>>(), lines);
        let plain = Canonical::new(f.recorded(), Policy::PLAIN).unwrap();
        assert_eq!(plain.0.nodes.iter().filter(|node| node.op.name() == "relu").count(), 2);
    }
}
