//! Streams, and when their work runs: as late as the rules allow.
//!
//! Work stands in its stream's queue until somebody waits for it or for something behind it. What is waited for, directly or
//! through events and the legacy stream, runs in an order that the seed picks among all that the rules allow; other work stays.
//! So a program that forgot to wait reads old bytes, and one that forgot an event meets the wrong order under some seed.

use crate::code::{Answer, Code};
use crate::context::Threads;
use crate::driver::{Driver, refuse};
use crate::export::{Session, exports};
use crate::ffi::{Host, HostFunction, Out, StreamCallback};
use crate::table::CaptureId;
use crate::table::{ContextId, EventId, NodeId, StreamId};
use crate::work::{Call, Task};
use std::collections::{BTreeMap, VecDeque};

/// The range of priorities: lower numbers go first. The emulator keeps them and lets the seed decide.
pub(crate) const LEAST_PRIORITY: i32 = 0;
pub(crate) const GREATEST_PRIORITY: i32 = -5;

/// Operations that one stream holds before a program that submits more waits for the oldest, as a real driver's queue does.
const DEPTH: usize = 1024;
/// Bytes of pageable memory that wait in a stream before the same happens.
const STAGED: usize = 256 << 20;

/// Handles that stand for default streams.
const LEGACY: u64 = 1;
const PER_THREAD: u64 = 2;

/// What kind of stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The context's legacy default stream.
    Legacy,
    /// A thread's default stream.
    PerThread,
    /// A stream that the program created.
    Created,
}

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) context: ContextId,
    pub(crate) kind: Kind,
    /// 1: takes no part in the legacy stream's order.
    pub(crate) flags: u32,
    pub(crate) priority: i32,
    pub(crate) queue: VecDeque<Operation>,
    /// The capture that it takes part in, and the nodes that its next one depends on.
    pub(crate) capture: Option<(CaptureId, Vec<NodeId>)>,
    /// What `cuStreamGetCaptureInfo` pointed to last.
    pub(crate) shown: Vec<NodeId>,
}

/// Work in a stream.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) number: u64,
    /// What must have happened before, besides what stands in front of it.
    pub(crate) after: Vec<Point>,
    pub(crate) task: Task,
    /// A function of the host that has begun.
    pub(crate) begun: bool,
}

/// A place in a stream: all its work up to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) stream: StreamId,
    pub(crate) number: u64,
}

/// What a step of progress came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something ran.
    Ran,
    /// Only functions of the host are under way.
    Host,
    /// All is done.
    Done,
}

impl Stream {
    pub(crate) fn new(context: ContextId, kind: Kind, flags: u32, priority: i32) -> Self {
        Stream { context, kind, flags, priority, queue: VecDeque::new(), capture: None, shown: Vec::new() }
    }

    /// Whether the legacy stream waits for it and it for the legacy stream.
    pub(crate) fn blocking(&self) -> bool {
        self.kind != Kind::Legacy && self.flags & 1 == 0
    }
}

impl Driver {
    /// The stream of a handle, with those that stand for default streams.
    pub(crate) fn stream(&mut self, context: ContextId, stream: StreamId) -> Answer<StreamId> {
        match stream.0 {
            0 | LEGACY => Ok(self.contexts.get(context)?.legacy),
            PER_THREAD => {
                let thread = Threads::number()?;
                if let Some(stream) = self.contexts.get(context)?.per_thread.get(&thread) {
                    return Ok(*stream);
                }
                let stream = self.streams.add(Stream::new(context, Kind::PerThread, 0, 0));
                self.contexts.get_mut(context)?.per_thread.insert(thread, stream);
                Ok(stream)
            }
            _ => self.streams.get(stream).map(|_| stream),
        }
    }

    /// Whether all work up to there is done.
    pub(crate) fn done(&self, point: Point) -> bool {
        let front = self.streams.get(point.stream).ok().and_then(|stream| stream.queue.front());
        front.is_none_or(|front| front.number > point.number)
    }

    /// The last operation of a stream, if any is left.
    pub(crate) fn tail(&self, stream: StreamId) -> Option<Point> {
        let number = self.streams.get(stream).ok()?.queue.back()?.number;
        Some(Point { stream, number })
    }

