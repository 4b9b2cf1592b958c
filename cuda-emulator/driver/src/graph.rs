//! Graphs: work with its dependencies, to be instantiated and launched many times.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::{In, Out, Text};
use crate::table::{GraphId, NodeId};
use crate::work::Task;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use crate::exec::Exec;

/// Graphs within graphs, and nodes of all of them together: more is refused.
const DEPTH: u32 = 16;
const NODES: usize = 1 << 20;

/// A graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<NodeId>,
    /// It belongs to a node of another graph, and goes with it.
    child: bool,
    /// Graphs within it, one below the other.
    depth: u32,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) graph: GraphId,
    pub(crate) task: Task,
    pub(crate) dependencies: Vec<NodeId>,
    /// The node that it was cloned from.
    origin: Option<NodeId>,
    /// Pointers into the parameters, for who asked for them last.
    pub(crate) shown: Vec<*const u8>,
}

// SAFETY: the pointers are only handed out; nothing here follows them.
unsafe impl Send for Node {}

impl Driver {
    pub(crate) fn new_graph(&mut self) -> GraphId {
        self.graphs.add(Graph::default())
    }

    /// Adds a node behind others of its graph.
    pub(crate) fn add_node(&mut self, graph: GraphId, task: Task, dependencies: Vec<NodeId>) -> Answer<NodeId> {
        self.graphs.get(graph)?;
        for node in &dependencies {
            if self.nodes.get(*node)?.graph != graph {
                return Err(Code::INVALID_VALUE);
            }
        }
        if self.nodes.len() >= NODES {
            return Err(Code::OUT_OF_MEMORY);
        }
        let node = self.nodes.add(Node { graph, task, dependencies, origin: None, shown: Vec::new() });
        self.graphs.get_mut(graph)?.nodes.push(node);
        Ok(node)
    }

    /// The nodes of a graph in an order that their dependencies allow; the same for graphs that were made alike.
    pub(crate) fn sorted(&self, graph: GraphId) -> Answer<Vec<NodeId>> {
        let nodes = &self.graphs.get(graph)?.nodes;
        let mut waiting = BTreeMap::new();
        let mut dependents: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        let mut ready = BTreeSet::new();
        for node in nodes {
            let dependencies = &self.nodes.get(*node)?.dependencies;
            waiting.insert(*node, dependencies.len());
            dependencies.iter().for_each(|before| dependents.entry(*before).or_default().push(*node));
            if dependencies.is_empty() {
                ready.insert(*node);
            }
        }
        let mut sorted = Vec::new();
        while let Some(node) = ready.pop_first() {
            sorted.push(node);
            for after in dependents.remove(&node).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(&after) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(after);
                    }
                }
            }
        }
        // What is left waits for itself.
        if sorted.len() == nodes.len() { Ok(sorted) } else { Err(Code::INVALID_VALUE) }
    }

    /// These nodes and all that come before them.
    pub(crate) fn ancestors(&self, nodes: &[NodeId]) -> Answer<BTreeSet<NodeId>> {
        let mut found = BTreeSet::new();
        let mut open = nodes.to_vec();
        while let Some(node) = open.pop() {
            if found.insert(node) {
                open.extend(&self.nodes.get(node)?.dependencies);
            }
        }
        Ok(found)
    }

    fn count_nodes(&self, graph: GraphId) -> Answer<usize> {
        let mut open = vec![graph];
        let mut count = 0;
        while let Some(graph) = open.pop() {
            let nodes = &self.graphs.get(graph)?.nodes;
            count += nodes.len();
            for node in nodes {
                if let Task::Child(child) = &self.nodes.get(*node)?.task {
                    open.push(*child);
                }
            }
        }
        Ok(count)
    }

    /// A copy of a graph and of those within it.
    fn clone_graph(&mut self, graph: GraphId, child: bool) -> Answer<GraphId> {
        if self.nodes.len().saturating_add(self.count_nodes(graph)?) > NODES {
            return Err(Code::OUT_OF_MEMORY);
        }
        let root = self.new_graph();
        let mut open = vec![(graph, root)];
        while let Some((from, to)) = open.pop() {
            let depth = self.graphs.get(from)?.depth;
            let mut copies: BTreeMap<NodeId, NodeId> = BTreeMap::new();
            for node in self.graphs.get(from)?.nodes.clone() {
                let row = self.nodes.get(node)?;
                let (mut task, dependencies) = (row.task.clone(), row.dependencies.clone());
                if let Task::Child(inner) = &mut task {
                    let copy = self.new_graph();
                    open.push((*inner, copy));
                    *inner = copy;
                }
                let copy = self.add_node(to, task, Vec::new())?;
                let row = self.nodes.get_mut(copy)?;
                row.origin = Some(node);
                row.dependencies = dependencies;
                copies.insert(node, copy);
            }
            for copy in copies.values() {
                let row = self.nodes.get_mut(*copy)?;
                row.dependencies.iter_mut().for_each(|node| *node = copies.get(node).copied().unwrap_or(*node));
            }
            let row = self.graphs.get_mut(to)?;
            row.depth = depth;
            row.child = child || to != root;
        }
        Ok(root)
    }

    /// Forgets a graph with its nodes and those within it.
    pub(crate) fn destroy_graph(&mut self, graph: GraphId) {
        let mut open = vec![graph];
        while let Some(graph) = open.pop() {
            let Ok(gone) = self.graphs.remove(graph) else { continue };
            for node in gone.nodes {
                if let Ok(Node { task: Task::Child(child), .. }) = self.nodes.remove(node) {
                    open.push(child);
                }
            }
        }
    }

    fn destroy_node(&mut self, node: NodeId) -> Answer {
        let gone = self.nodes.remove(node)?;
        if let Task::Child(child) = gone.task {
            self.destroy_graph(child);
        }
        let graph = self.graphs.get_mut(gone.graph)?;
        graph.nodes.retain(|it| *it != node);
        for other in graph.nodes.clone() {
            self.nodes.get_mut(other)?.dependencies.retain(|it| *it != node);
        }
        Ok(())
    }

    /// All edges of a graph.
    fn edges(&self, graph: GraphId) -> Answer<Vec<(NodeId, NodeId)>> {
        let mut edges = Vec::new();
        for node in &self.graphs.get(graph)?.nodes {
            edges.extend(self.nodes.get(*node)?.dependencies.iter().map(|before| (*before, *node)));
        }
        Ok(edges)
    }

    fn dot(&self, graph: GraphId) -> Answer<String> {
        let mut text = String::from("digraph {\n");
        for node in &self.graphs.get(graph)?.nodes {
            let task = &self.nodes.get(*node)?.task;
            let name = match task {
                Task::Kernel(kernel) => self.functions.get(kernel.function).map_or("kernel", |it| &it.name),
                task => kind(task).1,
            };
            text += &format!("  \"{:x}\" [label=\"{name}\"];\n", node.0);
        }
        for (from, to) in self.edges(graph)? {
            text += &format!("  \"{:x}\" -> \"{:x}\";\n", from.0, to.0);
        }
        Ok(text + "}\n")
    }
}

