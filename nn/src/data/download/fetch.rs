//! One file over HTTP, in spite of connections that break.

use super::{Archive, Progress};
use crate::Error;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use ureq::{Agent, Body, http::Response};

/// How long we wait, and how often we try.
pub(super) struct Patience {
    /// For a connection, an answer, and each piece of a file.
    pub(super) silence: Duration,
    /// For a whole file, however slowly it comes.
    pub(super) whole: Duration,
    /// Between two attempts.
    pub(super) pause: Duration,
    /// Attempts in all. Two that bring nothing are the last.
    pub(super) attempts: usize,
    /// Whether to use the proxies that the environment names.
    pub(super) proxy: bool,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            silence: Duration::from_secs(30),
            whole: Duration::from_secs(3600),
            pause: Duration::from_secs(1),
            attempts: 20,
            proxy: true,
        }
    }
}

/// An archive that grows beside its future files, under its name with `.part` behind. It is locked, so that two programs do
/// not write into one.
pub(super) struct Fetch<'a> {
    archive: &'a Archive,
    patience: &'a Patience,
    agent: Agent,
    path: PathBuf,
    file: File,
}

/// Why an attempt ended before the file did.
enum Failure {
    /// Another attempt may bring more.
    Broken(Error),
    Final(Error),
}

impl<'a> Fetch<'a> {
    pub(super) fn new(folder: &Path, archive: &'a Archive, patience: &'a Patience) -> Result<Fetch<'a>, Error> {
        let path = folder.join(format!("{}.part", archive.name));
        let failed = |cause| Error::from_io(path.display(), cause);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::invalid(format!("{}: another program is downloading it", path.display())));
            }
            // Where files cannot be locked, two programs would spoil each other's download, which the sum shows.
            Err(TryLockError::Error(cause)) => log::debug!("cannot lock {}: {cause}", path.display()),
            Ok(()) => {}
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("wengert/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.silence))
            .timeout_connect(Some(patience.silence))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .timeout_recv_body(Some(patience.whole));
        if !patience.proxy {
            config = config.proxy(None);
        }
        Ok(Fetch { archive, patience, agent: config.build().new_agent(), path, file })
    }

    /// What is there, from its beginning. It is read through the handle that holds the lock: on some systems no other may.
    pub(super) fn rewound(&self) -> Result<&File, Error> {
        let mut file = &self.file;
        file.rewind().map_err(|cause| Error::from_io(self.path.display(), cause))?;
        Ok(file)
    }

    /// Bytes that are there.
    pub(super) fn received(&self) -> Result<u64, Error> {
        self.file.metadata().map(|data| data.len()).map_err(|cause| Error::from_io(self.path.display(), cause))
    }

    /// Forgets what is there.
    pub(super) fn clear(&self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|cause| Error::from_io(self.path.display(), cause))
    }

    /// Removes the file, which is not needed any more.
    pub(super) fn remove(self) -> Result<(), Error> {
        let Fetch { path, file, .. } = self;
        drop(file);
        fs::remove_file(&path).map_err(|cause| Error::from_io(path.display(), cause))
    }

    /// Brings the file to its end.
    pub(super) fn run(&mut self, url: &str, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
        let mut idle = 0;
        for attempt in 1.. {
            let before = self.received()?;
            let error = match self.attempt(url, before, progress) {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error)) => error,
            };
            idle = if self.received()? > before { 0 } else { idle + 1 };
            if idle == 2 || attempt >= self.patience.attempts {
                return Err(error);
            }
            log::info!("{error}; trying again");
            thread::sleep(self.patience.pause);
        }
        Ok(())
    }

    fn attempt(&mut self, url: &str, have: u64, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Failure> {
        let broken = |what: &str| Failure::Broken(network(url, what));
        let mut request = self.agent.get(url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|cause| broken(&cause.to_string()))?;
        let range = range(&response);
        let status = response.status();
        let (start, total) = match (status.as_u16(), range) {
            // A server that does not know ranges begins anew.
            (200, _) => (0, response.body().content_length()),
            (206, (Some(start), total)) if start == have => (start, total),
            (416, (_, Some(total))) if total == have => return Ok(()),
            (206 | 416, _) => {
                self.clear().map_err(Failure::Final)?;
                return Err(broken("the server does not continue where it broke off"));
            }
            (408 | 429 | 500..=599, _) => return Err(broken(&format!("the server answers {status}"))),
            _ => return Err(Failure::Final(network(url, &format!("the server answers {status}")))),
        };
        self.receive(url, response, start, total, progress)
    }

    fn receive(
        &mut self,
        url: &str,
        response: Response<Body>,
        start: u64,
        total: Option<u64>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        // Twice the published length, for a server that packs less well.
        let limit = 2 * self.archive.bytes;
        let too_long = |bytes: &str| {
            let known = self.archive.bytes;
            Failure::Final(Error::data(format!("{url}: the file has {bytes} bytes; the published one has {known}")))
        };
        if let Some(total) = total.filter(|total| *total > limit) {
            return Err(too_long(&total.to_string()));
        }
        let failed = |cause| Failure::Final(Error::from_io(self.path.display(), cause));
        let mut file = &self.file;
        file.set_len(start).map_err(failed)?;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut source = response.into_body().into_reader();
        let (mut buffer, mut received) = (vec![0; 64 << 10], start);
        loop {
            progress(Progress { file: self.archive.name, received, total });
            let bytes = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => bytes,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(Failure::Broken(network(url, &cause.to_string()))),
            };
            received += bytes as u64;
            if received > limit {
                return Err(too_long(&format!("more than {limit}")));
            }
            file.write_all(&buffer[..bytes]).map_err(failed)?;
        }
        match total {
            Some(total) if received < total => {
                Err(Failure::Broken(network(url, &format!("the connection ended after {received} of {total} bytes"))))
            }
            _ => Ok(()),
        }
    }
}

/// First byte and length of the whole file, as far as the header `Content-Range` tells them: `bytes 7-99/100`,
/// `bytes */100`.
fn range(response: &Response<Body>) -> (Option<u64>, Option<u64>) {
    let text = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    let Some((range, total)) = text.and_then(|text| text.strip_prefix("bytes ")).and_then(|text| text.split_once('/'))
    else {
        return (None, None);
    };
    (range.split_once('-').and_then(|(start, _)| start.trim().parse().ok()), total.trim().parse().ok())
}

/// The kind of error that another server may help against.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Network(String);

fn network(url: &str, what: &str) -> Error {
    Error::from_io(url, io::Error::other(Network(what.to_owned())))
}

/// Whether a server is to blame, and not this machine.
pub(super) fn is_of_network(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.and_then(io::Error::get_ref).is_some_and(|cause| cause.is::<Network>())
}
