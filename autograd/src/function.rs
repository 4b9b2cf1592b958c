//! Functions: what is compiled once and called often.

use crate::compile::{Canonical, Fused, Planned, Policy, Recorded, Source};
use crate::{Error, Feed, Graph, Session, Tensor, Update};
use std::collections::BTreeSet;
use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicU64, Ordering},
};
use wengert_kernels::{Array, ArrayView};

/// A compiled function: inputs to outputs, and updates of variables. Clones share the compiled code.
///
/// ```
/// # use wengert_autograd::{Array, DType, Device, Graph, Session};
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F64, []);
/// let total = g.variable("total", Array::scalar(0.0f64));
/// let accumulate = g.function(&[&x], &[&total]).update(&total, &(&total + &x)).compile()?;
/// let mut session = Session::new(Device::cpu())?;
/// assert_eq!(accumulate.call(&mut session, &[1.0.into()])?[0].item::<f64>()?, 0.0);
/// assert_eq!(accumulate.call(&mut session, &[10.0.into()])?[0].item::<f64>()?, 1.0);
/// assert_eq!(session.get(&total)?.item::<f64>()?, 11.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Function(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    id: u64,
    graph: Graph,
    recorded: Recorded,
    policy: Policy,
    fused: Fused,
    canonical: String,
    /// The function with its updates as further outputs, for calls that are checked before they commit.
    checked: OnceLock<Result<Function, Error>>,
    /// The same without any optimisation.
    plain: OnceLock<Result<Function, Error>>,
}

/// Knows whether a function is still held by somebody, and holds it not itself.
#[derive(Debug)]
pub(crate) struct Life(Weak<Compiled>);

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Inputs, outputs and what else makes up a [`Function`].
#[derive(Clone, Debug)]
#[must_use = "a function does nothing before it is compiled"]
pub struct FunctionBuilder {
    graph: Graph,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    updates: Vec<Update>,
    givens: Vec<(Tensor, Tensor)>,
    policy: Policy,
    default_updates: bool,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Graph {
    /// Starts a function from `inputs` (placeholders, or any tensors whose values are to be given) to `outputs`.
    pub fn function(&self, inputs: &[&Tensor], outputs: &[&Tensor]) -> FunctionBuilder {
        let own = |tensors: &[&Tensor]| tensors.iter().map(|&tensor| tensor.clone()).collect();
        FunctionBuilder {
            graph: self.clone(),
            inputs: own(inputs),
            outputs: own(outputs),
            updates: vec![],
            givens: vec![],
            policy: Policy::default(),
            default_updates: true,
        }
    }
}

impl FunctionBuilder {
    /// Each call sets `variable` to `value`. All updates read old values.
    pub fn update(mut self, variable: &Tensor, value: &Tensor) -> FunctionBuilder {
        self.updates.push(variable.becomes(value));
        self
    }

    /// Each call makes these updates too.
    pub fn updates(mut self, updates: &[Update]) -> FunctionBuilder {
        self.updates.extend_from_slice(updates);
        self
    }

    /// In outputs and updates, `value` stands for `tensor`. Not chained: a value may not depend on what is itself replaced.
    pub fn given(mut self, tensor: &Tensor, value: &Tensor) -> FunctionBuilder {
        self.givens.push((tensor.clone(), value.clone()));
        self
    }

    /// What the compiler may do.
    pub fn policy(mut self, policy: Policy) -> FunctionBuilder {
        self.policy = policy;
        self
    }

    /// Leaves default updates (random counters, running statistics) out: a call then changes nothing that it is not told to.
    pub fn without_default_updates(mut self) -> FunctionBuilder {
        self.default_updates = false;
        self
    }

    /// Compiles.
    ///
    /// # Errors
    /// The error of a poisoned tensor that is needed; a placeholder that is needed and no input; givens or updates that do
    /// not fit.
    pub fn compile(self) -> Result<Function, Error> {
        let recorded =
            Recorded::new(&self.graph, &self.inputs, &self.outputs, &self.updates, &self.givens, self.default_updates)?;
        Function::from_recorded(self.graph, recorded, self.policy)
    }
}

impl Function {
    pub(crate) fn from_recorded(graph: Graph, recorded: Recorded, policy: Policy) -> Result<Function, Error> {
        let canonical = Canonical::new(&recorded, policy)?;
        let fused = Fused::new(&canonical, policy)?;
        Ok(Function(Arc::new(Compiled {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            graph,
            recorded,
            policy,
            canonical: canonical.to_string(),
            fused,
            checked: OnceLock::new(),
            plain: OnceLock::new(),
        })))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// A look at whether somebody still holds the function.
    pub(crate) fn life(&self) -> Life {
        Life(Arc::downgrade(&self.0))
    }

    /// The tape whose variables it reads and writes.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// The function's third stage, for those who bind it to sizes themselves.
    #[must_use]
    pub fn fused(&self) -> &Fused {
        &self.0.fused
    }

    /// The variables that a call reads or writes, in the order in which they were made: what its results depend on besides
    /// its inputs.
    #[must_use]
    pub fn variables(&self) -> Vec<Tensor> {
        let fused = self.fused();
        let read = fused.values.iter().filter_map(|value| match value.source {
            Source::Variable(index) => Some(index),
            _ => None,
        });
        let used: BTreeSet<usize> = read.chain(fused.updates.iter().map(|(index, _)| *index)).collect();
        let all = self.graph().variables().into_iter().enumerate();
        all.filter(|(index, _)| used.contains(index)).map(|(_, variable)| variable).collect()
    }

    /// The function as it was written.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.0.recorded
    }

