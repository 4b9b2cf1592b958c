//! The tape: an append-only arena of nodes that records exactly what was written.

use crate::op::{Infer, Op, Refusal};
use crate::{DType, Dim, Dims, Error, Initial, Origin, Tensor, TensorType};
use std::{
    collections::HashMap,
    fmt,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A tape. Clones share it.
///
/// Building never fails on the spot: a wrong op yields a *poisoned* tensor that carries its error, which appears when
/// something that depends on it is fetched, updated, differentiated or asked for its shape.
///
/// ```
/// use wengert_autograd::{DType, Graph, Session};
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [Some(2)]);
/// let y = (&x * 3.0).sum();
/// let mut session = Session::new(wengert_autograd::Device::cpu())?;
/// let value = session.run(&[&y], &[(&x, vec![1.0f32, 2.0].into())])?;
/// assert_eq!(value[0].to_vec::<f32>()?, [9.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Graph(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) nodes: Vec<Node>,
    pub(crate) dims: Dims,
    pub(crate) variables: Vec<Variable>,
    pub(crate) carried: Vec<Carried>,
    collections: HashMap<String, Vec<u32>>,
    /// The names that are taken, and how many numbered names were made from each.
    names: HashMap<String, usize>,
    scopes: Vec<Scope>,
    frozen: Option<Origin>,
    streams: u64,
    warn_at: usize,
}

struct Scope {
    path: Arc<str>,
    /// Where nodes of the scope were written, if that is not where their functions were called.
    location: Option<&'static Location<'static>>,
}

/// One entry of the tape.
pub(crate) struct Node {
    pub(crate) op: Arc<dyn Op>,
    pub(crate) inputs: Box<[u32]>,
    pub(crate) ty: Result<TensorType, Error>,
    pub(crate) origin: Origin,
    pub(crate) name: Option<String>,
}

/// A value that lives between calls.
#[derive(Clone)]
pub(crate) struct Variable {
    pub(crate) node: u32,
    pub(crate) name: String,
    pub(crate) initial: Initial,
    pub(crate) trainable: bool,
    /// What it becomes, one after another, when a call computes something that reads it, unless the call says otherwise.
    pub(crate) default_updates: Vec<u32>,
}

/// An update that calls make which compute a certain node, unless they say otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) carrier: u32,
    /// The variable's number.
    pub(crate) variable: usize,
    pub(crate) value: u32,
}

/// Nodes beyond this number are probably recorded by a loop that should have been a function called often.
const GROWTH_WARNING: usize = 1_000_000;

