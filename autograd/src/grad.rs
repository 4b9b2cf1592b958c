//! Reverse mode: gradients as more nodes of the tape.
//!
//! The tape is in topological order, so one walk back over it suffices. Each node's gradient is the sum of what its
//! consumers' `vjp` rules give it; those rules are written in graph ops, so what comes out can be differentiated again.

use crate::op::Vjp;
use crate::{Error, Graph, Origin, Tensor};
use std::panic::Location;

/// The gradient that an op passes to one operand.
#[derive(Clone, Debug)]
pub enum Grad {
    /// A tensor of the operand's shape and dtype.
    Some(Tensor),
    /// Zero everywhere: the op is locally constant in this operand (`floor`).
    Zero,
    /// The result does not depend on this operand's value as a number (an index, a condition, a stopped gradient).
    Disconnected,
    /// There is a gradient, but the op has no rule for it.
    NotImplemented(&'static str),
}

/// What [`gradients`] does beyond the plain case.
#[derive(Clone, Debug, Default)]
pub struct GradOptions {
    /// Cotangents of the results, one for each; ones by default.
    pub grad_ys: Vec<Tensor>,
    /// Tensors that are taken as constants: no gradient flows into what they were computed from.
    pub consider_constant: Vec<Tensor>,
    /// Give zeros for a tensor that the results do not depend on, instead of an error.
    pub zeros_if_disconnected: bool,
}

impl Tensor {
    /// The gradients of this scalar with respect to `wrt`, as nodes of the same tape.
    ///
    /// A tensor that this one does not depend on yields a poisoned gradient whose error says why; see [`gradients`] for zeros
    /// instead, cotangents and constants.
    ///
    /// ```
    /// # use wengert_autograd::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.placeholder("x", DType::F64, []);
    /// let cube = &x * &x * &x;
    /// let first = cube.grad(&[&x]).remove(0);
    /// let second = first.grad(&[&x]).remove(0);
    /// assert_eq!(second.eval(&[(&x, 2.0.into())])?.item::<f64>()?, 12.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn grad(&self, wrt: &[&Tensor]) -> Vec<Tensor> {
        gradients(&[self], wrt, &GradOptions::default())
    }

    /// The gradients of this scalar with respect to those tensors of `wrt` that it depends on through ops that pass a
    /// gradient, `None` for the others.
    ///
    /// # Errors
    /// When this is not a scalar of floats, when it or `wrt` are poisoned, or an op on the way has no gradient rule.
    #[track_caller]
    pub fn connected_grad(&self, wrt: &[&Tensor]) -> Result<Vec<Option<Tensor>>, Error> {
        let options = GradOptions::default();
        let pass = Pass { graph: self.graph(), location: Location::caller(), options: &options };
        let (pending, _) = pass.walk(&[self], wrt)?;
        Ok(wrt.iter().map(|x| pending[x.id() as usize].clone()).collect())
    }
}

/// The gradients of the sum of `ys` (each weighted by its cotangent, if given) with respect to `wrt`.
///
/// Without cotangents every `y` must be a scalar. The gradient with respect to a tensor is that of the tape as it was
/// written: with `h = x * 1; y = h + x`, the gradient of `y` by `h` is 1.
#[must_use]
#[track_caller]
pub fn gradients(ys: &[&Tensor], wrt: &[&Tensor], options: &GradOptions) -> Vec<Tensor> {
    let location = Location::caller();
    let Some(first) = ys.first().or(wrt.first()) else { return vec![] };
    let graph = first.graph().clone();
    Pass { graph: &graph, location, options }.run(ys, wrt)
}

struct Pass<'a> {
    graph: &'a Graph,
    location: &'static Location<'static>,
    options: &'a GradOptions,
}

