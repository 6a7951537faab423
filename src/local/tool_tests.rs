use std::collections::HashMap;
use std::net::TcpListener;

use super::*;

/// A web server with these files; a file whose announced length is larger than itself is cut off.
fn serve(files: Vec<(String, Vec<u8>, usize)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let files: HashMap<String, (Vec<u8>, usize)> =
        files.into_iter().map(|(path, body, length)| (path, (body, length))).collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let answer = match files.get(path) {
                Some((body, length)) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                    [head.into_bytes(), body.clone()].concat()
                }
                None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
            };
            stream.write_all(&answer).unwrap();
        }
    });
    base
}

fn whole(path: &str, body: &[u8]) -> (String, Vec<u8>, usize) {
    (path.into(), body.to_vec(), body.len())
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const RKE: &[u8] = b"#!/bin/sh\necho rke version v1.8.0\n";

fn rke_file() -> String {
    let (os, arch) = system(ToolKind::Rke).unwrap();
    format!("rke_{os}-{arch}")
}

fn toolbox(cache: &Path, base: &str, search: Vec<PathBuf>) -> Toolbox {
    Toolbox::new(cache.into(), Sources { rke: base.into(), helm: base.into() }, search)
}

/// Downloads rke v1.8.0 from a server with this checksum file and this program.
async fn download(sums: &str, program: (String, Vec<u8>, usize)) -> (Result<Found, ToolError>, Vec<PathBuf>) {
    let cache = tempfile::tempdir().unwrap();
    let base = serve(vec![whole("/v1.8.0/sha256sum.txt", sums.as_bytes()), program]);
    let found =
        toolbox(cache.path(), &base, Vec::new()).find(ToolKind::Rke, &Tool::Download, "v1.8.0", |_, _| ()).await;
    let left = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    (found, left)
}

fn program(bytes: &[u8]) -> (String, Vec<u8>, usize) {
    whole(&format!("/v1.8.0/{}", rke_file()), bytes)
}

#[tokio::test]
async fn a_good_download_is_kept_and_not_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let sums = format!("{}  rke_other\n{}  ./bin/{}\n", "0".repeat(64), sum(RKE), rke_file());
    let base = serve(vec![whole("/v1.8.0/sha256sum.txt", sums.as_bytes()), program(RKE)]);
    let mut told = Vec::new();
    let find = toolbox(cache.path(), &base, Vec::new());
    let found = find.find(ToolKind::Rke, &Tool::Search, "v1.8.0", |done, of| told.push((done, of))).await.unwrap();
    assert_eq!((found.version.as_str(), found.path), ("v1.8.0", cache.path().join("rke-v1.8.0")));
    assert_eq!(told.last(), Some(&(RKE.len() as u64, Some(RKE.len() as u64))));
    let offline = toolbox(cache.path(), "http://127.0.0.1:1", Vec::new());
    offline.find(ToolKind::Rke, &Tool::Download, "v1.8.0", |_, _| ()).await.unwrap();
}

