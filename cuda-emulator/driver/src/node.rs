//! Parameters of graph nodes: given, asked for and changed, in graphs and in executable ones.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::{Copy3d, FillNodeParams, Host, HostNodeParams, In, KernelNodeParams, KernelNodeParams2, Out};
use crate::graph::{Place, add, kind};
use crate::table::{ContextId, EventId, ExecId, GraphId, NodeId};
use crate::work;
use crate::work::{Call, Fill, Kernel, Side, Task, Transfer};

/// The node attribute of a cooperative launch.
const COOPERATIVE: u32 = 2;

impl Driver {
    /// Gives a node another task of the same kind: in its graph, or in an executable one.
    fn change(&mut self, exec: Option<ExecId>, node: NodeId, task: Task) -> Answer {
        let place = match exec {
            Some(exec) => &mut self.exec_node(exec, node)?.task,
            None => {
                let row = self.nodes.get_mut(node)?;
                row.shown.clear();
                &mut row.task
            }
        };
        if kind(place) != kind(&task) {
            return Err(Code::INVALID_VALUE);
        }
        *place = task;
        Ok(())
    }

    fn kernel_task(&self, node: &KernelNodeParams, kernel: u64, was: Option<NodeId>) -> Answer<Task> {
        let was = was.and_then(|node| self.nodes.get(node).ok());
        let cooperative = matches!(was.map(|it| &it.task), Some(Task::Kernel(Kernel { cooperative: true, .. })));
        Ok(Task::Kernel(self.prepare_node(node, kernel, cooperative)?))
    }

