//! The first stage: what a function needs of the tape, with givens in place, and nothing changed.

use super::{Ir, IrNode, Leaf};
use crate::graph::{Graph, State};
use crate::{Error, Tensor, TensorType, Update};
use std::collections::{HashMap, HashSet};

/// The part of a tape that a function computes, exactly as it was written.
#[derive(Clone, Debug)]
pub struct Recorded(pub(crate) Ir);

impl Recorded {
    /// Cuts out what `outputs` and `updates` need, with every key of `givens` replaced by its value. Variables that are read
    /// and have a default update get it, and nodes that carry updates make them, unless `updates` names the variable.
    ///
    /// # Errors
    /// When something needed is poisoned, not fed, of another graph, or replaced inconsistently.
    pub(crate) fn new(
        graph: &Graph,
        inputs: &[Tensor],
        outputs: &[Tensor],
        updates: &[Update],
        givens: &[(Tensor, Tensor)],
        default_updates: bool,
    ) -> Result<Recorded, Error> {
        let strangers = inputs.iter().chain(outputs).chain(givens.iter().flat_map(|(a, b)| [a, b]));
        let strangers = strangers.chain(updates.iter().flat_map(|update| [&update.variable, &update.value]));
        if let Some(stranger) = strangers.into_iter().find(|tensor| tensor.graph() != graph) {
            return Err(Error::build("function: its tensors belong to two graphs", &stranger.origin()));
        }
        updates.iter().try_for_each(Update::check)?;
        for (key, value) in givens {
            check_given(key, value)?;
        }
        let state = graph.state();
        let mut cut = Cut::new(&state, inputs)?;
        let givens: Vec<(u32, u32)> = givens.iter().map(|(key, value)| (key.id(), value.id())).collect();
        cut.check_givens(&givens)?;
        let mut memo = HashMap::new();
        let mut ends = Vec::new();
        for output in outputs {
            ends.push(cut.import(output.id(), &givens, &mut memo)?);
        }
        let mut written = Vec::new();
        for update in updates {
            let origin = &state.nodes[update.value.id() as usize].origin;
            let index = cut
                .variable(update.variable.id())
                .ok_or_else(|| Error::build("function: an update's key is not a variable", origin))?;
            if written.iter().any(|(other, _)| *other == index) {
                let name = &state.variables[index].name;
                return Err(Error::build(format!("function: `{name}` is updated twice"), origin));
            }
            written.push((index, cut.import(update.value.id(), &givens, &mut memo)?));
        }
        if default_updates {
            cut.default_updates(&mut written, &givens, &mut memo)?;
        }
        let mut used: Vec<usize> = cut.read.iter().copied().chain(written.iter().map(|(index, _)| *index)).collect();
        used.sort_unstable();
        used.dedup();
        let mut variables = Vec::with_capacity(used.len());
        for index in used {
            let variable = &state.variables[index];
            variables.push((index, variable.name.clone(), state.nodes[variable.node as usize].ty.clone()?));
        }
        let recorded = Recorded(Ir {
            nodes: cut.nodes,
            outputs: ends,
            updates: written,
            inputs: cut.inputs,
            variables,
            dims: state.dims.clone(),
        });
        if cfg!(debug_assertions) {
            recorded.0.verify()?;
        }
        Ok(recorded)
    }
}

fn check_given(key: &Tensor, value: &Tensor) -> Result<(), Error> {
    let (old, new) = (key.ty()?, value.ty()?);
    let state = key.graph().state();
    let fits = old.dtype == new.dtype
        && old.rank() == new.rank()
        && old
            .shape
            .iter()
            .zip(&new.shape)
            .all(|(a, b)| a.known().is_none() || b.known().is_none() || state.dims.equal(a, b));
    drop(state);
    if fits {
        Ok(())
    } else {
        Err(Error::build(format!("givens: a value of {new} cannot stand for {old}"), &value.origin()))
    }
}

/// The work of cutting out.
struct Cut<'a> {
    state: &'a State,
    feeds: HashMap<u32, usize>,
    inputs: Vec<(String, TensorType)>,
    nodes: Vec<IrNode>,
    variables: HashMap<u32, usize>,
    read: Vec<usize>,
    /// The nodes that carry updates, and whether they are computed.
    carriers: HashMap<u32, bool>,
}

type Memo = HashMap<u32, usize>;