    /// Puts work behind what the stream has, what it shall wait for, and what the legacy stream's rules demand.
    pub(crate) fn enqueue(&mut self, id: StreamId, task: Task, mut after: Vec<Point>) -> Answer<Point> {
        let stream = self.streams.get(id)?;
        let (context, kind) = (stream.context, stream.kind);
        if kind == Kind::Legacy {
            let blocking = self.streams.iter().filter(|(_, it)| it.context == context && it.blocking());
            let blocking: Vec<_> = blocking.map(|(id, _)| id).collect();
            after.extend(blocking.into_iter().filter_map(|id| self.tail(id)));
        } else if stream.blocking() {
            after.extend(self.tail(self.contexts.get(context)?.legacy));
        }
        after.retain(|point| !self.done(*point));
        self.last_operation += 1;
        let number = self.last_operation;
        if let Task::Record(event) = &task {
            self.record_at(*event, Point { stream: id, number })?;
        }
        self.streams.get_mut(id)?.queue.push_back(Operation { number, after, task, begun: false });
        Ok(Point { stream: id, number })
    }

    /// For each stream the last operation that must run before all these points are reached.
    fn needed(&self, points: &[Point]) -> BTreeMap<StreamId, u64> {
        let mut needed = BTreeMap::new();
        let mut open = points.to_vec();
        while let Some(point) = open.pop() {
            let Ok(stream) = self.streams.get(point.stream) else { continue };
            let known = needed.insert(point.stream, point.number).unwrap_or(0);
            if known >= point.number {
                needed.insert(point.stream, known);
                continue;
            }
            let new = stream.queue.iter().filter(|it| it.number > known && it.number <= point.number);
            open.extend(new.flat_map(|it| it.after.iter().filter(|point| !self.done(**point))));
        }
        needed
    }

    /// Runs one operation of those that are needed and may run.
    fn step(&mut self, needed: &BTreeMap<StreamId, u64>) -> Step {
        let mut ready = Vec::new();
        let mut host = false;
        for (id, upto) in needed {
            let Some(front) = self.streams.get(*id).ok().and_then(|it| it.queue.front()) else { continue };
            if front.number <= *upto {
                host |= front.begun;
                if !front.begun && front.after.iter().all(|point| self.done(*point)) {
                    ready.push(*id);
                }
            }
        }
        if ready.is_empty() {
            return if host { Step::Host } else { Step::Done };
        }
        let which = self.pick(ready.len());
        if let Some(stream) = ready.get(which) {
            self.run_front(*stream);
        }
        Step::Ran
    }

    /// Runs the first operation of a stream.
    fn run_front(&mut self, id: StreamId) {
        let Ok(stream) = self.streams.get_mut(id) else { return };
        let context = stream.context;
        let Some(front) = stream.queue.front_mut() else { return };
        if let Task::Call(call) = &front.task {
            front.begun = true;
            let (call, number) = (*call, front.number);
            let begun = std::thread::Builder::new().name("cuda-host-function".into()).spawn(move || {
                call.run(id);
                crate::export::lock().host_function_returned(id, number);
            });
            if begun.is_err() {
                self.poison(context, Code::OPERATING_SYSTEM);
            }
            return;
        }
        let Some(operation) = stream.queue.pop_front() else { return };
        if let Err(code) = self.run(operation) {
            self.poison(context, code);
        }
    }

    fn host_function_returned(&mut self, id: StreamId, number: u64) {
        // The stream may be gone, or emptied by an error, in the meantime.
        if let Ok(stream) = self.streams.get_mut(id)
            && stream.queue.front().is_some_and(|front| front.number == number)
        {
            stream.queue.pop_front();
        }
        crate::export::host_returned();
    }

    /// Runs what can run without waiting for functions of the host, up to so many steps.
    pub(crate) fn advance(&mut self, points: &[Point], mut steps: usize) {
        let needed = self.needed(points);
        while steps > 0 && self.step(&needed) == Step::Ran {
            steps -= 1;
        }
    }

