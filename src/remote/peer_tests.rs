use super::*;

#[tokio::test]
async fn our_own_socket_is_ours_from_either_family() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let ours = listener.local_addr().unwrap();
    let mapped: SocketAddr = format!("[::ffff:127.0.0.1]:{}", ours.port()).parse().unwrap();
    for to in [ours, mapped] {
        let near = tokio::net::TcpStream::connect(to).await.unwrap();
        let (far, theirs) = listener.accept().await.unwrap();
        assert_eq!(uid(far.local_addr().unwrap(), theirs).await, Some(rustix::process::geteuid().as_raw()));
        drop(near);
    }
    assert_eq!(uid(ours, "127.0.0.1:1".parse().unwrap()).await, None);
}

#[test]
fn the_row_is_the_other_ends_and_established() {
    let row = |state: &str, uid: u32| {
        format!("   0: 0100007F:A000 0100007F:1F90 {state} 00000000:00000000 00:00000000 00000000 {uid:>5} 0 1 1\n")
    };
    let ours = "   1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000  1000        0 1 1\n";
    let of = |table: String| user_of(&table, "0100007F:1F90", "0100007F:A000");
    assert_eq!(of(format!("{ours}{}", row("01", 65534))), Some(65534));
    assert_eq!(of(format!("{ours}{}", row("06", 0))), None);
}
