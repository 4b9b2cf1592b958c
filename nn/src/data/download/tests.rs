//! Downloads from a server on this machine, good and bad.

use super::homes::Unpacked;
use super::server::{Answer, End, Request, Server};
use super::*;
use crate::scratch::Folder;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

/// Long enough for a machine that has much else to do: only what is about silence should meet it.
fn hasty() -> Patience {
    Patience {
        silence: Duration::from_secs(8),
        whole: Duration::from_secs(20),
        pause: Duration::ZERO,
        attempts: 20,
        proxy: false,
    }
}

/// Numbers that do not pack well.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn leak<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

fn unpacked(name: &str, bytes: &[u8]) -> Unpacked {
    let sum: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Unpacked { name: leak(name.into()), bytes: bytes.len() as u64, sha256: leak(sum.into()) }
}

fn archive(servers: &[String], name: &'static str, packed: &[u8], files: Vec<Unpacked>) -> Archive {
    let servers: Vec<&'static str> = servers.iter().map(|url| leak(url.as_str().into())).collect();
    Archive { servers: leak(servers.into()), name, bytes: packed.len() as u64, files: leak(files.into()) }
}

/// A file of 200,000 bytes called `file`, packed in `file.gz`, and a server that answers for it.
struct Case {
    folder: Folder,
    server: Server,
    archive: Archive,
    content: Vec<u8>,
    packed: Arc<Vec<u8>>,
}

impl Case {
    fn new(answer: impl Fn(&Request, &[u8]) -> Answer + Send + Sync + 'static) -> Case {
        let content = noise(200_000);
        let packed = Arc::new(gzip(&content));
        let shared = Arc::clone(&packed);
        let server = Server::new(move |request| answer(request, &shared));
        let archive = archive(&[server.url()], "file.gz", &packed, vec![unpacked("file", &content)]);
        Case { folder: Folder::new(), server, archive, content, packed }
    }

    fn run(&self) -> Result<(), Error> {
        self.run_with(&hasty())
    }

    fn run_with(&self, patience: &Patience) -> Result<(), Error> {
        let mut last: Option<(u64, Option<u64>)> = None;
        let folder = self.folder.path("");
        let start = Instant::now();
        let result = complete(&folder, std::slice::from_ref(&self.archive), patience, |progress| {
            assert_eq!(progress.file, "file.gz");
            last = Some((progress.received, progress.total));
        });
        assert!(start.elapsed() < Duration::from_secs(10));
        if result.is_ok() {
            assert_eq!(std::fs::read(self.folder.path("file")).unwrap(), self.content);
            assert!(!self.part().exists(), "the packed file stays");
            if let Some((received, total)) = last {
                assert_eq!(received, self.packed.len() as u64);
                assert!(total.is_none_or(|total| total == received));
            }
        } else {
            assert!(!self.folder.path("file").exists(), "a file that failed has its name");
        }
        result
    }

    /// The error, with the number of requests that led to it.
    fn fail(&self) -> (String, usize) {
        let error = self.run().unwrap_err();
        assert!(error.is_missing(), "{error:?}");
        (error.to_string(), self.server.seen().len())
    }

    fn part(&self) -> PathBuf {
        self.folder.path("file.gz.part")
    }

    fn froms(&self) -> Vec<Option<usize>> {
        self.server.seen().into_iter().map(|request| request.from).collect()
    }
}

#[test]
fn a_file_is_received_unpacked_and_not_asked_for_again() {
    // semantics 10.13
    let case = Case::new(|_, file| Answer::whole(file));
    case.run().unwrap();
    case.run().unwrap();
    assert_eq!(case.server.seen(), [Request { path: "/file.gz".into(), from: None, number: 0 }]);
    let packed = Case::new(|_, file| Answer::whole(file));
    std::fs::write(packed.folder.path("file.gz"), &*packed.packed).unwrap();
    complete(&packed.folder.path(""), std::slice::from_ref(&packed.archive), &hasty(), |_| ()).unwrap();
    assert!(packed.server.seen().is_empty(), "the packed file lies there already");
}