impl<'a> Cut<'a> {
    fn new(state: &'a State, inputs: &[Tensor]) -> Result<Cut<'a>, Error> {
        let mut cut = Cut {
            state,
            feeds: HashMap::new(),
            inputs: Vec::new(),
            nodes: Vec::new(),
            variables: state.variables.iter().enumerate().map(|(index, variable)| (variable.node, index)).collect(),
            read: Vec::new(),
            carriers: state.carried.iter().map(|carried| (carried.carrier, false)).collect(),
        };
        for (position, input) in inputs.iter().enumerate() {
            let node = &state.nodes[input.id() as usize];
            // Sizes that met are still named apart here, so that a feed which breaks the equality is told where they met.
            let ty = node.ty.clone()?;
            let name = node.name.clone().unwrap_or_else(|| format!("input {position}"));
            if cut.feeds.insert(input.id(), position).is_some() {
                return Err(Error::build(format!("function: the input `{name}` is named twice"), &node.origin));
            }
            if node.op.name() == "variable" {
                return Err(Error::build(
                    format!("function: `{name}` is a variable, which is set and not fed"),
                    &node.origin,
                ));
            }
            cut.inputs.push((name, ty));
        }
        Ok(cut)
    }

    fn resolved(&self, ty: &TensorType) -> TensorType {
        TensorType { dtype: ty.dtype, shape: ty.shape.iter().map(|dim| self.state.dims.resolve(dim)).collect() }
    }

    fn variable(&self, node: u32) -> Option<usize> {
        self.variables.get(&node).copied()
    }

    /// A replacement is not itself subject to replacement: that order would be a matter of taste.
    fn check_givens(&self, givens: &[(u32, u32)]) -> Result<(), Error> {
        for &(key, value) in givens {
            let at = |id: u32| self.state.nodes[id as usize].origin.clone();
            if self.feeds.contains_key(&key) {
                return Err(Error::build("givens: a key is also an input of the function", &at(key)));
            }
            let mut seen = vec![value];
            let mut visited = vec![false; self.state.nodes.len()];
            while let Some(id) = seen.pop() {
                if givens.iter().any(|(other, _)| *other == id) {
                    return Err(Error::build(
                        "givens: a value depends on something that is itself replaced",
                        &at(value),
                    ));
                }
                if !std::mem::replace(&mut visited[id as usize], true) {
                    seen.extend(self.state.nodes[id as usize].inputs.iter().copied());
                }
            }
        }
        Ok(())
    }

    /// Brings a node and what it needs into the list, without recursion: tapes may be a hundred thousand nodes deep.
    fn import(&mut self, id: u32, givens: &[(u32, u32)], memo: &mut Memo) -> Result<usize, Error> {
        // Of two values for one tensor the last counts.
        let replaced = |id: u32| givens.iter().rev().find(|(key, _)| *key == id).map_or(id, |(_, value)| *value);
        let mut stack = vec![(replaced(id), false)];
        while let Some((id, ready)) = stack.pop() {
            if memo.contains_key(&id) {
                continue;
            }
            let node = &self.state.nodes[id as usize];
            let ty = self.resolved(&node.ty.clone()?);
            let leaf = match (self.feeds.get(&id), self.variable(id)) {
                (Some(&position), _) => Some(Leaf::Input(position)),
                (None, Some(index)) => Some(Leaf::Variable(index)),
                (None, None) if node.op.name() == "placeholder" => {
                    let name = node.name.clone().unwrap_or_default();
                    let hint = "name it among the inputs, or feed it";
                    return Err(Error::build(
                        format!("the placeholder `{name}` {ty} is needed but not fed\n  hint: {hint}"),
                        &node.origin,
                    ));
                }
                (None, None) => None,
            };
            if leaf.is_none() && !ready {
                stack.push((id, true));
                stack.extend(node.inputs.iter().map(|&input| (replaced(input), false)));
                continue;
            }
            let inputs =
                if leaf.is_some() { vec![] } else { node.inputs.iter().map(|&input| memo[&replaced(input)]).collect() };
            if let Some(Leaf::Variable(index)) = leaf {
                self.read.push(index);
            }
            if let (None, Some(computed)) = (leaf, self.carriers.get_mut(&id)) {
                *computed = true;
            }
            memo.insert(id, self.nodes.len());
            self.nodes.push(IrNode { op: node.op.clone(), inputs, ty, leaf, origins: vec![node.origin.clone()] });
        }
        Ok(memo[&replaced(id)])
    }

    /// Adds the default updates of the variables that are read, the updates that computed nodes carry, and those that
    /// these bring with them in turn.
    fn default_updates(
        &mut self,
        written: &mut Vec<(usize, usize)>,
        givens: &[(u32, u32)],
        memo: &mut Memo,
    ) -> Result<(), Error> {
        let state = self.state;
        let explicit: HashSet<usize> = written.iter().map(|(index, _)| *index).collect();
        let mut asked = HashSet::new();
        let mut carried: Vec<_> = state.carried.iter().collect();
        let mut next = 0;
        loop {
            while let Some(&index) = self.read.get(next) {
                next += 1;
                if asked.insert(index) && !explicit.contains(&index) {
                    for &update in &state.variables[index].default_updates {
                        self.write(index, update, written, givens, memo)?;
                    }
                }
            }
            let Some(place) = carried.iter().position(|own| self.carriers.get(&own.carrier) == Some(&true)) else {
                return Ok(());
            };
            let own = carried.remove(place);
            if !explicit.contains(&own.variable) {
                self.write(own.variable, own.value, written, givens, memo)?;
            }
        }
    }

    /// Adds an update. A later one of the same variable reads what the earlier one wrote.
    fn write(
        &mut self,
        index: usize,
        update: u32,
        written: &mut Vec<(usize, usize)>,
        givens: &[(u32, u32)],
        memo: &mut Memo,
    ) -> Result<(), Error> {
        match written.iter_mut().find(|(other, _)| *other == index) {
            None => written.push((index, self.import(update, givens, memo)?)),
            Some((_, value)) => {
                let mut composed = Memo::from([(self.state.variables[index].node, *value)]);
                *value = self.import(update, givens, &mut composed)?;
            }
        }
        Ok(())
    }
}

impl Recorded {
    /// The same function, which returns the new values of its variables after its outputs instead of writing them.
    pub(crate) fn updates_as_outputs(&self) -> Recorded {
        let mut ir = self.0.clone();
        let values: Vec<usize> = ir.updates.drain(..).map(|(_, value)| value).collect();
        ir.outputs.extend(values);
        Recorded(ir)
    }

    /// A function that returns the value of every node of this one.
    pub(crate) fn every_node_as_output(&self) -> Recorded {
        let mut ir = self.0.clone();
        ir.updates.clear();
        ir.outputs = (0..ir.nodes.len()).collect();
        Recorded(ir)
    }
}