impl Pass<'_> {
    fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::gradient(message, &Origin::new(self.location, None))
    }

    fn run(&self, ys: &[&Tensor], wrt: &[&Tensor]) -> Vec<Tensor> {
        match self.try_run(ys, wrt) {
            Ok(found) => found,
            Err(error) => wrt.iter().map(|_| self.graph.poisoned(error.clone())).collect(),
        }
    }

    fn try_run(&self, ys: &[&Tensor], wrt: &[&Tensor]) -> Result<Vec<Tensor>, Error> {
        let (pending, cuts) = self.walk(ys, wrt)?;
        wrt.iter().map(|x| self.found(x, &pending, &cuts)).collect()
    }

    /// The gradient of every node that has one, and the nodes that passed none on.
    fn walk(&self, ys: &[&Tensor], wrt: &[&Tensor]) -> Result<(Vec<Option<Tensor>>, Vec<u32>), Error> {
        let grad_ys = &self.options.grad_ys;
        if ys.iter().chain(wrt).any(|tensor| tensor.graph() != self.graph) {
            return Err(self.error("grad: tensors of two graphs"));
        }
        if !grad_ys.is_empty() && grad_ys.len() != ys.len() {
            return Err(self.error(format!("grad: {} results but {} cotangents", ys.len(), grad_ys.len())));
        }
        let top = ys.iter().chain(wrt).map(|tensor| tensor.id()).max().unwrap_or(0) as usize + 1;
        let active = self.active(wrt, top);
        let mut pending: Vec<Option<Tensor>> = vec![None; top];
        let mut cuts: Vec<u32> = Vec::new();
        for (n, y) in ys.iter().enumerate() {
            let ty = y.ty()?;
            let cotangent = match grad_ys.get(n) {
                Some(given) => given.clone(),
                None if ty.rank() == 0 => y.filled_like(1.0, self.location),
                None => {
                    let hint = "sum() or mean() it, or give cotangents (GradOptions::grad_ys)";
                    return Err(self.error(format!("grad of {ty}: only a scalar has a gradient\n  hint: {hint}")));
                }
            };
            if !ty.dtype.is_float() {
                return Err(self.error(format!("grad of {ty}: only floats have gradients")));
            }
            self.accumulate(&mut pending, y.id(), cotangent);
        }
        for id in (0..top as u32).rev() {
            if active[id as usize] && pending[id as usize].is_some() {
                self.back(id, &active, &mut pending, &mut cuts)?;
            }
        }
        Ok((pending, cuts))
    }

    /// Which nodes depend on a tensor of `wrt`.
    fn active(&self, wrt: &[&Tensor], top: usize) -> Vec<bool> {
        let state = self.graph.state();
        let mut active = vec![false; top];
        for x in wrt {
            active[x.id() as usize] = true;
        }
        for id in 0..top {
            active[id] = active[id] || state.nodes[id].inputs.iter().any(|&input| active[input as usize]);
        }
        for constant in &self.options.consider_constant {
            if let Some(active) = active.get_mut(constant.id() as usize) {
                *active = false;
            }
        }
        active
    }

    fn accumulate(&self, pending: &mut [Option<Tensor>], id: u32, gradient: Tensor) {
        let place = &mut pending[id as usize];
        *place = Some(match place.take() {
            None => gradient,
            Some(sum) => crate::ops::add(&sum, &gradient, self.location),
        });
    }

    /// Passes a node's gradient on to its operands.
    fn back(&self, id: u32, active: &[bool], pending: &mut [Option<Tensor>], cuts: &mut Vec<u32>) -> Result<(), Error> {
        let Some(cotangent) = pending[id as usize].clone() else { return Ok(()) };
        let (op, inputs, origin) = {
            let state = self.graph.state();
            let node = &state.nodes[id as usize];
            (node.op.clone(), node.inputs.clone(), node.origin.clone())
        };
        let wanted: Vec<bool> = inputs.iter().map(|&input| active[input as usize]).collect();
        if !wanted.contains(&true) {
            return Ok(());
        }
        let v = Vjp {
            inputs: inputs.iter().map(|&input| self.graph.tensor(input)).collect(),
            output: self.graph.tensor(id),
            cotangent,
            wanted: wanted.clone(),
        };
        // Gradient nodes inherit the place of the node they belong to: an error in them names the user's line.
        let gradients = self.graph.written_at(&origin, || op.vjp(&v));
        debug_assert_eq!(gradients.len(), inputs.len(), "{}", op.name());
        for ((gradient, &input), wanted) in gradients.into_iter().zip(&inputs).zip(wanted) {
            match gradient {
                _ if !wanted => (),
                Grad::Some(gradient) => {
                    gradient.ty()?;
                    self.accumulate(pending, input, gradient);
                }
                Grad::Zero => {
                    let zero = self.graph.tensor(input).filled_like(0.0, self.location);
                    self.accumulate(pending, input, zero);
                }
                Grad::Disconnected => cuts.push(id),
                Grad::NotImplemented(why) => {
                    return Err(self.error(format!(
                        "grad: {} at {origin} has no gradient rule for one of its operands: {why}",
                        op.name()
                    )));
                }
            }
        }
        Ok(())
    }

    fn found(&self, x: &Tensor, pending: &[Option<Tensor>], cuts: &[u32]) -> Result<Tensor, Error> {
        if let Some(gradient) = &pending[x.id() as usize] {
            return Ok(gradient.clone());
        }
        let ty = x.ty()?;
        if self.options.zeros_if_disconnected {
            return Ok(x.filled_like(0.0, self.location));
        }
        let name = x.name().map_or_else(|| format!("the tensor of {}", x.origin()), |name| format!("`{name}`"));
        let path = match cuts.last() {
            None => "no path of the tape leads from it to the differentiated tensor".to_owned(),
            Some(node) => {
                let state = self.graph.state();
                let node = &state.nodes[*node as usize];
                format!("its path is cut by {} at {}, which passes no gradient", node.op.name(), node.origin)
            }
        };
        let hint = "leave it out, or ask for zeros (GradOptions::zeros_if_disconnected)";
        Err(self.error(format!("grad with respect to {name} {ty}: {path}\n  hint: {hint}")))
    }
}
