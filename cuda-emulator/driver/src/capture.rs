//! Stream capture: work that goes into a graph instead of a stream's queue.

use crate::code::{Answer, Code};
use crate::context::Threads;
use crate::driver::{Driver, say};
use crate::export::{Session, exports};
use crate::ffi::{In, Out};
use crate::stream::Kind;
use crate::table::{CaptureId, ContextId, EventId, GraphId, Handle as _, NodeId, StreamId};
use crate::work::Task;

/// How far a capture forbids calls that may wait for the device behind the scenes.
const GLOBAL: u32 = 0;
const THREAD_LOCAL: u32 = 1;
const RELAXED: u32 = 2;

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capture {
    graph: GraphId,
    mode: u32,
    thread: u64,
    origin: StreamId,
    /// Something that captures forbid has happened; the capture can only be ended.
    invalid: bool,
}

impl Driver {
    /// The capture that a stream takes part in.
    fn capture_of(&self, stream: StreamId) -> Answer<Option<CaptureId>> {
        Ok(self.streams.get(stream)?.capture.as_ref().map(|(capture, _)| *capture))
    }

    /// Breaks a capture.
    pub(crate) fn invalidate(&mut self, capture: CaptureId) {
        if let Ok(capture) = self.captures.get_mut(capture) {
            capture.invalid = true;
        }
    }

    fn break_with<T>(&mut self, capture: CaptureId, code: Code, why: &str) -> Answer<T> {
        say(format_args!("a capture is invalidated: {why}"));
        self.invalidate(capture);
        Err(code)
    }

    /// Refuses what may wait for the device behind the scenes, if a capture that this thread must heed is under way.
    pub(crate) fn check_capture(&mut self, context: ContextId, name: &str) -> Answer {
        if self.captures.len() == 0 {
            return Ok(());
        }
        let (mode, thread) = (Threads::capture_mode(), Threads::number()?);
        let heeds = |capture: &Capture| match mode {
            GLOBAL => capture.mode == GLOBAL || capture.mode == THREAD_LOCAL && capture.thread == thread,
            THREAD_LOCAL => capture.mode != RELAXED && capture.thread == thread,
            _ => false,
        };
        let here = |capture: &Capture| self.streams.get(capture.origin).is_ok_and(|it| it.context == context);
        let heeded: Vec<_> = self.captures.iter().filter(|(_, it)| heeds(it) && here(it)).map(|row| row.0).collect();
        for capture in &heeded {
            let _ = self.break_with::<()>(*capture, Code::STREAM_CAPTURE_UNSUPPORTED, name);
        }
        if heeded.is_empty() { Ok(()) } else { Err(Code::STREAM_CAPTURE_UNSUPPORTED) }
    }

    /// Refuses to wait for a context of which a stream is captured.
    pub(crate) fn forbid_in_captures(&mut self, context: ContextId) -> Answer {
        let streams = self.streams.iter().filter(|(_, it)| it.context == context);
        let captures: Vec<_> = streams.filter_map(|(_, it)| it.capture.as_ref().map(|(id, _)| *id)).collect();
        let mut answer = Ok(());
        for capture in captures {
            answer = self.break_with(capture, Code::STREAM_CAPTURE_UNSUPPORTED, "its context is waited for");
        }
        answer
    }

    /// Refuses to wait for a stream that is captured, or for the legacy stream while a blocking one is.
    pub(crate) fn forbid_in_capture(&mut self, stream: StreamId) -> Answer {
        if let Some(capture) = self.capture_of(stream)? {
            return self.break_with(capture, Code::STREAM_CAPTURE_UNSUPPORTED, "its stream is waited for or asked");
        }
        self.check_implicit(stream)
    }

    /// Refuses allocations in a captured stream: graphs do not allocate here.
    pub(crate) fn forbid_allocation(&mut self, stream: StreamId) -> Answer {
        let Some(capture) = self.capture_of(stream)? else { return Ok(()) };
        self.break_with(capture, Code::STREAM_CAPTURE_UNSUPPORTED, "allocations in graphs are not emulated")
    }