#[test]
fn a_redirection_is_followed_and_a_server_may_not_know_the_length() {
    let case = Case::new(|request, file| match request.path.as_str() {
        "/file.gz" => Answer::status("302 Found", &["Location: /elsewhere".into(), "Content-Length: 0".into()]),
        _ => Answer { headers: vec![], ..Answer::whole(file) },
    });
    case.run().unwrap();
    assert_eq!(case.server.seen().len(), 2);
    let round =
        Case::new(|_, _| Answer::status("302 Found", &["Location: /file.gz".into(), "Content-Length: 0".into()]));
    assert!(round.fail().0.contains("file.gz"));
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    // semantics 10.14
    let case = Case::new(|request, file| Answer::part(request, file).cut(30_000));
    case.run().unwrap();
    let froms: Vec<_> = (0..case.packed.len().div_ceil(30_000)).map(|i| (i > 0).then_some(i * 30_000)).collect();
    assert_eq!(case.froms(), froms);

    // So is one that an earlier program left, also if it lacked nothing.
    for bytes in [1, 77_777, usize::MAX] {
        let case = Case::new(Answer::part);
        let bytes = bytes.min(case.packed.len());
        std::fs::write(case.part(), &case.packed[..bytes]).unwrap();
        case.run().unwrap();
        assert_eq!(case.froms(), [Some(bytes)]);
    }
}

#[test]
fn what_cannot_be_taken_up_is_begun_anew() {
    // semantics 10.14
    // A server that knows no ranges.
    let case =
        Case::new(|request, file| Answer::whole(file).cut(if request.number == 0 { 50_000 } else { usize::MAX }));
    case.run().unwrap();
    assert_eq!(case.froms(), [None, Some(50_000)]);
    // What lies there is of another file, or too long.
    for left in [noise(1000), noise(1_000_000)] {
        let case = Case::new(Answer::part);
        std::fs::write(case.part(), left).unwrap();
        case.run().unwrap();
        assert_eq!(case.froms().last(), Some(&None));
    }
    // A server that continues elsewhere than it was asked to.
    let case = Case::new(|request, file| match request.from {
        None => Answer::whole(file),
        Some(from) => Answer::part(&Request { from: Some(from + 1), ..request.clone() }, file),
    });
    std::fs::write(case.part(), &case.packed[..500]).unwrap();
    case.run().unwrap();
    assert_eq!(case.froms(), [Some(500), None]);
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    // semantics 10.14
    let case = Case::new(|_, file| Answer::whole(file).cut(1000));
    let (error, requests) = case.fail();
    assert!(error.contains("file.gz could not be downloaded"), "{error}");
    assert!(requests <= 4, "{requests}");
    assert_eq!(std::fs::metadata(case.part()).unwrap().len(), 1000, "what came is kept");
    let nothing = Case::new(|_, file| Answer::whole(file).cut(0));
    assert_eq!(nothing.fail().1, 2);
}

#[test]
fn silence_is_not_waited_for() {
    // semantics 10.15
    assert_eq!(Patience::default().silence, Duration::from_secs(30));
    let impatient = Patience { silence: Duration::from_millis(500), ..hasty() };
    let case = Case::new(|_, file| Answer { end: End::Silence, ..Answer::whole(file).cut(0) });
    let error = case.run_with(&impatient).unwrap_err().to_string();
    assert!(error.contains("timeout"), "{error}");
    assert_eq!(case.server.seen().len(), 2);
    let case = Case::new(|request, file| match request.number {
        0 => Answer { end: End::Silence, ..Answer::whole(file).cut(70_000) },
        _ => Answer::part(request, file),
    });
    case.run_with(&impatient).unwrap();
    assert_eq!(case.froms()[..2], [None, Some(70_000)]);
}

#[test]
fn a_refusal_is_final_and_trouble_is_tried_twice() {
    let (error, requests) = Case::new(|_, _| Answer::status("404 Not Found", &[])).fail();
    assert!(error.contains("/file.gz: the server answers 404 Not Found") && error.contains("WENGERT_DATA"), "{error}");
    assert_eq!(requests, 1);
    let (error, requests) = Case::new(|_, _| Answer::status("503 Service Unavailable", &[])).fail();
    assert!(error.contains("503"), "{error}");
    assert_eq!(requests, 2);
    let case = Case::new(|request, file| match request.number {
        0 => Answer::status("503 Service Unavailable", &[]),
        _ => Answer::whole(file),
    });
    case.run().unwrap();
    let (error, _) = Case::new(|_, _| Answer::status("nonsense", &[])).fail();
    assert!(error.contains("file.gz"), "{error}");
}

