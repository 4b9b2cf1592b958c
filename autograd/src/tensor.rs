//! Tensors: handles to nodes of the tape.

use crate::graph::Carried;
use crate::op::Op;
use crate::{DType, Dim, Error, Graph, Origin, TensorType, Update};
use std::{fmt, panic::Location, sync::Arc};

/// A value of the tape: a handle that is cheap to clone.
///
/// Operators and methods record nodes; nothing is computed until a function is called. Where a method takes an axis, a
/// negative one counts from the end.
#[derive(Clone)]
pub struct Tensor {
    graph: Graph,
    id: u32,
}

impl Tensor {
    pub(crate) fn new(graph: Graph, id: u32) -> Tensor {
        Tensor { graph, id }
    }

    /// The tape that this is a value of.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Records `op` over this tensor and `others`.
    pub(crate) fn apply(&self, op: impl Op, others: &[&Tensor], location: &'static Location<'static>) -> Tensor {
        self.apply_op(Arc::new(op), others, location)
    }

    /// What of `apply` is the same for all ops.
    fn apply_op(&self, op: Arc<dyn Op>, others: &[&Tensor], location: &'static Location<'static>) -> Tensor {
        let mut inputs = vec![self];
        inputs.extend(others);
        self.graph.record(op, &inputs, location)
    }

    /// Dtype and shape.
    ///
    /// # Errors
    /// The error of the op that poisoned this tensor.
    pub fn ty(&self) -> Result<TensorType, Error> {
        let state = self.graph.state();
        let ty = state.nodes[self.id as usize].ty.clone()?;
        Ok(TensorType { dtype: ty.dtype, shape: ty.shape.iter().map(|dim| state.dims.resolve(dim)).collect() })
    }

    /// Size along each axis.
    ///
    /// # Errors
    /// The error of the op that poisoned this tensor.
    pub fn shape(&self) -> Result<Vec<Dim>, Error> {
        self.ty().map(|ty| ty.shape)
    }

    /// Dtype of the elements.
    ///
    /// # Errors
    /// The error of the op that poisoned this tensor.
    pub fn dtype(&self) -> Result<DType, Error> {
        self.graph.state().nodes[self.id as usize].ty.as_ref().map(|ty| ty.dtype).map_err(Error::clone)
    }

    /// Where the user wrote it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.graph.state().nodes[self.id as usize].origin.clone()
    }

    /// The name of a placeholder, a variable, or a tensor that was given one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.graph.state().nodes[self.id as usize].name.clone()
    }

    /// Gives the tensor a name to be fetched and shown by; the same tensor.
    #[must_use]
    pub fn named(self, name: &str) -> Tensor {
        let unique = self.graph.unique_name(name);
        self.graph.state().nodes[self.id as usize].name = Some(unique);
        self
    }

    /// The pair of this variable and what it becomes, for a function's updates.
    #[must_use]
    pub fn becomes(&self, value: &Tensor) -> Update {
        Update { variable: self.clone(), value: value.clone() }
    }

    /// From now on, every call that reads this variable also updates it to `value`, unless the call updates it itself.
    /// A second default update composes with the first: it reads what the first wrote.
    ///
    /// # Errors
    /// When this is not a variable, or `value` has another dtype or shape.
    pub fn set_default_update(&self, value: &Tensor) -> Result<(), Error> {
        Update { variable: self.clone(), value: value.clone() }.check()?;
        let mut state = self.graph.state();
        let id = self.id;
        if let Some(variable) = state.variables.iter_mut().find(|variable| variable.node == id) {
            variable.default_updates.push(value.id);
        }
        Ok(())
    }

    /// From now on, every call that computes this tensor also makes `update`, unless the call updates the variable itself:
    /// what a forward pass leaves behind, as the running statistics of a normalisation. Reading the variable alone does not
    /// make it.
    ///
    /// ```
    /// # use wengert_autograd::{DType, Device, Graph, Initial, Session};
    /// let g = Graph::new();
    /// let x = g.placeholder("x", DType::F32, [None]);
    /// let last = g.state_variable("last", Initial::zeros(DType::F32, &[]));
    /// let mean = x.mean();
    /// mean.carry(&last.becomes(&mean))?;
    /// let mut session = Session::new(Device::cpu())?;
    /// session.run(&(&x - &mean), &[(&x, vec![1.0f32, 3.0].into())])?;
    /// assert_eq!(session.get(&last)?.item::<f32>()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When this tensor is poisoned, or the update is of another graph, not of a variable, or of another dtype or shape.
    pub fn carry(&self, update: &Update) -> Result<(), Error> {
        self.ty()?;
        if [&update.variable, &update.value].iter().any(|tensor| tensor.graph != self.graph) {
            return Err(Error::build("carry: the tensor and the update belong to two graphs", &self.origin()));
        }
        update.check()?;
        let mut state = self.graph.state();
        if let Some(variable) = state.variables.iter().position(|variable| variable.node == update.variable.id) {
            state.carried.push(Carried { carrier: self.id, variable, value: update.value.id });
        }
        Ok(())
    }

    /// A tensor that carries an error about this one, in place of a value: what a layer gives for an input that it does not
    /// take. The error names the place that called the function that calls this, or that of the scope.
    #[must_use]
    #[track_caller]
    pub fn poisoned(&self, why: impl fmt::Display) -> Tensor {
        self.refuse(why, Location::caller())
    }

    /// The poisoned tensor that says this is not what `what` needs.
    pub(crate) fn refuse(&self, what: impl fmt::Display, location: &'static Location<'static>) -> Tensor {
        self.graph.poisoned(Error::build(what, &self.graph.origin(location)))
    }

    /// An axis counted from the front.
    pub(crate) fn axis(&self, axis: isize, what: &str, location: &'static Location<'static>) -> Result<usize, Error> {
        let ty = self.ty()?;
        normal_axis(axis, ty.rank()).ok_or_else(|| {
            let origin = self.graph.origin(location);
            Error::build(
                format!(
                    "{what} of {ty}: there is no axis {axis}\n  hint: axes go from {} to {}",
                    -(ty.rank() as isize),
                    ty.rank() as isize - 1
                ),
                &origin,
            )
        })
    }
}

/// An axis counted from the front, if it is one of `rank`.
pub(crate) fn normal_axis(axis: isize, rank: usize) -> Option<usize> {
    let normal = if axis < 0 { axis + rank as isize } else { axis };
    usize::try_from(normal).ok().filter(|&axis| axis < rank)
}

impl PartialEq for Tensor {
    /// Whether both are the same node (not: whether they compute the same).
    fn eq(&self, other: &Tensor) -> bool {
        self.id == other.id && self.graph == other.graph
    }
}

impl Eq for Tensor {}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().map_or(String::new(), |name| format!(" {name:?}"));
        match self.ty() {
            Ok(ty) => write!(f, "Tensor(%{}{name}: {ty})", self.id),
            Err(error) => write!(f, "Tensor(%{}{name}: {error})", self.id),
        }
    }
}