    /// A capture that the legacy stream would depend on, if this is the legacy stream.
    fn implicit_capture(&self, stream: StreamId) -> Answer<Option<CaptureId>> {
        let stream = self.streams.get(stream)?;
        if stream.kind != Kind::Legacy || self.captures.len() == 0 {
            return Ok(None);
        }
        let context = stream.context;
        let mut streams = self.streams.iter().filter(|(_, it)| it.context == context && it.blocking());
        Ok(streams.find_map(|(_, it)| it.capture.as_ref()).map(|(capture, _)| *capture))
    }

    /// Refuses work in the legacy stream while a blocking stream of its context is captured: it would depend on it.
    pub(crate) fn check_implicit(&mut self, stream: StreamId) -> Answer {
        let Some(capture) = self.implicit_capture(stream)? else { return Ok(()) };
        self.break_with(capture, Code::STREAM_CAPTURE_IMPLICIT, "the legacy stream would depend on it")
    }

    /// The capture of a stream with the nodes that come before what follows; none if it is not captured.
    pub(crate) fn capture_place(&self, stream: StreamId) -> Answer<Option<(CaptureId, Vec<NodeId>)>> {
        let Some((capture, nodes)) = &self.streams.get(stream)?.capture else { return Ok(None) };
        if self.captures.get(*capture)?.invalid {
            return Err(Code::STREAM_CAPTURE_INVALIDATED);
        }
        Ok(Some((*capture, nodes.clone())))
    }

    /// Puts work into the graph of its stream's capture.
    pub(crate) fn capture_task(&mut self, stream: StreamId, task: Task) -> Answer {
        let (capture, nodes) = self.capture_place(stream)?.ok_or(Code::ILLEGAL_STATE)?;
        let graph = self.captures.get(capture)?.graph;
        let node = self.add_node(graph, task, nodes)?;
        self.streams.get_mut(stream)?.capture = Some((capture, vec![node]));
        Ok(())
    }

    /// A stream waits for an event: what that means for captures. Whether there is nothing left to do.
    pub(crate) fn capture_wait(&mut self, stream: StreamId, event: EventId, external: bool) -> Answer<bool> {
        let own = self.capture_place(stream)?;
        let event_row = self.events.get(event)?;
        let recorded = event_row.point.is_some();
        match (own, event_row.captured.clone()) {
            (None, None) if external => Err(Code::ILLEGAL_STATE),
            (None, None) => Ok(false),
            (Some(_), _) if external => self.capture_task(stream, Task::Wait(event)).map(|()| true),
            (Some((capture, _)), None) if recorded => {
                let why = "its stream waits for an event that was recorded outside";
                self.break_with(capture, Code::STREAM_CAPTURE_ISOLATION, why)
            }
            (Some(_), None) => Ok(true),
            (Some((capture, _)), Some((other, _))) if capture != other => {
                self.invalidate(other);
                self.break_with(capture, Code::STREAM_CAPTURE_MERGE, "its stream waits for an event of another one")
            }
            (Some((capture, mut nodes)), Some((_, more))) => {
                nodes.extend(more);
                nodes.sort_unstable();
                nodes.dedup();
                self.streams.get_mut(stream)?.capture = Some((capture, nodes));
                Ok(true)
            }
            (None, Some((capture, nodes))) => self.fork(stream, capture, nodes).map(|()| true),
        }
    }

    /// A stream joins a capture because it waits for one of its events.
    fn fork(&mut self, stream: StreamId, capture: CaptureId, nodes: Vec<NodeId>) -> Answer {
        if self.captures.get(capture).or(Err(Code::CAPTURED_EVENT))?.invalid {
            return Err(Code::STREAM_CAPTURE_INVALIDATED);
        }
        let row = self.streams.get_mut(stream)?;
        if row.kind == Kind::Legacy {
            return self.break_with(capture, Code::STREAM_CAPTURE_IMPLICIT, "the legacy stream cannot be captured");
        }
        row.capture = Some((capture, nodes));
        Ok(())
    }