    /// The text form after rewriting.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    pub(crate) fn checked(&self) -> Result<&Function, Error> {
        let make =
            || Function::from_recorded(self.0.graph.clone(), self.0.recorded.updates_as_outputs(), self.0.policy);
        self.0.checked.get_or_init(make).as_ref().map_err(Error::clone)
    }

    pub(crate) fn plain(&self) -> Result<&Function, Error> {
        let make =
            || Function::from_recorded(self.0.graph.clone(), self.0.recorded.updates_as_outputs(), Policy::PLAIN);
        self.0.plain.get_or_init(make).as_ref().map_err(Error::clone)
    }

    pub(crate) fn every_node(&self) -> Result<Function, Error> {
        Function::from_recorded(self.0.graph.clone(), self.0.recorded.every_node_as_output(), Policy::PLAIN)
    }

    /// The program for inputs of these shapes, without running it: `planned.program()` lists its kernels,
    /// `planned.peak_bytes()` says how much scratch memory it takes.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn plan(&self, shapes: &[&[usize]]) -> Result<Planned, Error> {
        let fused = &self.0.fused;
        let mut symbols = fused.dims.unbound();
        if shapes.len() != fused.inputs.len() {
            return Err(Error::feed(format!(
                "the function has {} inputs, got {} shapes",
                fused.inputs.len(),
                shapes.len()
            )));
        }
        for ((name, ty), shape) in fused.inputs.iter().zip(shapes) {
            if shape.len() != ty.rank() {
                return Err(Error::feed(format!("a shape {shape:?} for `{name}`, which is {ty}")));
            }
            for (dim, &size) in ty.shape.iter().zip(*shape) {
                fused
                    .dims
                    .bind(&mut symbols, dim, size)
                    .map_err(|why| Error::feed(format!("`{name}` of shape {shape:?}: {why}")))?;
            }
        }
        fused.dims.settle(&mut symbols)?;
        Planned::new(fused, &symbols)
    }

    /// Computes the outputs for `inputs` and makes the updates. A new set of input shapes is planned once and remembered.
    ///
    /// # Errors
    /// When an input is missing or has another dtype or shape than its placeholder, or when a kernel fails; variables then
    /// keep their values.
    pub fn call(&self, session: &mut Session, inputs: &[Feed<'_>]) -> Result<Vec<Array>, Error> {
        let inputs = self.settle(inputs)?;
        let views: Vec<ArrayView<'_>> = inputs.iter().filter_map(Feed::view).collect();
        session.call(self, &views)
    }

    /// Plain numbers among the inputs become scalars of the placeholders' dtypes.
    fn settle<'a>(&self, inputs: &[Feed<'a>]) -> Result<Vec<Feed<'a>>, Error> {
        let specs = &self.0.fused.inputs;
        if inputs.len() != specs.len() {
            let names: Vec<&str> = specs.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::feed(format!(
                "the function takes {} inputs ({}), got {}",
                specs.len(),
                names.join(", "),
                inputs.len()
            )));
        }
        let settle = |(feed, (name, ty)): (&Feed<'a>, &(String, crate::TensorType))| {
            feed.clone().settled(ty.dtype).map_err(|why| Error::feed(format!("the feed of `{name}`: {why}")))
        };
        inputs.iter().zip(specs).map(settle).collect()
    }

    /// As [`call`](Function::call), into arrays that are there: allocates nothing once the shapes have been seen.
    ///
    /// # Errors
    /// As `call`, and when an output array has another dtype or shape.
    pub fn call_into(
        &self,
        session: &mut Session,
        inputs: &[ArrayView<'_>],
        outputs: &mut [Array],
    ) -> Result<(), Error> {
        session.call_into(self, 1, inputs, outputs, false)
    }

    /// Makes `steps` calls over data that is there: every input has a leading axis of `steps`, and call `i` takes its `i`-th
    /// part. The outputs are those of the last call. Allocates nothing once the shapes have been seen.
    ///
    /// # Errors
    /// As [`call_into`](Function::call_into), and when `steps` is 0 or an input's leading axis is not `steps`.
    pub fn call_n(
        &self,
        session: &mut Session,
        steps: usize,
        inputs: &[ArrayView<'_>],
        outputs: &mut [Array],
    ) -> Result<(), Error> {
        if steps == 0 {
            return Err(Error::feed("call_n: at least one step is needed"));
        }
        for ((name, _), input) in self.0.fused.inputs.iter().zip(inputs) {
            if input.shape().first() != Some(&steps) {
                let shape = input.shape();
                return Err(Error::feed(format!(
                    "call_n: the feed of `{name}` has shape {shape:?}, whose first axis should be the {steps} steps"
                )));
            }
        }
        session.call_into(self, steps, inputs, outputs, true)
    }
}
