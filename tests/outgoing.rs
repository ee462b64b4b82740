//! The door to the network: what leads inside is not reached, and what is listed is reached where it was looked at.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    sync::atomic::{AtomicUsize, Ordering},
};

use orch::{
    base::Target,
    execute::{Outgoing, OutgoingFault},
};

/// Names as somebody who wants to get in would have them answered.
fn names(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let addresses: &[&str] = match name {
        "localhost" | "loops.example" | "home.example" => &["127.0.0.1"],
        "inside.example" => &["10.0.0.7"],
        "cloud.example" | "metadata.google.internal" | "listed-cloud.example" => &["169.254.169.254"],
        "mixed.example" => &["93.184.215.14", "192.168.1.1"],
        "six.example" => &["::1"],
        "listed-cloud6.example" => &["fd00:ec2::254"],
        "mapped.example" => &["::ffff:10.1.2.3"],
        // Another answer each time that it is asked.
        "rebinds.example" if ASKED.fetch_add(1, Ordering::Relaxed) == 0 => &["127.0.0.1"],
        "nobody.example" => &[],
        _ => &["93.184.215.14"],
    };
    Ok(addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect())
}

/// S15: nothing of this is reached, and nobody is even connected to.
const BLOCKED: [&str; 46] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST:8443/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[2002:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://metadata.google.internal/",
    "https://cloud.example./",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://user@127.0.0.1/",
    "https://hooks.example.com@127.0.0.1/",
    "https://hooks.example.com:443@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://127.0.0.1\u{3002}/",
    "https://\u{2460}27.0.0.1/",
    "https://inside.example/",
    "https://mixed.example/",
    "https://mapped.example/",
    "https://rebinds.example/",
    "http://hooks.example.com/",
    "file:///etc/passwd",
];

#[tokio::test]
async fn forty_addresses_that_lead_inside_are_not_reached() {
    let door = Outgoing::new(&[]).looking_up(names);
    for url in BLOCKED {
        let answer = door.post(url, &[], Vec::new()).await;
        assert!(matches!(answer, Err(OutgoingFault::Refused(_))), "{url}: {answer:?}");
    }
    println!("{} of {} addresses are blocked", BLOCKED.len(), BLOCKED.len());
    // What is listed does not open what lies beside it, and no name opens the clouds' own services.
    let listed = ["127.0.0.1:9", "listed-cloud.example", "listed-cloud6.example"].map(str::to_owned);
    let door = Outgoing::new(&listed).looking_up(names);
    for url in [
        "http://127.0.0.1:10/",
        "http://localhost:10/x@y",
        "https://listed-cloud.example/",
        "https://listed-cloud6.example/",
        "https://127.0.0.2/",
    ] {
        let answer = door.post(url, &[], Vec::new()).await;
        assert!(matches!(answer, Err(OutgoingFault::Refused(_))), "{url}: {answer:?}");
    }
    for (name, expected) in [("hooks.example.com", "93.184.215.14:443"), ("[2606:4700::1]", "[2606:4700::1]:443")] {
        let target = Target::of(name, Some(443)).unwrap();
        assert_eq!(door.address(&target).await.unwrap().to_string(), expected);
    }
}

/// Answers once, and gives what it was sent.
fn answering(answer: Vec<u8>) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        stream.write_all(&answer).ok();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    });
    (address, thread)
}

#[tokio::test]
async fn what_is_listed_is_reached_at_the_address_that_was_found_and_led_nowhere_else() {
    static LOOKED: AtomicUsize = AtomicUsize::new(0);
    fn counted(_: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        // Whoever asked again would be led elsewhere.
        let last = if LOOKED.fetch_add(1, Ordering::Relaxed) == 0 { 1 } else { 99 };
        Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, last]), port)])
    }
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (address, thread) = answering(redirect);
    let listed = format!("home.example:{}", address.port());
    let door = Outgoing::new(std::slice::from_ref(&listed)).looking_up(counted);
    let receipt = door.post(&format!("http://{listed}/x"), &[("x-a", "b".to_owned())], b"body".to_vec()).await.unwrap();
    assert_eq!((receipt.status, LOOKED.load(Ordering::Relaxed)), (302, 1));
    let asked = thread.join().unwrap();
    assert!(asked.starts_with("POST /x HTTP/1.1") && asked.contains(&format!("host: {listed}")), "{asked}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_waited_for() {
    let mut long = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    long.resize(3_000_000, b'x');
    let (address, _thread) = answering(long);
    let door = Outgoing::new(&[address.to_string()]);
    let answer = door.post(&format!("http://{address}/"), &[], Vec::new()).await;
    assert!(matches!(&answer, Err(OutgoingFault::Refused(why)) if why.contains("longer than")), "{answer:?}");
}