    fn kernel_of(&self, node: NodeId) -> Answer<&Kernel> {
        match &self.nodes.get(node)?.task {
            Task::Kernel(kernel) => Ok(kernel),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    /// The parameters of a kernel's node; pointers in it are good until the node is changed or asked again.
    fn kernel_parameters(&mut self, node: NodeId) -> Answer<KernelNodeParams2> {
        let kernel = self.kernel_of(node)?;
        let (_, code, _) = self.kernel(kernel.function)?;
        let begin = kernel.parameters.as_ptr();
        let shown = code.parameters.iter().map(|it| begin.wrapping_add(it.offset as usize)).collect();
        let (function, grid, block, shared) = (kernel.function.0, kernel.grid, kernel.block, kernel.shared);
        let context = self.functions.get(kernel.function)?.context.0;
        let row = self.nodes.get_mut(node)?;
        row.shown = shown;
        let parameters = Host(row.shown.as_ptr().cast_mut().cast()).read();
        let first = KernelNodeParams { function, grid, block, shared, parameters, extra: In::null() };
        Ok(KernelNodeParams2 { first, kernel: 0, context })
    }
}

fn call(parameters: In<HostNodeParams>) -> Answer<Task> {
    let HostNodeParams { function, data } = parameters.get()?;
    Ok(Task::Call(Call::Function(function.ok_or(Code::INVALID_VALUE)?, data)))
}

fn get_call(session: &mut Session, node: NodeId, out: Out<HostNodeParams>) -> Answer {
    match session.nodes.get(node)?.task {
        Task::Call(Call::Function(function, data)) => out.put(HostNodeParams { function: Some(function), data }),
        _ => Err(Code::INVALID_VALUE),
    }
}

fn get_fill(session: &mut Session, node: NodeId, out: Out<FillNodeParams>) -> Answer {
    match session.nodes.get(node)?.task {
        Task::Fill(Fill { target, pitch, value, element, width, height }) => {
            out.put(FillNodeParams { target, pitch, value, element, width, height })
        }
        _ => Err(Code::INVALID_VALUE),
    }
}

/// One end of a copy as the interface describes it: type, pointers, pitch, rows of a slice.
fn end(side: &Side) -> (u32, Host, u64, usize, usize) {
    let rows = side.slice.checked_div(side.pitch).unwrap_or(0);
    match side.place {
        work::Place::Device(address) => (2, Host::from_address(0), address, side.pitch, rows),
        work::Place::Host(host) => (1, host, 0, side.pitch, rows),
        work::Place::Staged(_) => (1, Host::from_address(0), 0, side.pitch, rows),
    }
}

fn get_copy(session: &mut Session, node: NodeId, out: Out<Copy3d>) -> Answer {
    let Task::Copy(Transfer { source, target, width, height, depth }) = &session.nodes.get(node)?.task else {
        return Err(Code::INVALID_VALUE);
    };
    let (source_type, source_host, source_device, source_pitch, source_height) = end(source);
    let (target_type, target_host, target_device, target_pitch, target_height) = end(target);
    out.put(Copy3d {
        source_x: 0,
        source_y: 0,
        source_z: 0,
        source_level: 0,
        source_type,
        source_host,
        source_device,
        source_array: 0,
        source_reserved: 0,
        source_pitch,
        source_height,
        target_x: 0,
        target_y: 0,
        target_z: 0,
        target_level: 0,
        target_type,
        target_host,
        target_device,
        target_array: 0,
        target_reserved: 0,
        target_pitch,
        target_height,
        width: *width,
        height: *height,
        depth: *depth,
    })
}

/// An event's task, if the event is there.
fn event(session: &Session, event: EventId, task: fn(EventId) -> Task) -> Answer<Task> {
    session.events.get(event)?;
    Ok(task(event))
}

fn get_event(session: &mut Session, node: NodeId, out: Out<EventId>, records: bool) -> Answer {
    match session.nodes.get(node)?.task {
        Task::Record(event) if records => out.put(event),
        Task::Wait(event) if !records => out.put(event),
        _ => Err(Code::INVALID_VALUE),
    }
}

fn set_cooperative(session: &mut Session, node: NodeId, attribute: u32, value: In<u32>) -> Answer {
    session.kernel_of(node)?;
    let value = value.get()?;
    if attribute == COOPERATIVE
        && let Task::Kernel(kernel) = &mut session.nodes.get_mut(node)?.task
    {
        kernel.cooperative = value != 0;
    }
    Ok(())
}

fn get_cooperative(session: &mut Session, node: NodeId, attribute: u32, value: Out<u32>) -> Answer {
    let cooperative = session.kernel_of(node)?.cooperative;
    if attribute == COOPERATIVE { value.put(cooperative.into()) } else { Err(Code::NOT_SUPPORTED) }
}

exports! {
    CONTEXT cuGraphAddKernelNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, parameters: In<KernelNodeParams>,
    ) |it| {
        let task = it.kernel_task(&parameters.get()?, 0, None)?;
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphAddKernelNode_v2(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, parameters: In<KernelNodeParams2>,
    ) |it| {
        let KernelNodeParams2 { first, kernel, .. } = parameters.get()?;
        let task = it.kernel_task(&first, kernel, None)?;
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphKernelNodeGetParams(node: NodeId, out: Out<KernelNodeParams>) |it| {
        out.put(it.kernel_parameters(node)?.first)
    };
    CONTEXT cuGraphKernelNodeGetParams_v2(node: NodeId, out: Out<KernelNodeParams2>) |it| {
        out.put(it.kernel_parameters(node)?)
    };
    CONTEXT cuGraphKernelNodeSetParams(node: NodeId, parameters: In<KernelNodeParams>) |it| {
        let task = it.kernel_task(&parameters.get()?, 0, Some(node))?;
        it.change(None, node, task)
    };
    CONTEXT cuGraphKernelNodeSetParams_v2(node: NodeId, parameters: In<KernelNodeParams2>) |it| {
        let KernelNodeParams2 { first, kernel, .. } = parameters.get()?;
        let task = it.kernel_task(&first, kernel, Some(node))?;
        it.change(None, node, task)
    };
    CONTEXT cuGraphExecKernelNodeSetParams(exec: ExecId, node: NodeId, parameters: In<KernelNodeParams>) |it| {
        let task = it.kernel_task(&parameters.get()?, 0, Some(node))?;
        it.change(Some(exec), node, task)
    };
    CONTEXT cuGraphExecKernelNodeSetParams_v2(exec: ExecId, node: NodeId, parameters: In<KernelNodeParams2>) |it| {
        let KernelNodeParams2 { first, kernel, .. } = parameters.get()?;
        let task = it.kernel_task(&first, kernel, Some(node))?;
        it.change(Some(exec), node, task)
    };
    CONTEXT cuGraphKernelNodeSetAttribute(node: NodeId, attribute: u32, value: In<u32>) |it| {
        set_cooperative(it, node, attribute, value)
    };
    CONTEXT cuGraphKernelNodeGetAttribute(node: NodeId, attribute: u32, value: Out<u32>) |it| {
        get_cooperative(it, node, attribute, value)
    };
    CONTEXT cuGraphAddMemcpyNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, copy: In<Copy3d>,
        _context: ContextId,
    ) |it| {
        let task = Task::Copy(it.transfer("cuGraphAddMemcpyNode", &copy.get()?)?);
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphMemcpyNodeGetParams(node: NodeId, out: Out<Copy3d>) |it| get_copy(it, node, out);
    CONTEXT cuGraphMemcpyNodeSetParams(node: NodeId, copy: In<Copy3d>) |it| {
        let task = Task::Copy(it.transfer("cuGraphMemcpyNodeSetParams", &copy.get()?)?);
        it.change(None, node, task)
    };
    CONTEXT cuGraphExecMemcpyNodeSetParams(exec: ExecId, node: NodeId, copy: In<Copy3d>, _context: ContextId) |it| {
        let task = Task::Copy(it.transfer("cuGraphExecMemcpyNodeSetParams", &copy.get()?)?);
        it.change(Some(exec), node, task)
    };
    CONTEXT cuGraphAddMemsetNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, parameters: In<FillNodeParams>,
        _context: ContextId,
    ) |it| {
        let task = Task::Fill(it.fill("cuGraphAddMemsetNode", &parameters.get()?)?);
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphMemsetNodeGetParams(node: NodeId, out: Out<FillNodeParams>) |it| get_fill(it, node, out);
    CONTEXT cuGraphMemsetNodeSetParams(node: NodeId, parameters: In<FillNodeParams>) |it| {
        let task = Task::Fill(it.fill("cuGraphMemsetNodeSetParams", &parameters.get()?)?);
        it.change(None, node, task)
    };
    CONTEXT cuGraphExecMemsetNodeSetParams(
        exec: ExecId, node: NodeId, parameters: In<FillNodeParams>, _context: ContextId,
    ) |it| {
        let task = Task::Fill(it.fill("cuGraphExecMemsetNodeSetParams", &parameters.get()?)?);
        it.change(Some(exec), node, task)
    };
    CONTEXT cuGraphAddHostNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, parameters: In<HostNodeParams>,
    ) |it| {
        let task = call(parameters)?;
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphHostNodeGetParams(node: NodeId, out: Out<HostNodeParams>) |it| get_call(it, node, out);
    CONTEXT cuGraphHostNodeSetParams(node: NodeId, parameters: In<HostNodeParams>) |it| {
        it.change(None, node, call(parameters)?)
    };
    CONTEXT cuGraphExecHostNodeSetParams(exec: ExecId, node: NodeId, parameters: In<HostNodeParams>) |it| {
        it.change(Some(exec), node, call(parameters)?)
    };
    CONTEXT cuGraphAddEventRecordNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, id: EventId,
    ) |it| {
        let task = event(it, id, Task::Record)?;
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphEventRecordNodeGetEvent(node: NodeId, out: Out<EventId>) |it| get_event(it, node, out, true);
    CONTEXT cuGraphEventRecordNodeSetEvent(node: NodeId, id: EventId) |it| {
        let task = event(it, id, Task::Record)?;
        it.change(None, node, task)
    };
    CONTEXT cuGraphExecEventRecordNodeSetEvent(exec: ExecId, node: NodeId, id: EventId) |it| {
        let task = event(it, id, Task::Record)?;
        it.change(Some(exec), node, task)
    };
    CONTEXT cuGraphAddEventWaitNode(
        node: Out<NodeId>, graph: GraphId, dependencies: In<NodeId>, count: usize, id: EventId,
    ) |it| {
        let task = event(it, id, Task::Wait)?;
        add(it, Place { node, graph, dependencies, count }, task)
    };
    CONTEXT cuGraphEventWaitNodeGetEvent(node: NodeId, out: Out<EventId>) |it| get_event(it, node, out, false);
    CONTEXT cuGraphEventWaitNodeSetEvent(node: NodeId, id: EventId) |it| {
        let task = event(it, id, Task::Wait)?;
        it.change(None, node, task)
    };
    CONTEXT cuGraphExecEventWaitNodeSetEvent(exec: ExecId, node: NodeId, id: EventId) |it| {
        let task = event(it, id, Task::Wait)?;
        it.change(Some(exec), node, task)
    };
}