#[test]
fn another_server_is_asked_when_one_fails() {
    for answer in [
        (|_: &Request, _: &[u8]| Answer::status("404 Not Found", &[])) as fn(&Request, &[u8]) -> Answer,
        |_, _| Answer::whole(&gzip(b"something else")),
        |_, file| Answer::whole(file).cut(1000),
    ] {
        let bad = Case::new(answer);
        let good = Case::new(Answer::part);
        let servers = [bad.server.url(), good.server.url()];
        let both = archive(&servers, "file.gz", &good.packed, vec![unpacked("file", &good.content)]);
        complete(&good.folder.path(""), &[both], &hasty(), |_| ()).unwrap();
        assert_eq!(std::fs::read(good.folder.path("file")).unwrap(), good.content);
    }
    // A port where nobody listens any more.
    let gone = Server::new(|_| Answer::whole(b"")).url();
    let good = Case::new(|_, file| Answer::whole(file));
    let both = archive(&[gone, good.server.url()], "file.gz", &good.packed, vec![unpacked("file", &good.content)]);
    complete(&good.folder.path(""), &[both], &hasty(), |_| ()).unwrap();
}

#[test]
fn what_is_not_the_published_file_never_takes_its_name() {
    // semantics 10.13
    let mut other = noise(200_000);
    other[100_000] ^= 1;
    let (longer, shorter) = (noise(200_001), noise(199_999));
    let cases = [
        (gzip(&other), "file has SHA-256"),
        (gzip(&longer), "file has more than 200000 bytes"),
        (gzip(&shorter), "file has only 199999 bytes"),
        // A bomb: 200 MB in as many bytes as the limit allows.
        (gzip(&vec![0; 40_000_000]), "file has more than 200000 bytes"),
        (b"<html>Please log in</html>".to_vec(), "is not the published file"),
        (vec![], "is not the published file"),
    ];
    for (packed, expected) in cases {
        let case = Case::new(move |_, _| Answer::whole(&packed));
        let (error, requests) = case.fail();
        assert!(error.contains(expected), "{error}");
        assert_eq!(requests, 1);
        assert_eq!(std::fs::metadata(case.part()).unwrap().len(), 0, "what is wrong is not kept");
    }
    let case = Case::new(|_, file| {
        let mut damaged = file.to_vec();
        damaged[file.len() / 2] ^= 0x55;
        Answer::whole(&damaged)
    });
    assert!(case.fail().0.contains("is not the published file"));
}

#[test]
fn what_is_too_long_or_endless_is_cut_off() {
    // semantics 10.15
    let long = Case::new(|_, _| Answer::status("200 OK", &["Content-Length: 99999999999".into()]));
    let (error, requests) = long.fail();
    assert!(error.contains("the file has 99999999999 bytes; the published one has"), "{error}");
    assert_eq!(requests, 1);
    let endless = Case::new(|_, file| Answer { headers: vec![], end: End::Endless, ..Answer::whole(file) });
    let (error, requests) = endless.fail();
    assert!(error.contains("bytes; the published one has"), "{error}");
    assert_eq!((requests, std::fs::metadata(endless.part()).unwrap().len()), (1, 0));
}