/// What kind of node a task is, as the interface numbers and names it.
pub(crate) fn kind(task: &Task) -> (u32, &'static str) {
    match task {
        Task::Kernel(_) => (0, "kernel"),
        Task::Copy(_) => (1, "memcpy"),
        Task::Fill(_) => (2, "memset"),
        Task::Call(_) => (3, "host"),
        Task::Child(_) => (4, "graph"),
        Task::Empty => (5, "empty"),
        Task::Wait(_) => (6, "wait event"),
        Task::Record(_) => (7, "record event"),
        Task::Free(_) => (11, "free"),
    }
}

/// Where `cuGraphAdd..Node` is to put what.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) node: Out<NodeId>,
    pub(crate) graph: GraphId,
    pub(crate) dependencies: In<NodeId>,
    pub(crate) count: usize,
}

/// Adds a node as C describes it.
pub(crate) fn add(session: &mut Session, place: Place, task: Task) -> Answer {
    place.node.check()?;
    let mut dependencies = place.dependencies.all(place.count)?;
    dependencies.sort_unstable();
    let count = dependencies.len();
    dependencies.dedup();
    if dependencies.len() != count {
        return Err(Code::INVALID_VALUE);
    }
    place.node.put(session.add_node(place.graph, task, dependencies)?)
}

fn add_child(session: &mut Session, place: Place, child: GraphId) -> Answer {
    session.graphs.get(place.graph)?;
    if child == place.graph {
        return Err(Code::INVALID_VALUE);
    }
    let depth = session.graphs.get(child)?.depth + 1;
    if depth > DEPTH {
        return Err(Code::NOT_SUPPORTED);
    }
    let copy = session.clone_graph(child, true)?;
    add(session, place, Task::Child(copy)).inspect_err(|_| session.destroy_graph(copy))?;
    let graph = session.graphs.get_mut(place.graph)?;
    graph.depth = graph.depth.max(depth);
    Ok(())
}

fn destroy(session: &mut Session, graph: GraphId) -> Answer {
    if session.graphs.get(graph)?.child {
        return Err(Code::INVALID_VALUE);
    }
    session.destroy_graph(graph);
    Ok(())
}

/// Adds or removes edges.
fn edit(session: &mut Session, graph: GraphId, ends: [In<NodeId>; 2], count: usize, add: bool) -> Answer {
    let [from, to] = ends;
    let (from, to) = (from.all(count)?, to.all(count)?);
    for node in from.iter().chain(&to) {
        if session.nodes.get(*node)?.graph != graph {
            return Err(Code::INVALID_VALUE);
        }
    }
    for (from, to) in from.into_iter().zip(to) {
        let dependencies = &mut session.nodes.get_mut(to)?.dependencies;
        let known = dependencies.contains(&from);
        // An edge that is there cannot be added, one that is not cannot be removed; a node never waits for itself.
        if known == add || from == to {
            return Err(Code::INVALID_VALUE);
        }
        match add {
            true => dependencies.push(from),
            false => dependencies.retain(|it| *it != from),
        }
    }
    Ok(())
}