    /// One step towards points, for who only asks. Whether they had been reached before.
    pub(crate) fn ask(&mut self, points: &[Point], context: ContextId) -> Answer {
        let ready = points.iter().all(|point| self.done(*point));
        self.advance(points, 1);
        self.check_poison(context)?;
        if ready { Ok(()) } else { Err(Code::NOT_READY) }
    }

    fn tails(&self, context: ContextId) -> Vec<Point> {
        let streams = self.streams.iter().filter(|(_, it)| it.context == context).map(|(id, _)| id);
        streams.filter_map(|id| self.tail(id)).collect()
    }
}

impl Session {
    /// Runs all that these points need, and waits for functions of the host among it.
    pub(crate) fn reach(&mut self, points: &[Point]) {
        let needed = self.needed(points);
        loop {
            match self.step(&needed) {
                Step::Ran => {}
                Step::Host => self.wait_for_host(),
                Step::Done => return,
            }
        }
    }

    /// Waits for all work of a stream; what failed in it is told.
    pub(crate) fn wait_stream(&mut self, stream: StreamId) -> Answer {
        let context = self.streams.get(stream)?.context;
        let mut points: Vec<_> = self.tail(stream).into_iter().collect();
        if self.streams.get(stream)?.kind == Kind::Legacy {
            // Who waits for the legacy stream waits for those that it would wait for.
            let blocking = self.streams.iter().filter(|(_, it)| it.context == context && it.blocking());
            let blocking: Vec<_> = blocking.map(|(id, _)| id).collect();
            points.extend(blocking.into_iter().filter_map(|id| self.tail(id)));
        }
        self.reach(&points);
        self.check_lost()?;
        self.check_poison(context)
    }

    /// Waits for all work of a context.
    pub(crate) fn wait_context(&mut self, context: ContextId) -> Answer {
        let points = self.tails(context);
        self.reach(&points);
        self.check_lost()?;
        self.check_poison(context)
    }

    /// Gives work to a stream: to its queue, or to the graph that it is captured into.
    pub(crate) fn submit(&mut self, stream: StreamId, task: Task) -> Answer {
        self.submit_after(stream, task, Vec::new())
    }

    /// As [`submit`](Session::submit), behind other points too.
    pub(crate) fn submit_after(&mut self, stream: StreamId, task: Task, after: Vec<Point>) -> Answer {
        if self.streams.get(stream)?.capture.is_some() {
            return self.capture_task(stream, task);
        }
        self.check_implicit(stream)?;
        let point = self.enqueue(stream, task, after)?;
        if self.settings.eager {
            self.advance(&[point], usize::MAX);
        }
        self.limit_queue(stream);
        Ok(())
    }

    /// Runs the oldest work of a stream that has too much of it.
    pub(crate) fn limit_queue(&mut self, stream: StreamId) {
        while let Ok(row) = self.streams.get(stream)
            && let Some(front) = row.queue.front()
            && (row.queue.len() > DEPTH || row.queue.iter().map(|it| it.task.staged()).sum::<usize>() > STAGED)
        {
            let oldest = Point { stream, number: front.number };
            self.reach(&[oldest]);
        }
    }

    /// The stream of a handle, in the current context.
    pub(crate) fn stream_of(&mut self, stream: StreamId) -> Answer<StreamId> {
        let context = self.context()?;
        self.stream(context, stream)
    }
}

fn create(session: &mut Session, stream: Out<StreamId>, flags: u32, priority: i32) -> Answer {
    stream.check()?;
    if flags > 1 {
        return Err(Code::INVALID_VALUE);
    }
    let context = session.context()?;
    let priority = priority.clamp(GREATEST_PRIORITY, LEAST_PRIORITY);
    stream.put(session.streams.add(Stream::new(context, Kind::Created, flags, priority)))
}

fn destroy(session: &mut Session, stream: StreamId) -> Answer {
    let row = session.streams.get(stream)?;
    if row.kind != Kind::Created {
        return Err(Code::INVALID_HANDLE);
    }
    session.abandon_capture(stream);
    // What failed stays with the context, and is told there.
    let _ = session.wait_stream(stream);
    session.streams.remove(stream)?;
    Ok(())
}

