//! Executable graphs: what a graph was when it was instantiated, launched as a whole.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::{Host, In, InstantiateParams, Out, UpdateResult};
use crate::graph::kind;
use crate::stream::Point;
use crate::table::{ExecId, GraphId, NodeId, StreamId};
use crate::work::Task;

/// An executable graph.
#[derive(Debug)]
pub(crate) struct Exec {
    /// Its nodes, those of graphs within it too, each behind those that it depends on.
    pub(crate) nodes: Vec<ExecNode>,
    flags: u64,
    /// The end of its last launch, which the next one waits for.
    last: Option<Point>,
}

/// A node of it.
#[derive(Clone, Debug)]
pub(crate) struct ExecNode {
    pub(crate) node: NodeId,
    pub(crate) task: Task,
    /// Their places in the list.
    dependencies: Vec<usize>,
    enabled: bool,
}

/// Flags: memory that a launch left is freed by the next; the graph is uploaded at once; launched from the device; node
/// priorities count.
const DEVICE_LAUNCH: u64 = 4;
const KNOWN_FLAGS: u64 = 15;

/// What an update comes to, as the interface numbers it.
const TOPOLOGY_CHANGED: u32 = 2;
const TYPE_CHANGED: u32 = 3;

impl Driver {
    /// Adds a graph's nodes to a list, its first ones behind `entry`; answers with the places of its last ones. Graphs within
    /// graphs are at most a few deep, which [`add_node`](Driver::add_node)'s callers see to.
    fn flatten(&self, graph: GraphId, entry: &[usize], list: &mut Vec<ExecNode>) -> Answer<Vec<usize>> {
        let mut places = std::collections::BTreeMap::new();
        let mut last = std::collections::BTreeSet::new();
        for node in self.sorted(graph)? {
            let row = self.nodes.get(node)?;
            let mut dependencies: Vec<usize> = Vec::new();
            for before in &row.dependencies {
                dependencies.extend(places.get(before));
            }
            dependencies.iter().for_each(|place| _ = last.remove(place));
            if row.dependencies.is_empty() {
                dependencies.extend(entry);
            }
            let task = match &row.task {
                Task::Child(child) => {
                    dependencies.extend(self.flatten(*child, &dependencies.clone(), list)?);
                    Task::Empty
                }
                task => task.clone(),
            };
            places.insert(node, list.len());
            last.insert(list.len());
            list.push(ExecNode { node, task, dependencies, enabled: true });
        }
        Ok(last.into_iter().collect())
    }

    fn instantiate(&mut self, graph: GraphId, flags: u64) -> Answer<ExecId> {
        if flags & !KNOWN_FLAGS != 0 || flags & DEVICE_LAUNCH != 0 && flags != DEVICE_LAUNCH {
            return Err(Code::INVALID_VALUE);
        }
        if flags == DEVICE_LAUNCH {
            return Err(Code::NOT_SUPPORTED);
        }
        let mut nodes = Vec::new();
        self.flatten(graph, &[], &mut nodes)?;
        Ok(self.execs.add(Exec { nodes, flags, last: None }))
    }

    /// The nodes in an order that their dependencies allow; which, says the seed.
    fn shuffled(&mut self, nodes: &[ExecNode]) -> Vec<usize> {
        let mut waiting: Vec<usize> = nodes.iter().map(|node| node.dependencies.len()).collect();
        let mut dependents = vec![Vec::new(); nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            for before in &node.dependencies {
                if let Some(list) = dependents.get_mut(*before) {
                    list.push(at);
                }
            }
        }
        let mut ready: Vec<usize> = (0..nodes.len()).filter(|at| waiting.get(*at) == Some(&0)).collect();
        let mut order = Vec::new();
        while !ready.is_empty() {
            let which = self.pick(ready.len());
            let at = ready.swap_remove(which);
            order.push(at);
            for after in dependents.get(at).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(*after) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(*after);
                    }
                }
            }
        }
        order
    }

    /// The node of an executable graph that was made of a graph's node.
    pub(crate) fn exec_node(&mut self, exec: ExecId, node: NodeId) -> Answer<&mut ExecNode> {
        let nodes = &mut self.execs.get_mut(exec)?.nodes;
        nodes.iter_mut().find(|it| it.node == node).ok_or(Code::INVALID_VALUE)
    }

    fn update(&mut self, exec: ExecId, graph: GraphId) -> Answer<UpdateResult> {
        let mut new = Vec::new();
        self.flatten(graph, &[], &mut new)?;
        let old = &mut self.execs.get_mut(exec)?.nodes;
        let mut result = UpdateResult { result: 0, node: 0, from: 0 };
        if old.len() != new.len() {
            result.result = TOPOLOGY_CHANGED;
            return Ok(result);
        }
        for (old, new) in old.iter().zip(&new) {
            let changed = match () {
                () if old.dependencies != new.dependencies => TOPOLOGY_CHANGED,
                () if kind(&old.task) != kind(&new.task) => TYPE_CHANGED,
                () => continue,
            };
            return Ok(UpdateResult { result: changed, node: new.node.0, from: 0 });
        }
        for (old, new) in old.iter_mut().zip(new) {
            *old = ExecNode { enabled: old.enabled, ..new };
        }
        Ok(result)
    }
}

