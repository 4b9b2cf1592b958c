//! Events: places in streams that others can wait for, and when they were reached.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::Out;
use crate::stream::Point;
use crate::table::{CaptureId, ContextId, EventId, NodeId, StreamId};
use crate::work::Task;
use std::time::Instant;

/// Its flags: waiting threads sleep; no times are taken.
const BLOCKING_SYNC: u32 = 1;
const DISABLE_TIMING: u32 = 2;

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) context: ContextId,
    flags: u32,
    /// Where it was recorded last.
    pub(crate) point: Option<Point>,
    happened: Option<Instant>,
    /// It was recorded last in a capture, behind these nodes.
    pub(crate) captured: Option<(CaptureId, Vec<NodeId>)>,
}

impl Driver {
    /// The event stands for this point from now on.
    pub(crate) fn record_at(&mut self, event: EventId, point: Point) -> Answer {
        let event = self.events.get_mut(event)?;
        event.point = Some(point);
        event.happened = None;
        event.captured = None;
        Ok(())
    }

    /// Its stream has come to an event, unless it was recorded anew or destroyed since.
    pub(crate) fn event_happens(&mut self, event: EventId, number: u64) {
        if let Ok(event) = self.events.get_mut(event)
            && event.point.is_some_and(|point| point.number == number)
        {
            event.happened = Some(Instant::now());
        }
    }

    /// The points to wait for; an event of a capture has none, and who asks for it breaks the capture.
    fn event_points(&mut self, event: EventId) -> Answer<Vec<Point>> {
        let event = self.events.get(event)?;
        let points = event.point.into_iter().collect();
        let Some((capture, _)) = event.captured else { return Ok(points) };
        self.invalidate(capture);
        Err(Code::CAPTURED_EVENT)
    }
}

fn create(session: &mut Session, event: Out<EventId>, flags: u32) -> Answer {
    event.check()?;
    if flags & !(BLOCKING_SYNC | DISABLE_TIMING) != 0 {
        // Events that other processes see are not there.
        return Err(if flags & !7 == 0 { Code::NOT_SUPPORTED } else { Code::INVALID_VALUE });
    }
    let context = session.context()?;
    event.put(session.events.add(Event { context, flags, point: None, happened: None, captured: None }))
}

fn record(session: &mut Session, event: EventId, stream: StreamId, external: bool) -> Answer {
    let stream = session.stream_of(stream)?;
    let (context, row) = (session.streams.get(stream)?.context, session.events.get(event)?);
    if row.context != context {
        return Err(Code::INVALID_HANDLE);
    }
    if !external && let Some(behind) = session.capture_place(stream)? {
        let row = session.events.get_mut(event)?;
        row.point = None;
        row.captured = Some(behind);
        return Ok(());
    }
    session.submit(stream, Task::Record(event))
}

fn query(session: &mut Session, event: EventId) -> Answer {
    let points = session.event_points(event)?;
    let context = session.events.get(event)?.context;
    session.ask(&points, context)
}

fn synchronize(session: &mut Session, event: EventId) -> Answer {
    let points = session.event_points(event)?;
    let context = session.events.get(event)?.context;
    session.reach(&points);
    session.check_lost()?;
    session.check_poison(context)
}

fn elapsed(session: &mut Session, milliseconds: Out<f32>, begin: EventId, end: EventId) -> Answer {
    let mut times = [None; 2];
    for (time, event) in times.iter_mut().zip([begin, end]) {
        session.event_points(event)?;
        let event = session.events.get(event)?;
        if event.flags & DISABLE_TIMING != 0 || event.point.is_none() {
            return Err(Code::INVALID_HANDLE);
        }
        *time = event.happened;
    }
    let [Some(begin), Some(end)] = times else { return Err(Code::NOT_READY) };
    let forward = end.saturating_duration_since(begin).as_secs_f32();
    let backward = begin.saturating_duration_since(end).as_secs_f32();
    milliseconds.put((forward - backward) * 1e3)
}

exports! {
    CONTEXT cuEventCreate(event: Out<EventId>, flags: u32) |it| create(it, event, flags);
    TIDY cuEventDestroy_v2(event: EventId) |it| it.events.remove(event).map(drop);
    WORK cuEventRecord(event: EventId, stream: StreamId) |it| record(it, event, stream, false);
    WORK cuEventRecordWithFlags(event: EventId, stream: StreamId, flags: u32) |it| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        let stream = it.stream_of(stream)?;
        let external = flags == 1;
        if external && it.streams.get(stream)?.capture.is_none() {
            return Err(Code::ILLEGAL_STATE);
        }
        record(it, event, stream, external)
    };
    CONTEXT cuEventQuery(event: EventId) |it| query(it, event);
    CONTEXT cuEventSynchronize(event: EventId) |it| synchronize(it, event);
    CONTEXT cuEventElapsedTime(milliseconds: Out<f32>, begin: EventId, end: EventId) |it| {
        elapsed(it, milliseconds, begin, end)
    };
    CONTEXT cuEventElapsedTime_v2(milliseconds: Out<f32>, begin: EventId, end: EventId) |it| {
        elapsed(it, milliseconds, begin, end)
    };
}