    /// A captured stream is going away.
    pub(crate) fn abandon_capture(&mut self, stream: StreamId) {
        let Ok(Some(capture)) = self.capture_of(stream) else { return };
        self.invalidate(capture);
        if self.captures.get(capture).is_ok_and(|it| it.origin == stream) {
            // Nobody can end it any more.
            let _ = self.end(capture).map(|graph| self.destroy_graph(graph));
        }
    }

    /// All streams of a capture go their own way again; the graph is what it became.
    fn end(&mut self, capture: CaptureId) -> Answer<GraphId> {
        for (_, stream) in self.streams.iter_mut() {
            stream.capture.take_if(|(id, _)| *id == capture);
        }
        Ok(self.captures.remove(capture)?.graph)
    }

    fn begin_capture(&mut self, stream: StreamId, mode: u32, graph: GraphId, nodes: Vec<NodeId>) -> Answer {
        let thread = Threads::number()?;
        let capture = self.captures.add(Capture { graph, mode, thread, origin: stream, invalid: false });
        self.streams.get_mut(stream)?.capture = Some((capture, nodes));
        Ok(())
    }

    /// Whether each stream that the capture forked to has come back to its origin.
    fn joined(&self, capture: CaptureId, ends: &[NodeId]) -> Answer<bool> {
        let before = self.ancestors(ends)?;
        let streams = self.streams.iter().filter_map(|(_, it)| it.capture.as_ref());
        let mut nodes = streams.filter(|(id, _)| *id == capture).flat_map(|(_, nodes)| nodes);
        Ok(nodes.all(|node| before.contains(node)))
    }
}

fn begin(session: &mut Session, stream: StreamId, mode: u32, into: Option<(GraphId, Vec<NodeId>)>) -> Answer {
    if mode > RELAXED {
        return Err(Code::INVALID_VALUE);
    }
    let stream = session.stream_of(stream)?;
    let row = session.streams.get(stream)?;
    if row.kind == Kind::Legacy {
        return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
    }
    if row.capture.is_some() {
        return Err(Code::ILLEGAL_STATE);
    }
    let (graph, nodes) = match into {
        Some(into) => into,
        None => (session.new_graph(), Vec::new()),
    };
    session.begin_capture(stream, mode, graph, nodes)
}

fn begin_to_graph(
    session: &mut Session,
    stream: StreamId,
    graph: GraphId,
    nodes: In<NodeId>,
    count: usize,
    mode: u32,
) -> Answer {
    session.graphs.get(graph)?;
    let nodes = nodes.all(count)?;
    for node in &nodes {
        if session.nodes.get(*node)?.graph != graph {
            return Err(Code::INVALID_VALUE);
        }
    }
    begin(session, stream, mode, Some((graph, nodes)))
}

fn end(session: &mut Session, stream: StreamId, graph: Out<GraphId>) -> Answer {
    graph.check()?;
    let stream = session.stream_of(stream)?;
    let (capture, ends) = session.streams.get(stream)?.capture.clone().ok_or(Code::ILLEGAL_STATE)?;
    let row = session.captures.get(capture)?;
    if row.origin != stream {
        return session.break_with(capture, Code::STREAM_CAPTURE_UNMATCHED, "another stream ends it");
    }
    if row.mode != RELAXED && row.thread != Threads::number()? {
        return Err(Code::STREAM_CAPTURE_WRONG_THREAD);
    }
    let verdict = if row.invalid {
        Err(Code::STREAM_CAPTURE_INVALIDATED)
    } else if session.joined(capture, &ends)? {
        Ok(())
    } else {
        Err(Code::STREAM_CAPTURE_UNJOINED)
    };
    let made = session.end(capture)?;
    if let Err(code) = verdict {
        session.destroy_graph(made);
        let _ = graph.put(GraphId::of(0));
        return Err(code);
    }
    graph.put(made)
}

/// 0: not captured, 1: captured, 2: captured but invalid.
fn status(session: &Session, stream: StreamId) -> Answer<u32> {
    let Some(capture) = session.capture_of(stream)? else { return Ok(0) };
    Ok(1 + u32::from(session.captures.get(capture)?.invalid))
}