#[test]
fn two_programs_do_not_write_into_one_file() {
    let case = Case::new(|_, file| Answer::whole(file));
    let held = std::fs::File::create(case.part()).unwrap();
    held.lock().unwrap();
    let error = case.run().unwrap_err();
    assert!(error.to_string().contains("another program is downloading it"), "{error}");
    drop(held);
    case.run().unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_this_machines_trouble() {
    let case = Case::new(|_, file| Answer::whole(file));
    std::fs::write(case.folder.path("taken"), "").unwrap();
    let error =
        complete(&case.folder.path("taken"), std::slice::from_ref(&case.archive), &hasty(), |_| ()).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("taken"), "{error}");
    // A name that cannot be taken.
    std::fs::create_dir(case.folder.path("file")).unwrap();
    let error = complete(&case.folder.path(""), std::slice::from_ref(&case.archive), &hasty(), |_| ()).unwrap_err();
    assert!(error.is_io(), "{error}");
    assert_eq!(case.server.seen().len(), 1);
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

#[test]
fn an_archive_gives_the_files_of_the_table_and_no_others() {
    // semantics 10.13
    let (a, b) = (noise(100_000), noise(50_000));
    let run = |files: &[(&str, &[u8])]| {
        let packed = tar(files);
        let table = || vec![unpacked("a.bin", &a), unpacked("b.bin", &b)];
        let copy = packed.clone();
        let server = Server::new(move |_| Answer::whole(&copy));
        let archive = archive(&[server.url()], "set.tar.gz", &packed, table());
        let folder = Folder::new();
        let result = complete(&folder.path("x/y"), &[archive], &hasty(), |_| ());
        let mut names: Vec<String> = std::fs::read_dir(folder.path("x/y"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".part"))
            .collect();
        names.sort();
        (result.map_err(|error| error.to_string()), names)
    };
    let both: [(&str, &[u8]); 3] = [("set/readme.html", b"hello"), ("set/b.bin", &b), ("set/a.bin", &a)];
    assert_eq!(run(&both), (Ok(()), vec!["a.bin".to_owned(), "b.bin".to_owned()]));
    let (error, names) = run(&both[..2]);
    assert!(error.unwrap_err().contains("there is no a.bin in it"));
    assert_eq!(names, ["b.bin"], "what was verified may stay");
    let (error, names) = run(&[("set/a.bin", &b), ("set/b.bin", &a)]);
    assert!(error.unwrap_err().contains("a.bin has only 50000 bytes"));
    assert!(names.is_empty());
    let (error, _) = run(&[("padding", &vec![0; 3 << 20]), ("set/a.bin", &a), ("set/b.bin", &b)]);
    assert!(error.is_err(), "more than the files and a little");
}

#[test]
fn data_that_are_there_are_never_asked_for() {
    // semantics 10.12
    let folder = Folder::new();
    for (root, source) in [("one", Source::Mnist), ("two", Source::FashionMnist)] {
        let target = source.target(Some(&folder.path(root))).unwrap();
        std::fs::create_dir_all(&target).unwrap();
        for part in ["train", "t10k"] {
            let write = |kind: &str, shape: &[usize]| {
                let array = wengert_kernels::Array::zeros(wengert_kernels::DType::U8, shape).unwrap();
                crate::data::idx::write(target.join(format!("{part}-{kind}-ubyte")), &array).unwrap();
            };
            write("images-idx3", &[2, 28, 28]);
            write("labels-idx1", &[2]);
        }
    }
    let known = [folder.path("one"), folder.path("two")];
    let fill = |_: &Path| -> Result<(), Error> { panic!("the network was asked") };
    // In another folder than that of downloads it is loaded as it is.
    let (train, _) = Source::FashionMnist.load_or(Some(&folder.path("three")), &known, fill).unwrap();
    assert_eq!((train.len(), train.classes().unwrap()[9].as_str()), (2, "ankle boot"));
    // In that of downloads it may have to be completed, which asks nobody if nothing is missing.
    let (train, _) = Source::Mnist
        .load_or(Some(&folder.path("one")), &[], |target| {
            complete(target, Source::Mnist.archives(), &hasty(), |_| panic!())
        })
        .unwrap();
    assert_eq!(train.len(), 2);
    // `load` never asks: it has no servers to ask, and fails if there is nothing.
    let nowhere = crate::data::mnist::MNIST.load(Some(&folder.path("three")), &[]).unwrap_err();
    assert!(nowhere.to_string().contains("was not found"), "{nowhere}");
    let mut asked = None;
    let error = Source::Cifar10.load_or(Some(&folder.path("three")), &known, |target| {
        asked = Some(target.to_path_buf());
        Err(Error::data("no network here"))
    });
    assert_eq!(error.unwrap_err().to_string(), "no network here");
    assert_eq!(asked, Some(folder.path("three/cifar10/cifar-10-batches-bin")));
}

#[test]
fn downloads_lie_where_they_are_found() {
    let target = |source: Source, dir: &str| source.target(Some(Path::new(dir))).unwrap();
    assert_eq!(target(Source::Mnist, "d"), Path::new("d/mnist"));
    assert_eq!(target(Source::Mnist, "d/mnist"), Path::new("d/mnist"));
    assert_eq!(target(Source::FashionMnist, "d"), Path::new("d/fashion"));
    for dir in ["d", "d/cifar10", "d/cifar10/cifar-10-batches-bin"] {
        assert_eq!(target(Source::Cifar10, dir), Path::new("d/cifar10/cifar-10-batches-bin"));
    }
}

/// The table, held against the files, wherever somebody keeps them.
#[test]
fn the_sums_are_those_of_the_published_files() {
    let Some(root) = std::env::var_os("WENGERT_DATA").map(PathBuf::from) else { return };
    for source in Source::ALL {
        let folder = source.target(Some(&root)).unwrap();
        for file in source.archives().iter().flat_map(|archive| archive.files) {
            if let Ok(bytes) = std::fs::read(folder.join(file.name)) {
                let found = unpacked(file.name, &bytes);
                assert_eq!((found.bytes, found.sha256), (file.bytes, file.sha256), "{}", file.name);
            }
        }
    }
    for archive in Source::ALL.iter().flat_map(|source| source.archives()) {
        assert!(archive.files.iter().all(|file| file.sha256.len() == 64 && file.bytes > archive.bytes / 10));
        assert!(archive.servers.iter().all(|url| url.starts_with("http") && url.ends_with('/')));
    }
}
