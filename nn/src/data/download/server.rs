//! A server for tests, on this machine alone.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Beginning with a slash.
    pub(super) path: String,
    /// The first byte wanted, if not all are.
    pub(super) from: Option<usize>,
    /// Requests before this one.
    pub(super) number: usize,
}

/// What it gets.
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

/// What follows the body.
pub(super) enum End {
    Close,
    /// Nothing, with the connection open.
    Silence,
    /// The body again and again.
    Endless,
}

impl Answer {
    /// A body with its length.
    pub(super) fn whole(body: &[u8]) -> Answer {
        Answer {
            status: "200 OK",
            headers: vec![format!("Content-Length: {}", body.len())],
            body: body.to_vec(),
            end: End::Close,
        }
    }

    /// The part of a file that was asked for.
    pub(super) fn part(request: &Request, file: &[u8]) -> Answer {
        let Some(from) = request.from else { return Answer::whole(file) };
        if from >= file.len() {
            let headers = vec![String::from("Content-Length: 0"), format!("Content-Range: bytes */{}", file.len())];
            return Answer { status: "416 Range Not Satisfiable", headers, body: vec![], end: End::Close };
        }
        let mut answer = Answer::whole(&file[from..]);
        answer.status = "206 Partial Content";
        answer.headers.push(format!("Content-Range: bytes {from}-{}/{}", file.len() - 1, file.len()));
        answer
    }

    /// The same headers with only the first `bytes` of the body.
    pub(super) fn cut(mut self, bytes: usize) -> Answer {
        self.body.truncate(bytes);
        self
    }

    /// Without a body.
    pub(super) fn status(status: &'static str, headers: &[String]) -> Answer {
        Answer { status, headers: headers.to_vec(), ..Answer::whole(&[]) }
    }
}

/// A thread that answers until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let (log, ended) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that goes away is what some tests are about.
                    scope.spawn(|| stream.and_then(|stream| serve(stream, &log, &answer, &ended)));
                }
            });
        });
        Server { address, seen, stop, thread: Some(thread) }
    }

    /// The address, with a slash behind.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What was asked for so far.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &impl Fn(&Request) -> Answer,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut from = None;
    for line in lines {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok();
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = {
        let mut seen = seen.lock().unwrap();
        let request = Request { path, from, number: seen.len() };
        seen.push(request.clone());
        request
    };
    let Answer { status, headers, body, end } = answer(&request);
    let mut stream = &stream;
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    headers.iter().try_for_each(|header| write!(stream, "{header}\r\n"))?;
    stream.write_all(b"\r\n")?;
    stream.write_all(&body)?;
    match end {
        End::Close => {}
        End::Silence => {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(5) && !stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
        }
        End::Endless => while stream.write_all(&body).is_ok() {},
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}