/// Answers with nodes: how many there are, and as many as there is room for.
fn list(nodes: Vec<NodeId>, out: Out<NodeId>, count: Out<usize>) -> Answer {
    let total = nodes.len();
    if out.is_null() {
        return count.put(total);
    }
    let room = count.get()?;
    out.put_all(room, nodes.into_iter().chain(std::iter::repeat(NodeId(0))).take(room))?;
    count.put(total.min(room))
}

fn get_edges(session: &mut Session, graph: GraphId, from: Out<NodeId>, to: Out<NodeId>, count: Out<usize>) -> Answer {
    let edges = session.edges(graph)?;
    if from.is_null() != to.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    let sources = edges.iter().map(|edge| edge.0).collect();
    if from.is_null() {
        return list(sources, from, count);
    }
    let room = count.get()?;
    list(sources, from, count)?;
    to.put_all(room, edges.into_iter().map(|edge| edge.1))
}

fn roots(session: &Session, graph: GraphId) -> Answer<Vec<NodeId>> {
    let mut roots = session.graphs.get(graph)?.nodes.clone();
    roots.retain(|node| session.nodes.get(*node).is_ok_and(|it| it.dependencies.is_empty()));
    Ok(roots)
}

fn dependents(session: &Session, node: NodeId) -> Answer<Vec<NodeId>> {
    let edges = session.edges(session.nodes.get(node)?.graph)?;
    Ok(edges.into_iter().filter(|edge| edge.0 == node).map(|edge| edge.1).collect())
}

fn find_in_clone(session: &mut Session, out: Out<NodeId>, original: NodeId, clone: GraphId) -> Answer {
    let nodes = &session.graphs.get(clone)?.nodes;
    let is_copy = |node: &&NodeId| session.nodes.get(**node).is_ok_and(|it| it.origin == Some(original));
    out.put(*nodes.iter().find(is_copy).ok_or(Code::INVALID_VALUE)?)
}

exports! {
    CONTEXT cuGraphCreate(graph: Out<GraphId>, flags: u32) |it| {
        graph.check()?;
        if flags != 0 {
            return Err(Code::INVALID_VALUE);
        }
        graph.put(it.new_graph())
    };
    TIDY cuGraphDestroy(graph: GraphId) |it| destroy(it, graph);
    CONTEXT cuGraphClone(clone: Out<GraphId>, graph: GraphId) |it| {
        clone.check()?;
        clone.put(it.clone_graph(graph, false)?)
    };
    CONTEXT cuGraphAddEmptyNode(node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize) |it| {
        add(it, Place { node, graph, dependencies, count }, Task::Empty)
    };
    CONTEXT cuGraphAddChildGraphNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, child: GraphId,
    ) |it| {
        add_child(it, Place { node, graph, dependencies, count }, child)
    };
    CONTEXT cuGraphChildGraphNodeGetGraph(node: NodeId, graph: Out<GraphId>) |it| match &it.nodes.get(node)?.task {
        Task::Child(child) => graph.put(*child),
        _ => Err(Code::INVALID_VALUE),
    };
    CONTEXT cuGraphAddDependencies(graph: GraphId, from: In<NodeId>, to: In<NodeId>, count: usize) |it| {
        edit(it, graph, [from, to], count, true)
    };
    CONTEXT cuGraphRemoveDependencies(graph: GraphId, from: In<NodeId>, to: In<NodeId>, count: usize) |it| {
        edit(it, graph, [from, to], count, false)
    };
    CONTEXT cuGraphGetNodes(graph: GraphId, nodes: Out<NodeId>, count: Out<usize>) |it| {
        list(it.graphs.get(graph)?.nodes.clone(), nodes, count)
    };
    CONTEXT cuGraphGetRootNodes(graph: GraphId, nodes: Out<NodeId>, count: Out<usize>) |it| {
        list(roots(it, graph)?, nodes, count)
    };
    CONTEXT cuGraphGetEdges(graph: GraphId, from: Out<NodeId>, to: Out<NodeId>, count: Out<usize>) |it| {
        get_edges(it, graph, from, to, count)
    };
    CONTEXT cuGraphNodeGetDependencies(node: NodeId, nodes: Out<NodeId>, count: Out<usize>) |it| {
        list(it.nodes.get(node)?.dependencies.clone(), nodes, count)
    };
    CONTEXT cuGraphNodeGetDependentNodes(node: NodeId, nodes: Out<NodeId>, count: Out<usize>) |it| {
        list(dependents(it, node)?, nodes, count)
    };
    CONTEXT cuGraphNodeGetType(node: NodeId, number: Out<u32>) |it| number.put(kind(&it.nodes.get(node)?.task).0);
    CONTEXT cuGraphNodeFindInClone(node: Out<NodeId>, original: NodeId, clone: GraphId) |it| {
        find_in_clone(it, node, original, clone)
    };
    CONTEXT cuGraphDestroyNode(node: NodeId) |it| it.destroy_node(node);
    CONTEXT cuGraphDebugDotPrint(graph: GraphId, path: Text, _flags: u32) |it| {
        let text = it.dot(graph)?;
        std::fs::write(path.string()?, text).or(Err(Code::OPERATING_SYSTEM))
    };
}