impl Graph {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Graph {
        Graph(Arc::new(Shared {
            state: Mutex::new(State {
                nodes: Vec::new(),
                dims: Dims::default(),
                variables: Vec::new(),
                carried: Vec::new(),
                collections: HashMap::new(),
                names: HashMap::new(),
                scopes: Vec::new(),
                frozen: None,
                streams: 0,
                warn_at: GROWTH_WARNING,
            }),
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements: a panic of another thread cannot leave half a node behind.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many nodes are recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().nodes.len()
    }

    /// Whether nothing is recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends recording: ops written from now on are poisoned. Protects a loop that would build by mistake.
    #[track_caller]
    pub fn freeze(&self) {
        let origin = Origin::here();
        self.state().frozen.get_or_insert(origin);
    }

    /// A value to be fed, with some sizes left open (`None`).
    #[track_caller]
    pub fn placeholder(&self, name: &str, dtype: DType, shape: impl IntoIterator<Item = Option<usize>>) -> Tensor {
        let location = Location::caller();
        let mut state = self.state();
        let name = state.unique(name);
        let shape: Vec<Dim> = (shape.into_iter().enumerate())
            .map(|(axis, size)| match size {
                Some(size) => Dim::Known(size),
                None => state.dims.symbol(&format!("{name}.{axis}")),
            })
            .collect();
        let op = Arc::new(crate::ops::Placeholder { name: name.clone(), ty: TensorType::new(dtype, shape) });
        let id = state.record(op, &[], location, None);
        state.nodes[id as usize].name = Some(name);
        drop(state);
        self.tensor(id)
    }

    /// A trainable variable: a value that lives in each [`Session`](crate::Session) and starts as `initial` says.
    #[track_caller]
    pub fn variable(&self, name: &str, initial: impl Into<Initial>) -> Tensor {
        self.new_variable(name, initial.into(), true, Location::caller())
    }

    /// A variable that `minimize` leaves alone: a counter, a running mean.
    #[track_caller]
    pub fn state_variable(&self, name: &str, initial: impl Into<Initial>) -> Tensor {
        self.new_variable(name, initial.into(), false, Location::caller())
    }

    pub(crate) fn new_variable(
        &self,
        name: &str,
        initial: Initial,
        trainable: bool,
        location: &'static Location<'static>,
    ) -> Tensor {
        let mut state = self.state();
        let name = state.unique(name);
        let op = crate::ops::Variable { name: name.clone(), ty: initial.ty() };
        let node = state.record(Arc::new(op), &[], location, None);
        state.nodes[node as usize].name = Some(name.clone());
        state.variables.push(Variable { node, name, initial, trainable, default_updates: Vec::new() });
        drop(state);
        self.tensor(node)
    }

    /// A value that never changes.
    #[track_caller]
    pub fn constant<'a>(&self, value: impl Into<crate::Feed<'a>>) -> Tensor {
        let location = Location::caller();
        match value.into().to_array(None) {
            Ok(value) => self.record(Arc::new(crate::ops::Constant { value }), &[], location),
            Err(why) => self.poisoned(Error::build(format!("constant: {why}"), &Origin::new(location, None))),
        }
    }

    /// Runs `build` inside a scope: names made in it are prefixed with `name/`, and its nodes say that they belong to it.
    pub fn scope<R>(&self, name: &str, build: impl FnOnce() -> R) -> R {
        self.enter(self.nested(name), None, build)
    }

    /// As [`scope`](Graph::scope), for a layer or another object that was written elsewhere than where it is applied:
    /// errors of nodes recorded in it name `origin`. An empty name adds nothing to the names made in it.
    pub fn scope_at<R>(&self, name: &str, origin: &Origin, build: impl FnOnce() -> R) -> R {
        self.enter(self.nested(name), Some(origin.location()), build)
    }

    /// Runs `build` as if it were written at `origin`, in the scope of that place.
    pub(crate) fn written_at<R>(&self, origin: &Origin, build: impl FnOnce() -> R) -> R {
        self.enter(origin.scope().unwrap_or_default().into(), Some(origin.location()), build)
    }

    /// Runs `build` as if it were written at `location`, in the scope that it is in: what a function over other ops does with
    /// its caller's place. A scope that has a place of its own keeps it.
    pub(crate) fn composed<R>(&self, location: &'static Location<'static>, build: impl FnOnce() -> R) -> R {
        let path = self.state().scopes.last().map_or_else(|| "".into(), |scope| scope.path.clone());
        let place = self.origin(location).location();
        self.enter(path, Some(place), build)
    }

    /// Runs `build` outside of every scope: for what belongs to the graph as a whole.
    pub(crate) fn unscoped<R>(&self, location: &'static Location<'static>, build: impl FnOnce() -> R) -> R {
        let place = self.origin(location).location();
        self.enter("".into(), Some(place), build)
    }

    /// The origin of a node that is recorded at `location`.
    pub(crate) fn origin(&self, location: &'static Location<'static>) -> Origin {
        self.state().origin(location)
    }

    fn nested(&self, name: &str) -> Arc<str> {
        match self.state().scopes.last() {
            Some(outer) if name.is_empty() => outer.path.clone(),
            Some(outer) if !outer.path.is_empty() => format!("{}/{name}", outer.path).into(),
            _ => name.into(),
        }
    }

    fn enter<R>(&self, path: Arc<str>, location: Option<&'static Location<'static>>, build: impl FnOnce() -> R) -> R {
        /// Leaves the scope even when the closure unwinds.
        struct Leave<'a>(&'a Graph);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.state().scopes.pop();
            }
        }
        let mut state = self.state();
        let location = location.or(state.scopes.last().and_then(|outer| outer.location));
        state.scopes.push(Scope { path, location });
        drop(state);
        let _leave = Leave(self);
        build()
    }

    /// A name that no layer or variable of this graph has yet: `dense`, then `dense_1`, ...
    #[must_use]
    pub fn unique_name(&self, name: &str) -> String {
        self.state().unique(name)
    }

    /// The trainable variables, in the order in which they were made.
    #[must_use]
    pub fn trainable_variables(&self) -> Vec<Tensor> {
        self.variables_where(|variable| variable.trainable)
    }

    /// Every variable, in the order in which they were made.
    #[must_use]
    pub fn variables(&self) -> Vec<Tensor> {
        self.variables_where(|_| true)
    }

    fn variables_where(&self, keep: impl Fn(&Variable) -> bool) -> Vec<Tensor> {
        let ids: Vec<u32> = self.state().variables.iter().filter(|v| keep(v)).map(|v| v.node).collect();
        ids.into_iter().map(|id| self.tensor(id)).collect()
    }

    /// The placeholder, variable or named tensor of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Tensor> {
        let id = self.state().nodes.iter().position(|node| node.name.as_deref() == Some(name))?;
        Some(self.tensor(id as u32))
    }

    /// Adds a tensor of this graph to the collection of that name: for what is found again without being passed on, as the
    /// penalties of layers are. Errors of the tensor show where the collection is used.
    pub fn add_to_collection(&self, name: &str, tensor: &Tensor) {
        let member = if tensor.graph() == self {
            tensor.id()
        } else {
            let why = format!("the collection `{name}` is of another graph than its member");
            self.poisoned(Error::build(why, &tensor.origin())).id()
        };
        self.state().collections.entry(name.to_owned()).or_default().push(member);
    }

    /// The tensors of a collection, in the order in which they were added; none if nothing was.
    ///
    /// ```
    /// # let g = wengert_autograd::Graph::new();
    /// let penalty = g.constant(0.5f32);
    /// g.add_to_collection("penalties", &penalty);
    /// assert_eq!(g.collection("penalties"), [penalty]);
    /// assert_eq!(g.collection("others"), []);
    /// ```
    #[must_use]
    pub fn collection(&self, name: &str) -> Vec<Tensor> {
        let ids = self.state().collections.get(name).cloned().unwrap_or_default();
        ids.into_iter().map(|id| self.tensor(id)).collect()
    }

    /// A number that no random op of this graph has yet.
    pub(crate) fn next_stream(&self) -> u64 {
        let mut state = self.state();
        state.streams += 1;
        state.streams
    }

    pub(crate) fn tensor(&self, id: u32) -> Tensor {
        Tensor::new(self.clone(), id)
    }

    /// Records an op over operands of this graph; an operand of another graph poisons the result.
    pub(crate) fn record(&self, op: Arc<dyn Op>, inputs: &[&Tensor], location: &'static Location<'static>) -> Tensor {
        let stranger = inputs.iter().find(|input| input.graph() != self);
        let refusal = stranger.map(|_| {
            Refusal::new("its operands belong to two graphs")
                .hint("build everything that is computed together in one Graph")
        });
        let ids: Vec<u32> = if stranger.is_some() { vec![] } else { inputs.iter().map(|input| input.id()).collect() };
        let id = self.state().record(op, &ids, location, refusal);
        self.tensor(id)
    }

    /// Records a tensor that only carries an error.
    pub(crate) fn poisoned(&self, error: Error) -> Tensor {
        let location = error.origin().map_or_else(Location::caller, Origin::location);
        let op = Arc::new(crate::ops::Poisoned);
        let mut state = self.state();
        let id = state.record(op, &[], location, None);
        state.nodes[id as usize].ty = Err(error);
        drop(state);
        self.tensor(id)
    }
}