fn is_capturing(session: &mut Session, stream: StreamId, out: Out<u32>) -> Answer {
    let stream = session.stream_of(stream)?;
    if session.implicit_capture(stream)?.is_some() {
        // Only asking breaks nothing.
        return Err(Code::STREAM_CAPTURE_IMPLICIT);
    }
    out.put(status(session, stream)?)
}

/// Where the answers of `cuStreamGetCaptureInfo` go.
struct Info {
    status: Out<u32>,
    number: Out<u64>,
    graph: Out<GraphId>,
    nodes: Out<*const NodeId>,
    count: Out<usize>,
}

fn info(session: &mut Session, stream: StreamId, out: Info) -> Answer {
    let stream = session.stream_of(stream)?;
    let state = status(session, stream)?;
    out.status.put(state)?;
    if state != 1 {
        return Ok(());
    }
    let Some((capture, nodes)) = session.streams.get(stream)?.capture.clone() else { return Ok(()) };
    out.number.put_if(capture.0);
    out.graph.put_if(session.captures.get(capture)?.graph);
    out.count.put_if(nodes.len());
    let row = session.streams.get_mut(stream)?;
    // The pointer is good until the stream is asked again.
    row.shown = nodes;
    out.nodes.put_if(row.shown.as_ptr());
    Ok(())
}

fn update(session: &mut Session, stream: StreamId, nodes: In<NodeId>, count: usize, set: bool) -> Answer {
    let stream = session.stream_of(stream)?;
    let (capture, mut before) = session.capture_place(stream)?.ok_or(Code::ILLEGAL_STATE)?;
    if set {
        before.clear();
    }
    let graph = session.captures.get(capture)?.graph;
    for node in nodes.all(count)? {
        if session.nodes.get(node)?.graph != graph {
            return Err(Code::INVALID_VALUE);
        }
        before.push(node);
    }
    before.sort_unstable();
    before.dedup();
    session.streams.get_mut(stream)?.capture = Some((capture, before));
    Ok(())
}

exports! {
    CONTEXT cuStreamBeginCapture(stream: StreamId, mode: u32) |it| begin(it, stream, mode, None);
    CONTEXT cuStreamBeginCapture_v2(stream: StreamId, mode: u32) |it| begin(it, stream, mode, None);
    CONTEXT cuStreamBeginCaptureToGraph(
        stream: StreamId, graph: GraphId, nodes: In<NodeId>, _edges: In<u64>, count: usize, mode: u32,
    ) |it| {
        begin_to_graph(it, stream, graph, nodes, count, mode)
    };
    CONTEXT cuStreamEndCapture(stream: StreamId, graph: Out<GraphId>) |it| end(it, stream, graph);
    CONTEXT cuStreamIsCapturing(stream: StreamId, state: Out<u32>) |it| is_capturing(it, stream, state);
    CONTEXT cuStreamGetCaptureInfo(stream: StreamId, status: Out<u32>, number: Out<u64>) |it| {
        info(it, stream, Info { status, number, graph: Out::null(), nodes: Out::null(), count: Out::null() })
    };
    CONTEXT cuStreamGetCaptureInfo_v2(
        stream: StreamId, status: Out<u32>, number: Out<u64>, graph: Out<GraphId>, nodes: Out<*const NodeId>,
        count: Out<usize>,
    ) |it| {
        info(it, stream, Info { status, number, graph, nodes, count })
    };
    CONTEXT cuStreamGetCaptureInfo_v3(
        stream: StreamId, status: Out<u32>, number: Out<u64>, graph: Out<GraphId>, nodes: Out<*const NodeId>,
        edges: Out<*const u64>, count: Out<usize>,
    ) |it| {
        // All edges are plain ones.
        edges.put_if(std::ptr::null());
        info(it, stream, Info { status, number, graph, nodes, count })
    };
    CONTEXT cuStreamUpdateCaptureDependencies(stream: StreamId, nodes: In<NodeId>, count: usize, flags: u32) |it| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        update(it, stream, nodes, count, flags == 1)
    };
    INIT cuThreadExchangeStreamCaptureMode(mode: Out<u32>) |_| {
        let new = mode.get()?;
        if new > RELAXED {
            return Err(Code::INVALID_VALUE);
        }
        mode.put(Threads::exchange_capture_mode(new))
    };
}