fn launch(session: &mut Session, exec: ExecId, stream: StreamId) -> Answer {
    let stream = session.stream_of(stream)?;
    if session.streams.get(stream)?.capture.is_some() {
        return capture(session, exec, stream);
    }
    session.check_implicit(stream)?;
    let row = session.execs.get(exec)?;
    let (nodes, last) = (row.nodes.clone(), row.last);
    session.tally.graph_launches += 1;
    // An operation before and one behind, so that a graph without nodes has its place too.
    let mut point = session.enqueue(stream, Task::Empty, last.into_iter().collect())?;
    for at in session.shuffled(&nodes) {
        let Some(node) = nodes.get(at).filter(|node| node.enabled) else { continue };
        let (task, after) = match &node.task {
            Task::Wait(event) => (Task::Empty, session.events.get(*event)?.point.into_iter().collect()),
            task => (task.clone(), Vec::new()),
        };
        point = session.enqueue(stream, task, after)?;
    }
    session.execs.get_mut(exec)?.last = Some(point);
    if session.settings.eager {
        session.advance(&[point], usize::MAX);
    }
    session.limit_queue(stream);
    Ok(())
}

/// A launch in a captured stream: its nodes become nodes there.
fn capture(session: &mut Session, exec: ExecId, stream: StreamId) -> Answer {
    for node in session.execs.get(exec)?.nodes.clone().into_iter().filter(|node| node.enabled) {
        session.capture_task(stream, node.task)?;
    }
    Ok(())
}

fn instantiate(session: &mut Session, exec: Out<ExecId>, graph: GraphId, flags: u64) -> Answer {
    exec.check()?;
    exec.put(session.instantiate(graph, flags)?)
}

fn instantiate_with(session: &mut Session, exec: Out<ExecId>, graph: GraphId, place: Out<InstantiateParams>) -> Answer {
    exec.check()?;
    let mut parameters = place.get()?;
    let made = session.instantiate(graph, parameters.flags);
    parameters.node = 0;
    // Success, an invalid structure, or another error.
    parameters.result = match made {
        Ok(_) => 0,
        Err(Code::INVALID_VALUE) => 2,
        Err(_) => 1,
    };
    place.put(parameters)?;
    exec.put(made?)
}

fn update(session: &mut Session, exec: ExecId, graph: GraphId, out: Out<UpdateResult>) -> Answer {
    let result = session.update(exec, graph)?;
    out.put_if(result);
    if result.result == 0 { Ok(()) } else { Err(Code::GRAPH_EXEC_UPDATE_FAILURE) }
}

exports! {
    CONTEXT cuGraphInstantiate_v2(
        exec: Out<ExecId>, graph: GraphId, node: Out<NodeId>, log: Out<u8>, room: usize,
    ) |it| {
        node.put_if(NodeId(0));
        if room > 0 {
            log.put_if(0);
        }
        instantiate(it, exec, graph, 0)
    };
    CONTEXT cuGraphInstantiateWithFlags(exec: Out<ExecId>, graph: GraphId, flags: u64) |it| {
        instantiate(it, exec, graph, flags)
    };
    CONTEXT cuGraphInstantiateWithParams(exec: Out<ExecId>, graph: GraphId, parameters: Out<InstantiateParams>) |it| {
        instantiate_with(it, exec, graph, parameters)
    };
    CONTEXT cuGraphExecGetFlags(exec: ExecId, flags: Out<u64>) |it| flags.put(it.execs.get(exec)?.flags);
    TIDY cuGraphExecDestroy(exec: ExecId) |it| it.execs.remove(exec).map(drop);
    CONTEXT cuGraphUpload(exec: ExecId, stream: StreamId) |it| {
        it.stream_of(stream)?;
        it.execs.get(exec).map(drop)
    };
    WORK cuGraphLaunch(exec: ExecId, stream: StreamId) |it| launch(it, exec, stream);
    CONTEXT cuGraphExecUpdate_v2(exec: ExecId, graph: GraphId, result: Out<UpdateResult>) |it| {
        update(it, exec, graph, result)
    };
    CONTEXT cuGraphExecUpdate(exec: ExecId, graph: GraphId, node: Out<NodeId>, result: Out<u32>) |it| {
        let answer = it.update(exec, graph)?;
        node.put_if(NodeId(answer.node));
        result.put_if(answer.result);
        if answer.result == 0 { Ok(()) } else { Err(Code::GRAPH_EXEC_UPDATE_FAILURE) }
    };
    CONTEXT cuGraphNodeSetEnabled(exec: ExecId, node: NodeId, enabled: u32) |it| {
        let row = it.exec_node(exec, node)?;
        if !matches!(row.task, Task::Kernel(_) | Task::Copy(_) | Task::Fill(_)) {
            return Err(Code::INVALID_VALUE);
        }
        row.enabled = enabled != 0;
        Ok(())
    };
    CONTEXT cuGraphNodeGetEnabled(exec: ExecId, node: NodeId, enabled: Out<u32>) |it| {
        enabled.put(it.exec_node(exec, node)?.enabled.into())
    };
    CONTEXT cuGraphAddMemAllocNode(
        _node: Out<NodeId>, _graph: GraphId, _dependencies: In<NodeId>, _count: usize, _parameters: Host,
    ) |_| {
        Err(Code::NOT_SUPPORTED)
    };
    CONTEXT cuGraphAddMemFreeNode(
        _node: Out<NodeId>, _graph: GraphId, _dependencies: In<NodeId>, _count: usize, _address: u64,
    ) |_| {
        Err(Code::NOT_SUPPORTED)
    };
}