impl State {
    fn unique(&mut self, name: &str) -> String {
        let full = match self.scopes.last() {
            Some(scope) if !scope.path.is_empty() => format!("{}/{name}", scope.path),
            _ => name.to_owned(),
        };
        let mut candidate = full.clone();
        while self.names.contains_key(&candidate) {
            let count = self.names.entry(full.clone()).or_default();
            *count += 1;
            candidate = format!("{full}_{count}");
        }
        self.names.insert(candidate.clone(), 0);
        candidate
    }

    fn origin(&self, location: &'static Location<'static>) -> Origin {
        let scope = self.scopes.last();
        let location = scope.and_then(|scope| scope.location).unwrap_or(location);
        let path = scope.map(|scope| scope.path.clone()).filter(|path| !path.is_empty());
        Origin::new(location, path)
    }

    fn record(
        &mut self,
        op: Arc<dyn Op>,
        inputs: &[u32],
        location: &'static Location<'static>,
        refusal: Option<Refusal>,
    ) -> u32 {
        let origin = self.origin(location);
        let ty = self.infer(&op, inputs, &origin, refusal);
        self.nodes.push(Node { op, inputs: inputs.into(), ty, origin, name: None });
        if self.nodes.len() == self.warn_at {
            log::warn!(
                "the graph has {} nodes: is a loop building it over and over? Build once, call often; Graph::freeze() finds the place",
                self.warn_at
            );
            self.warn_at = self.warn_at.saturating_mul(2);
        }
        self.nodes.len() as u32 - 1
    }

    fn infer(
        &mut self,
        op: &Arc<dyn Op>,
        inputs: &[u32],
        origin: &Origin,
        refusal: Option<Refusal>,
    ) -> Result<TensorType, Error> {
        if let Some(frozen) = &self.frozen {
            return Err(Error::build(format!("{}: the graph was frozen at {frozen}", op.name()), origin));
        }
        let mut types = Vec::with_capacity(inputs.len());
        for &input in inputs {
            types.push(self.nodes[input as usize].ty.clone()?);
        }
        let result = match refusal {
            Some(refusal) => Err(refusal),
            None => op.infer(&types, &mut Infer { dims: &mut self.dims, origin }),
        };
        result.map_err(|refusal| {
            let operands: Vec<String> = types.iter().map(TensorType::to_string).collect();
            let of = if operands.is_empty() { String::new() } else { format!(" of {}", operands.join(" and ")) };
            Error::build(format!("{}{}{of}: {refusal}", op.name(), op.attributes()), origin)
        })
    }
}

impl Default for Graph {
    fn default() -> Graph {
        Graph::new()
    }
}

impl PartialEq for Graph {
    /// Whether both are the same tape.
    fn eq(&self, other: &Graph) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Graph {}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({} nodes)", self.len())
    }
}