fn synchronize(session: &mut Session, stream: StreamId) -> Answer {
    let stream = session.stream_of(stream)?;
    session.forbid_in_capture(stream)?;
    session.wait_stream(stream)
}

fn query(session: &mut Session, stream: StreamId) -> Answer {
    let stream = session.stream_of(stream)?;
    session.forbid_in_capture(stream)?;
    let context = session.streams.get(stream)?.context;
    let points: Vec<_> = session.tail(stream).into_iter().collect();
    session.ask(&points, context)
}

fn wait_event(session: &mut Session, stream: StreamId, event: EventId, flags: u32) -> Answer {
    if flags > 1 {
        return Err(Code::INVALID_VALUE);
    }
    let stream = session.stream_of(stream)?;
    if session.capture_wait(stream, event, flags == 1)? {
        return Ok(());
    }
    match session.events.get(event)?.point {
        Some(point) if !session.done(point) => session.submit_after(stream, Task::Empty, vec![point]),
        _ => Ok(()),
    }
}

fn call(session: &mut Session, stream: StreamId, function: Option<HostFunction>, data: Host) -> Answer {
    let function = function.ok_or(Code::INVALID_VALUE)?;
    let stream = session.stream_of(stream)?;
    session.submit(stream, Task::Call(Call::Function(function, data)))
}

fn callback(
    session: &mut Session,
    stream: StreamId,
    function: Option<StreamCallback>,
    data: Host,
    flags: u32,
) -> Answer {
    let function = function.filter(|_| flags == 0).ok_or(Code::INVALID_VALUE)?;
    let stream = session.stream_of(stream)?;
    session.forbid_in_capture(stream)?;
    session.submit(stream, Task::Call(Call::Callback(function, data)))
}

/// Answers with something that the stream has.
fn get<T>(session: &mut Session, stream: StreamId, out: Out<T>, what: fn(&Stream) -> T) -> Answer {
    let stream = session.stream_of(stream)?;
    out.put(what(session.streams.get(stream)?))
}

exports! {
    CONTEXT cuStreamCreate(stream: Out<StreamId>, flags: u32) |it| create(it, stream, flags, 0);
    CONTEXT cuStreamCreateWithPriority(stream: Out<StreamId>, flags: u32, priority: i32) |it| {
        create(it, stream, flags, priority)
    };
    TIDY cuStreamDestroy_v2(stream: StreamId) |it| destroy(it, stream);
    CONTEXT cuStreamSynchronize(stream: StreamId) |it| synchronize(it, stream);
    CONTEXT cuStreamQuery(stream: StreamId) |it| query(it, stream);
    CONTEXT cuStreamWaitEvent(stream: StreamId, event: EventId, flags: u32) |it| wait_event(it, stream, event, flags);
    CONTEXT cuStreamGetFlags(stream: StreamId, flags: Out<u32>) |it| get(it, stream, flags, |it| it.flags);
    CONTEXT cuStreamGetPriority(stream: StreamId, priority: Out<i32>) |it| get(it, stream, priority, |it| it.priority);
    CONTEXT cuStreamGetCtx(stream: StreamId, context: Out<ContextId>) |it| get(it, stream, context, |it| it.context);
    CONTEXT cuStreamGetId(stream: StreamId, number: Out<u64>) |it| {
        let stream = it.stream_of(stream)?;
        number.put(stream.0)
    };
    CONTEXT cuStreamGetDevice(stream: StreamId, device: Out<i32>) |it| get(it, stream, device, |_| 0);
    CONTEXT cuStreamAttachMemAsync(stream: StreamId, _address: u64, _bytes: usize, _flags: u32) |it| {
        it.stream_of(stream)?;
        refuse(Code::NOT_SUPPORTED, format_args!("cuStreamAttachMemAsync: the device has no managed memory"))
    };
    WORK cuLaunchHostFunc(stream: StreamId, function: Option<HostFunction>, data: Host) |it| {
        call(it, stream, function, data)
    };
    WORK cuStreamAddCallback(stream: StreamId, function: Option<StreamCallback>, data: Host, flags: u32) |it| {
        callback(it, stream, function, data, flags)
    };
}