#[tokio::test]
async fn a_kept_program_that_has_changed_is_fetched_again_and_not_run() {
    let marker = tempfile::tempdir().unwrap();
    let evil = format!("#!/bin/sh\ntouch {}/ran\necho rke version v1.8.0\n", marker.path().display());
    let cache = tempfile::tempdir().unwrap();
    let kept = cache.path().join("rke-v1.8.0");
    let sums = format!("{}  {}\n", sum(RKE), rke_file());
    let base = serve(vec![whole("/v1.8.0/sha256sum.txt", sums.as_bytes()), program(RKE)]);
    let online = toolbox(cache.path(), &base, Vec::new());
    let offline = toolbox(cache.path(), "http://127.0.0.1:1", Vec::new());
    let find = async |toolbox: &Toolbox| toolbox.find(ToolKind::Rke, &Tool::Download, "v1.8.0", |_, _| ()).await;
    find(&online).await.unwrap();
    assert_eq!(fs::metadata(cache.path()).unwrap().permissions().mode() & 0o777, 0o700);

    fs::write(&kept, &evil).unwrap();
    assert!(matches!(find(&offline).await, Err(ToolError::Fetch { .. })));
    find(&online).await.unwrap();
    assert_eq!(fs::read(&kept).unwrap(), RKE);
    // The checksum beside it is worth nothing where others could write both.
    fs::write(&kept, &evil).unwrap();
    tool_seal::seal(&kept).unwrap();
    fs::set_permissions(cache.path(), Permissions::from_mode(0o777)).unwrap();
    for _ in 0..2 {
        assert!(matches!(find(&offline).await, Err(ToolError::Fetch { .. })));
    }
    assert_eq!(fs::metadata(cache.path()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!marker.path().join("ran").exists());
}

#[tokio::test]
async fn what_is_not_what_was_published_is_neither_kept_nor_run() {
    let marker = tempfile::tempdir().unwrap();
    let evil = format!("#!/bin/sh\ntouch {}/ran\n", marker.path().display());
    let (found, left) = download(&format!("{}  {}\n", sum(RKE), rke_file()), program(evil.as_bytes())).await;
    let error = found.unwrap_err();
    assert!(matches!(&error, ToolError::WrongChecksum { published, .. } if *published == sum(RKE)), "{error}");
    assert_eq!(left, Vec::<PathBuf>::new());
    assert!(!marker.path().join("ran").exists());
}

#[tokio::test]
async fn a_cut_transfer_leaves_nothing() {
    let (path, body, length) = program(RKE);
    let (found, left) = download(&format!("{}  {}\n", sum(RKE), rke_file()), (path, body[..10].to_vec(), length)).await;
    assert!(matches!(found, Err(ToolError::Fetch { .. })), "{found:?}");
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_missing_line_or_file_is_named() {
    let (found, _) = download(&format!("{}  rke_plan9-amd64\n", sum(RKE)), program(RKE)).await;
    let error = found.unwrap_err().to_string();
    assert!(error.ends_with(&format!("/v1.8.0/sha256sum.txt has no checksum for {}", rke_file())), "{error}");
    let (found, _) = download(&format!("{}  {}\n", sum(RKE), rke_file()), whole("/else", b"")).await;
    assert!(found.unwrap_err().to_string().ends_with("cannot be fetched: 404 Not Found"));
    let (found, _) = download("not a list", program(RKE)).await;
    assert!(matches!(found, Err(ToolError::NoChecksum { .. })));
}

#[tokio::test]
async fn nobody_there_is_said_with_a_way_out() {
    let cache = tempfile::tempdir().unwrap();
    let find = toolbox(cache.path(), "http://127.0.0.1:1", Vec::new());
    let error = find.find(ToolKind::Helm, &Tool::Download, "v3.18.6", |_, _| ()).await.unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(error.hint().unwrap().contains("give its path"));
}

#[tokio::test]
async fn helm_comes_out_of_its_archive() {
    let (os, arch) = system(ToolKind::Helm).unwrap();
    let archive = |path: &str| {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let program = b"#!/bin/sh\nprintf v3.18.6\n";
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, &program[..]).unwrap();
        tar.into_inner().unwrap().finish().unwrap()
    };
    for (path, is_good) in [(format!("{os}-{arch}/helm"), true), ("LICENSE".to_owned(), false)] {
        let cache = tempfile::tempdir().unwrap();
        let (body, file) = (archive(&path), format!("helm-v3.18.6-{os}-{arch}.tar.gz"));
        let sums = format!("{}  {file}\n", sum(&body));
        let base =
            serve(vec![whole(&format!("/{file}.sha256sum"), sums.as_bytes()), whole(&format!("/{file}"), &body)]);
        let find = toolbox(cache.path(), &base, Vec::new());
        let found = find.find(ToolKind::Helm, &Tool::Download, "v3.18.6", |_, _| ()).await;
        match is_good {
            true => assert_eq!(found.unwrap().version, "v3.18.6"),
            false => assert!(matches!(found, Err(ToolError::NotInside { .. })), "{found:?}"),
        }
    }
}

#[tokio::test]
async fn another_rke_is_refused_by_path_and_passed_over_in_path() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("rke");
    fs::write(&other, "#!/bin/sh\necho rke version v1.6.5\n").unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
    let sums = format!("{}  {}\n", sum(RKE), rke_file());
    let base = serve(vec![whole("/v1.8.0/sha256sum.txt", sums.as_bytes()), program(RKE)]);
    let find = toolbox(&folder.path().join("cache"), &base, vec![folder.path().into()]);
    let error = find.find(ToolKind::Rke, &Tool::Path(other.clone()), "v1.8.0", |_, _| ()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} is rke v1.6.5, but v1.8.0 is wanted", other.display()));
    let found = find.find(ToolKind::Rke, &Tool::Search, "v1.8.0", |_, _| ()).await.unwrap();
    assert!(found.path.ends_with("cache/rke-v1.8.0") && found.passed_over.unwrap().contains("v1.6.5"));
    let none = find.find(ToolKind::Rke, &Tool::Path("/no/such".into()), "v1.8.0", |_, _| ()).await.unwrap_err();
    assert_eq!(none.to_string(), "/no/such is not a program that can be run");
}

#[test]
fn helm_may_differ_in_all_but_its_major() {
    assert!(ToolKind::Helm.takes("v3.22.0", "v3.18.6") && !ToolKind::Helm.takes("v4.0.0", "v3.18.6"));
    assert!(!ToolKind::Rke.takes("v1.8.1", "v1.8.0"));
}
