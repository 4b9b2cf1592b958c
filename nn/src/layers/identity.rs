//! What makes a layer one and the same wherever it is applied: its name, its place, its variables.

use std::sync::{Mutex, MutexGuard, PoisonError};
use wengert_autograd::{Graph, Initial, Origin, Tensor};

/// Name, place and variables of a layer. A layer with variables, or one whose errors should name the line where it was
/// made, holds one and applies itself inside [`Identity::apply`].
///
/// A clone is another identity: it shares no variables with this one.
///
/// ```
/// use wengert_autograd::{DType, Graph, Initial, Tensor};
/// use wengert_nn::layers::{Identity, Layer, Mode};
///
/// /// Multiplies by a number that is learned.
/// struct Scale { identity: Identity }
///
/// impl Scale {
///     #[track_caller]
///     fn new() -> Scale {
///         Scale { identity: Identity::new("scale") }
///     }
/// }
///
/// impl Layer for Scale {
///     fn apply(&self, x: &Tensor, _: Mode) -> Tensor {
///         self.identity.apply(x, |at| x * at.variable("factor", || Initial::zeros(DType::F32, &[])))
///     }
/// }
///
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None]);
/// Scale::new().apply(&x, Mode::Infer);
/// assert_eq!(g.trainable_variables()[0].name().as_deref(), Some("scale/factor"));
/// ```
#[derive(Debug)]
pub struct Identity {
    kind: &'static str,
    given: Option<String>,
    origin: Origin,
    graphs: Mutex<Vec<InGraph>>,
}

/// What the layer has in one graph.
#[derive(Debug)]
struct InGraph {
    graph: Graph,
    name: String,
    variables: Vec<(String, Tensor)>,
}

impl Identity {
    /// An identity named after `kind` (`dense`, then `dense_1`, ...), made where the caller's caller stands, as far up as
    /// `#[track_caller]` reaches.
    #[must_use]
    #[track_caller]
    pub fn new(kind: &'static str) -> Identity {
        Identity { kind, given: None, origin: Origin::here(), graphs: Mutex::default() }
    }

    /// The same with a name of its own.
    #[must_use]
    pub fn named(mut self, name: &str) -> Identity {
        self.given = Some(name.to_owned());
        self
    }

    /// The name in `graph`, once the layer was applied there.
    #[must_use]
    pub fn name(&self, graph: &Graph) -> Option<String> {
        self.graphs().iter().find(|own| own.graph == *graph).map(|own| own.name.clone())
    }

    /// Records what `build` makes of `x` under the layer's name; its errors name the place where the layer was made.
    pub fn apply<R>(&self, x: &Tensor, build: impl FnOnce(&At<'_>) -> R) -> R {
        self.within(x.graph(), build)
    }

    /// As [`apply`](Identity::apply), for what has no input.
    pub fn within<R>(&self, graph: &Graph, build: impl FnOnce(&At<'_>) -> R) -> R {
        let known = self.name(graph);
        let name = known.unwrap_or_else(|| {
            let name = self.given.as_deref().unwrap_or(self.kind);
            let name = local(&graph.unique_name(name), name).to_owned();
            self.graphs().push(InGraph { graph: graph.clone(), name: name.clone(), variables: vec![] });
            name
        });
        graph.scope_at(&name, &self.origin, || build(&At { identity: self, graph }))
    }

    fn graphs(&self) -> MutexGuard<'_, Vec<InGraph>> {
        // Entries are only ever added whole.
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity { kind: self.kind, given: self.given.clone(), origin: self.origin.clone(), graphs: Mutex::default() }
    }
}

/// The unique name without the scopes around it: as many parts of the path as the wanted name has.
fn local<'a>(unique: &'a str, wanted: &str) -> &'a str {
    let parts = wanted.matches('/').count();
    unique.rmatch_indices('/').nth(parts).map_or(unique, |(slash, _)| &unique[slash + 1..])
}

/// A layer being applied in a graph.
#[derive(Debug)]
pub struct At<'a> {
    identity: &'a Identity,
    graph: &'a Graph,
}

impl At<'_> {
    /// The layer's trainable variable for `role`: the one of an earlier application in this graph, or a new one.
    #[must_use]
    pub fn variable(&self, role: &str, initial: impl FnOnce() -> Initial) -> Tensor {
        self.find_or(role, || self.graph.variable(role, initial()))
    }

    /// The same for a variable that is not trained.
    #[must_use]
    pub fn state(&self, role: &str, initial: impl FnOnce() -> Initial) -> Tensor {
        self.find_or(role, || self.graph.state_variable(role, initial()))
    }

    /// The variable for `role`, if there is one already.
    #[must_use]
    pub fn existing(&self, role: &str) -> Option<Tensor> {
        let graphs = self.identity.graphs();
        let own = graphs.iter().find(|own| own.graph == *self.graph)?;
        own.variables.iter().find(|(known, _)| known == role).map(|(_, variable)| variable.clone())
    }

    fn find_or(&self, role: &str, make: impl FnOnce() -> Tensor) -> Tensor {
        self.existing(role).unwrap_or_else(|| {
            let variable = make();
            let mut graphs = self.identity.graphs();
            if let Some(own) = graphs.iter_mut().find(|own| own.graph == *self.graph) {
                own.variables.push((role.to_owned(), variable.clone()));
            }
            variable
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_name_is_what_the_scopes_leave() {
        for (unique, wanted, expected) in
            [("dense", "dense", "dense"), ("a/b/dense_1", "dense", "dense_1"), ("a/x/y", "x/y", "x/y")]
        {
            assert_eq!(local(unique, wanted), expected);
        }
    }
}
